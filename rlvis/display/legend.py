"""What the colours of heatmaps stand for, in words and a bar, wrapped to the room there is."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rlvis.display.numbers import written
from rlvis.display.overlays import STRONGEST, colour_bar
from rlvis.display.theme import Theme, fit, length, paste, write

_SIZE, _LINE, _SPACE = 14, 20, 4
_BAR = (80, 10)
_MANY = 6


@dataclass(frozen=True)
class Legend:
    """What a row of heatmaps says of itself.

    Attributes:
        method: its name.
        about: what it was made from, such as "layer features".
        signed, one_sided: see `Explanation`.
        difference: whether a target is one of two scores.
        scales: unit and value of full strength, of each kind of map in the row.
        scope: what full strength is the most of, such as "the row"; "" where it was chosen.
        caveat: see `Explanation`.
        colormap: one of `colormaps.COLORMAPS`.
    """

    method: str
    about: tuple[str, ...]
    signed: bool
    one_sided: bool
    difference: bool
    scales: tuple[tuple[str, float], ...]
    scope: str
    caveat: str = ""
    colormap: str | None = None

    @property
    def words(self) -> tuple[list[str], list[str]]:
        """What stands before the bar of colours, and what after it."""
        before = " ".join(f"{each} ·" for each in self.about).split()
        scales = [(unit, most) for unit, most in self.scales if most]
        caveat = f"; {self.caveat}" if self.caveat else ""
        if not scales:
            return [*before, *f"nothing is coloured: see each map{caveat}".split(" ")], []
        strongest = [f"{written(most)} {unit}".rstrip() for unit, most in scales]
        if len(scales) == 1:
            least = f"-{written(scales[0][1])} against" if self.signed else "0"
            most = f"for {strongest[0]}" if self.signed else strongest[0]
        else:
            least = "against" if self.signed else "0"
            sign = "±" if self.signed else ""
            shown = strongest if len(strongest) <= _MANY else [strongest[0], "…", strongest[-1]]
            most = ("for: " if self.signed else "") + ", ".join(f"{sign}{each}" for each in shown)
        scope = f" ({STRONGEST:.1%} quantile of {self.scope})" if self.scope else " (as chosen)"
        side = (
            "what speaks for the first of a difference" if self.difference else "what speaks for it"
        )
        after = f"{most}{scope}" + (f"; only {side}" if self.one_sided else "")
        return [*before, "", *least.split(" ")], f"{after}{caveat}".split(" ")


@lru_cache(maxsize=256)
def draw_legend(legend: Legend, width: int, theme: Theme) -> np.ndarray:
    """The legend as a picture, uint8 (20 a line, width, 3)."""
    before, after = legend.words
    pieces: list[str | None] = [*before, *([None] if after else []), *after]
    places: list[tuple[int, int]] = []
    x, line = length(legend.method, _SIZE, True) + 2 * _SPACE, 0
    for piece in pieces:
        across = _BAR[0] + 2 * _SPACE if piece is None else length(piece, _SIZE)
        if x and x + across > width:
            x, line = 0, line + 1
        places.append((x, line))
        x += across + _SPACE
    canvas = np.empty((_LINE * (line + 1), width, 3), np.uint8)
    canvas[:] = theme.background
    _write(canvas, fit(legend.method, width, _SIZE, True), (0, 0), theme, bold=True)
    for piece, (x, line) in zip(pieces, places, strict=True):
        if piece is None:
            bar = colour_bar(*_BAR, legend.signed, theme.surface[0], legend.colormap)
            paste(canvas, bar, x + _SPACE, line * _LINE + 4)
        else:
            _write(canvas, piece, (x, line * _LINE), theme)
    return canvas


def _write(
    canvas: np.ndarray, text: str, place: tuple[int, int], theme: Theme, bold: bool = False
) -> None:
    colour, ground = theme.text if bold else theme.muted, theme.background
    write(canvas, text, *place, size=_SIZE, colour=colour, background=ground, bold=bold)


def scales_of(limits: Sequence[float], units: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Of maps the different units with their value of full strength, in order."""
    return tuple(dict.fromkeys(zip(units, limits, strict=True)))
