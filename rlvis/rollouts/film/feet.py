"""What stands under the maps of a film: sums, notes, and what the colours stand for."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rlvis.display.legend import Legend, draw_legend, scales_of
from rlvis.display.numbers import written
from rlvis.display.overlays import note_line
from rlvis.display.theme import DARK, Colour, length, on_dark, paste
from rlvis.images.frames import age
from rlvis.models.targets import is_difference
from rlvis.rollouts.film.column_heads import Heads
from rlvis.rollouts.film.frame_layout import SUM_LINE, FrameLayout
from rlvis.rollouts.film.shown_maps import EpisodeMaps, FilmScale, ShownMaps
from rlvis.rollouts.header import Header, MethodRecord

_SIZES = (13, 12, 11, 10)
"""Of the type that a sum is written in, the largest that it has room in."""


class Feet:
    """The feet of the rows of maps of an episode.

    Args:
        maps: of the episode.
        header: methods and targets.
        shown: the indices of the actions or targets that have a column.
        rows: the numbers of the methods that share a row.
        heat: the maps that are shown.
        heads: over the columns.
        scale: what full strength stands for.
        colormap: see `EpisodeFrames`.
    """

    def __init__(
        self,
        maps: EpisodeMaps,
        header: Header,
        shown: Sequence[int],
        rows: Sequence[Sequence[int]],
        heat: ShownMaps,
        heads: Heads,
        scale: FilmScale,
        colormap: str | None,
    ) -> None:
        self._maps, self._header, self._shown, self._rows = maps, header, list(shown), rows
        self._heat, self._heads, self._scale, self._colormap = heat, heads, scale, colormap
        self._width = FrameLayout.width_of(len(shown))
        self._units = [
            [header.unit_of(header.methods[row[0]], column) for column in shown] for row in rows
        ]
        self._noted = [self._has_notes(row) for row in rows]
        self._forms = [self._form_of(row) for row in range(len(rows))]

    @property
    def heights(self) -> tuple[int, ...]:
        """Of each row in pixels."""
        return tuple(
            len(self._legend(row, 0)) + 4 + SUM_LINE * self._lines(row)
            for row in range(len(self._rows))
        )

    def draw(self, canvas: np.ndarray, step: int, row: int, y: int) -> None:
        """The foot of a row at a step, from y on."""
        sums = self._sums(row)
        for column in range(len(self._shown)):
            x = FrameLayout.left + column * (self._width + FrameLayout.gap)
            if sums is not None:
                self._draw_sum(canvas, step, column, row, (x, y))
            self._draw_note(canvas, step, row, column, (x, y + SUM_LINE * (sums is not None)))
        paste(canvas, self._legend(row, step), FrameLayout.left, y + SUM_LINE * self._lines(row))

    def _lines(self, row: int) -> int:
        """How many lines there are before what colours stand for."""
        return (self._sums(row) is not None) + self._noted[row]

    def _has_notes(self, methods: Sequence[int]) -> bool:
        """Whether anything is said of maps that are shown, at any step."""
        notes = [self._maps.notes[each] for each in methods] if self._maps.notes else []
        return any(row[index] for steps in notes for row in steps for index in self._shown)

    def _draw_note(
        self, canvas: np.ndarray, step: int, row: int, column: int, place: tuple[int, int]
    ) -> None:
        """What is said of a column's maps, each note once."""
        index, of = self._shown[column], self._maps.notes_of
        noted = [method for method in self._rows[row] if of(method, step, index)]
        if noted:
            notes = dict.fromkeys(note for each in noted for note in of(each, step, index))
            heat = self._heat.own(noted[0], step)[column]
            line = note_line(heat, [*notes], self._width, 13)
            on_dark(canvas, line, *place, 13, DARK.muted)

    def _sums(self, row: int) -> np.ndarray | None:
        """What the maps of a row sum to, float (T, columns), where that is known of any."""
        method = self._rows[row][0]
        found = self._maps.evidence[method] if self._maps.evidence else None
        return None if found is None or np.isnan(found).all() else found[:, self._shown]

    def _form_of(self, row: int) -> "_Form":
        """How sums are written in a row: in the first form that all of them have room in."""
        sums = self._sums(row)
        if sums is None:
            return _FORMS[0]
        cells = [
            (float(evidence), self._heads.score(step, self._shown[column]))
            for step, evidences in enumerate(sums)
            for column, evidence in enumerate(evidences)
        ]
        finite = [each for each in cells if np.isfinite(each).all()]
        return next(
            (form for form in _FORMS if all(form.fits(*each, self._width) for each in finite)),
            _FORMS[-1],
        )

    def _draw_sum(
        self, canvas: np.ndarray, step: int, column: int, row: int, place: tuple[int, int]
    ) -> None:
        """How the head's bias and the evidence of a map add up to the score."""
        sums, (x, y) = self._sums(row), place
        assert sums is not None
        evidence, score = float(sums[step, column]), self._heads.score(step, self._shown[column])
        if not np.isfinite([evidence, score]).all():
            return
        form = self._forms[row]
        size = form.size(evidence, score, self._width)
        for text, colour in form.parts(evidence, score):
            x += on_dark(canvas, text, x, y, size, colour) + 3

    def _legend(self, row: int, step: int) -> np.ndarray:
        """The method, its layer, and the colours with the values they stand for."""
        methods = [self._header.methods[each] for each in self._rows[row]]
        first, stack = methods[0], self._header.frames
        about = [f"layer {first.layer}"] if first.layer else []
        if self._sums(row) is not None:
            about += filter(None, [self._forms[row].legend])
        if stack > 1:
            frames = [each.frame for each in methods]
            about += [
                f"all {stack} frames"
                if frames == [None]
                else ", ".join(age(each, stack) for each in frames if each is not None)
            ]
        scopes = {"episode": "the episode", "frame": "each frame"}
        targets = self._maps.targets
        names = targets.names[step] if targets else []
        legend = Legend(
            plain_name(first),
            tuple(about),
            first.signed,
            first.one_sided,
            bool(self._maps.contrast)
            or any(is_difference(each, self._header.actions) for each in names),
            scales_of(
                _rounded(self._heat.limits(self._rows[row][0], step)),
                self._units[row],
            ),
            scopes.get(str(self._scale), ""),
            first.caveat,
            self._colormap,
        )
        return draw_legend(legend, FrameLayout.room, DARK)


