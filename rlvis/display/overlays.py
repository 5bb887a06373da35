"""Heatmaps over pictures.

A map that only tells how much is drawn from transparent over purple and orange to yellow; a signed
one in amber where it speaks for the target and blue where against. The picture beneath is grey, so
that every colour is evidence, and where there is none it shows through unchanged.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from rlvis.display.colormaps import MOST_OPAQUE, colour_table
from rlvis.display.numbers import written
from rlvis.display.theme import fit, length

STRONGEST = 0.995
"""The quantile of a map's absolute values that is drawn at full strength."""

_SQUARES = 8


def limit(maps: np.ndarray, share: float = STRONGEST) -> float:
    """The value drawn at full strength: the `share` quantile of the maps' absolute values.

    All but the few strongest pixels stay below it, so that one outlier does not hide the rest; what
    is not finite does not count.
    """
    sizes = np.abs(maps)
    if not np.isfinite(sizes.sum()):
        sizes = sizes[np.isfinite(sizes)]
    return float(np.quantile(sizes, share)) if sizes.size else 0.0


def grey(picture: np.ndarray) -> np.ndarray:
    """The luminance of a picture (H, W, 3), uint8 (H, W)."""
    return np.asarray(Image.fromarray(picture).convert("L"))


def overlay(
    ground: np.ndarray,
    heat: np.ndarray,
    limit: float,
    signed: bool,
    colormap: str | None = None,
    opacity: float = MOST_OPAQUE,
) -> np.ndarray:
    """A heatmap over a grey picture of the same size.

    Args:
        ground: uint8 (H, W).
        heat: float (H, W).
        limit: the value drawn at full strength.
        signed: whether negative values speak against the target.
        colormap: one of `colormaps.COLORMAPS`.
        opacity: of the strongest heat, 0..1.

    Returns:
        uint8 (H, W, 3).
    """
    table = colour_table(colormap, signed, opacity)
    place = level(heat, limit, signed).astype(np.uint16) * 256 + ground
    return table.take(place).view(np.uint8).reshape(*heat.shape, 4)[..., :3]


def level(heat: np.ndarray, limit: float, signed: bool) -> np.ndarray:
    """Heat as a row of the colour table, uint8; all is nothing where the limit is 0.

    So is what is not a number.
    """
    nothing = 128 if signed else 0
    if not limit > 0:
        return np.full(heat.shape, nothing, np.uint8)
    scaled = heat * (127.5 / limit) + 127.5 if signed else heat * (255 / limit)
    return np.nan_to_num(scaled.clip(0, 255), nan=nothing).astype(np.uint8)


def bare(ground: np.ndarray) -> np.ndarray:
    """A grey picture (H, W) without a heatmap, uint8 (H, W, 3)."""
    return np.repeat(ground[..., None], 3, axis=2)


def note_line(heat: np.ndarray, notes: Sequence[str], width: int, size: int) -> str:
    """What stands under a picture without its heatmap, as long as there is room for.

    Args:
        heat: float (H, W), of which a constant is told.
        notes: see `Explanation.notes`.
        width: of the room, in pixels.
        size: of the font.
    """
    if not notes:
        return ""
    low, high = (written(each, 2) for each in (heat.min(), heat.max()))
    values = {"constant": f": {low}", "nearly constant": f": {low} to {high}"}
    whole = "; ".join(note + values.get(note, "") for note in notes)
    short = "; ".join(note.partition(":")[0] for note in notes)
    choices = (whole, short, notes[0].partition(":")[0])
    fitting = (each for each in choices if length(each, size) <= width)
    return next(fitting, fit(choices[-1], width, size))


def colour_bar(
    width: int, height: int, signed: bool, ground: int, colormap: str | None = None
) -> np.ndarray:
    """The colours from least to most over a plain grey, uint8 (height, width, 3)."""
    heat = np.linspace(-1 if signed else 0, 1, width)
    row = overlay(np.full((1, width), ground, np.uint8), heat[None], 1, signed, colormap)
    return np.broadcast_to(row, (height, width, 3))


def resize_picture(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """A picture (H, W, 3) or (H, W) at another size; the pixels of a tiny one stay squares."""
    if picture.shape[:2] == (height, width):
        return picture
    tiny = height >= _SQUARES * picture.shape[0]
    how = Image.Resampling.NEAREST if tiny else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(picture).resize((width, height), how))
