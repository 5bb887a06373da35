"""Which part of a picture a preprocessing of any kind brings to the network, found by asking it.

Stripes are sent through it, black and white, in the order of a Gray code: what comes out at a place
of the input spells the rows and the columns of the picture that it came from (structured light,
Sato & Inokuchi 1985). Each picture is sent with its negative, so that neither normalisation, tone
curves nor colours matter. Crops, resizing, flips and bars around the picture are straight lines
from input to picture; where what is spelled is none, as after a rotation, or another one in each
channel, nothing is claimed. What is found is tried on a picture: of a crop that goes by what is
shown stripes say nothing.
"""

from collections.abc import Callable
from itertools import product
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from rlvis.images.preprocess import Window

_MOST_BITS, _LEAST_BITS = 8, 3
_FAINTEST = 0.1
"""A place whose values differ by less than this of the most is taken to see no stripe."""
_MOST_ACROSS = 64
"""So many places of a row or column are looked at."""
_AGREE = 0.9
"""So much of the places of a row must spell the same."""
_SPOTS = (0.25, 0.75)
"""Where in the window a picture is changed, and how far off, as a share of the input, may show."""
_SPOT, _OFF = 0.125, 0.125


def find_window(
    prepare: Callable[[Tensor], Tensor],
    picture: tuple[int, int, int],
    pixels: Tensor | None = None,
) -> Window:
    """The part of pictures of a size that a preprocessing brings to the network.

    Args:
        prepare: maps uint8 pictures (N, C, H, W) to inputs (N, C', h, w).
        picture: (C, H, W).
        pixels: uint8 (C, H, W), a picture that the window must hold for, too.

    Returns:
        The window; the whole picture with `known=False` where it cannot be found.
    """
    unknown = Window(0, 0, *picture[1:], known=False)
    try:
        if not _is_settled(prepare, picture):
            return unknown
        rows, columns = (_line(prepare, picture, axis) for axis in (1, 2))
        if rows is None or columns is None:
            return unknown
        found = _window(rows, columns)
        return found if pixels is None or _holds(prepare, found, pixels) else unknown
    except Exception:  # a preprocessing of the user's own, made for other pictures
        return unknown


def _window(rows: "_Reach", columns: "_Reach") -> Window:
    (top, height), (left, width) = rows, columns
    return Window(
        round(min(top, top + height)),
        round(min(left, left + width)),
        max(1, round(abs(height))),
        max(1, round(abs(width))),
        flipped_rows=height < 0,
        flipped_columns=width < 0,
    )


def _holds(prepare: Callable[[Tensor], Tensor], window: Window, pixels: Tensor) -> bool:
    """Whether changes of a picture show where the window says, in every channel that they change.

    Args:
        prepare: see `find_window`.
        window: of pictures of that size.
        pixels: uint8 (C, H, W).
    """
    seen = window.inside(*pixels.shape[1:])
    before = prepare(pixels[None].clone())[0].double()
    for spot in product(_SPOTS, _SPOTS):
        rows, columns = (_patch(side, share) for side, share in zip(seen, spot, strict=True))
        expected = [begin + covered / 2 for begin, covered in window.shares(rows, columns)]
        changed = pixels.clone()
        changed[:, rows, columns] += 128  # and round: no value stays what it was
        after = prepare(changed[None])[0].double()
        if after.shape != before.shape:
            return False
        moved = (after - before).abs()
        most = moved.amax(dim=(1, 2))
        if not float(most.amax()):
            return False
        for channel in moved[most > _FAINTEST * most.amax()]:
            places = (channel > channel.amax() / 2).nonzero().double().mean(dim=0) + 0.5
            shares = (places / torch.tensor(channel.shape)).tolist()
            if any(abs(one - other) > _OFF for one, other in zip(shares, expected, strict=True)):
                return False
    return True


def _patch(seen: slice, share: float) -> slice:
    """A part of a side of the picture, around that share of what is seen of the side."""
    length = seen.stop - seen.start
    half = max(1, round(length * _SPOT / 2))
    middle = seen.start + round(share * length)
    return slice(max(seen.start, middle - half), min(seen.stop, middle + half))


def _is_settled(prepare: Callable[[Tensor], Tensor], picture: tuple[int, int, int]) -> bool:
    """Whether a picture comes out the same twice: a crop at random has no window."""
    pixels = torch.arange(int(np.prod(picture))).mul(97).fmod(251).to(torch.uint8).view(1, *picture)
    return torch.equal(prepare(pixels.clone()), prepare(pixels))


_Reach = tuple[float, float]
"""Where in the picture the input begins along an axis, and how far it reaches, in pixels.

It reaches backwards where the input is flipped.
"""


