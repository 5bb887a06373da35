"""What an episode of a recording is made of: arrays with named axes, a block of steps at a time."""

from collections.abc import Sequence

import numpy as np
import torch

from rlvis.attribution.explanation import Explanation
from rlvis.rollouts.header import Header
from rlvis.rollouts.stepper import Step

Arrays = dict[str, tuple[np.ndarray, tuple[str, ...]]]
"""By name the rows of an array, and the names of its axes behind that of time."""

KINDS = ("heatmaps", "contrasts", "evidence", "notes")
"""Of arrays that there is one of for each method, in folders of their own."""


def played(header: Header, steps: Sequence[Step]) -> Arrays:
    """What was seen and done at steps of one episode."""
    decisions = [each.decision for each in steps]
    actions = np.array([each.action for each in decisions])
    logits = np.stack([each.logits for each in decisions])
    probabilities = header.distribution.probabilities(torch.from_numpy(logits)).numpy()
    arrays: Arrays = {
        "observation": (np.stack([each.image for each in decisions]), ("y", "x", "channel")),
        "action_taken": (
            actions,
            ("dimension", "dimension_1", "dimension_2")[: actions.ndim - 1],
        ),
        "reward": (np.array([each.reward for each in steps], np.float32), ()),
        "value": (np.array([each.value for each in decisions], np.float32), ()),
        "logit": (logits, ("action",)),
    }
    renders = [each.render for each in steps if each.render is not None]
    if renders:
        arrays["render"] = (np.stack(renders), ("render_y", "render_x", "colour"))
    if np.isfinite(probabilities).all():
        arrays["probability"] = (probabilities, ("action",))
    for key in decisions[0].context:
        column = np.stack([each.context[key] for each in decisions])
        axes = tuple(f"context_{key}_{axis}" for axis in range(column.ndim - 1))
        arrays[f"context_{key}"] = (column, axes)
    return arrays


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
) -> Arrays:
    """What was found out of steps of one episode.

    Args:
        header: of the recording.
        explanations: of the steps, by each of the header's methods.
        notes: what pictures should say, "" as 0.
        names: of targets.
    """
    arrays: Arrays = {}
    axis = "target" if header.targets else "action"
    for explanation in explanations:
        method, maps = explanation.method, explanation.maps
        height, width = maps.shape[-2:]
        alike = (height, width) == explanation.images.shape[1:3]
        sides = ("y", "x") if alike else (f"y_{height}", f"x_{width}")
        if header.contrast:
            if not all(explanation.adds_up):
                arrays[f"contrasts/{method}"] = (maps[:, -1], sides)
            maps = maps[:, :-1]
        arrays[f"heatmaps/{method}"] = (maps, (axis, *sides))
        if any(explanation.adds_up):
            arrays[f"evidence/{method}"] = (explanation.evidence, ("explained",))
        said = [[notes["\n".join(each)] for each in row] for row in explanation.notes]
        arrays[f"notes/{method}"] = (np.array(said, np.uint8), ("explained",))
    if header.targets and explanations:
        told = [[names[each] for each in row] for row in explanations[0].targets]
        arrays["target_name"] = (np.array(told, np.uint32), ("target",))
        arrays["target_value"] = (explanations[0].scores, ("target",))
    return arrays
