"""An episode as it is written, a block of steps at a time: memory does not grow with its length."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

import numpy as np

from rlvis.attribution.explanation import Explanation
from rlvis.rollouts.contents import Arrays, Numbered, explained, played
from rlvis.rollouts.header import Header
from rlvis.rollouts.info_table import InfoTable
from rlvis.rollouts.stepper import Step
from rlvis.rollouts.store import Place, write_group
from rlvis.rollouts.zarr_array import GrowingArray


class EpisodeWriter:
    """One episode of a recording.

    Args:
        place: the folder of its group.
        header: of the recording.
    """

    def __init__(self, place: Place, header: Header) -> None:
        self._place, self._header = place, header
        self._arrays: dict[str, GrowingArray] = {}
        self._info = InfoTable()
        self._notes, self._names = Numbered([""]), Numbered()
        self._windows: dict[str, list[int]] = {}
        self._state_bytes = 0

    def add(self, steps: Sequence[Step], explanations: Sequence[Explanation] = ()) -> None:
        """Write the steps that follow, and the maps of them."""
        self._append(played(self._header, steps))
        info = self._info.rows([each.info for each in steps])
        if info.shape[1]:
            self._append({"info": (info, ("info_entry",))})
        states = [each.state for each in steps if each.state is not None]
        if states:
            self._append_states(states)
        self.add_maps(explanations)

    def add_maps(self, explanations: Sequence[Explanation]) -> None:
        """Write the maps of the steps that follow."""
        self._append(explained(self._header, explanations, self._notes, self._names))
        for each in explanations:
            self._windows[each.method] = list(astuple(each.window))

    def finish(self, last: Step) -> None:
        """Write the rest, and what makes it an episode.

        Args:
            last: the step that was its last.
        """
        outcome = last.outcome
        assert outcome is not None
        self.close(
            {
                "seed": last.seed,
                "steps": last.number + 1,
                "total_reward": outcome.total,
                "terminated": outcome.terminated,
                "truncated": outcome.truncated,
                "success": outcome.success,
                "outcome": outcome.word,
            }
        )

    def close(self, attributes: Mapping[str, Any]) -> None:
        """Write the rest of the arrays, then the attributes, by which it is whole."""
        for array in self._arrays.values():
            array.close()
        for folder in {name.partition("/")[0] for name in self._arrays if "/" in name}:
            write_group(self._place.inner(folder), {})
        more = {
            "arrays": list(self._arrays),
            "info": self._info.record(),
            "notes": self._notes.texts[1:],
            "target_names": self._names.texts,
            "windows": self._windows,
        }
        write_group(self._place, {**attributes, **more})

    def discard(self) -> None:
        """Remove what was written of it."""
        self._place.remove()

    def _append(self, arrays: Arrays) -> None:
        for name, (rows, axes) in arrays.items():
            self._array(name, axes).append(rows)

    def _append_states(self, states: Sequence[bytes]) -> None:
        """The bytes of all states one after the other, and where each ends."""
        ends = self._state_bytes + np.cumsum([len(each) for each in states], dtype=np.int64)
        self._state_bytes = int(ends[-1])
        self._array("state_end", ()).append(ends)
        content = np.frombuffer(b"".join(states), np.uint8)
        self._array("state", (), "state_byte").append(content)

    def _array(self, name: str, axes: Sequence[str], first: str = "time") -> GrowingArray:
        if name not in self._arrays:
            place = self._place
            for part in name.split("/"):
                place = place.inner(part)
            self._arrays[name] = GrowingArray(place, axes, first)
        return self._arrays[name]
