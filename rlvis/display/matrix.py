"""Tables of numbers as pictures: names at the side and on top, the deeper the colour the more."""

from collections.abc import Callable, Sequence

import numpy as np

from rlvis.display.theme import LIGHT, Colour, fit, font, ink_on, length, paste, text_sprite, write

_MORE, _LESS = (46, 84, 160), (196, 110, 20)
_MOST_NAME = 150


def draw_matrix(
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    cell: int = 40,
    text: Callable[[float], str] | None = None,
) -> np.ndarray:
    """A table as a picture.

    Args:
        values: float (R, C), -1..1; 0 is white, 1 blue, -1 orange.
        rows: their names.
        columns: their names.
        cell: the side of a cell in pixels.
        text: writes a value into its cell; nothing stands there if left out.

    Returns:
        uint8 (H, W, 3).
    """
    size = int(np.clip(cell * 0.34, 9, 13))
    left = min(_MOST_NAME, 8 + max(length(name, size) for name in rows))
    widest, line = max(length(name, size) for name in columns), sum(font(size).getmetrics())
    upright = widest <= cell - 4
    top = 8 + line if upright else min(_MOST_NAME, 8 + widest)
    room = cell - 4 if upright else top - 8
    canvas = np.empty((top + cell * len(rows), left + cell * len(columns), 3), np.uint8)
    canvas[:] = LIGHT.background
    for column, name in enumerate(columns):
        sprite = text_sprite(fit(name, room, size), size, LIGHT.text, LIGHT.background)
        sprite = sprite if upright else np.rot90(sprite)
        across = left + column * cell + (cell - sprite.shape[1]) // 2
        paste(canvas, sprite, across, top - 5 - len(sprite))
    for row, name in enumerate(rows):
        y = top + row * cell
        write(
            canvas,
            fit(name, left - 8, size),
            left - 6,
            y + (cell - line) // 2,
            size=size,
            colour=LIGHT.text,
            background=LIGHT.background,
            align="right",
        )
        for column, value in enumerate(values[row]):
            x = left + column * cell
            colour = cell_colour(value)
            canvas[y + 1 : y + cell, x + 1 : x + cell] = colour
            if text is not None:
                write(
                    canvas,
                    text(value),
                    x + cell // 2,
                    y + (cell - line) // 2,
                    size=size,
                    colour=ink_on(colour),
                    background=colour,
                    align="centre",
                )
    return canvas


def cell_colour(value: float) -> Colour:
    """Of a value -1..1."""
    full = np.array(_MORE if value >= 0 else _LESS)
    share = min(abs(float(value)), 1) ** 0.7
    red, green, blue = (255 - share * (255 - full)).round().astype(int).tolist()
    return red, green, blue
