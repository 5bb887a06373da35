"""Which pixels of a screen are an object's, where only its box and its usual colour are known.

A box is no mask: half of it and more shows what is behind, an arm may stick out of it, and of some
objects it has the wrong colour or several. So an object's colours are its own, unless that is what
is around the box, and whatever else is in the box, not around it, and not another object's own.
"""

from collections.abc import Mapping

import numpy as np

from rlvis_envs.atari.emulator import cv2
from rlvis_envs.atari.object_reader import Box

_AROUND = 2
_BESIDE = 8


def pixels_of(screen: np.ndarray, boxes: Mapping[str, Box]) -> dict[str, np.ndarray]:
    """The pixels of each object, bool (H, W), by name; of a screen, uint8 (H, W, 3)."""
    codes = _codes(screen)
    owned = {_code(box.colour) for box in boxes.values()}
    return {name: _mask(codes, box, owned) for name, box in boxes.items()}


def without(screen: np.ndarray, mask: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """A screen whose masked pixels show what is beside them.

    In each row that is the commonest colour within a few pixels of the object that is no object's.

    Args:
        screen: uint8 (H, W, 3).
        mask: bool (H, W), what is to go.
        taken: bool (H, W), the pixels of all objects.
    """
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return screen
    near = _near(rows, len(screen)), _near(columns, screen.shape[1])
    codes, mask, free = _codes(screen[near]), mask[near], ~taken[near]
    anywhere = _commonest(codes[free], default=0)
    for row in np.flatnonzero(mask.any(axis=1)):
        codes[row, mask[row]] = _commonest(codes[row, free[row]], anywhere)
    changed = screen.copy()
    changed[near] = _colours(codes)
    return changed


def painted(screen: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """A screen, uint8 (H, W, 3), whose masked pixels have a colour."""
    return np.where(mask[..., None], np.array(colour, np.uint8), screen)


def _mask(codes: np.ndarray, box: Box, owned: set[int]) -> np.ndarray:
    mask = np.zeros(codes.shape, bool)
    inside = _window(codes, box, 0)
    if not codes[inside].size:
        return mask
    around = np.ones(codes.shape, bool)
    around[inside] = False
    ring = codes[_window(codes, box, _AROUND)][around[_window(codes, box, _AROUND)]]
    ground = _commonest(ring, default=-1)
    own = _code(box.colour)
    others = (owned | set(ring.tolist())) - {own}
    colours = [each for each in np.unique(codes[inside]).tolist() if each not in others]
    if own == ground:
        colours = [each for each in colours if each != own]
    mask[inside] = np.isin(codes[inside], colours)
    return mask | _outside(codes, box, mask, colours)


def _outside(codes: np.ndarray, box: Box, mask: np.ndarray, colours: list[int]) -> np.ndarray:
    """What hangs together with the object and ends not far from its box, such as an arm."""
    grown = np.zeros(codes.shape, bool)
    near = _window(codes, box, max(box.width, box.height) // 2)
    count, labels = cv2.connectedComponents(np.isin(codes[near], colours).astype(np.uint8))
    edge = np.concatenate([labels[[0, -1]].ravel(), labels[:, [0, -1]].ravel()])
    touching = set(np.unique(labels[mask[near]]).tolist()) - set(edge.tolist()) - {0}
    if count > 1 and touching:
        grown[near] = np.isin(labels, list(touching))
    return grown


def _window(codes: np.ndarray, box: Box, margin: int) -> tuple[slice, slice]:
    """The part of a screen within a margin of a box."""
    high, wide = codes.shape
    top, left = box.top - margin, box.left - margin
    bottom, right = box.top + box.height + margin, box.left + box.width + margin
    return slice(max(top, 0), min(max(bottom, 0), high)), slice(
        max(left, 0), min(max(right, 0), wide)
    )


def _near(places: np.ndarray, size: int) -> slice:
    """From a few pixels before the first of them to a few after the last."""
    return slice(max(int(places.min()) - _BESIDE, 0), min(int(places.max()) + _BESIDE + 1, size))


def _code(colour: tuple[int, int, int]) -> int:
    return int(_codes(np.array(colour)))


def _codes(colours: np.ndarray) -> np.ndarray:
    """Colours (…, 3) as one number each, (…)."""
    red, green, blue = np.moveaxis(colours.astype(np.int32), -1, 0)
    return red << 16 | green << 8 | blue


def _colours(codes: np.ndarray) -> np.ndarray:
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1).astype(np.uint8)


def _commonest(codes: np.ndarray, default: int) -> int:
    if not codes.size:
        return default
    found, counts = np.unique(codes, return_counts=True)
    return int(found[counts.argmax()])
