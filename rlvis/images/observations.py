"""Which arrays of an observation are images, and how their axes stand."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def is_picture(shape: Sequence[int], dtype: Any) -> bool:
    """Whether arrays are pictures: uint8 of two or three axes, or floats of three."""
    axes = {"u1": (2, 3), "f4": (3,), "f8": (3,)}.get(np.dtype(dtype).str[1:], ())
    return len(shape) in axes and min(shape) >= 1


def channels_first(shape: Sequence[int]) -> bool:
    """Whether the smallest of three axes is the first, the rule of Stable-Baselines3."""
    return len(shape) == 3 and int(np.argmin(shape)) == 0


def as_image(observation: Any) -> np.ndarray:
    """An observation as an image, uint8 (H, W, C)."""
    image = np.asarray(observation)
    if image.ndim == 2:
        return image[..., None]
    return image.transpose(1, 2, 0) if channels_first(image.shape) else image
