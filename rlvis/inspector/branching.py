"""A recorded step gone on from: with other actions, with units held, by another policy."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rlvis.errors import InputError
from rlvis.inspector.album import Place, Seen
from rlvis.inspector.futures import MOST_STEPS, Chance, futures_told, told
from rlvis.inspector.unit_networks import Edit, edited
from rlvis.models.policy import Policy
from rlvis.named_objects import is_named
from rlvis.rollouts.alternatives import what_if
from rlvis.rollouts.branches import BranchPoint, play_branches
from rlvis.rollouts.comparison import compare
from rlvis.rollouts.episode import Episode
from rlvis.rollouts.recording import Recording
from rlvis.zoo.loading import load_playing_policy
from rlvis.zoo.source import ModelSource

Pack = tuple[Mapping[str, np.ndarray], Mapping[str, Any]]


def play_with(
    recording: Recording,
    policy: Policy,
    place: Place,
    seen: Seen,
    edits: Sequence[Edit],
    chance: Chance,
) -> dict[str, Any]:
    """How an episode goes on from a step with units held, and without, on the same random numbers.

    Raises:
        InputError: if there is no such unit, or the environment cannot be brought to the step.
    """

    def played(by: Policy) -> list[Episode]:
        futures = [(None, each) for each in range(chance.count(by))]
        moment = BranchPoint(recording, by, *place)
        return play_branches(
            moment, futures, deterministic=not chance.samples(by), max_steps=MOST_STEPS
        )

    after, before = played(edited(policy, *seen, edits)), played(policy)
    return {**told(after), "before": told(before)}


def futures_pack(
    recording: Recording, policy: Policy, place: Place, actions: Sequence[str], chance: Chance
) -> Pack:
    """What comes of each action at a step.

    Raises:
        InputError: if there is no such action, or the environment cannot be brought to the step.
    """
    found = what_if(
        recording,
        policy,
        *place,
        actions,
        futures=chance.futures,
        deterministic=chance.deterministic,
        max_steps=MOST_STEPS,
    )
    asked = [each for each in found.futures if not actions or each.action in actions]
    views, futures = futures_told((each.action, each.episodes) for each in asked)
    for each, one in zip(futures, asked, strict=True):
        each["recorded"] = one.taken
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
    recording: Recording, policy: Policy, number: int, steps: slice
) -> dict[str, np.ndarray]:
    """What the policy knew besides the images at some steps, (n, …) each."""
    names = [*policy.context, *policy.memory]
    if not names:
        return {}
    known = recording.episode(number).context
    return {name: known[name][steps] for name in names if name in known}
