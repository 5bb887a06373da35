"""What pages are made of: captioned pictures and tables of numbers, side by side in rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from rlvis.display.matrix import draw_matrix
from rlvis.display.shown import Shown
from rlvis.display.theme import Colour

_IMAGE_SIDE = 192


@dataclass(frozen=True)
class Tile:
    """A picture that carries of what it is.

    Attributes:
        picture: uint8 (H, W, 3) or (H, W).
        shows: of what it is, from which its caption is made.
        frame: the colour of a frame round it, or None.
        link: where the picture leads to in HTML, nowhere if empty.
    """

    picture: np.ndarray = field(repr=False)
    shows: Shown
    frame: Colour | None = None
    link: str = ""

    @property
    def caption(self) -> list[str]:
        """What stands under it, in lines, cut where they are too long."""
        return self.shows.caption


@dataclass(frozen=True)
class Matrix:
    """A table of numbers that stands where a tile does, the deeper the colour the more.

    Attributes:
        values: float (R, C), -1..1; 0 is white, 1 blue, -1 orange.
        rows, columns: their names.
        shows: of what it is, from which its caption is made.
        cell: the side of a cell of its picture in pixels.
        text: writes a value into its cell.
        written: whether the cells of its picture are large enough for that.
    """

    values: np.ndarray = field(repr=False)
    rows: Sequence[str]
    columns: Sequence[str]
    text: Callable[[float], str]
    shows: Shown = field(default_factory=Shown)
    cell: int = 40
    written: bool = True
    frame: None = None

    @property
    def caption(self) -> list[str]:
        """What stands under it, in lines."""
        return self.shows.caption

    @cached_property
    def picture(self) -> np.ndarray:
        """uint8 (H, W, 3)."""
        text = self.text if self.written else None
        return draw_matrix(self.values, self.rows, self.columns, self.cell, text)


@dataclass(frozen=True)
class Row:
    """Tiles side by side, under a heading; those that do not fit go on in the next line.

    Attributes:
        tiles: the pictures.
        heading: stands over them; nothing if empty.
        note: stands beside the heading, smaller.
        tile: the height and width of each picture in pixels.
        beside: rows that stand at the right, one under the other, where this row leaves them half
            of the page, else underneath.
        grows: whether tiles may be drawn larger where there is room; those that may not are never
            enlarged, and stand at the top left of their place.
        cells: what the note says as names and values; in HTML rows with the same names are the
            rows of a table.
        legend: in HTML in place of the note: words, a bar of colours (h, w, 3), and more words.
        scrolls: whether its pictures hold text, which in HTML is moved sideways on a narrow screen
            before it gets too small to be read.
        width: that the page gives to it, 0 where it has not been laid out.
    """

    tiles: Sequence[Tile | Matrix]
    heading: str = ""
    note: str = ""
    tile: tuple[int, int] = (112, 112)
    beside: "Sequence[Row]" = ()
    grows: bool = True
    cells: Mapping[str, str] = field(default_factory=dict)
    legend: tuple[str, np.ndarray, str] | None = None
    scrolls: bool = False
    width: int = 0


def image_row(picture: np.ndarray, rows: Sequence[Row]) -> Row:
    """A row of one picture (H, W, 3) with others beside it that are about it."""
    size = fitted(picture.shape, 2 * _IMAGE_SIDE, _IMAGE_SIDE)
    return Row([Tile(picture, Shown())], "the image", tile=size, beside=rows)


def fitted(shape: Sequence[int], height: int, width: int) -> tuple[int, int]:
    """The height and width of a picture (H, W, …) that is as large as a box allows."""
    scale = min(height / shape[0], width / shape[1])
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def largest(values: np.ndarray) -> float:
    """The largest absolute value of those that are finite, 0 where none is."""
    return float(
        np.abs(values, where=np.isfinite(values), out=np.zeros(values.shape)).max(initial=0)
    )


def greys(values: np.ndarray, most: float, signed: bool) -> np.ndarray:
    """Values of any shape as greys, uint8.

    They go from 0 to `most` from black to white, or ± `most` round middle grey where signed. What
    is not finite is as 0.
    """
    scaled = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0) / (most or 1)
    return ((scaled + 1) * 127.5 if signed else scaled * 255).clip(0, 255).round().astype(np.uint8)
