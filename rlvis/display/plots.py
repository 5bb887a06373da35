"""Plots of numbers with their intervals, drawn in the house's type."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, floor, isfinite, isnan, log10

import numpy as np
from PIL import Image, ImageDraw

from rlvis.display.theme import LIGHT, Colour, fit, font, length, typeset

FINE = 2
"""Drawn so many times as large, to be sharp where it is enlarged."""
_ROW, _AXIS, _PAD = 24, 34, 10
_BAR: Colour = (46, 98, 168)
_GRID: Colour = (226, 230, 236)
_LEFT = 52
"""The least room for numbers at the left, in pixels."""


@dataclass(frozen=True)
class Interval:
    """A line of a plot of intervals.

    Attributes:
        label: at the left.
        value, low, high: the dot and its whiskers; NaN where there is none.
        mark: where a small tick stands, such as what chance gives; NaN for none.
        texts: at the right, a column each.
        colour: of the dot.
        bold: of the label.
    """

    label: str
    value: float
    low: float
    high: float
    mark: float = float("nan")
    texts: Sequence[str] = ()
    colour: Colour = _BAR
    bold: bool = False


@dataclass(frozen=True)
class Axis:
    """What a plot's numbers are.

    Attributes:
        title: under it.
        low, high: its ends; what lies beyond is cut.
        share: whether numbers are written as percentages.
    """

    title: str
    low: float
    high: float
    share: bool = False

    @property
    def power(self) -> int:
        """Numbers are written as multiples of ten to the power of this, 0 where they are short."""
        most = max(abs(self.low), abs(self.high))
        return 0 if self.share or 1e-3 <= most < 1e5 else 3 * floor(log10(most) / 3)

    @property
    def heading(self) -> str:
        """The title, and what its numbers are multiples of."""
        return f"{self.title} (× 1e{self.power})" if self.power else self.title

    def ticks(self) -> list[float]:
        """Round numbers between the ends, about five."""
        raw = (self.high - self.low) / 5
        unit = 10 ** floor(log10(raw))
        step = next(unit * each for each in (1, 2, 2.5, 5, 10) if unit * each >= raw)
        first = ceil(self.low / step - 1e-9)
        return [step * each for each in range(first, floor(self.high / step + 1e-9) + 1)]

    def written(self, number: float) -> str:
        """A number as it stands at the axis."""
        return f"{number:.0%}" if self.share else f"{number / 10.0**self.power:.10g}"


def draw_intervals(
    rows: Sequence[Interval],
    axis: Axis,
    headings: Sequence[str] = (),
    *,
    width: int = 1200,
    plot: int = 420,
) -> np.ndarray:
    """Dots with whiskers, one under the other, and columns of text beside them.

    Args:
        rows: from the top.
        axis: of the dots.
        headings: over the columns of text.
        width: of the picture in pixels.
        plot: of the part with the dots.

    Returns:
        uint8 (H, W, 3), `FINE` times as large as it is meant to be shown.
    """
    drawing = _Drawing(width, _PAD + _ROW * (len(rows) + bool(headings)) + _AXIS)
    labels = max((length(row.label, 15, row.bold) for row in rows), default=0) + 16
    columns = _columns(rows, headings, labels + plot + 18, width)
    top = _PAD + _ROW * bool(headings)
    for x, heading in zip(columns, headings, strict=False):
        drawing.text(x, _PAD, heading, 13, LIGHT.muted)
    scale = _Scale(axis, labels, plot)
    _draw_axis(drawing, scale, top, top + _ROW * len(rows))
    for place, row in enumerate(rows):
        y = top + _ROW * place
        drawing.text(0, y + 2, row.label, 15, LIGHT.text, row.bold)
        _draw_interval(drawing, scale, row, y + _ROW / 2)
        ends = [*columns[1:], width]
        for x, end, text in zip(columns, ends, row.texts, strict=False):
            drawing.text(x, y + 3, fit(text, end - x - 8, 14), 14, LIGHT.text)
    return drawing.picture()


def draw_scatter(
    x: np.ndarray,
    y: np.ndarray,
    across: Axis,
    down: Axis,
    *,
    diagonal: bool = False,
    side: int = 300,
) -> np.ndarray:
    """Dots of two numbers each.

    Args:
        x: float (N,).
        y: float (N,).
        across: the axis of x.
        down: the axis of y.
        diagonal: draw the line of equal numbers.
        side: of the square with the dots, in pixels.

    Returns:
        uint8 (H, W, 3), `FINE` times as large as it is meant to be shown.
    """
    numbers = [down.written(tick) for tick in down.ticks()]
    left, top = max([_LEFT, *(length(each, 12) + 12 for each in numbers)]), 26
    drawing = _Drawing(side + left + 16, side + top + _AXIS)
    scale, rise = _Scale(across, left, side), _Scale(down, 0, side)

    def height(number: float) -> float:
        return top + side - rise.at(number)

    _draw_axis(drawing, scale, top, top + side)
    for tick, number in zip(down.ticks(), numbers, strict=True):
        drawing.line(left, height(tick), left + side, height(tick), _GRID)
        drawing.text(left - 6, height(tick) - 9, number, 12, LIGHT.muted, right=True)
    drawing.text(0, 0, down.heading, 13, LIGHT.muted)
    if diagonal:
        low, high = max(across.low, down.low), min(across.high, down.high)
        drawing.line(scale.at(low), height(low), scale.at(high), height(high), LIGHT.muted)
    for one, other in zip(x.tolist(), y.tolist(), strict=True):
        if isfinite(one) and isfinite(other):
            drawing.dot(scale.at(one), height(other), 3, _BAR)
    return drawing.picture()


@dataclass(frozen=True)
class _Scale:
    axis: Axis
    left: float
    width: float

    def at(self, number: float) -> float:
        """Where a number is, in pixels."""
        share = (number - self.axis.low) / (self.axis.high - self.axis.low)
        return self.left + min(1.0, max(0.0, share)) * self.width


@dataclass
class _Drawing:
    """A white canvas in the pixels that it is meant to be shown in."""

    width: int
    height: int
    image: Image.Image = field(init=False)

    def __post_init__(self) -> None:
        size = self.width * FINE, int(self.height) * FINE
        self.image = Image.new("RGB", size, LIGHT.background)
        self._pen = ImageDraw.Draw(self.image)

    def line(self, x0: float, y0: float, x1: float, y1: float, colour: Colour, w: int = 1) -> None:
        self._pen.line([FINE * each for each in (x0, y0, x1, y1)], fill=colour, width=FINE * w)

    def dot(self, x: float, y: float, radius: float, colour: Colour) -> None:
        box = [FINE * each for each in (x - radius, y - radius, x + radius, y + radius)]
        self._pen.ellipse(box, fill=colour)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: int,
        colour: Colour,
        bold: bool = False,
        right: bool = False,
    ) -> None:
        face = font(size * FINE, bold)
        place = (FINE * x, FINE * y)
        self._pen.text(place, typeset(text), colour, face, anchor="ra" if right else "la")

    def picture(self) -> np.ndarray:
        return np.asarray(self.image)


def _columns(rows: Sequence[Interval], headings: Sequence[str], left: int, width: int) -> list[int]:
    """Where each column of text begins: as wide as its texts, the last one to the end."""
    count = max((len(row.texts) for row in rows), default=0)
    found = []
    for place in range(count):
        found.append(left)
        texts = [row.texts[place] for row in rows if place < len(row.texts)]
        heading = headings[place] if place < len(headings) else ""
        left += max([length(heading, 13), *(length(each, 14) for each in texts)]) + 18
    return [min(each, width) for each in found]


def _draw_axis(drawing: _Drawing, scale: _Scale, top: float, bottom: float) -> None:
    for tick in scale.axis.ticks():
        x = scale.at(tick)
        drawing.line(x, top, x, bottom, LIGHT.muted if abs(tick) < 1e-12 else _GRID)
        text = scale.axis.written(tick)
        drawing.text(x - length(text, 12) / 2, bottom + 2, text, 12, LIGHT.muted)
    drawing.text(scale.left, bottom + 17, scale.axis.heading, 12, LIGHT.muted)


def _draw_interval(drawing: _Drawing, scale: _Scale, row: Interval, y: float) -> None:
    if isfinite(row.low) and isfinite(row.high):
        drawing.line(scale.at(row.low), y, scale.at(row.high), y, row.colour, 3)
    if isfinite(row.mark):
        x = scale.at(row.mark)
        drawing.line(x, y - 7, x, y + 7, LIGHT.muted, 2)
    if not isnan(row.value):
        drawing.dot(scale.at(row.value), y, 5, row.colour)