def _line(
    prepare: Callable[[Tensor], Tensor], picture: tuple[int, int, int], axis: int
) -> _Reach | None:
    """How far the input reaches along an axis of the picture.

    None where places spell no straight line, or those of several channels different ones.
    """
    length = picture[axis]
    bits = min(_MOST_BITS, max(1, int(np.log2(length))))
    blocks = np.arange(length) * 2**bits // length
    contrast = np.stack(
        [_contrast(prepare, picture, axis, (_gray(blocks) >> bit) & 1) for bit in range(bits)]
    )  # (bits, C', h, w), the finest first
    if not np.isfinite(contrast).all() or not contrast.any():
        return None
    most = np.abs(contrast).max(axis=(0, 2, 3))
    lines = [
        _line_of(contrast[:, channel], axis - 1, length)
        for channel in np.flatnonzero(most > _FAINTEST * most.max())
    ]
    known = [each for each in lines if each is not None]
    if len(known) < len(lines):
        return None
    ends = np.array([(start, start + reach) for start, reach in known])
    alike = np.ptp(ends, axis=0).max() <= 2 * max(1.0, length / 2**bits)
    start, end = ends.mean(axis=0)
    return (float(start), float(end - start)) if alike else None


def _line_of(contrast: np.ndarray, axis: int, length: int) -> _Reach | None:
    """The same by one channel, whose contrast is (bits, h, w)."""
    bits = len(contrast)
    strength = np.abs(contrast) / np.abs(contrast).max()
    seen = (strength > _FAINTEST).any(axis=0)
    for finest in range(max(1, bits - _LEAST_BITS + 1)):
        clear = (strength[finest:] > _FAINTEST).all(axis=0)
        if clear.sum() < seen.sum() / 2:
            continue
        found = [
            _fit(spelled, clear, seen, axis, length / 2 ** (bits - finest))
            for sign in (1, -1)  # a preprocessing may turn black and white round
            for spelled in [_decode((sign * contrast[finest:] > 0).astype(int))]
        ]
        if "blurred ends" not in found:
            return next((each for each in found if isinstance(each, tuple)), None)
    return None


def _contrast(
    prepare: Callable[[Tensor], Tensor], picture: tuple[int, int, int], axis: int, on: np.ndarray
) -> np.ndarray:
    """What comes of stripes less what comes of their negative, float (C', h, w)."""
    shape = [1, 1, 1, 1]
    shape[axis + 1] = len(on)
    stripes = torch.from_numpy(on.astype(np.uint8) * 255).view(shape).expand(1, *picture)
    one, other = (prepare(each.contiguous())[0] for each in (stripes, 255 - stripes))
    across = 2 - axis + 1
    step = -(-one.shape[across] // _MOST_ACROSS)
    few = [slice(None), slice(None), slice(None)]
    few[across] = slice(step // 2, None, step)
    difference = one[tuple(few)].double() - other[tuple(few)].double()
    return difference.cpu().numpy()


def _fit(
    spelled: np.ndarray, clear: np.ndarray, seen: np.ndarray, axis: int, block: float
) -> _Reach | Literal["blurred ends"] | None:
    """How far the input reaches in the picture by what its lines spell."""
    rows, known = np.moveaxis(spelled, axis, 0), np.moveaxis(clear, axis, 0)
    lines, blocks = [], []
    for number, (row, those) in enumerate(zip(rows, known, strict=True)):
        if those.sum() < max(1, those.size // 4):
            continue
        value = np.bincount(row[those]).argmax()
        if (np.abs(row[those] - value) <= 1).mean() < _AGREE:
            return None
        lines.append(number)
        blocks.append(value)
    if len(lines) < 2:
        return None
    places = (np.array(blocks) + 0.5) * block
    slope, start = np.polyfit(lines, places, 1)
    if np.abs(start + slope * np.array(lines) - places).max() > max(1.5 * block, abs(slope)):
        return None
    there = np.flatnonzero(seen.any(axis=1 - axis))
    if max(lines[0] - there[0], there[-1] - lines[-1]) > 2 + block / max(abs(slope), 1e-9):
        return "blurred ends"
    return float(start - slope / 2), float(slope * len(rows))


def _gray(numbers: np.ndarray) -> np.ndarray:
    return numbers ^ (numbers >> 1)


def _decode(code: np.ndarray) -> np.ndarray:
    """The numbers that bits of a Gray code spell, the finest first."""
    number = np.zeros(code.shape[1:], int)
    bit = np.zeros(code.shape[1:], int)
    for each in code[::-1]:
        bit = bit ^ each
        number = number * 2 + bit
    return number
