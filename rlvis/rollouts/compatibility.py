"""Whether a policy can act in an environment, and what its actions are called there."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from enum import EnumMeta
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvis.errors import InputError, Notice
from rlvis.models.distributions import ActionDistribution, Categorical
from rlvis.models.policy import MASK, Policy
from rlvis.rollouts.spaces import distribution_over, images_in

if TYPE_CHECKING:
    from gymnasium import Env

_OTHERWISE = "choose the environment it was trained in, and its wrappers"


def action_names(environment: "Env") -> tuple[str, ...]:
    """The names that an environment gives its actions, else those of `distribution_over`.

    There is one name per score of a policy: per action of a Discrete space, per dimension of a Box.
    """
    labels = distribution_over(environment.action_space).labels
    inner: Any = environment.unwrapped
    names: Sequence[str] = getattr(inner, "action_names", ())
    if not names and hasattr(inner, "get_action_meanings"):
        names = [each.lower() for each in inner.get_action_meanings()]
    elif not names and isinstance(getattr(inner, "actions", None), EnumMeta):
        numbered = {each.value: each.name for each in inner.actions}
        names = [numbered[index] for index in range(len(labels)) if index in numbered]
    return tuple(names) if len(names) == len(labels) else labels


def named_actions(
    policy: Policy, environment: "Env", given: Sequence[str] | None = None
) -> tuple[str, ...]:
    """The names of a policy's actions: those given, else its own.

    Where it only numbers them they are the environment's.

    Raises:
        InputError: if those given are not one for each, all different.
    """
    if given is None:
        numbered = policy.labels == policy.distribution.labels
        return action_names(environment) if numbered else policy.labels
    if len(given) != len(policy.labels) or len(set(given)) != len(given) or not all(given):
        raise InputError(
            f"the labels {', '.join(given)[:160]} are not {len(policy.labels)} different names; "
            f"give one for each score of {policy.name}"
        )
    return tuple(given)


def stacked_frames(environment: "Env") -> int | None:
    """How many frames a wrapper of the environment stacks, None where none says so."""
    for name in ("stacked_frames", "stack_size"):
        try:
            return int(environment.get_wrapper_attr(name))
        except AttributeError:
            continue
    return None


def at_home(policy: Policy, env: "Env", labels: Sequence[str] | None = None) -> Policy:
    """The policy as it is in an environment.

    It knows how many frames are stacked in its observations, and its actions by the names that are
    given, or by the environment's where it only numbers them. Discrete actions begin with the
    environment's first number.
    """
    distribution, there = policy.distribution, distribution_over(env.action_space)
    if isinstance(distribution, Categorical) and isinstance(there, Categorical):
        distribution = replace(distribution, start=there.start)
    return policy.with_changes(
        distribution=distribution,
        labels=named_actions(policy, env, labels),
        frames=policy.frames or stacked_frames(env) or 1,
    )


def check_compatible(policy: Policy, environment: "Env", name: str) -> None:
    """Whether the policy can act in the environment.

    Raises:
        InputError: if the observations or the actions are not those it was trained on.
    """
    space = environment.observation_space
    images = images_in(space)
    if policy.image_key not in images:
        seen = "plain images" if policy.image_key is None else f"the entry {policy.image_key!r}"
        given = ", ".join(map(repr, filter(None, images))) or "plain images"
        raise InputError(f"{policy.name} sees {seen}, but {name} gives {given}; {_OTHERWISE}")
    pictured = space if policy.image_key is None else getattr(space, "spaces", {})[policy.image_key]
    if (pictured.dtype == np.uint8) != (policy.pixel_range is None):
        raise InputError(
            f"{policy.name} was trained on images of "
            f"{'uint8' if policy.pixel_range is None else 'floats'}, but {name} gives "
            f"{pictured.dtype}; {_OTHERWISE}"
        )
    shape, trained = images[policy.image_key], policy.observation_shape
    if trained is not None and shape != trained:
        raise InputError(
            f"{policy.name} was trained on images {_times(trained)}, but {name} gives "
            f"{_times(shape)}; {_OTHERWISE}"
        )
    for key, expected in policy.context.items():
        if key == MASK:
            continue
        entry = getattr(space, "spaces", {}).get(key)
        found = images.get(key) or getattr(entry, "shape", None)
        if found != expected:
            given = "none" if found is None else f"one of the shape {found}"
            raise InputError(
                f"{policy.name} needs an entry {key!r} of the shape {expected}, but {name} gives "
                f"{given}; {_OTHERWISE}"
            )
    needed = distribution_over(environment.action_space)
    if needed.action_space != policy.distribution.action_space:
        raise InputError(
            f"{policy.name} knows {policy.distribution}, but {name} has {needed}; {_OTHERWISE}"
        )


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def require_same_actions(
    actions: Sequence[str], policy: str, labels: Sequence[str], distribution: ActionDistribution
) -> None:
    """Whether a policy's scores stand for the recorded actions, in their order.

    Numbers stand for whatever the names are. Other names are taken to be other words for the same,
    and a `Notice` says so.

    Args:
        actions: the recorded names.
        policy: its name.
        labels: the names of its scores.
        distribution: of its actions.

    Raises:
        InputError: if there are more or fewer, or the same in another order.
    """
    if len(labels) != len(actions):
        raise InputError(
            f"{policy} has {len(labels)} actions, the recording {len(actions)}; choose a policy of "
            "the same actions"
        )
    if tuple(labels) in (tuple(actions), distribution.labels):
        return
    told = f"the actions of {policy} are {', '.join(labels)}, the recorded {', '.join(actions)}"
    if sorted(labels) == sorted(actions):
        raise InputError(f"{told}; choose a policy that has them in the same order")
    warnings.warn(f"{told}; they are taken for the same, in this order", Notice, stacklevel=3)
