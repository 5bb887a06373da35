"""Pages of pictures with titles: rows of captioned tiles on white, one section under another."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rlvis.display.overlay import resize_picture
from rlvis.display.theme import LIGHT, Colour, fit, font, paste, write
from rlvis.files import writing

PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_MARGIN, _GAP, _TITLE, _LINE, _CAPTION = 28, 12, 36, 22, 19


@dataclass(frozen=True)
class Tile:
    """A picture and what stands under it.

    Attributes:
        picture: uint8 (H, W, 3) or (H, W).
        caption: lines of text, cut where they are too long.
        frame: the colour of a frame round it, or None.
    """

    picture: np.ndarray = field(repr=False)
    caption: Sequence[str] = ()
    frame: Colour | None = None


@dataclass(frozen=True)
class Row:
    """Tiles side by side, under a heading; those that do not fit go on in the next line.

    Attributes:
        tiles: the pictures.
        heading: stands over them; nothing if empty.
        note: stands beside the heading, smaller.
        tile: the height and width of each picture in pixels.
        beside: stands at the right where this row leaves it half of the page, else underneath.
    """

    tiles: Sequence[Tile]
    heading: str = ""
    note: str = ""
    tile: tuple[int, int] = (112, 112)
    beside: "Row | None" = None


def sheet(title: str, lines: Sequence[str], rows: Sequence[Row], width: int = 1280) -> Image.Image:
    """A page: title, lines of facts, rows of tiles.

    Args:
        title: at the top, bold.
        lines: under it: what is shown, of which model and layer, how it was normalised.
        rows: one under the other.
        width: in pixels; rows wrap.
    """
    parts = [_head(title, lines, width), *(_row(row, width) for row in rows)]
    foot = _blank(width, _MARGIN)
    return Image.fromarray(np.concatenate([*parts, foot]))


def single(picture: np.ndarray, heading: str, height: int = 200) -> Row:
    """A row of one picture (H, W, 3), that high on the page."""
    across = round(height * picture.shape[1] / picture.shape[0])
    return Row([Tile(picture)], heading, tile=(height, across))


def save_picture(picture: Image.Image, path: str | Path) -> Path:
    """Write a picture as PNG, JPEG or WebP, by the path's ending, and return the path.

    Raises:
        InputError: if the ending is none of these, or the file cannot be written.
    """
    path = Path(path)
    with writing(path, PICTURES) as (temporary, kind):
        temporary.write_bytes(picture_bytes(picture, kind))
    return path


def picture_bytes(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """A picture as a file of that kind.

    Files are written from here, since Pillow overlooks that a disk is full.
    """
    buffer = io.BytesIO()
    picture.save(buffer, kind, **{"quality": 92, **options})
    return buffer.getvalue()


def greys(values: np.ndarray, most: float, signed: bool) -> np.ndarray:
    """Values of any shape as greys, uint8: 0 to `most` from black to white, or ± `most` round
    middle grey where they are signed."""
    scaled = values / (most or 1)
    return ((scaled + 1) * 127.5 if signed else scaled * 255).clip(0, 255).round().astype(np.uint8)


def _blank(width: int, height: int) -> np.ndarray:
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[:] = LIGHT.background
    return canvas


def _head(title: str, lines: Sequence[str], width: int) -> np.ndarray:
    wrapped = [part for line in lines for part in _wrapped(line, width - 2 * _MARGIN, 15)]
    canvas = _blank(width, _MARGIN + _TITLE + _LINE * len(wrapped))
    _text(canvas, fit(title, width - 2 * _MARGIN, 24, True), _MARGIN, _MARGIN - 6, 24, bold=True)
    for place, line in enumerate(wrapped):
        _text(canvas, line, _MARGIN, _MARGIN + _TITLE + place * _LINE - 4, 15, LIGHT.muted)
    return canvas


def _row(row: Row, width: int) -> np.ndarray:
    """A row, and what stands beside it, on a canvas of that width."""
    if row.beside is None:
        return _alone(row, width)
    across = 2 * _MARGIN + len(row.tiles) * (row.tile[1] + _GAP) - _GAP
    if across > width // 2:
        return np.concatenate([_alone(row, width), _row(row.beside, width)])
    inner = across - _MARGIN + 2 * _GAP
    parts = _alone(row, inner), _row(row.beside, width - inner + _MARGIN)[:, _MARGIN:]
    height = max(map(len, parts))
    return np.concatenate(
        [np.pad(each, _below(height - len(each)), constant_values=255) for each in parts], axis=1
    )


def _below(rows: int) -> tuple[tuple[int, int], ...]:
    return (0, rows), (0, 0), (0, 0)


def _alone(row: Row, width: int) -> np.ndarray:
    height, across = row.tile
    columns = max(1, (width - 2 * _MARGIN + _GAP) // (across + _GAP))
    lines = max((len(tile.caption) for tile in row.tiles), default=0)
    step = height + lines * _CAPTION + _GAP + 4
    top = _GAP + (30 if row.heading or row.note else 0)
    count = -(-len(row.tiles) // columns)
    canvas = _blank(width, top + count * step)
    used = 0
    if row.heading:
        heading = fit(row.heading, width - 2 * _MARGIN, 17, True)
        used = _text(canvas, heading, _MARGIN, _GAP, 17, bold=True) + 12
    if row.note:
        note = fit(row.note, width - 2 * _MARGIN - used, 14)
        _text(canvas, note, _MARGIN + used, _GAP + 3, 14, LIGHT.muted)
    for place, tile in enumerate(row.tiles):
        x = _MARGIN + place % columns * (across + _GAP)
        y = top + place // columns * step
        _draw(canvas, tile, x, y, height, across)
    return canvas


def _draw(canvas: np.ndarray, tile: Tile, x: int, y: int, height: int, width: int) -> None:
    picture = tile.picture
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    scale = min(height / picture.shape[0], width / picture.shape[1])
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    left, top = x + (width - size[0]) // 2, y + (height - size[1]) // 2
    if tile.frame is not None:
        canvas[top - 3 : top + size[1] + 3, left - 3 : left + size[0] + 3] = tile.frame
    paste(canvas, resize_picture(picture, *size), left, top)
    for place, line in enumerate(tile.caption):
        colour = LIGHT.text if place == 0 else LIGHT.muted
        _text(canvas, fit(line, width, 13), x, y + height + 4 + place * _CAPTION, 13, colour)


def _wrapped(text: str, width: int, size: int) -> list[str]:
    """The text in lines no wider than `width` pixels, broken between words."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font(size).getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _text(
    canvas: np.ndarray,
    text: str,
    x: int,
    y: int,
    size: int,
    colour: Colour = LIGHT.text,
    bold: bool = False,
) -> int:
    return write(
        canvas, text, x, y, size=size, colour=colour, background=LIGHT.background, bold=bold
    )