def plain_name(method: MethodRecord) -> str:
    """The method without the frame that it was asked of."""
    return re.sub(r"[:,]frame=-?\d+$", "", method.name)


def _rounded(limits: np.ndarray) -> list[float]:
    """As many digits as are shown, so that legends are drawn once."""
    return [float(f"{each:.2g}") for each in limits]


@dataclass(frozen=True)
class _Form:
    """How the sum of a map is written under it.

    Attributes:
        legend: what the legend says of it.
        words: whether each number has its name beside it.
        write: a number.
        whole: whether bias and score stand beside the evidence.
    """

    legend: str
    words: bool
    write: Callable[[float], str]
    whole: bool = True

    def parts(self, evidence: float, score: float) -> list[tuple[str, Colour]]:
        """The texts of a sum and their colours."""
        bias, name = ("bias ", "evidence ") if self.words else ("", "")
        sign = "+" if evidence >= 0 else "−"
        middle = f"{sign} {name}{self.write(abs(evidence))}"
        if not self.whole:
            return [(middle, DARK.text)]
        return [
            (f"{bias}{self.write(score - evidence + 0.0)}", DARK.muted),
            (middle, DARK.text),
            (f"= {self.write(score)}", DARK.muted),
        ]

    def size(self, evidence: float, score: float, width: int) -> int:
        """The largest size of type in which a sum has room, 0 for none."""
        parts = self.parts(evidence, score)
        return next(
            (each for each in _SIZES if sum(length(text, each) + 3 for text, _ in parts) <= width),
            0,
        )

    def fits(self, evidence: float, score: float, width: int) -> bool:
        """Whether a sum has room."""
        return self.size(evidence, score, width) > 0


def _decimals(number: float) -> str:
    return f"{number:.2f}"


_FORMS = (
    _Form("", True, _decimals),
    _Form("bias ± evidence = score", False, _decimals),
    _Form("bias ± evidence = score", False, written),
    _Form("below each: its evidence", False, written, whole=False),
)
"""The longest first."""
