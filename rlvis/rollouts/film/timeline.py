"""The strip at the foot of a video frame: π over time, the actions taken, the value, a cursor.

Each choice of a policy has a track of its own: the probabilities as stacked areas with the action
taken below. So has each continuous action: its mean as a line, the values taken as dots.
"""

from collections.abc import Sequence

import numpy as np

from rlvis.display.numbers import resolved, written
from rlvis.display.theme import DARK, Colour, label_colour, paste, write
from rlvis.errors import InputError, unknown
from rlvis.models.distributions import ActionDistribution, DiagonalGaussian, Factored, Greedy
from rlvis.rollouts.episode import EpisodeNumbers
from rlvis.rollouts.signals import signals_of

CURVES = ("value", "entropy", "margin", "advantage", "reward")
"""What can be drawn over time below π; see `rlvis.rollouts.signals.Signals`."""

LEAST_TRACK = 26
"""Pixels that each track after the first adds to the least height of a strip."""
LEAST_CURVE = 46
"""Pixels that each curve that is asked for adds to it, its caption included."""
_RIBBON, _TICKS, _CAPTION = 10, 20, 24
_GAP, _BETWEEN = 4, 6
_LEAST_WITH_VALUE = 230
_ZERO: Colour = (62, 70, 84)
_FUTURE = 0.38


class Timeline:
    """Draws the whole episode once; a frame then only moves the cursor.

    Args:
        episode: the episode.
        shown: indices of the scores whose tracks are shown.
        width, height: of the strip in pixels.
        start: the number of the first step.
        curves: of `CURVES`, one below the other; when left out the value where there is room.
    """

    def __init__(
        self,
        episode: EpisodeNumbers,
        shown: Sequence[int],
        width: int,
        height: int,
        start: int = 0,
        curves: Sequence[str] | None = None,
    ) -> None:
        self._steps, self._start = len(episode), start
        self._width = width
        tracks = tracks_of(episode.distribution, shown)
        inner = height - _CAPTION - _RIBBON - _TICKS - _GAP
        if curves is None:
            enough = _LEAST_WITH_VALUE + (len(tracks) - 1) * LEAST_TRACK
            with_value = height >= enough and bool(np.isfinite(episode.values).any())
            curves, share = (("value",), 0.36) if with_value else ((), 0.0)
        else:
            share = 0.5 / max(1, len(curves))
        curve_height = max(LEAST_CURVE - _CAPTION, round(share * inner))
        room = height - _CAPTION - _TICKS - len(curves) * (curve_height + _CAPTION)
        caption = "π(action | image) over time, and the action taken"
        if isinstance(episode.distribution, Greedy):
            caption = "the action with the highest Q-value over time"
        if isinstance(episode.distribution, DiagonalGaussian):
            scales = ", ".join(f"±{written(_reach(episode, track), 2)}" for track in tracks)
            means = "mean of each action"
            if not np.allclose(episode.entries[0], episode.logits, atol=5e-3):
                means += f" (→ after {episode.distribution.bounded_by})"
            caption = f"{means} over time, and the values taken (dots), to {scales}"
        sections = [(caption, np.concatenate(self._tracks(episode, tracks, room)))]
        for name in curves:
            values = curve_of(episode, name)
            low, high = np.nanmin(values), np.nanmax(values)
            ends = " to ".join(resolved(float(each), float(high - low)) for each in (low, high))
            caption = f"{name} over time, {ends}"
            sections.append((caption, self._curve(values, curve_height)))
        ticks, bright, dim = self._ticks(), [], []
        for caption, picture in sections:
            bright += [self._plain(_CAPTION, caption), picture]
            dim += [bright[-2], _faded(picture)]
        self._bright, self._dim = np.concatenate([*bright, ticks]), np.concatenate([*dim, ticks])
        self._cursor_rows = slice(_CAPTION, len(self._bright) - _TICKS)

    def draw(self, canvas: np.ndarray, x: int, y: int, step: int) -> None:
        """Draw the strip on a canvas with the cursor on `step`; what is still to come is dim."""
        now = round((step + 0.5) * self._width / self._steps)
        done = round((step + 1) * self._width / self._steps)
        paste(canvas, self._dim, x, y)
        paste(canvas, self._bright[:, :done], x, y)
        rows = canvas[y + self._cursor_rows.start : y + self._cursor_rows.stop]
        rows[:, x + max(0, now - 1) : x + now + 1] = DARK.text

    def _plain(self, height: int, caption: str = "") -> np.ndarray:
        part = np.empty((height, self._width, 3), np.uint8)
        part[:] = DARK.background
        if caption:
            write(part, caption, 0, 0, size=15, colour=DARK.muted, background=DARK.background)
        return part

    def _columns(self) -> np.ndarray:
        """The step that each pixel column belongs to."""
        return np.arange(self._width) * self._steps // self._width

    def _tracks(
        self, episode: EpisodeNumbers, tracks: Sequence[slice], height: int
    ) -> list[np.ndarray]:
        """Pictures one below the other, together `height` high."""
        draw = self._choice if isinstance(episode.distribution, Factored) else self._line
        each = (height - _BETWEEN * (len(tracks) - 1)) // len(tracks)
        parts = []
        for track in tracks:
            parts += [draw(episode, track, each), self._plain(_BETWEEN)]
        return [*parts[:-1], self._plain(height - sum(map(len, parts[:-1])))]

    def _choice(self, episode: EpisodeNumbers, factor: slice, height: int) -> np.ndarray:
        """Stacked areas, the first action at the bottom, and a ribbon of the actions taken."""
        taken = episode.distribution.taken(episode.actions)[:, factor]
        colours = _colours(factor)
        area = height - _GAP - _RIBBON
        upper = episode.probabilities[:, factor].cumsum(axis=1)[self._columns()]
        level = 1 - (np.arange(area) + 0.5) / area
        label = (level[:, None, None] > upper[None, :, :-1]).sum(axis=-1)
        row = colours[taken.argmax(axis=1)[self._columns()]]
        ribbon = np.broadcast_to(row, (_RIBBON, *row.shape))
        return np.concatenate([colours[label], self._plain(_GAP), ribbon])

    def _line(self, episode: EpisodeNumbers, dimension: slice, height: int) -> np.ndarray:
        """A step line around a middle of zero, and a dot for each value taken."""
        means, taken = (each[:, dimension.start] for each in episode.entries)
        reach = _reach(episode, dimension)
        part = self._plain(height)
        part[:] = DARK.surface
        part[height // 2] = _ZERO
        rows = np.round((1 - np.stack([means, taken]) / reach) * (height - 7) / 2 + 3)
        size = 2 if self._width >= 8 * self._steps else 1
        for step, row in enumerate(rows[1].astype(int)):
            middle = round((step + 0.5) * self._width / self._steps)
            columns = slice(max(0, middle - size), middle + size + 1)
            part[row - size : row + size + 1, columns] = DARK.text if size == 2 else DARK.muted
        line = rows[0][self._columns()][None]
        part[np.abs(np.arange(height)[:, None] - line) <= 1] = label_colour(dimension.start)
        return part

    def _curve(self, values: np.ndarray, height: int) -> np.ndarray:
        """A step line over a filled area."""
        part = self._plain(height)
        part[:] = DARK.surface
        low, high = np.nanmin(values), np.nanmax(values)
        share = (values[self._columns()] - low) / max(high - low, 1e-9)
        top = np.round((1 - np.nan_to_num(share)) * (height - 8) + 4)[None]
        rows = np.arange(height)[:, None]
        part[rows >= top] = _ZERO
        part[np.abs(rows - top) <= 1] = DARK.text
        return part

    def _ticks(self) -> np.ndarray:
        part = self._plain(_TICKS)
        every = next(
            each
            for each in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10**9)
            if each * self._width / self._steps >= 44
        )
        for step in range(0, self._steps, every):
            x = round((step + 0.5) * self._width / self._steps)
            _write_muted(part, str(self._start + step), max(4, min(x, self._width - 12)))
        return part


