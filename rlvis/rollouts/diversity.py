"""Moments that differ from each other, by what was seen in them."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

_SIDE = 16


def thumbnail(observation: np.ndarray) -> np.ndarray:
    """An image (H, W, C) made so small that details do not count, float32 (16, 16, C)."""
    channels = [
        np.asarray(Image.fromarray(each).resize((_SIDE, _SIDE), Image.Resampling.BOX))
        for each in np.moveaxis(observation, -1, 0)
    ]
    return np.stack(channels, axis=-1).astype(np.float32)


def novelty(candidates: Sequence[np.ndarray], chosen: Sequence[np.ndarray]) -> np.ndarray:
    """Float64 (n,): how far each of n thumbnails is from the nearest of those chosen, in levels.

    0 for all of them where none is chosen yet.
    """
    return np.array(
        [
            min((float(np.abs(each - other).mean()) for other in chosen), default=0.0)
            for each in candidates
        ]
    )
