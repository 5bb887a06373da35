"""The numbers of each step of an episode, side by side in one array.

    numbers    (time, number)    float64: each entry is a run of columns

A file takes longer to make than all numbers of an episode take to write, so that they have one
instead of one each. Whole numbers are exact up to 2**53.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

NUMBERS = "numbers"
"""The array's name."""

_MOST = 64


@dataclass(frozen=True)
class Columns:
    """An entry of the table.

    Attributes:
        start: its first column.
        shape: of it at each step.
        kind: of its numbers.
    """

    start: int
    shape: tuple[int, ...]
    kind: np.dtype

    @property
    def place(self) -> slice:
        """All of its columns."""
        return slice(self.start, self.start + prod(self.shape))


def fits(entry: np.ndarray) -> bool:
    """Whether an entry (n, …) is small enough for the table."""
    return entry.dtype.kind in "biuf" and prod(entry.shape[1:]) <= _MOST


class NumberTable:
    """The table of an episode as it grows; its entries are those of the first rows.

    An entry that later rows lack, or have in another shape, is dropped.
    """

    def __init__(self) -> None:
        self._columns: dict[str, Columns] | None = None
        self._width = 0

    def rows(self, entries: Mapping[str, np.ndarray], count: int) -> np.ndarray:
        """Further rows, float64 (count, width), of entries (count, …) by name."""
        if self._columns is None:
            self._columns = {}
            for name, entry in entries.items():
                made = Columns(self._width, entry.shape[1:], entry.dtype)
                self._columns[name], self._width = made, made.place.stop
        rows = np.zeros((count, self._width))
        for name, known in list(self._columns.items()):
            found = entries.get(name)
            if found is None or found.shape[1:] != known.shape:
                del self._columns[name]
                continue
            kind = np.result_type(known.kind, found.dtype)
            self._columns[name] = Columns(known.start, known.shape, kind)
            rows[:, known.place] = found.reshape(count, -1)
        return rows

    def record(self) -> dict[str, Any]:
        """The entries as JSON holds them: of each the first column, the shape and the type."""
        known = self._columns or {}
        return {name: [each.start, each.shape, each.kind.name] for name, each in known.items()}


def read_columns(record: Any) -> dict[str, Columns]:
    """The entries that `NumberTable.record` described.

    Raises:
        ValueError: if it describes none.
    """
    if not isinstance(record, dict):
        raise ValueError("no table")
    found = {}
    for name, described in record.items():
        start, shape, kind = described
        made = Columns(start, tuple(shape), np.dtype(kind))
        sizes = (start, *shape)
        if not all(type(each) is int and each >= 0 for each in sizes) or not fits(
            np.empty((0, *shape), made.kind)
        ):
            raise ValueError("no entry of a table")
        found[name] = made
    return found
