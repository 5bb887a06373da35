"""What an environment tells along with its observations, as one table of numbers.

    info    (time, info_entry)    float64: each entry is a run of columns

One small array takes a fraction of the time and of the disk of one for each entry. Whole numbers
are exact up to 2**53. Entries that not every step has, or that are no numbers of one shape, are
left out; so are those of more than 64 numbers.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

_MOST = 64


class InfoTable:
    """The table of an episode as it grows."""

    def __init__(self) -> None:
        self._columns: dict[str, tuple[slice, tuple[int, ...], np.dtype]] | None = None
        self._gone: set[str] = set()
        self._width = 0

    def rows(self, infos: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """The rows of further steps, float64 (n, width)."""
        if self._columns is None:
            self._columns = self._choose(infos[0])
        table = np.zeros((len(infos), self._width))
        for name, (place, shape, kind) in self._columns.items():
            column = _numbers([info.get(name) for info in infos])
            if column is None or column.shape[1:] != shape:
                self._gone.add(name)
                continue
            self._columns[name] = place, shape, np.result_type(kind, column.dtype)
            table[:, place] = column.reshape(len(infos), -1)
        return table

    def _choose(self, info: Mapping[str, Any]) -> dict[str, Any]:
        """The entries of the first step that can be kept."""
        columns = {}
        for name, value in info.items():
            column = _numbers([value])
            if column is not None and column.size <= _MOST and isinstance(name, str):
                end = self._width + column.size
                columns[name] = slice(self._width, end), column.shape[1:], column.dtype
                self._width = end
        return columns

    def record(self) -> dict[str, Any]:
        """What the columns are, as JSON holds it: of each entry the first one, shape and type."""
        return {
            name: [place.start, list(shape), kind.name]
            for name, (place, shape, kind) in (self._columns or {}).items()
            if name not in self._gone
        }


def read_info(record: Mapping[str, Any], table: np.ndarray) -> dict[str, np.ndarray]:
    """The entries by name, arrays (T, …).

    Args:
        record: of the table.
        table: float64 (T, width).

    Raises:
        ValueError: if the table is another than was recorded.
    """
    entries = {}
    for name, (start, shape, kind) in record.items():
        columns = table[:, start : start + prod(shape)]
        entries[name] = columns.reshape(len(table), *shape).astype(np.dtype(kind))
    return entries


def _numbers(values: Sequence[Any]) -> np.ndarray | None:
    """Values as numbers of one shape, None where they are none."""
    try:
        column = np.array(values)
    except ValueError:
        return None
    return column if column.dtype.kind in "biuf" else None
