"""When an episode ended well: as the environment says, or by a rule that the user gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rlvis.errors import InputError, unknown
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
            InputError: if the info has no number of that name.
        """
        known = {**info, "return": total, "length": length, "reward": reward}
        if self.name not in known:
            raise unknown("such thing as", self.name, ["return", "length", "reward", *info])
        try:
            value = float(known[self.name])
        except (TypeError, ValueError):
            raise InputError(f"{self.name!r} in the environment's info is no number") from None
        return bool(self.compare(value))


def as_rule(given: "str | SuccessRule | None") -> SuccessRule | None:
    """A rule from what a user may write, None for none."""
    return SuccessRule.parse(given) if isinstance(given, str) else given


def ended_well(info: Mapping[str, Any]) -> bool | None:
    """What the environment's last info says of success, None where it says nothing."""
    said = info.get("success", info.get("is_success"))
    return None if said is None else bool(said)
