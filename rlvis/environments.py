"""Gymnasium environments with images and actions that policies know, checked before use."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import EnumMeta
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvis.actions import (
    ActionDistribution,
    Bernoulli,
    Categorical,
    DiagonalGaussian,
    MultiCategorical,
)
from rlvis.errors import InputError, unknown

if TYPE_CHECKING:
    from gymnasium import Env, Space

    from rlvis.policy import Policy


def make_environment(environment: str, *, wrappers: Sequence[str] = (), **options: Any) -> "Env":
    """An environment by its Gymnasium id, "CarRacing-v3" or "module:Id-v0".

    Args:
        environment: the id; the module before the colon is imported first, from the current
            folder too. Ids of installed packages that bring environments work bare, see
            `rlvis.providers`.
        wrappers: put around it, the innermost first; see `rlvis.wrappers`.
        options: passed to the environment's constructor.

    Raises:
        InputError: if Gymnasium is not installed, there is no such environment, wrapper or option,
            its observations hold no uint8 image, or its actions are of a kind that
            `distribution_over` does not know.
    """
    try:
        import gymnasium
    except ModuleNotFoundError:
        raise InputError(
            "environments need Gymnasium; install it with: pip install 'rlvis[agents]'"
        ) from None
    from rlvis.providers import allow_local_modules, import_provider

    try:
        if ":" in environment:
            allow_local_modules()
        if environment not in gymnasium.registry:
            import_provider(environment)
        made: Env = gymnasium.make(environment, **options)
    except (gymnasium.error.UnregisteredEnv, gymnasium.error.NamespaceNotFound):
        raise _unregistered(environment, list(gymnasium.registry)) from None
    except ModuleNotFoundError as error:
        raise InputError(
            f"cannot make {environment!r}: {error}; the module before the colon must be installed, "
            "as in rlvis_envs:CubeReach-v0"
        ) from None
    except Exception as error:  # whatever the environment's own code raises
        reason = _one_line(error) or type(error).__name__
        raise InputError(f"cannot make {environment!r}: {reason}") from error
    try:
        if wrappers:
            from rlvis.wrappers import wrap_all

            made = wrap_all(made, wrappers)
        check_spaces(made, environment)
    except InputError:
        with suppress(Exception):
            made.close()
        raise
    return made


def check_spaces(environment: "Env", name: str) -> None:
    """Whether the environment gives images and takes actions that policies know.

    Raises:
        InputError: if its observations hold no uint8 image, or its actions are of a kind that
            `distribution_over` does not know.
    """
    try:
        images_in(environment.observation_space)
        distribution_over(environment.action_space)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _unregistered(environment: str, registered: list[str]) -> InputError:
    module, _, name = environment.rpartition(":")
    prefix = f"{module}:" if module else ""
    stem = name.split("-v")[0]
    versions = [prefix + each for each in registered if each.split("-v")[0] == stem]
    if versions:
        return InputError(f"no environment {environment!r}; there is {', '.join(versions)}")
    own = ["rlvis_envs:CubeReach-v0", "rlvis_envs:CubeReachDistractors-v0"]
    return unknown("environment", environment, [*own, *(prefix + each for each in registered)])


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def is_picture(shape: Sequence[int], dtype: Any) -> bool:
    """Whether arrays are pictures: uint8 of two or three axes, or floats of three."""
    axes = {"u1": (2, 3), "f4": (3,), "f8": (3,)}.get(np.dtype(dtype).str[1:], ())
    return len(shape) in axes and min(shape) >= 1


def image_shape(space: "Space") -> tuple[int, int, int]:
    """The (H, W, C) of images in a space, whether the channels come last, first or not at all.

    Raises:
        InputError: if its members are neither uint8 images nor floats within bounds.
    """
    shape: tuple[int, ...] = getattr(space, "shape", None) or ()
    dtype = getattr(space, "dtype", None)
    if dtype is None or not is_picture(shape, dtype):
        raise InputError(
            f"observations are {_one_line(Exception(space))}, not uint8 images (H, W, C); "
            "choose an environment that gives camera images, or wrap it so that it does"
        )
    height, width, channels = (*shape, 1) if len(shape) == 2 else shape
    return (width, channels, height) if channels_first(shape) else (height, width, channels)


def images_in(space: "Space") -> dict[str | None, tuple[int, int, int]]:
    """The (H, W, C) of each image in an observation, by its key in a Dict, else by None.

    Raises:
        InputError: if there is none.
    """
    entries: Mapping[str, Space] | None = getattr(space, "spaces", None)
    if not isinstance(entries, Mapping):
        return {None: image_shape(space)}
    found: dict[str | None, tuple[int, int, int]] = {}
    for key, entry in entries.items():
        with suppress(InputError):
            found[key] = image_shape(entry)
    return found or {None: image_shape(space)}


def channels_first(shape: Sequence[int]) -> bool:
    """Whether the smallest of three axes is the first, the rule of Stable-Baselines3."""
    return len(shape) == 3 and int(np.argmin(shape)) == 0


def as_image(observation: Any) -> np.ndarray:
    """An observation as an image, uint8 (H, W, C)."""
    image = np.asarray(observation)
    if image.ndim == 2:
        return image[..., None]
    return image.transpose(1, 2, 0) if channels_first(image.shape) else image


def distribution_over(space: "Space") -> ActionDistribution:
    """The distribution that policies have over a space of actions, a Gaussian's deviations 1.

    Raises:
        InputError: if it is not a Discrete, MultiDiscrete or MultiBinary space of one axis, or a
            Box.
    """
    shape: tuple[int, ...] = getattr(space, "shape", None) or ()
    kind = type(space).__name__
    start: Any = getattr(space, "start", 0)
    if kind == "Discrete":
        return Categorical(int(getattr(space, "n", 0)), int(start))
    if kind == "MultiDiscrete" and len(shape) == 1:
        starts = tuple(map(int, start)) if np.any(start) else ()
        return MultiCategorical(tuple(map(int, getattr(space, "nvec", ()))), starts)
    if kind == "MultiBinary" and len(shape) == 1:
        return Bernoulli(shape[0])
    if kind == "Box":
        low, high = (getattr(space, bound, np.empty(0)) for bound in ("low", "high"))
        return DiagonalGaussian.within(np.zeros(shape), low, high)
    raise InputError(
        f"actions are {_one_line(Exception(space))}, not a Box nor Discrete, MultiDiscrete or "
        "MultiBinary ones of one axis; choose another environment, or wrap it so that they are"
    )


def action_names(environment: "Env") -> tuple[str, ...]:
    """The names that an environment gives its actions, else those of `distribution_over`.

    There is one name per score of a policy: per action of a Discrete space, per dimension of a Box.
    """
    labels = distribution_over(environment.action_space).labels
    world: Any = environment.unwrapped
    names: Sequence[str] = getattr(world, "action_names", ())
    if not names and hasattr(world, "get_action_meanings"):
        names = [each.lower() for each in world.get_action_meanings()]
    elif not names and isinstance(getattr(world, "actions", None), EnumMeta):
        numbered = {each.value: each.name for each in world.actions}
        names = [numbered[index] for index in range(len(labels)) if index in numbered]
    return tuple(names) if len(names) == len(labels) else labels


def named_actions(
    policy: "Policy", environment: "Env", given: Sequence[str] | None = None
) -> tuple[str, ...]:
    """The names of a policy's actions that are given, else its own, else the environment's where it
    only numbers them.

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


MASK = "action_mask"
"""The name of what tells a policy which actions are possible."""


def stacked_frames(environment: "Env") -> int | None:
    """How many frames a wrapper of the environment stacks, None where none says so."""
    for name in ("stacked_frames", "stack_size"):
        try:
            return int(environment.get_wrapper_attr(name))
        except AttributeError:
            continue
    return None


_OTHERWISE = "choose the environment it was trained in, and its wrappers"


def check_compatible(policy: "Policy", environment: "Env", name: str) -> None:
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
    if str(needed) != str(policy.distribution):
        raise InputError(
            f"{policy.name} knows {policy.distribution}, but {name} has {needed}; {_OTHERWISE}"
        )


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
