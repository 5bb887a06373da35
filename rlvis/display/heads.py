"""What stands over a column of heatmaps: an action with its probability, Q-value or mean, or a
target of another kind with its value."""

from collections.abc import Sequence
from math import floor, log10
from typing import Protocol

import numpy as np

from rlvis.actions import DiagonalGaussian, Greedy
from rlvis.display.theme import DARK, Colour, fit, font, label_colour, on_dark, write
from rlvis.display.timeline import reach_of
from rlvis.recording_header import Targets
from rlvis.rollout import Episode

_BAR_TOP, _BAR = 32, 12


class Heads(Protocol):
    """The heads of the columns of an episode."""

    def draw(self, canvas: np.ndarray, step: int, index: int, x: int, y: int, width: int) -> None:
        """The head of a column at a step, `width` pixels wide."""

    def highlight(self, step: int, index: int) -> Colour | None:
        """The colour that the column is framed in at a step, if at all."""


class ActionHeads:
    """Actions: the name, π as a number and a bar, and whether it was taken.

    Args:
        episode: the episode.
        names: of its actions.
    """

    def __init__(self, episode: Episode, names: Sequence[str]) -> None:
        self._episode, self._names = episode, names
        self._probabilities = episode.probabilities
        self._taken = episode.distribution.taken(episode.actions)

    def highlight(self, step: int, index: int) -> Colour | None:
        """The action's own colour where it was taken."""
        return label_colour(index) if self._taken[step, index] else None

    def draw(self, canvas: np.ndarray, step: int, index: int, x: int, y: int, width: int) -> None:
        """See `Heads.draw`."""
        colour, size = label_colour(index), _size(width)
        bar = canvas[y + _BAR_TOP : y + _BAR_TOP + _BAR, x : x + width]
        bar[:] = DARK.surface
        continuous = isinstance(self._episode.distribution, DiagonalGaussian)
        share, number = (0.0, "+0.00") if continuous else self._share(step, index)
        room = width - round(font(size, bold=True).getlength(number)) - 24
        name = fit(self._names[index], room, size, True)
        top = y + (20 - size) // 2
        used = on_dark(canvas, name, x, top, size, colour, bold=True)
        if continuous:
            self._draw_mean(canvas, step, index, x, y, width, used)
            return
        taken = self._taken[step, index]
        if taken and room - used > 80:
            word = "highest" if isinstance(self._episode.distribution, Greedy) else "sampled"
            _chip(canvas, word, x + used + 10, y + 3, colour)
        elif taken:
            on_dark(canvas, "●", x + used + 3, y + 3, 15, colour)
        on_dark(canvas, number, x + width, top, size, bold=True, align="right")
        bar[:, : round(width * share)] = colour

    def _share(self, step: int, index: int) -> tuple[float, str]:
        """How long an action's bar is, 0..1, and the number that it shows: π, or the Q-value, whose
        bar reaches from the least to the most of the episode."""
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
        """A bar from zero in the middle to the mean, and a mark at the value taken."""
        means, taken = (each[:, index] for each in self._episode.entries)
        mean, value, right = float(means[step]), float(taken[step]), x + width
        shown = on_dark(canvas, signed_number(mean), right, y, 20, bold=True, align="right")
        if width - used - shown > 160:
            note = f"taken {signed_number(value)}, mean"
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
    """

    def __init__(self, targets: Targets) -> None:
        self._targets = targets

    def highlight(self, step: int, index: int) -> Colour | None:
        """None: a target is not taken."""
        return None

    def draw(self, canvas: np.ndarray, step: int, index: int, x: int, y: int, width: int) -> None:
        """See `Heads.draw`."""
        values, size = self._targets.values[:, index], _size(width)
        least, most = float(values.min()), float(values.max())
        value = float(values[step])
        number = resolved(value, most - least)
        room = width - round(font(size, bold=True).getlength(number)) - 12
        name = fit(self._targets.names[step][index], room, size, True)
        on_dark(canvas, name, x, y + (20 - size) // 2, size, DARK.text, bold=True)
        top = y + (20 - size) // 2
        on_dark(canvas, number, x + width, top, size, bold=True, align="right")
        bar = canvas[y + _BAR_TOP : y + _BAR_TOP + _BAR, x : x + width]
        bar[:] = DARK.surface
        bar[:, : round(width * (value - least) / ((most - least) or 1))] = DARK.muted


def signed_number(number: float) -> str:
    """A number to two decimals with a true minus sign, zero as 0."""
    return f"{number:.2f}".replace("-", "−") if number else "0"


def resolved(number: float, spread: float) -> str:
    """A number with as many decimals as tell apart numbers of that spread."""
    decimals = 1 - floor(log10(max(spread, 1e-6)))
    return f"{number:.{max(0, decimals)}f}".replace("-", "−")


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
