"""What an episode of a recording is made of, a block of steps at a time: pictures and numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np

from rlvis.attribution.explanation import Explanation
from rlvis.rollouts.header import Header
from rlvis.rollouts.stepper import Step

KINDS = ("heatmaps", "contrasts", "evidence", "notes")
"""Of what there is one of for each method: "heatmaps/cam"."""


PICTURE_CODE = "picture_code"
"""Of what was seen at a step, equal for equal pictures."""


@dataclass
class Block:
    """What is known of n steps.

    Attributes:
        pictures: arrays (n, …), with the names of their axes behind that of time.
        numbers: arrays (n, …).
    """

    pictures: dict[str, tuple[np.ndarray, tuple[str, ...]]] = field(default_factory=dict)
    numbers: dict[str, np.ndarray] = field(default_factory=dict)


def played(steps: Sequence[Step]) -> Block:
    """What was seen and done at steps of one episode."""
    decisions = [each.decision for each in steps]
    block = Block()
    block.pictures["observation"] = (
        np.stack([each.image for each in decisions]),
        ("y", "x", "channel"),
    )
    renders = [each.render for each in steps if each.render is not None]
    if renders:
        block.pictures["render"] = (np.stack(renders), ("render_y", "render_x", "colour"))
    block.numbers = {
        "action_taken": np.array([each.action for each in decisions]),
        "reward": np.array([each.reward for each in steps], np.float32),
        "value": np.array([each.value for each in decisions], np.float32),
        "logit": np.stack([each.logits for each in decisions]),
        PICTURE_CODE: picture_codes(block.pictures["observation"][0]),
    }
    for key in decisions[0].context:
        block.numbers[f"context_{key}"] = np.stack([each.context[key] for each in decisions])
    for key, column in _told([each.info for each in steps]).items():
        block.numbers[f"info_{key}"] = column
    return block


def picture_codes(pictures: np.ndarray) -> np.ndarray:
    """Uint32 (n,) for n pictures: their checksums."""
    return np.array([crc32(each.tobytes()) for each in pictures], np.uint32)


def _told(infos: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """The entries that every step has, as numbers of one shape."""
    columns = {}
    for key in infos[0]:
        if not all(key in info for info in infos):
            continue
        try:
            column = np.array([info[key] for info in infos])
        except ValueError:
            continue
        if column.dtype.kind in "biuf":
            columns[key] = column
    return columns


class Numbered:
    """Texts that recur, by the numbers that stand for them."""

    def __init__(self, known: Sequence[str] = ()) -> None:
        self._numbers = {text: number for number, text in enumerate(known)}

    def __getitem__(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    @property
    def texts(self) -> list[str]:
        """All of them, in the order of their numbers."""
        return list(self._numbers)


def explained(
    header: Header, explanations: Sequence[Explanation], notes: Numbered, names: Numbered
) -> Block:
    """What was found out of steps of one episode.

    Args:
        header: of the recording.
        explanations: of the steps, by each of the header's methods.
        notes: what pictures should say, "" as 0.
        names: of targets.
    """
    block = Block()
    axis = "target" if header.targets else "action"
    for explanation in explanations:
        method, maps = explanation.method, explanation.maps
        height, width = maps.shape[-2:]
        alike = (height, width) == explanation.images.shape[1:3]
        sides = ("y", "x") if alike else (f"y_{height}", f"x_{width}")
        if header.contrast:
            if not all(explanation.adds_up):
                block.pictures[f"contrasts/{method}"] = (maps[:, -1], sides)
            maps = maps[:, :-1]
        block.pictures[f"heatmaps/{method}"] = (maps, (axis, *sides))
        if any(explanation.adds_up):
            block.numbers[f"evidence/{method}"] = explanation.evidence
        said = [[notes["\n".join(each)] for each in row] for row in explanation.notes]
        block.numbers[f"notes/{method}"] = np.array(said, np.uint8)
    if header.targets and explanations:
        told = [[names[each] for each in row] for row in explanations[0].targets]
        block.numbers["target_name"] = np.array(told, np.uint32)
        block.numbers["target_value"] = explanations[0].scores
    return block
