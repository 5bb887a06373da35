"""Where rows stand on a page: side by side where there is room, with tiles as large as fills it."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from rlvis.display.theme import length
from rlvis.display.tiles import Row

GAP, BETWEEN = 12, 28
"""Pixels between two tiles, and between two rows side by side."""

_LEAST_NOTE = 380
_LARGEST, _MOST_GROWTH = 320, 4


def arrange(rows: Sequence[Row], room: int) -> list[list[Row]]:
    """Rows in lines: those of few tiles side by side, and all as large as that leaves room for."""
    lines = list[list[Row]]()
    for (_, grows), members in groupby(rows, key=lambda row: (row.tile, row.grows)):
        group = list(members)
        if not any(row.tiles for row in group):
            lines += [[row] for row in group]
            continue
        block = max(_needs(row, room) for row in group)
        several = min(len(group), max(1, (room + BETWEEN) // (block + BETWEEN)))
        several = -(-len(group) // -(-len(group) // several))
        free = (room - (several - 1) * BETWEEN) // several
        grown = [_grown(row, max(map(_count, group)), free) if grows else row for row in group]
        across = max(_needs(row, free) for row in grown)
        filled = [replace(row, width=across) for row in grown]
        lines += [filled[start : start + several] for start in range(0, len(filled), several)]
    return lines


def _count(row: Row) -> int:
    return len(row.tiles)


def columns_of(count: int, across: int, room: int) -> int:
    """In how many columns so many tiles stand, all lines being about as full."""
    fitting = max(1, (room + GAP) // (across + GAP))
    return max(1, -(-count // -(-count // fitting))) if count else 1


def _needs(row: Row, room: int) -> int:
    """The width of a row that has that much room: of its tiles and its heading."""
    tiles = columns_of(len(row.tiles), row.tile[1], room) * (row.tile[1] + GAP) - GAP
    note = min(length(row.note, 14), _LEAST_NOTE) if row.note else 0
    return min(room, max(tiles, length(row.heading, 17, True), note))


def _grown(row: Row, count: int, room: int) -> Row:
    """The row with tiles as large as fill the room, as far as pictures bear that."""
    height, across = row.tile
    columns = columns_of(count, across, room)
    factor = (room - (columns - 1) * GAP) / columns / across
    factor = min(factor, np.clip(_LARGEST / max(height, across), 1, _MOST_GROWTH))
    return replace(row, tile=(int(height * max(factor, 1)), int(across * max(factor, 1))))


def width_of(line: Sequence[Row]) -> int:
    """Of rows side by side, in pixels."""
    return sum(row.width for row in line) + (len(line) - 1) * BETWEEN
