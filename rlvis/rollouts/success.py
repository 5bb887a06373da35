"""When an episode ended well: as the environment says, or by a rule that the user gives."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlvis.errors import InputError, Notice, unknown
from rlvis.rollouts.conditions import Condition


@dataclass(frozen=True)
class SuccessRule(Condition):
    """A comparison such as "return > 0.5".

    Attributes:
        name: "return" (the sum of the rewards), "length" (steps), "reward" (the last one), or an
            entry of the environment's last info.
        comparison: one of > >= < <= == !=.
        number: what it is compared with.
    """

    @classmethod
    def parse(cls, text: str) -> "SuccessRule":
        """A rule as users write it.

        Raises:
            InputError: if it is no comparison of a name with a number.
        """
        return cls.read(
            text,
            "rule of success",
            "one such as 'return > 0.5', with return, length, reward or an entry of the "
            "environment's info",
        )

    def holds(self, total: float, length: int, reward: float, info: Mapping[str, Any]) -> bool:
        """Whether an episode ended well.

        Args:
            total: the sum of its rewards.
            length: its steps.
            reward: the last one.
            info: the last one.

        Raises:
            InputError: if the info has no number of that name, or NaN.
        """
        known = {**info, "return": total, "length": length, "reward": reward}
        if self.name not in known:
            raise unknown("such thing as", self.name, ["return", "length", "reward", *info])
        value = _number(known[self.name])
        if value is None:
            raise InputError(
                f"{self.name!r} in the environment's info is {str(known[self.name])[:40]!r}, no "
                "number; write a rule with another entry"
            )
        return bool(self.compare(value))


def as_rule(given: "str | SuccessRule | None") -> SuccessRule | None:
    """A rule from what a user may write, None for none."""
    return SuccessRule.parse(given) if isinstance(given, str) else given


def ended_well(info: Mapping[str, Any]) -> bool | None:
    """Return the success in the environment's last info, None where it has none.

    An entry that is neither true nor false, 1 nor 0, is not taken for a success: a `Notice` says
    so.

    Args:
        info: with an entry "success" or, as Stable-Baselines3 reads it, "is_success".
    """
    for name in ("success", "is_success"):
        given = info.get(name)
        if given is None:
            continue
        number = _number(given)
        if number in (0, 1):
            return bool(number)
        warnings.warn(
            f"the environment's info says {name} = {str(given)[:40]!r}, which is neither true nor "
            "false: success is unknown there; give a rule such as --success 'return > 0.5'",
            Notice,
            stacklevel=2,
        )
        return None
    return None


def _number(given: Any) -> float | None:
    """A boolean, a number, or an array of one of them, as a number; None for anything else."""
    try:
        array = np.asarray(given)
    except (TypeError, ValueError, RuntimeError):
        return None
    if array.size != 1 or array.dtype.kind not in "biuf" or np.isnan(array.item()):
        return None
    return float(array.item())
