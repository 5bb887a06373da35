"""Pages of pictures with titles: rows of captioned tiles on white, one section under another."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rlvis.display.overlay import resize_picture
from rlvis.display.theme import LIGHT, Colour, fit, length, paste, wrapped, write
from rlvis.files import writing

PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_MARGIN, _GAP, _TITLE, _LINE, _CAPTION = 28, 12, 36, 22, 19
_BETWEEN, _LEAST_WIDTH, _LEAST_NOTE = 28, 640, 380
_LARGEST, _MOST_GROWTH = 320, 4


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
        grows: whether tiles may be drawn larger where there is room.
        width: that the page gives to it, 0 where it has not been laid out.
    """

    tiles: Sequence[Tile]
    heading: str = ""
    note: str = ""
    tile: tuple[int, int] = (112, 112)
    beside: "Row | None" = None
    grows: bool = True
    width: int = 0


def sheet(title: str, lines: Sequence[str], rows: Sequence[Row], width: int = 1280) -> Image.Image:
    """A page: title, lines of facts, rows of tiles.

    Pages are full: rows of few tiles of one size stand side by side, tiles grow where there is
    room, and the page is no wider than what is on it needs.

    Args:
        title: at the top, bold.
        lines: under it: what is shown, of which model and layer, how it was normalised.
        rows: one under the other.
        width: in pixels, at most; rows wrap.
    """
    rows = [part for row in rows for part in _apart(row, width)]
    if any(row.beside for row in rows):
        parts = [_row(row, width) for row in rows]
    else:
        arranged = _arranged(rows, width - 2 * _MARGIN)
        needed = [_across(line) for line in arranged if any(row.tiles for row in line)]
        if len(needed) == len(arranged):
            width = min(width, max([_LEAST_WIDTH - 2 * _MARGIN, *needed]) + 2 * _MARGIN)
        parts = [_line(line, width) for line in arranged]
    foot = _blank(width, _MARGIN)
    return Image.fromarray(np.concatenate([_head(title, lines, width), *parts, foot]))


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
    titles = wrapped(title, width - 2 * _MARGIN, 24, True)
    metadata = [part for line in lines for part in wrapped(line, width - 2 * _MARGIN, 15)]
    top = _MARGIN + _TITLE * len(titles)
    canvas = _blank(width, top + _LINE * len(metadata))
    for place, line in enumerate(titles):
        _text(canvas, line, _MARGIN, _MARGIN - 6 + place * _TITLE, 24, bold=True)
    for place, line in enumerate(metadata):
        _text(canvas, line, _MARGIN, top + place * _LINE - 4, 15, LIGHT.muted)
    return canvas


def _side_by_side(row: Row) -> int:
    return 2 * _MARGIN + len(row.tiles) * (row.tile[1] + _GAP) - _GAP


def _apart(row: Row, width: int) -> list[Row]:
    """The row, and as a row of its own what has no room beside it."""
    if row.beside is None or _side_by_side(row) <= width // 2:
        return [row]
    return [replace(row, beside=None), row.beside]


def _row(row: Row, width: int) -> np.ndarray:
    """A row, and what stands beside it, on a canvas of that width."""
    if row.beside is None:
        return _alone(row, width)
    across = _side_by_side(row)
    inner = across - _MARGIN + 2 * _GAP
    parts = _alone(row, inner), _row(row.beside, width - inner + _MARGIN)[:, _MARGIN:]
    height = max(map(len, parts))
    return np.concatenate(
        [np.pad(each, _below(height - len(each)), constant_values=255) for each in parts], axis=1
    )


def _below(rows: int) -> tuple[tuple[int, int], ...]:
    return (0, rows), (0, 0), (0, 0)


def _arranged(rows: Sequence[Row], room: int) -> list[list[Row]]:
    """Rows in lines: those of few tiles side by side, and all as large as that leaves room for."""
    lines = []
    for (_, grows), members in groupby(rows, key=lambda row: (row.tile, row.grows)):
        group = list(members)
        if not any(row.tiles for row in group):
            lines += [[row] for row in group]
            continue
        block = max(_needs(row, room) for row in group)
        several = min(len(group), max(1, (room + _BETWEEN) // (block + _BETWEEN)))
        several = -(-len(group) // -(-len(group) // several))
        free = (room - (several - 1) * _BETWEEN) // several
        grown = [_grown(row, max(map(_count, group)), free) if grows else row for row in group]
        across = max(_needs(row, free) for row in grown)
        filled = [replace(row, width=across) for row in grown]
        lines += [filled[start : start + several] for start in range(0, len(filled), several)]
    return lines


def _count(row: Row) -> int:
    return len(row.tiles)


def _columns(count: int, across: int, room: int) -> int:
    """In how many columns so many tiles stand, all lines being about as full."""
    fitting = max(1, (room + _GAP) // (across + _GAP))
    return max(1, -(-count // -(-count // fitting))) if count else 1


def _needs(row: Row, room: int) -> int:
    """The width of a row that has that much room: of its tiles and its heading."""
    tiles = _columns(len(row.tiles), row.tile[1], room) * (row.tile[1] + _GAP) - _GAP
    note = min(length(row.note, 14), _LEAST_NOTE) if row.note else 0
    return min(room, max(tiles, length(row.heading, 17, True), note))


def _grown(row: Row, count: int, room: int) -> Row:
    """The row with tiles as large as fill the room, as far as pictures bear that."""
    height, across = row.tile
    columns = _columns(count, across, room)
    factor = (room - (columns - 1) * _GAP) / columns / across
    factor = min(factor, np.clip(_LARGEST / max(height, across), 1, _MOST_GROWTH))
    return replace(row, tile=(int(height * max(factor, 1)), int(across * max(factor, 1))))


def _across(line: Sequence[Row]) -> int:
    return sum(row.width for row in line) + (len(line) - 1) * _BETWEEN


def _line(line: Sequence[Row], width: int) -> np.ndarray:
    """Rows side by side."""
    if len(line) == 1:
        return _alone(line[0], width)
    parts = [_alone(row, row.width + 2 * _MARGIN)[:, _MARGIN:-_MARGIN] for row in line]
    canvas = _blank(width, max(map(len, parts)))
    x = _MARGIN
    for part in parts:
        paste(canvas, part, x, 0)
        x += part.shape[1] + _BETWEEN
    return canvas


def _alone(row: Row, width: int) -> np.ndarray:
    room = width - 2 * _MARGIN
    height, across = row.tile
    columns = _columns(len(row.tiles), across, room)
    lines = max((len(tile.caption) for tile in row.tiles), default=0)
    step = height + lines * _CAPTION + _GAP + 4
    heading = fit(row.heading, room, 17, True)
    used = length(heading, 17, True) + 12 if heading else 0
    note = [row.note] if length(row.note, 14) <= room - used else wrapped(row.note, room, 14)
    below = len(note) > 1 or length(row.note, 14) > room - used
    top = _GAP + (30 if heading or row.note else 0)
    top += _CAPTION * (len(note) - (0 if heading else 1)) if below else 0
    canvas = _blank(width, top + -(-len(row.tiles) // columns) * step)
    _text(canvas, heading, _MARGIN, _GAP, 17, bold=True)
    for place, text in enumerate(note):
        y = _GAP + 3 + (_CAPTION * (place + bool(heading)) if below else 0)
        _text(canvas, text, _MARGIN + (0 if below else used), y, 14, LIGHT.muted)
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
        _text(
            canvas,
            fit(line, width, 13, share=0.5),
            x,
            y + height + 4 + place * _CAPTION,
            13,
            colour,
        )


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
