"""Environments with images and a finite set of actions, checked when they are made."""

import re
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from rlvis.errors import InputError, unknown

Environment = gym.Env[np.ndarray, Any]


def make(environment: str, **options: Any) -> Environment:
    """An environment by its Gymnasium id, "CartPole-v1" or "module:Id-v0".

    Args:
        environment: the id; the module before the colon is imported first.
        options: passed to the environment's constructor.

    Raises:
        InputError: if there is no such environment or it cannot be made, its observations are not
            uint8 images, or its actions not discrete.
    """
    try:
        made: Environment = gym.make(environment, **options)
    except (gym.error.UnregisteredEnv, gym.error.NamespaceNotFound) as error:
        raise _unregistered(environment, error) from None
    except ModuleNotFoundError as error:
        raise InputError(
            f"cannot make {environment!r}: {error}; environments of the package rlvis_envs are "
            'called "rlvis_envs:CubeReach-v0"'
        ) from None
    except (gym.error.Error, ImportError, TypeError, ValueError) as error:
        raise InputError(f"cannot make {environment!r}: {error}") from None
    try:
        image_shape(made.observation_space)
        action_count(made.action_space)
    except InputError as error:
        made.close()
        raise InputError(f"{environment}: {error}") from None
    return made


def _unregistered(environment: str, error: Exception) -> InputError:
    module, _, name = environment.rpartition(":")
    known = [each for each in gym.registry if each.split("-v")[0] != name.split("-v")[0]]
    versions = [each for each in gym.registry if each.split("-v")[0] == name.split("-v")[0]]
    if versions:
        return InputError(f"no environment {environment!r}; there is {', '.join(versions)}")
    prefix = f"{module}:" if module else ""
    return unknown("environment", environment, [prefix + each for each in known])


def short_name(environment: str) -> str:
    """The name without module, namespace and version: "rlvis_envs:CubeReach-v0" → "CubeReach"."""
    return re.sub(r"-v\d+$", "", re.split(r"[:/]", environment)[-1])


def image_shape(space: gym.Space) -> tuple[int, int, int]:
    """The (H, W, C) of images in a space, whether it has the channels last or first.

    Raises:
        InputError: if its members are not uint8 images with three axes.
    """
    if not (isinstance(space, spaces.Box) and space.dtype == np.uint8 and len(space.shape) == 3):
        raise InputError(f"observations must be uint8 images (H, W, C), not {space}")
    height, width, channels = space.shape
    return (width, channels, height) if is_channels_first(space.shape) else space.shape


def is_channels_first(shape: Sequence[int]) -> bool:
    """Whether the smallest of the three axes is the first, the rule of Stable-Baselines3."""
    return int(np.argmin(shape)) == 0


def action_count(space: gym.Space) -> int:
    """The number of actions.

    Raises:
        InputError: if they are not discrete, numbered from 0.
    """
    if not isinstance(space, spaces.Discrete) or space.start != 0:
        raise InputError(f"actions must be Discrete, numbered from 0, not {space}")
    return int(space.n)


def action_names(environment: Environment) -> tuple[str, ...]:
    """The names that an environment gives its actions, else "action 0", "action 1" and so on."""
    count = action_count(environment.action_space)
    names: Sequence[str] = getattr(environment.unwrapped, "action_names", ())
    meanings = getattr(environment.unwrapped, "get_action_meanings", None)
    if not names and meanings is not None:
        names = [each.lower() for each in meanings()]
    return tuple(names) if len(names) == count else default_labels(count)


def default_labels(count: int) -> tuple[str, ...]:
    """ "action 0" to "action K-1"."""
    return tuple(f"action {index}" for index in range(count))
