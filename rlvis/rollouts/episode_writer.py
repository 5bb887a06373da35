"""An episode as it is written, a block of steps at a time: memory does not grow with its length."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

import numpy as np

from rlvis.attribution.explanation import Explanation
from rlvis.rollouts.contents import Block, Numbered, explained, played
from rlvis.rollouts.header import Header
from rlvis.rollouts.number_table import NUMBERS, NumberTable, fits
from rlvis.rollouts.stepper import Step
from rlvis.rollouts.store import METADATA, Place, group_metadata
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
        self._table = NumberTable()
        self._notes, self._names = Numbered([""]), Numbered()
        self._windows: dict[str, list[int]] = {}
        self._places: dict[str, list[dict[str, Any]]] = {}
        self._steps = self._state_bytes = 0

    def add(self, steps: Sequence[Step], explanations: Sequence[Explanation] = ()) -> None:
        """Write the steps that follow, and the maps of them."""
        seen, found = played(steps), self._explained(explanations)
        states = [each.state for each in steps if each.state is not None]
        if states:
            ends = self._state_bytes + np.cumsum([len(each) for each in states], dtype=np.int64)
            self._state_bytes = int(ends[-1])
            seen.numbers["state_end"] = ends
            content = np.frombuffer(b"".join(states), np.uint8)
            self._array("state", (), "state_byte").append(content)
        block = Block(seen.pictures | found.pictures, seen.numbers | found.numbers)
        self._append(block, len(steps))

    def add_maps(self, explanations: Sequence[Explanation]) -> None:
        """Write the maps of the steps that follow."""
        self._append(self._explained(explanations), len(explanations[0]))

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
        whole = {name for name, array in self._arrays.items() if array.rows == self._steps}
        for name, array in self._arrays.items():
            if name in whole or name == "state":
                array.close()
            else:
                array.discard()
        for folder in {name.partition("/")[0] for name in whole if "/" in name}:
            self._place.inner(folder).write(METADATA, group_metadata({}))
        more = {
            "arrays": [name for name in self._arrays if name in whole or name == "state"],
            "numbers": self._table.record(),
            "notes": self._notes.texts[1:],
            "target_names": self._names.texts,
            "windows": self._windows,
            "places": self._places,
        }
        self._place.write(METADATA, group_metadata({**attributes, **more}))

    def discard(self) -> None:
        """Remove what was written of it."""
        self._place.remove()

    def _explained(self, explanations: Sequence[Explanation]) -> Block:
        for each in explanations:
            self._windows[each.method] = list(astuple(each.window))
            if each.places:
                self._places[each.method] = [place.record() for place in each.places]
        return explained(self._header, explanations, self._notes, self._names)

    def _append(self, block: Block, count: int) -> None:
        small = {name: each for name, each in block.numbers.items() if fits(each)}
        table = self._table.rows(small, count)
        if table.shape[1]:
            self._array(NUMBERS, ("number",)).append(table)
        for name, (rows, axes) in block.pictures.items():
            self._array(name, axes).append(rows)
        for name in block.numbers.keys() - small.keys():
            rows = block.numbers[name]
            axes = tuple(f"{name}_{axis}" for axis in range(rows.ndim - 1))
            self._array(name, axes).append(rows)
        self._steps += count

    def _array(self, name: str, axes: Sequence[str], first: str = "time") -> GrowingArray:
        if name not in self._arrays:
            place = self._place
            for part in name.split("/"):
                place = place.inner(part)
            self._arrays[name] = GrowingArray(place, axes, first)
        return self._arrays[name]
