"""Observations compared with the space that an environment declares."""

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvis.errors import Notice
from rlvis.images.observations import is_picture

if TYPE_CHECKING:
    from gymnasium import Space


def as_declared(observation: Any, space: "Space", name: str) -> Any:
    """An observation in the shapes and dtypes of its space.

    Numbers of another dtype are converted where no value of an integer changes, and a `Notice` says
    so.

    Args:
        observation: an array, or a mapping of arrays for a Dict.
        space: the environment's observation space.
        name: of the environment, for the notice.

    Raises:
        ValueError: if an entry is missing, has another shape, cannot be converted, or is an image
            beyond the bounds of its space.
    """
    entries: Mapping[str, Space] | None = getattr(space, "spaces", None)
    if not isinstance(entries, Mapping):
        return _entry(observation, space, "observation", name)
    if not isinstance(observation, Mapping):
        raise ValueError(f"its observation is {type(observation).__name__}, not a dict of entries")
    missing = [key for key in entries if key not in observation]
    if missing:
        raise ValueError(f"its observation lacks {', '.join(map(str, missing))}")
    return {
        key: _entry(each, entries[key], f"observation {key}", name) if key in entries else each
        for key, each in observation.items()
    }


def _entry(given: Any, space: "Space", what: str, name: str) -> Any:
    if type(space).__name__ != "Box" or space.shape is None or space.dtype is None:
        return given
    array = np.asarray(given)
    if array.shape != space.shape:
        raise ValueError(f"its {what} is {array.shape}, and its space says {space.shape}")
    converted = array
    if array.dtype != space.dtype:
        converted = _converted(array, space.dtype, what)
        warnings.warn(
            f"{name}: its {what} is {array.dtype} where its space says {space.dtype}; it is "
            "converted",
            Notice,
            stacklevel=2,
        )
    if is_picture(space.shape, space.dtype) and space.dtype.kind == "f":
        _check_bounds(converted, space, what)
    return converted if array.dtype != space.dtype else given


def _converted(array: np.ndarray, dtype: np.dtype, what: str) -> np.ndarray:
    if array.dtype.kind not in "biuf":
        raise ValueError(f"its {what} is {array.dtype}, and its space says {dtype}")
    with np.errstate(invalid="ignore"):
        converted = array.astype(dtype)
    if dtype.kind in "biu" and not np.array_equal(converted, array):
        raise ValueError(
            f"its {what} is {array.dtype} from {array.min():g} to {array.max():g}, which its space "
            f"of {dtype} cannot hold"
        )
    return converted


def _check_bounds(array: np.ndarray, space: Any, what: str) -> None:
    if not bool(((array >= space.low) & (array <= space.high)).all()):
        raise ValueError(
            f"its {what} holds {array.min():g} to {array.max():g}, and its space says "
            f"{space.low.min():g} to {space.high.max():g}"
        )
