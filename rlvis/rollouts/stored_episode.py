"""An episode as it lies in a store: looked at before it is read, its damage told by its name."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rlvis.errors import InputError
from rlvis.rollouts.contents import KINDS
from rlvis.rollouts.number_table import NUMBERS, Columns, read_columns
from rlvis.rollouts.store import DamageError, Folder, Place, array_names, read_attributes
from rlvis.rollouts.zarr_array import StoredArray

_NEEDED = {"seed", "steps", "terminated", "truncated", "success"}
_ALL = slice(None)


@dataclass(frozen=True)
class StoredEpisode:
    """Attributes and arrays of one episode.

    Attributes:
        place: the folder of its group.
        title: what errors call it: "episode 3 of run.zarr".
        complete: whether every chunk was written, also those that hold nothing but zeros.
    """

    place: Place
    title: str
    complete: bool = True

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """Its attributes, with the list of its arrays.

        Raises:
            InputError: if they are damaged.
        """
        try:
            attributes = read_attributes(self.place)
        except DamageError as error:
            raise self.damaged(str(error)) from None
        if "arrays" not in attributes and isinstance(self.place, Folder):
            attributes["arrays"] = array_names(self.place.path)
        steps, arrays = attributes.get("steps"), attributes.get("arrays")
        if type(steps) is not int or steps < 1 or not attributes.keys() >= _NEEDED:
            raise self.damaged("its attributes are incomplete")
        if not isinstance(arrays, list) or not all(map(_is_array_name, arrays)):
            raise self.damaged("its list of arrays is none")
        return attributes

    @property
    def steps(self) -> int:
        """How many."""
        return self.attributes["steps"]

    @cached_property
    def _columns(self) -> dict[str, Columns]:
        """The entries of the table of numbers; older recordings have arrays instead."""
        try:
            return read_columns(self.attributes.get("numbers", {}))
        except (TypeError, ValueError):
            raise self.damaged("its table of numbers is not described") from None

    def __contains__(self, name: str) -> bool:
        return name in self.attributes["arrays"] or name in self._columns

    def open(self, name: str) -> StoredArray:
        """An array of pictures, such as "heatmaps/cam", to be read part by part.

        Raises:
            InputError: if it is damaged or missing; reading it raises that, too.
        """
        place = self.place
        for part in name.split("/"):
            place = place.inner(part)
        array = StoredArray(place, lambda why: self.damaged(f"{name}: {why}"), self.complete)
        if name != "state" and array.shape[:1] != (self.steps,):
            raise self.damaged(f"{name} has {array.shape[:1]} entries for {self.steps} steps")
        return array

    def read(self, name: str, steps: slice = _ALL) -> np.ndarray:
        """What was kept under a name, at some steps.

        Raises:
            InputError: if it is damaged or missing.
        """
        columns = self._columns.get(name)
        if columns is None:
            return self.open(name)[steps]
        if self._table.ndim != 2 or columns.place.stop > self._table.shape[1]:
            raise self.damaged(f"{name} is no part of its table of numbers")
        rows = self._table[steps, columns.place]
        with np.errstate(invalid="ignore"):
            return rows.reshape(len(rows), *columns.shape).astype(columns.kind)

    @cached_property
    def _table(self) -> np.ndarray:
        return self.open(NUMBERS)[_ALL]

    def check(self) -> None:
        """Read everything, a chunk at a time.

        Raises:
            InputError: if something is damaged.
        """
        for name in self.attributes["arrays"]:
            self.open(name).check()
        for name in self._columns:
            self.read(name)

    def named(self, prefix: str, steps: slice = _ALL) -> dict[str, np.ndarray]:
        """What was kept under names with a prefix, without it."""
        names = [*self.attributes["arrays"], *self._columns]
        found = [name for name in names if name.startswith(prefix)]
        return {name.removeprefix(prefix): self.read(name, steps) for name in found}

    def states(self, steps: slice = _ALL) -> list[bytes]:
        """The environment's states before steps, as they were kept.

        Raises:
            InputError: if they are damaged, or there are none.
        """
        wanted = range(self.steps)[steps]
        ends = [0, *self.read("state_end").tolist()]
        content = self.open("state")
        return [content[ends[step] : ends[step + 1]].tobytes() for step in wanted]

    def damaged(self, reason: str) -> InputError:
        """The error that says what is wrong with it."""
        return InputError(
            f"{self.title} is damaged: {reason}; record it again, the other episodes can be read"
        )


def _is_array_name(name: Any) -> bool:
    """Whether it is a name within an episode's folder."""
    kind, slash, rest = name.partition("/") if isinstance(name, str) else ("", "", "")
    parts = rest if slash and kind in KINDS else kind + slash + rest
    return bool(parts) and "/" not in parts and "\\" not in parts and parts not in (".", "..")
