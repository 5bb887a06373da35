"""What a world says of itself, asked and checked, and what it refused."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvis.errors import InputError, one_line
from rlvis.rollouts.interventions import ask

if TYPE_CHECKING:
    from gymnasium import Env

_LONGEST = 60


@dataclass(frozen=True)
class Refusals:
    """What a world refused: how often, and why the first time, by what it was asked."""

    found: dict[str, tuple[int, str]] = field(default_factory=dict)

    def note(self, name: str, why: object) -> None:
        """Once more."""
        count, first = self.found.get(name, (0, str(why)))
        self.found[name] = count + 1, first

    @contextmanager
    def noted(self, name: str) -> Iterator[None]:
        """Note an InputError and go on."""
        try:
            yield
        except InputError as error:
            self.note(name, error)

    def told(self, total: int, asked: str) -> list[str]:
        """A line for each.

        Args:
            total: how often each could have been refused.
            asked: of what the total is, such as "moments".
        """
        return [
            f"{name}, in {count} of {total} {asked}: {why}"
            for name, (count, why) in self.found.items()
        ]


def answer_of(env: "Env", method: str) -> Any:
    """What a world says of itself, as `Interventions` has it.

    Args:
        env: at some moment.
        method: "objects", "colours" or "matters", whose answers are names, each once, (str, …);
            "factors", values by name; or "surfaces", (str, …) by name.

    Raises:
        InputError: if it fails, or answers something else.
    """
    told = ask(env, method)
    read, wanted = _READ[method]
    try:
        return read(told)
    except (TypeError, ValueError) as error:
        raise _wrong(method, told, wanted) from error


def mask_of(env: "Env", name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The pixels of an object, bool (H, W), by the world's own account.

    Args:
        env: at some moment.
        name: of the object.
        shape: (H, W).

    Raises:
        InputError: if it fails, or answers something else.
    """
    told, wanted = ask(env, "object_mask", name), f"a mask, bool {shape}"
    try:
        mask = np.asarray(told)
    except ValueError as error:
        raise _wrong("object_mask", told, wanted) from error
    if mask.shape != shape or mask.dtype.kind not in "biu":
        raise _wrong("object_mask", mask, wanted)
    return mask.astype(bool)


def _wrong(method: str, told: Any, wanted: str) -> InputError:
    kind = f"{told.dtype} {told.shape}" if isinstance(told, np.ndarray) else one_line(repr(told))
    short = kind if len(kind) <= _LONGEST else f"{kind[:_LONGEST]}…"
    return InputError(f"{method}() returned {short}; it must return {wanted}")


def _names(told: Any) -> tuple[str, ...]:
    found = tuple(told)
    if isinstance(told, str) or not all(isinstance(each, str) for each in found):
        raise TypeError
    return tuple(dict.fromkeys(found))


def _by_name(told: Any) -> dict[str, Any]:
    if not isinstance(told, Mapping):
        raise TypeError
    _names(told)
    return dict(told)


def _names_by_name(told: Any) -> dict[str, tuple[str, ...]]:
    return {name: _names(each) for name, each in _by_name(told).items()}


_READ: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "objects": (_names, "the names of objects, a tuple of str"),
    "matters": (_names, "the names of factors, a tuple of str"),
    "colours": (_names, "colours by name, a dict"),
    "factors": (_by_name, "values by the name of each factor, a dict"),
    "surfaces": (_names_by_name, "the names of textures by surface, a dict of tuples of str"),
}
