"""What an episode of a recording is made of: arrays with named axes, and attributes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rlvis.attribution.explanation import Explanation
from rlvis.rollouts.episode import Episode
from rlvis.rollouts.header import Header

Arrays = dict[str, tuple[np.ndarray, tuple[str, ...]]]
"""By name the array, and the names of its axes behind that of time."""

KINDS = ("heatmaps", "contrasts", "evidence", "notes")
"""Of arrays that there is one of for each method, in folders of their own."""


def episode_contents(
    header: Header, episode: Episode, explanations: Sequence[Explanation]
) -> tuple[dict[str, Any], Arrays]:
    """Attributes and arrays of an episode and its explanations, as `recording` lists them."""
    notes, explained = _explained(header, explanations)
    attributes: dict[str, Any] = {
        "notes": notes,
        "seed": episode.seed,
        "steps": len(episode),
        "total_reward": episode.total_reward,
        "terminated": episode.terminated,
        "truncated": episode.truncated,
        "success": episode.success,
        "outcome": episode.outcome,
    }
    arrays = _played(episode) | explained
    if header.targets:
        attributes["targets"] = explanations[0].targets
        arrays["target_value"] = (explanations[0].scores, ("target",))
    return attributes, arrays


def _played(episode: Episode) -> Arrays:
    arrays: Arrays = {
        "observation": (episode.observations, ("y", "x", "channel")),
        "action_taken": (
            episode.actions,
            ("dimension", "dimension_1", "dimension_2")[: episode.actions.ndim - 1],
        ),
        "reward": (episode.rewards, ()),
        "value": (episode.values, ()),
        "logit": (episode.logits, ("action",)),
    }
    if episode.renders is not None:
        arrays["render"] = (episode.renders, ("render_y", "render_x", "colour"))
    if np.isfinite(episode.probabilities).all():
        arrays["probability"] = (episode.probabilities, ("action",))
    for kind, columns in (("context", episode.context), ("info", episode.info)):
        for key, column in columns.items():
            axes = tuple(f"{kind}_{key}_{axis}" for axis in range(column.ndim - 1))
            arrays[f"{kind}_{key}"] = (column, axes)
    return arrays


def _explained(header: Header, explanations: Sequence[Explanation]) -> tuple[list[str], Arrays]:
    """The notes that there are, and the arrays."""
    arrays: Arrays = {}
    explained = "target" if header.targets else "action"
    notes = [""]
    for explanation in explanations:
        method = explanation.method
        maps = explanation.heatmaps
        if header.contrast:
            if not all(explanation.adds_up):
                arrays[f"contrasts/{method}"] = (maps[:, -1], ("y", "x"))
            maps = maps[:, :-1]
        arrays[f"heatmaps/{method}"] = (maps, (explained, "y", "x"))
        if any(explanation.adds_up):
            arrays[f"evidence/{method}"] = (explanation.evidence, ("explained",))
        said = [["\n".join(each) for each in row] for row in explanation.notes]
        notes += sorted({each for row in said for each in row} - set(notes))
        numbers = [[notes.index(each) for each in row] for row in said]
        arrays[f"notes/{method}"] = (np.array(numbers, np.uint8), ("explained",))
    return notes[1:], arrays