def _write_muted(part: np.ndarray, text: str, x: int) -> None:
    write(part, text, x, 3, size=13, colour=DARK.muted, background=DARK.background, align="centre")


def _colours(factor: slice) -> np.ndarray:
    colours: list[Colour] = [label_colour(index) for index in range(factor.start, factor.stop)]
    return np.array(colours, np.uint8)


def _faded(picture: np.ndarray) -> np.ndarray:
    ground = np.array(DARK.background)
    return (ground + _FUTURE * (picture - ground)).astype(np.uint8)


def tracks_of(distribution: ActionDistribution, shown: Sequence[int]) -> list[slice]:
    """The scores that each track is about, where those at the indices `shown` are shown."""
    if isinstance(distribution, Factored):
        return [
            factor
            for factor in distribution.factors
            if any(factor.start <= index < factor.stop for index in shown)
        ]
    return [slice(index, index + 1) for index in shown]


def curve_of(episode: EpisodeNumbers, name: str) -> np.ndarray:
    """One of `CURVES`, float (T,).

    Raises:
        InputError: if there is no such curve, or the policy has no numbers for it.
    """
    if name not in CURVES:
        raise unknown("curve", name, CURVES)
    given = {"value": episode.values, "reward": episode.rewards}
    values = given[name] if name in given else getattr(signals_of(episode), name)
    if np.isnan(values).all():
        raise InputError(f"there is no {name} to draw; this policy has none")
    return values


def _reach(episode: EpisodeNumbers, dimension: slice) -> float:
    return reach_of(*(each[:, dimension] for each in episode.entries))


def reach_of(means: np.ndarray, taken: np.ndarray) -> float:
    """How far from zero the means and the values of a continuous action get, 1 where nowhere."""
    return max(float(np.abs(means).max()), float(np.abs(taken).max())) or 1.0
