"""What stands over a column of heatmaps.

That is an action with its probability, Q-value or mean, or a target of another kind with its value.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from rlvis.display.numbers import resolved, signed_number
from rlvis.display.theme import (
    DARK,
    Colour,
    label_colour,
    length,
    on_dark,
    titles,
    told_apart,
    write,
)
from rlvis.models.distributions import DiagonalGaussian, Greedy
from rlvis.rollouts.episode import EpisodeNumbers
from rlvis.rollouts.film.timeline import reach_of
from rlvis.rollouts.header import Targets

_BAR_TOP, _BAR = 32, 12
_DOT, _PITCH = 16, 15
"""Pixels of the dot beside a name, and from one line of it to the next."""


class Heads(Protocol):
    """The heads of the columns of an episode."""

    def draw(self, canvas: np.ndarray, step: int, index: int, x: int, y: int, width: int) -> None:
        """The head of a column at a step, `width` pixels wide."""

    def highlight(self, step: int, index: int) -> Colour | None:
        """The colour that the column is framed in at a step, if at all."""

    def score(self, step: int, index: int) -> float:
        """What the network gave for the column at a step."""


class ActionHeads:
    """Actions: the name, π as a number and a bar, and whether it was taken.

    Where a name has no room beside its number it has a line of its own, or two in smaller type; the
    number is by the bar then.

    Args:
        episode: the episode.
        names: of its actions.
        shown: the indices of those that have a column.
        width: of a column, in pixels.
    """

    def __init__(
        self, episode: EpisodeNumbers, names: Sequence[str], shown: Sequence[int], width: int
    ) -> None:
        self._episode = episode
        self._width, self._size = width, _size(width)
        beside = width - length("−0.00", self._size, True) - 24
        most = max((length(names[index], self._size, True) for index in shown), default=0)
        self._stacked = most > beside
        room = width if self._stacked else beside
        self._titles = _Titles([names[index] for index in shown], room, self._size)
        self._names = list(names)
        self._probabilities = episode.probabilities
        self._taken = episode.distribution.taken(episode.actions)

    def highlight(self, step: int, index: int) -> Colour | None:
        """The action's own colour where it was taken."""
        return label_colour(index) if self._taken[step, index] else None

    def score(self, step: int, index: int) -> float:
        """See `Heads.score`."""
        return float(self._episode.logits[step, index])

    def draw(self, canvas: np.ndarray, step: int, index: int, x: int, y: int, width: int) -> None:
        """See `Heads.draw`."""
        colour, size = label_colour(index), self._size
        bar = canvas[y + _BAR_TOP : y + _BAR_TOP + _BAR, x : x + width]
        bar[:] = DARK.surface
        continuous = isinstance(self._episode.distribution, DiagonalGaussian)
        share, number = (0.0, "+0.00") if continuous else self._share(step, index)
        room = width - (0 if self._stacked else length(number, size, True)) - 24
        top = y + (20 - size) // 2
        used = self._titles.draw(canvas, self._names[index], x, y, colour)
        if continuous:
            self._draw_mean(canvas, step, index, x, y, width, used)
            return
        taken = self._taken[step, index]
        if taken and room - used > 80:
            word = "highest" if isinstance(self._episode.distribution, Greedy) else "sampled"
            _chip(canvas, word, x + used + 10, y + 3, colour)
        elif taken and used <= width - _DOT:
            on_dark(canvas, "●", x + used + 3, y + 3, 15, colour)
        elif taken:
            canvas[y + _BAR_TOP + _BAR + 2 : y + _BAR_TOP + _BAR + 5, x : x + width] = colour
        if self._stacked:
            narrow = length(number, 14, True) + 6
            bar[:, width - narrow :] = DARK.background
            on_dark(canvas, number, x + width, y + _BAR_TOP - 3, 14, bold=True, align="right")
            bar[:, : round((width - narrow) * share)] = colour
            return
        on_dark(canvas, number, x + width, top, size, bold=True, align="right")
        bar[:, : round(width * share)] = colour

    def _share(self, step: int, index: int) -> tuple[float, str]:
        """How long an action's bar is, 0..1, and the number that it shows.

        That is π, or the Q-value, whose bar reaches from the least to the most of the episode.
        """
        if not isinstance(self._episode.distribution, Greedy):
            share = float(self._probabilities[step, index])
            return share, f"{share:.2f}"
        values = self._episode.logits
        least, most = float(values.min()), float(values.max())
        value = float(values[step, index])
        return (value - least) / ((most - least) or 1), resolved(value, most - least)

    def _draw_mean(
        self, canvas: np.ndarray, step: int, index: int, x: int, y: int, width: int, used: int
    ) -> None:
        """A bar from zero in the middle to the mean, and a mark at the value taken.

        The mean is that of the action; where bounds have made it of another, that stands before it.
        """
        means, taken = (each[:, index] for each in self._episode.entries)
        mean, value, right = float(means[step]), float(taken[step]), x + width
        number, given = signed_number(mean), signed_number(self.score(step, index))
        told = number if number == given else f"{given} → {number}"
        room = width - used - 6
        size = next((each for each in (20, 16, 14) if length(told, each, True) <= room), 0)
        if self._stacked or not size:
            size = next((each for each in (14, 12) if length(told, each, True) < width - 6), 10)
            narrow = length(told, size, True) + 6
            canvas[y + _BAR_TOP : y + _BAR_TOP + _BAR, right - narrow : right] = DARK.background
            on_dark(canvas, told, right, y + _BAR_TOP - 3, size, bold=True, align="right")
            width -= narrow
            used = shown = width
        else:
            top = y + (20 - size) // 2
            shown = on_dark(canvas, told, right, top, size, bold=True, align="right")
        note = f"taken {signed_number(value)}, mean"
        if width - used - shown > length(note, 15) + 14:
            on_dark(canvas, note, right - shown - 7, y + 4, 15, DARK.muted, align="right")
        middle, half = x + width // 2, width // 2 - 2
        reach = reach_of(means, taken)
        end, mark = (middle + round(half * each / reach) for each in (mean, value))
        rows = slice(y + _BAR_TOP, y + _BAR_TOP + _BAR)
        canvas[rows, min(middle, end) : max(middle, end)] = label_colour(index)
        canvas[rows, middle] = DARK.muted
        canvas[rows.start - 3 : rows.stop + 3, mark - 1 : mark + 2] = DARK.text


