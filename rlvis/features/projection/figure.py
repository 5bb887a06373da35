"""Projections as pictures: what a unit saw, over what of it excites the unit."""

import numpy as np

from rlvis.display.overlays import resize_picture

NAMES = {"deconvnet": "deconvnet", "guided": "guided backpropagation", "plain": "gradient"}
"""The rules as pages call them."""

SIDE = 120
"""Of a picture in pixels."""
_LEAST = 8


def over_each_other(image: np.ndarray, projection: np.ndarray) -> np.ndarray:
    """Part of an image and, under it, the projection there, uint8 (2 · side + 4, side, 3).

    Args:
        image: uint8 (h, w, 3), what the network saw.
        projection: float32 (H, W, C), at the size of the network's input.
    """
    top, left, height, width = reached(projection)
    rows, columns = image.shape[0] / projection.shape[0], image.shape[1] / projection.shape[1]
    part = image[
        round(top * rows) : max(round((top + height) * rows), round(top * rows) + 1),
        round(left * columns) : max(round((left + width) * columns), round(left * columns) + 1),
    ]
    drawn = as_picture(projection[top : top + height, left : left + width])
    gap = np.full((4, SIDE, 3), 255, np.uint8)
    return np.concatenate(
        [resize_picture(part, SIDE, SIDE), gap, resize_picture(drawn, SIDE, SIDE)]
    )


def reached(projection: np.ndarray) -> tuple[int, int, int, int]:
    """Top, left, height and width of the square in which a projection (H, W, C) is not zero."""
    rows, columns = (np.flatnonzero(projection.any(axis=axes)) for axes in ((1, 2), (0, 2)))
    most = min(projection.shape[:2])
    if not len(rows):
        return 0, 0, *projection.shape[:2]
    side = min(max(np.ptp(rows) + 1, np.ptp(columns) + 1, _LEAST), most)
    top, left = (
        int(np.clip((places[0] + places[-1] + 1 - side) // 2, 0, length - side))
        for places, length in ((rows, projection.shape[0]), (columns, projection.shape[1]))
    )
    return top, left, int(side), int(side)


def as_picture(projection: np.ndarray) -> np.ndarray:
    """A projection (H, W, C) as colours round middle grey, uint8 (H, W, 3).

    Its 99.9% quantile is drawn at full strength.
    """
    colours = projection if projection.shape[-1] == 3 else projection.sum(axis=-1, keepdims=True)
    most = float(np.quantile(np.abs(colours), 0.999)) or 1.0
    picture = ((colours / most + 1) * 127.5).clip(0, 255).round().astype(np.uint8)
    return np.broadcast_to(picture, (*picture.shape[:2], 3)).copy()
