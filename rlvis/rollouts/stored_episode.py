"""An episode as it lies in a store: looked at before it is read, its damage told by its name."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from rlvis.errors import InputError
from rlvis.rollouts.contents import KINDS
from rlvis.rollouts.store import DamageError, array_names, check_array, read_attributes

_NEEDED = {"seed", "steps", "terminated", "truncated", "success"}


@dataclass(frozen=True)
class StoredEpisode:
    """Attributes and arrays of one episode.

    Attributes:
        root: of the recording.
        name: of the episode's group in it.
        folder: the group's own, None where it is in memory.
        complete: whether every chunk was written, also those that hold nothing but zeros.
        title: what errors call it: "episode 3 of run.zarr".
    """

    root: zarr.Group
    name: str
    folder: Path | None
    complete: bool
    title: str

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """Its attributes, with the list of its arrays.

        Raises:
            InputError: if they are damaged.
        """
        if self.folder is None:
            return dict(self._group.attrs)
        try:
            attributes = read_attributes(self.folder)
            attributes.setdefault("arrays", array_names(self.folder))
        except DamageError as error:
            raise self.damaged(str(error)) from None
        steps, arrays = attributes.get("steps"), attributes["arrays"]
        if type(steps) is not int or steps < 1 or not attributes.keys() >= _NEEDED:
            raise self.damaged("its attributes are incomplete")
        if not isinstance(arrays, list) or not all(map(_is_array_name, arrays)):
            raise self.damaged("its list of arrays is none")
        return attributes

    @cached_property
    def _group(self) -> zarr.Group:
        group = self.root[self.name]
        assert isinstance(group, zarr.Group)
        return group

    def __contains__(self, name: str) -> bool:
        return name in self.attributes["arrays"]

    def read(self, name: str) -> np.ndarray:
        """An array (steps, …) by its name, such as "heatmaps/cam".

        Raises:
            InputError: if it is damaged or missing.
        """
        steps = self.attributes["steps"]
        if self.folder is not None:
            try:
                check_array(self.folder / name, complete=self.complete)
            except DamageError as error:
                raise self.damaged(f"{name}: {error}") from None
        try:
            found: Any = self._group[name]
            array = np.asarray(found[...])
        except Exception as error:  # decoders stumble over damaged files in ways of their own
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            raise self.damaged(f"{name} cannot be unpacked ({reason})") from None
        if array.shape[:1] != (steps,):
            raise self.damaged(f"{name} has {array.shape[:1]} entries for {steps} steps")
        return array

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
