"""The spaces of an environment: images in its observations, distributions over its actions."""

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvis.errors import InputError, one_line
from rlvis.images.observations import channels_first, is_picture
from rlvis.models.distributions import (
    ActionDistribution,
    Bernoulli,
    Categorical,
    DiagonalGaussian,
    MultiCategorical,
)

if TYPE_CHECKING:
    from gymnasium import Env, Space


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


def image_shape(space: "Space") -> tuple[int, int, int]:
    """The (H, W, C) of images in a space, whether the channels come last, first or not at all.

    Raises:
        InputError: if its members are neither uint8 images nor floats within bounds.
    """
    shape: tuple[int, ...] = getattr(space, "shape", None) or ()
    dtype = getattr(space, "dtype", None)
    if dtype is None or not is_picture(shape, dtype):
        raise InputError(
            f"observations are {one_line(space)}, not uint8 images (H, W, C); "
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
        f"actions are {one_line(space)}, not a Box nor Discrete, MultiDiscrete or "
        "MultiBinary ones of one axis; choose another environment, or wrap it so that they are"
    )
