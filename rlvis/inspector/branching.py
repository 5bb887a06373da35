"""A recorded step gone on from: with other actions, with units held, by another policy."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from rlvis.errors import InputError
from rlvis.inspector.unit_networks import Edit, edited
from rlvis.models.policy import Policy
from rlvis.named_objects import is_named
from rlvis.rollouts.alternatives import what_if
from rlvis.rollouts.branches import BranchPoint, play_branches
from rlvis.rollouts.comparison import compare
from rlvis.rollouts.episode import Episode, taken_of
from rlvis.rollouts.recording import Recording
from rlvis.zoo.loading import load_playing_policy
from rlvis.zoo.source import ModelSource

MOST_STEPS = 1000
"""Of a future."""

_MOST_VIEWS = 12
_VIEW = (160, 120)

Pack = tuple[Mapping[str, np.ndarray], Mapping[str, Any]]


def scores_with(
    policy: Policy, image: np.ndarray, context: Mapping[str, np.ndarray], edits: Sequence[Edit]
) -> dict[str, Any]:
    """π and the value for an image as they are with units held, and as they were before.

    Args:
        policy: the recorded one.
        image: uint8 (H, W, C).
        context: of it, (1, …) each.
        edits: the units.

    Raises:
        InputError: if there is no such unit.
    """
    changed = edited(policy, image[None], context, edits)
    after, before = (_scores(each, image, context) for each in (changed, policy))
    return {**after, "before": before}


def play_with(
    recording: Recording, policy: Policy, number: int, step: int, edits: Sequence[Edit]
) -> dict[str, Any]:
    """How an episode goes on from a step with units held, and without, on the same random numbers.

    Raises:
        InputError: if there is no such unit, or the environment cannot be brought to the step.
    """
    image = recording.observations(number, slice(step, step + 1))
    changed = edited(policy, image, context_of(recording, policy, number, step), edits)
    after, before = (_played_on(recording, each, number, step) for each in (changed, policy))
    return {
        **_told(after),
        "taken": taken_of(after.distribution, after.actions),
        "probability": after.probabilities,
        "before": _told(before),
    }


def futures_pack(
    recording: Recording, policy: Policy, number: int, step: int, actions: Sequence[str]
) -> Pack:
    """What comes of each action at a step, the likeliest one taken from there on.

    Raises:
        InputError: if there is no such action, or the environment cannot be brought to the step.
    """
    found = what_if(
        recording, policy, number, step, actions, deterministic=True, max_steps=MOST_STEPS
    )
    asked = [each for each in found.futures if not actions or each.action in actions]
    views, futures = {}, []
    for place, each in enumerate(asked):
        episode = each.episodes[0]
        taken = taken_of(episode.distribution, episode.actions)
        futures.append(
            {"action": each.action, "recorded": each.taken, **_told(episode), "taken": taken}
        )
        if episode.renders is not None:
            views[f"views_{place}"] = some_views(episode.renders)
    return views, {"futures": futures, "brought_by": found.brought_by}


def compared_pack(recording: Recording, other: Policy, number: int) -> Pack:
    """What another policy would have done on the frames of an episode; see `compare`."""
    found = compare(recording, other, episodes=[number])
    pair = found.pairs[0]
    arrays = {
        "probability": pair.second.probabilities,
        "value": pair.second.values,
        "divergence": pair.divergence,
    }
    return arrays, {
        "policy": other.name,
        "parting": pair.parting,
        "widest": pair.widest,
        "agreement": float(pair.same_preference.mean()),
    }


def other_policy(name: str, *, files: bool) -> Policy:
    """A policy that the page names.

    Args:
        name: shipped, or a file or folder; never code.
        files: whether files may be read.

    Raises:
        InputError: if there is none, or it may not be read.
    """
    if not name or is_named(name):
        raise InputError("name a shipped policy, an agent's file or the folder of a run")
    if not files and any(each in name for each in "/\\."):
        raise InputError("only shipped policies are compared with where others may connect")
    return load_playing_policy(ModelSource(name))


def context_of(
    recording: Recording, policy: Policy, number: int, step: int
) -> dict[str, np.ndarray]:
    """What the policy knew besides the image at a step, (1, …) each."""
    names = [*policy.context, *policy.memory]
    if not names:
        return {}
    known = recording.episode(number).context
    return {name: known[name][step : step + 1] for name in names if name in known}


def some_views(views: np.ndarray) -> np.ndarray:
    """At most a dozen pictures from first to last, at most 160×120."""
    places = np.linspace(0, len(views) - 1, min(len(views), _MOST_VIEWS)).round().astype(int)
    height, width = views.shape[1:3]
    scale = min(1.0, _VIEW[0] / width, _VIEW[1] / height)
    if scale == 1:
        return views[places]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    reduced = Image.Resampling.BOX
    return np.stack([np.asarray(Image.fromarray(views[at]).resize(size, reduced)) for at in places])


def _scores(policy: Policy, image: np.ndarray, context: Mapping[str, np.ndarray]) -> dict[str, Any]:
    scores = policy.scores(image[None], context)
    logits = scores.logits.float().cpu()
    return {
        "probability": policy.distribution.probabilities(logits)[0].numpy(),
        "value": None if scores.value is None else float(scores.value[0]),
    }


def _played_on(recording: Recording, policy: Policy, number: int, step: int) -> Episode:
    moment = BranchPoint(recording, policy, number, step)
    played = play_branches(moment, [(None, 0)], deterministic=True, max_steps=MOST_STEPS)
    return played[0]


def _told(episode: Episode) -> dict[str, Any]:
    return {
        "outcome": episode.outcome,
        "success": episode.success,
        "steps": len(episode),
        "return": episode.total_reward,
    }
