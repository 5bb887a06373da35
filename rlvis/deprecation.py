"""Parameters and attributes by their former names: they keep working, with a DeprecationWarning."""

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from rlvis.progress import OnProgress, Progress

P = ParamSpec("P")
Returned = TypeVar("Returned")
Former = str | tuple[str, Callable[[Any], Any]]
"""The name that a parameter has now, and what its former value becomes."""


def renamed_parameters(
    **former: Former,
) -> Callable[[Callable[P, Returned]], Callable[P, Returned]]:
    """Let a function be called with former names of its parameters, too."""

    def decorate(function: Callable[P, Returned]) -> Callable[P, Returned]:
        @wraps(function)
        def call(*args: P.args, **options: P.kwargs) -> Returned:
            given: dict[str, Any] = dict(options)
            for name in former.keys() & given.keys():
                kind = former[name]
                new, convert = (kind, None) if isinstance(kind, str) else kind
                if new in given:
                    raise TypeError(f"{function.__name__} was given both {name} and {new}")
                warnings.warn(f"{name} is now {new}", DeprecationWarning, stacklevel=2)
                value = given.pop(name)
                given[new] = convert(value) if convert and value is not None else value
            return function(*args, **given)

        return call

    return decorate


class FormerName:
    """An attribute's former name.

    Args:
        new: the name that it has now.
    """

    def __init__(self, new: str) -> None:
        self._new = new

    def __set_name__(self, owner: type, name: str) -> None:
        self._former = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        warnings.warn(f"{self._former} is now {self._new}", DeprecationWarning, stacklevel=2)
        return getattr(instance, self._new)


def _told(read: Callable[[Progress], tuple[int, ...]]) -> Former:
    """A callback of before, which was called with what `read` gives."""

    def convert(callback: Callable[..., None]) -> OnProgress:
        return lambda progress: callback(*read(progress))

    return "on_progress", convert


DONE = _told(lambda progress: (progress.done,))
"""`on_batch` as it was: called with the steps done."""
DONE_AND_TOTAL = _told(lambda progress: (progress.done, progress.total))
"""`on_step` as it was: called with the steps done and wanted."""
NOTHING = _told(lambda progress: ())
"""`on_step` as `synthesize` had it: called with nothing."""
