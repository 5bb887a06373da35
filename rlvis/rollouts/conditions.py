"""Comparisons that users write: "return > 0.5", "margin < 0.1"."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any, Self

from rlvis.errors import InputError

_COMPARISONS: dict[str, Callable[[Any, float], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_WRITTEN = re.compile(rf"\s*(\S+?)\s*({'|'.join(_COMPARISONS)})\s*(\S+)\s*")


@dataclass(frozen=True)
class Condition:
    """A comparison of something that has a name with a number.

    Attributes:
        name: of what is compared.
        comparison: one of > >= < <= == !=.
        number: what it is compared with.
    """

    name: str
    comparison: str
    number: float

    @classmethod
    def read(cls, text: str, what: str, example: str) -> Self:
        """A condition as users write it.

        Args:
            text: such as "return > 0.5".
            what: the condition is, for the error's sake.
            example: what would work, for the error's sake.

        Raises:
            InputError: if it is no comparison of a name with a number.
        """
        found = _WRITTEN.fullmatch(text)
        try:
            number = float(found[3]) if found else float("nan")
        except ValueError:
            number = float("nan")
        if not found or not isfinite(number):
            raise InputError(f"cannot read the {what} {text!r}; write {example}")
        return cls(found[1], found[2], number)

    def __str__(self) -> str:
        return f"{self.name} {self.comparison} {self.number:g}"

    def compare(self, value: Any) -> Any:
        """Whether it holds for a number, or for each of an array."""
        return _COMPARISONS[self.comparison](value, self.number)
