"""Pages as pictures: rows of captioned tiles on white, one under the other."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from rlvis.display.overlays import resize_picture
from rlvis.display.page_layout import BETWEEN, GAP, arrange, columns_of, width_of
from rlvis.display.theme import LIGHT, Colour, fit, length, paste, wrapped, write
from rlvis.display.tiles import Matrix, Row, Tile

_MARGIN, _TITLE, _LINE, _CAPTION = 28, 36, 22, 19
_LEAST_WIDTH = 640


def draw_page(
    title: str, lines: Sequence[str], rows: Sequence[Row], width: int = 1280
) -> Image.Image:
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
        arranged = arrange(rows, width - 2 * _MARGIN)
        needed = [width_of(line) for line in arranged if any(row.tiles for row in line)]
        if len(needed) == len(arranged):
            width = min(width, max([_LEAST_WIDTH - 2 * _MARGIN, *needed]) + 2 * _MARGIN)
        parts = [_line(line, width) for line in arranged]
    foot = _blank(width, _MARGIN)
    return Image.fromarray(np.concatenate([_head(title, lines, width), *parts, foot]))


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
    return 2 * _MARGIN + len(row.tiles) * (row.tile[1] + GAP) - GAP


def _apart(row: Row, width: int) -> list[Row]:
    """The row, and as rows of their own what has no room beside it."""
    if not row.beside or _side_by_side(row) <= width // 2:
        return [row]
    return [replace(row, beside=()), *row.beside]


def _row(row: Row, width: int) -> np.ndarray:
    """A row, and what stands beside it, on a canvas of that width."""
    if not row.beside:
        return _alone(row, width)
    across = _side_by_side(row)
    inner = across - _MARGIN + 2 * GAP
    beside = [_alone(each, width - inner + _MARGIN)[:, _MARGIN:] for each in row.beside]
    parts = _alone(row, inner), np.concatenate(beside)
    height = max(map(len, parts))
    return np.concatenate(
        [np.pad(each, _below(height - len(each)), constant_values=255) for each in parts], axis=1
    )


def _below(rows: int) -> tuple[tuple[int, int], ...]:
    return (0, rows), (0, 0), (0, 0)


def _line(line: Sequence[Row], width: int) -> np.ndarray:
    """Rows side by side."""
    if len(line) == 1:
        return _alone(line[0], width)
    parts = [_alone(row, row.width + 2 * _MARGIN)[:, _MARGIN:-_MARGIN] for row in line]
    canvas = _blank(width, max(map(len, parts)))
    x = _MARGIN
    for part in parts:
        paste(canvas, part, x, 0)
        x += part.shape[1] + BETWEEN
    return canvas


def _alone(row: Row, width: int) -> np.ndarray:
    room = width - 2 * _MARGIN
    height, across = row.tile
    columns = columns_of(len(row.tiles), across, room)
    lines = max((len(tile.caption) for tile in row.tiles), default=0)
    step = height + lines * _CAPTION + GAP + 4
    heading = fit(row.heading, room, 17, True)
    used = length(heading, 17, True) + 12 if heading else 0
    note = [row.note] if length(row.note, 14) <= room - used else wrapped(row.note, room, 14)
    below = len(note) > 1 or length(row.note, 14) > room - used
    top = GAP + (30 if heading or row.note else 0)
    top += _CAPTION * (len(note) - (0 if heading else 1)) if below else 0
    canvas = _blank(width, top + -(-len(row.tiles) // columns) * step)
    _text(canvas, heading, _MARGIN, GAP, 17, bold=True)
    for place, text in enumerate(note):
        y = GAP + 3 + (_CAPTION * (place + bool(heading)) if below else 0)
        _text(canvas, text, _MARGIN + (0 if below else used), y, 14, LIGHT.muted)
    for place, tile in enumerate(row.tiles):
        x = _MARGIN + place % columns * (across + GAP)
        y = top + place // columns * step
        _draw(canvas, tile, x, y, row)
    return canvas


def _draw(canvas: np.ndarray, tile: Tile | Matrix, x: int, y: int, row: Row) -> None:
    picture = tile.picture
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    height, width = row.tile
    scale = min(height / picture.shape[0], width / picture.shape[1])
    scale = scale if row.grows else min(scale, 1)
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    left, top = x, y
    if row.grows:
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
