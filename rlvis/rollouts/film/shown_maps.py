"""The heatmaps that a film shows, a few steps at a time, and what full strength stands for."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import floor
from typing import Literal, Protocol

import numpy as np

from rlvis.attribution.explanation import resize_maps
from rlvis.display.overlays import STRONGEST, limit
from rlvis.memory import give_back_memory
from rlvis.rollouts.header import Targets

FilmScale = float | Literal["episode", "frame"]
"""What full strength stands for: the most of a method's maps in an episode or frame, a number."""

_BLOCK, _PASS = 16, 64
"""Steps that are held to be drawn, and to be counted."""


class MapsOverTime(Protocol):
    """The heatmaps of a method, float (T, K, h, w): an array, or what is read like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """T, K, h and w."""

    def __getitem__(self, steps: slice, /) -> np.ndarray:
        """Those of some steps."""


@dataclass(frozen=True)
class EpisodeMaps:
    """The heatmaps of an episode, T steps, and what is to be said of them.

    Attributes:
        heatmaps: float (T, K, h, w) for each of the header's methods, arrays or what is read like
            them; of actions, then their contrast if there is one.
        contrast: what that explains.
        evidence: for each method what its maps sum to, float (T, K), or None.
        notes: for each method T × K lists of notes; none where left out.
        targets: what the maps explain where that is not the actions.
    """

    heatmaps: Sequence[MapsOverTime] = field(repr=False)
    contrast: Targets | None = None
    evidence: Sequence[np.ndarray | None] = ()
    notes: Sequence[list[list[list[str]]]] = field(default=(), repr=False)
    targets: Targets | None = None

    def notes_of(self, method: int, step: int, index: int) -> list[str]:
        """What is to be said of one map."""
        return self.notes[method][step][index] if self.notes else []


class ShownMaps:
    """The heatmaps of some columns by some methods.

    Args:
        maps: of each method.
        columns: those that are shown.
        rows: the numbers of the methods that share a row.
        units: of each column for each method; the maps of a row that have one unit share what full
            strength stands for.
        scale: what that is.
    """

    def __init__(
        self,
        maps: Sequence[MapsOverTime],
        columns: Sequence[int],
        rows: Sequence[Sequence[int]],
        units: Sequence[Sequence[str]],
        scale: FilmScale,
    ) -> None:
        self._maps, self._columns, self._scale = maps, list(columns), scale
        self._groups = [
            (methods, [place for place, its in enumerate(units[methods[0]]) if its == unit])
            for methods in rows
            for unit in dict.fromkeys(units[methods[0]])
        ]
        self._block = (-1, list[np.ndarray]())
        self._resized = (-1, list[np.ndarray]())
        if scale == "episode":
            self._limits = self._of_episode()
        elif scale != "frame":
            self._limits = [np.full(len(self._columns), float(scale)) for _ in maps]

    def limits(self, method: int, step: int) -> np.ndarray:
        """The value drawn at full strength at a step, float (K,)."""
        if self._scale != "frame":
            return self._limits[method]
        block, found = self._read(step // _BLOCK), np.zeros(len(self._columns))
        for methods, columns in self._groups:
            if method in methods:
                shown = [block[each][step % _BLOCK, columns] for each in methods]
                found[columns] = limit(np.stack(shown))
        return found

    def own(self, method: int, step: int) -> np.ndarray:
        """The heatmaps of a step as they are, float (K, h, w)."""
        return self._read(step // _BLOCK)[method][step % _BLOCK]

    def resized(self, method: int, step: int, sizes: Sequence[tuple[int, int]]) -> np.ndarray:
        """The same at the width and height that each method's are shown at."""
        number = step // _BLOCK
        if self._resized[0] != number:
            maps = zip(self._read(number), sizes, strict=True)
            self._resized = (
                number,
                [resize_maps(each, height, width) for each, (width, height) in maps],
            )
        return self._resized[1][method][step % _BLOCK]

    def _read(self, number: int) -> list[np.ndarray]:
        if self._block[0] != number:
            self._block = number, self._at(slice(number * _BLOCK, (number + 1) * _BLOCK))
        return self._block[1]

    def _at(self, steps: slice) -> list[np.ndarray]:
        return [each[steps][:, self._columns] for each in self._maps]

    def _of_episode(self) -> list[np.ndarray]:
        """The limits of a whole episode, found without holding it."""
        steps = self._maps[0].shape[0] if self._maps else 0
        found = [np.zeros(len(self._columns)) for _ in self._maps]
        counted = [
            _Quantile(sum(len(columns) * _numbers(self._maps[each]) for each in methods), STRONGEST)
            for methods, columns in self._groups
        ]
        for start in range(0, steps, _PASS):
            block = self._at(slice(start, start + _PASS))
            for (methods, columns), quantile in zip(self._groups, counted, strict=True):
                for each in methods:
                    sizes = np.abs(block[each][:, columns])
                    quantile.add(np.nan_to_num(sizes, nan=0.0, posinf=0.0))
            give_back_memory()
        for (methods, columns), quantile in zip(self._groups, counted, strict=True):
            for each in methods:
                found[each][columns] = quantile.value
        return found


class _Quantile:
    """A quantile of numbers that come a block at a time: exact, as `np.quantile` has it.

    Only those at and above it are held.

    Args:
        count: of all numbers.
        share: which quantile.
    """

    def __init__(self, count: int, share: float) -> None:
        self._position = share * max(0, count - 1)
        self._needed = count - floor(self._position)
        self._least = -np.inf
        self._held: list[np.ndarray] = []

    def add(self, numbers: np.ndarray) -> None:
        """Count further numbers."""
        self._held.append(numbers[numbers >= self._least])
        if sum(map(len, self._held)) > 2 * self._needed:
            self._held = [self._highest()]
            self._least = float(self._held[0].min())

    @property
    def value(self) -> float:
        """The quantile of what was counted."""
        found = np.sort(self._highest())[:2].astype(float).tolist()
        lower, upper = (found[0], found[-1]) if found else (0.0, 0.0)
        return lower + (upper - lower) * (self._position - floor(self._position))

    def _highest(self) -> np.ndarray:
        held = np.concatenate(self._held or [np.empty(0)])
        surplus = len(held) - self._needed
        return np.partition(held, surplus)[surplus:] if surplus > 0 else held


def _numbers(maps: MapsOverTime) -> int:
    """How many a column of maps has."""
    steps, _, height, width = maps.shape
    return steps * height * width