class TargetHeads:
    """Targets other than single actions: what they mean at this step, and their value.

    The bar reaches from the least to the most that the target has in the episode.

    Args:
        targets: of an episode.
        width: of a column, in pixels.
        actions: all names of actions, of which targets may be differences.
    """

    def __init__(self, targets: Targets, width: int, actions: Sequence[str]) -> None:
        self._targets = targets
        self._size = _size(width)
        spreads = np.ptp(targets.values, axis=0)
        numbers = [
            resolved(float(value), float(spread))
            for row in targets.values[[0, len(targets.values) // 2, -1]]
            for value, spread in zip(row, spreads, strict=True)
        ]
        beside = width - max(length(each, self._size, True) for each in numbers) - 16
        names = {name for row in targets.names for name in row}
        self._stacked = max(length(name, self._size, True) for name in names) > beside
        room = width if self._stacked else beside
        self._titles = _Titles(sorted(names), room, self._size, actions)

    def highlight(self, step: int, index: int) -> Colour | None:
        """None: a target is not taken."""
        return None

    def score(self, step: int, index: int) -> float:
        """See `Heads.score`."""
        return float(self._targets.values[step, index])

    def draw(self, canvas: np.ndarray, step: int, index: int, x: int, y: int, width: int) -> None:
        """See `Heads.draw`."""
        values, size = self._targets.values[:, index], self._size
        least, most = float(values.min()), float(values.max())
        value = float(values[step])
        number = resolved(value, most - least)
        top = y + (20 - size) // 2
        self._titles.draw(canvas, self._targets.names[step][index], x, y, DARK.text)
        if self._stacked:
            on_dark(canvas, number, x + width, y + _BAR_TOP - 3, 14, bold=True, align="right")
            width -= length(number, 14, True) + 6
        else:
            on_dark(canvas, number, x + width, top, size, bold=True, align="right")
        bar = canvas[y + _BAR_TOP : y + _BAR_TOP + _BAR, x : x + width]
        bar[:] = DARK.surface
        bar[:, : round(width * (value - least) / ((most - least) or 1))] = DARK.muted


class _Titles:
    """Names over columns, in two lines where one has no room.

    Args:
        names: that there are.
        width: that they have room in, in pixels.
        size: of the font, at most.
        actions: names of which a name may be a difference, whose parts then stand one over the
            other.
    """

    def __init__(
        self, names: Sequence[str], width: int, size: int, actions: Sequence[str] = ()
    ) -> None:
        self._parts = {name: self._parted(name, actions) for name in names}
        whole = all(length(name, size, True) <= width for name in names)
        single = {name for name, parts in self._parts.items() if whole or len(parts) == 1}
        self._size, lines = titles(tuple(name for name in names if name in single), width, size)
        self._lines = dict(lines)
        if len(single) < len(names):
            self._differences(width)

    @staticmethod
    def _parted(name: str, actions: Sequence[str]) -> tuple[str, ...]:
        parts = tuple(name.split(" - "))
        return parts if len(parts) == 2 and set(parts) <= set(actions) else (name,)

    def _differences(self, width: int) -> None:
        """Each part of a difference in a line of its own, all in type that all have room in."""
        parted = {name: parts for name, parts in self._parts.items() if name not in self._lines}
        words = tuple(dict.fromkeys(part for parts in parted.values() for part in parts))
        room = width - length(" −", 14, True)
        fitting = (
            size
            for size in (14, 13, 12, 11)
            if all(length(word, size, True) <= room for word in words)
        )
        self._size = min(self._size, next(fitting, 11))
        cut = dict(zip(words, told_apart(words, room, self._size, True), strict=True))
        for name, (one, other) in parted.items():
            self._lines[name] = f"{cut[one]} −", cut[other]

    def draw(self, canvas: np.ndarray, name: str, x: int, y: int, colour: Colour) -> int:
        """Write a name over its bar; how many pixels wide it is."""
        first, second = self._lines[name]
        if not second:
            return on_dark(
                canvas, first, x, y + (20 - self._size) // 2, self._size, colour, bold=True
            )
        top = y - 2
        widths = [
            on_dark(canvas, line, x, top + place * _PITCH, self._size, colour, bold=True)
            for place, line in enumerate((first, second))
        ]
        return max(widths)


class MixedHeads:
    """Heads of one kind for the first columns, of another for those that follow.

    Args:
        first: for the columns below `count`.
        count: the first column of the others.
        others: for these, counted from 0.
    """

    def __init__(self, first: Heads, count: int, others: Heads) -> None:
        self._first, self._count, self._others = first, count, others

    def _of(self, index: int) -> tuple[Heads, int]:
        own = index < self._count
        return (self._first, index) if own else (self._others, index - self._count)

    def draw(self, canvas: np.ndarray, step: int, index: int, x: int, y: int, width: int) -> None:
        """See `Heads.draw`."""
        heads, index = self._of(index)
        heads.draw(canvas, step, index, x, y, width)

    def highlight(self, step: int, index: int) -> Colour | None:
        """See `Heads.highlight`."""
        heads, index = self._of(index)
        return heads.highlight(step, index)

    def score(self, step: int, index: int) -> float:
        """See `Heads.score`."""
        heads, index = self._of(index)
        return heads.score(step, index)


def most_taken(episodes: Sequence[EpisodeNumbers], most: int) -> list[int]:
    """The indices of at most so many actions: those that were taken most often, in their order."""
    taken = np.concatenate([each.distribution.taken(each.actions) for each in episodes])
    return sorted(np.argsort(-taken.sum(axis=0), kind="stable")[:most].tolist())


def _size(width: int) -> int:
    return 20 if width > 140 else 16


def _chip(canvas: np.ndarray, text: str, x: int, y: int, colour: Colour) -> None:
    """Dark text on a coloured ground."""
    canvas[y : y + 20, x : x + 68] = colour
    write(
        canvas,
        text,
        x + 34,
        y + 1,
        size=14,
        colour=DARK.background,
        background=colour,
        bold=True,
        align="centre",
    )
