"""Where things stand in a frame of a film."""

from dataclasses import dataclass, replace
from typing import ClassVar

from rlvis.rollouts.film.timeline import LEAST_CURVE, LEAST_TRACK

WIDTH, HEIGHT = 1280, 720
MOST_COLUMNS = 7
MARGIN, TOP, CAPTION, SIDE = 24, 62, 22, 336
ROW_FOOT, SUM_LINE = 24, 18
_GAP = 14
_COLUMN_HEAD, _LEAST_TIMELINE = 52, 118
_LEFT = MARGIN + SIDE + 24


@dataclass(frozen=True)
class Box:
    """A part of a frame, in pixels."""

    x: int
    y: int
    width: int
    height: int

    def moved(self, x: int) -> "Box":
        """The same, further to the right."""
        return replace(self, x=self.x + x)


@dataclass(frozen=True)
class FrameLayout:
    """Where things go, for so many columns (actions), rows (methods) and that shape of image.

    Attributes:
        columns, rows: how many.
        aspect: width by height of an image.
        tracks: how many the strip at the foot has.
        tiles: how many maps a column has in each row, one for each frame of a stack; 1 if left out.
        feet: the height of the words under each row.
        curves: how many the strip has below its tracks, beside one that is there if there is room.
    """

    columns: int
    rows: int
    aspect: float
    tracks: int = 1
    tiles: tuple[int, ...] = ()
    feet: tuple[int, ...] = ()
    curves: int = 0

    left: ClassVar[int] = _LEFT
    gap: ClassVar[int] = _GAP
    room: ClassVar[int] = WIDTH - MARGIN - _LEFT
    """The width of all columns together in pixels."""

    @classmethod
    def width_of(cls, columns: int) -> int:
        """The width of one of so many columns in pixels."""
        return (cls.room - (columns - 1) * _GAP) // columns

    @property
    def column_width(self) -> int:
        """The width of one action's column in pixels."""
        return self.width_of(self.columns)

    @property
    def cell(self) -> tuple[int, int]:
        """Width and height of a heatmap of the first row in pixels."""
        return self.cell_of(0)

    def cell_of(self, row: int) -> tuple[int, int]:
        """Width and height of a row's heatmaps in pixels."""
        return self._grid(row)[1]

    def place(self, row: int, column: int, tile: int = 0) -> tuple[int, int]:
        """The top left corner of a heatmap."""
        across, (width, height) = self._grid(row)
        x = _LEFT + column * (self.column_width + _GAP)
        used = across * (width + _GAP // 2) - _GAP // 2
        x += (self.column_width - used) // 2 + tile % across * (width + _GAP // 2)
        return x, self._top(row) + tile // across * (height + _GAP // 2)

    def foot_of(self, row: int) -> int:
        """The top of the words under a row."""
        return self._top(row) + self._height(row) + 5

    @property
    def timeline(self) -> Box:
        """Where the strip of π over time goes."""
        top = self._top(self.rows) + _GAP // 2
        return Box(_LEFT, top, self.room, HEIGHT - MARGIN // 2 - top)

    def _top(self, row: int) -> int:
        heights = [self._height(each) + self._foot(each) + _GAP // 2 for each in range(row)]
        return TOP + _COLUMN_HEAD + sum(heights)

    def _height(self, row: int) -> int:
        across, (_, height) = self._grid(row)
        return -(-self._tiles(row) // across) * (height + _GAP // 2) - _GAP // 2

    def _tiles(self, row: int) -> int:
        return self.tiles[row] if self.tiles else 1

    def _foot(self, row: int) -> int:
        return self.feet[row] if self.feet else ROW_FOOT

    def _grid(self, row: int) -> tuple[int, tuple[int, int]]:
        """How many of a column's maps stand side by side, and how large they are then.

        It is as many as make them largest.
        """
        strip = _LEAST_TIMELINE + (self.tracks - 1) * LEAST_TRACK + self.curves * LEAST_CURVE
        room = HEIGHT - MARGIN // 2 - strip - TOP - _COLUMN_HEAD
        room -= sum(self._foot(each) for each in range(self.rows))
        height, count = room // self.rows - _GAP // 2, self._tiles(row)
        choices = []
        for across in range(1, count + 1):
            down = -(-count // across)
            free_height = (height - (down - 1) * _GAP // 2) // down
            free_width = (self.column_width - (across - 1) * _GAP // 2) // across
            width = max(1, min(free_width, round(free_height * self.aspect)))
            choices.append((width, across, min(free_height, max(1, round(width / self.aspect)))))
        width, across, best = max(choices)
        return across, (width, best)
