"""When an episode ended well: as the environment says, or by a rule that the user gives."""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from rlvis.errors import InputError, unknown

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_RULE = re.compile(rf"\s*(\S+)\s*({'|'.join(_COMPARISONS)})\s*(\S+)\s*")


@dataclass(frozen=True)
class SuccessRule:
    """A comparison such as "return > 0.5".

    Attributes:
        name: "return" (the sum of the rewards), "length" (steps), "reward" (the last one), or an
            entry of the environment's last info.
        comparison: one of > >= < <= == !=.
        number: what it is compared with.
    """

    name: str
    comparison: str
    number: float

    @classmethod
    def parse(cls, text: str) -> "SuccessRule":
        """A rule as users write it.

        Raises:
            InputError: if it is no comparison of a name with a number.
        """
        found = _RULE.fullmatch(text)
        try:
            number = float(found[3]) if found else float("nan")
        except ValueError:
            number = float("nan")
        if not found or not isfinite(number):
            raise InputError(
                f"cannot read the rule of success {text!r}; write one such as 'return > 0.5', with "
                "return, length, reward or an entry of the environment's info"
            )
        return cls(found[1], found[2], number)

    def __str__(self) -> str:
        return f"{self.name} {self.comparison} {self.number:g}"

    def holds(self, total: float, length: int, reward: float, info: Mapping[str, Any]) -> bool:
        """Whether an episode ended well.

        Args:
            total: the sum of its rewards.
            length: its steps.
            reward: the last one.
            info: the last one.

        Raises:
            InputError: if the info has no number of that name.
        """
        known = {**info, "return": total, "length": length, "reward": reward}
        if self.name not in known:
            raise unknown("such thing as", self.name, ["return", "length", "reward", *info])
        try:
            value = float(known[self.name])
        except (TypeError, ValueError):
            raise InputError(f"{self.name!r} in the environment's info is no number") from None
        return _COMPARISONS[self.comparison](value, self.number)


def as_rule(given: "str | SuccessRule | None") -> SuccessRule | None:
    """A rule from what a user may write, None for none."""
    return SuccessRule.parse(given) if isinstance(given, str) else given


def ended_well(info: Mapping[str, Any]) -> bool | None:
    """What the environment's last info says of success, None where it says nothing."""
    said = info.get("success", info.get("is_success"))
    return None if said is None else bool(said)
