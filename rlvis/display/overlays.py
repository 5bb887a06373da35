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
from rlvis.display.theme import DARK, font, wrapped, write

STRONGEST = 0.995
"""The quantile of a map's absolute values that is drawn at full strength."""

_SQUARES = 8


def limit(maps: np.ndarray, share: float = STRONGEST) -> float:
    """The value drawn at full strength: the `share` quantile of the maps' absolute values.

    All but the few strongest pixels stay below it, so that one outlier does not hide the rest.
    """
    return float(np.quantile(np.abs(maps), share)) if maps.size else 0.0


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
    """Heat as a row of the colour table, uint8; everything is nothing where the limit is 0."""
    if limit <= 0:
        return np.full(heat.shape, 128 if signed else 0, np.uint8)
    scaled = heat * (127.5 / limit) + 127.5 if signed else heat * (255 / limit)
    return scaled.clip(0, 255).astype(np.uint8)


def noted(ground: np.ndarray, heat: np.ndarray, notes: Sequence[str]) -> np.ndarray:
    """A grey picture without the heatmap of which a note says that it shows little, and the note.

    Args:
        ground: uint8 (H, W).
        heat: float (H, W), of which a constant is told.
        notes: see `Explanation.notes`.

    Returns:
        uint8 (H, W, 3).
    """
    height, width = ground.shape
    low, high = (written(each, 2) for each in (heat.min(), heat.max()))
    values = {"constant": f": {low}", "nearly constant": f": {low} to {high}"}
    whole = ["; ".join(note + values.get(note, "") for note in notes)]
    whole += ["; ".join(note.partition(":")[0] for note in notes), notes[0].partition(":")[0]]
    size = 13 if width >= 120 else 10
    line = sum(font(size).getmetrics())
    fitting = (wrapped(text, width - 8, size) for text in whole)
    lines = next((each for each in fitting if len(each) * line <= height / 2), None)
    lines = lines or wrapped(whole[-1], width - 4, size)[:1]
    tile = np.repeat(ground[..., None], 3, axis=2)
    top = max(0, height - len(lines) * line - 4)
    tile[top:] = DARK.background
    for place, text in enumerate(lines):
        write(
            tile,
            text,
            width // 2,
            top + 2 + place * line,
            size=size,
            colour=DARK.text,
            background=DARK.background,
            align="centre",
        )
    return tile


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
