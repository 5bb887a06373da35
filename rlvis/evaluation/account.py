"""A world's own account of itself: what differs between episodes, and what matters."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rlvis.errors import unknown
from rlvis.evaluation.answers import Refusals, answer_of
from rlvis.evaluation.situations import Situations


@dataclass(frozen=True)
class Account:
    """What a world says of E episodes at their starts.

    Attributes:
        values: of each factor that is not the same in all episodes, by episode.
        constant: the factors that are the same in all of them.
        matters: the factors that what is right to do depends on; None where the world does not say,
            fails to in any episode, or names what is no factor.
        refused: what it failed to answer, in how many episodes.
    """

    values: Mapping[str, Mapping[int, Any]] = field(default_factory=dict)
    constant: tuple[str, ...] = ()
    matters: tuple[str, ...] | None = None
    refused: Refusals = field(default_factory=Refusals)

    @classmethod
    def of(cls, situations: Situations) -> "Account":
        """What the world says, nothing of what it does not offer or fails to answer."""
        varies, judges = situations.offers("factors", "varied"), situations.offers("matters")
        values: dict[str, dict[int, Any]] = {}
        matters: dict[str, None] = {}
        refused, env = Refusals(), situations.world.environment
        for number, state in situations.starts.items() if varies or judges else ():
            assert state is not None
            situations.enter(state)
            factors: Mapping[str, Any] = {}
            if varies:
                with refused.noted("factors()"):
                    factors = answer_of(env, "factors")
            for name, value in factors.items():
                values.setdefault(name, {})[number] = value
            if judges:
                with refused.noted("matters()"):
                    matters |= dict.fromkeys(_known(answer_of(env, "matters"), factors))
        counts = {name: len(_distinct(found)) for name, found in values.items()}
        return cls(
            {name: found for name, found in values.items() if counts[name] > 1},
            tuple(name for name in values if counts[name] == 1),
            tuple(matters) if judges and "matters()" not in refused.found else None,
            refused,
        )

    @cached_property
    def distinct(self) -> Mapping[str, Mapping[str, Any]]:
        """The values of each factor, each once, by their texts."""
        return {name: _distinct(found) for name, found in self.values.items()}

    def others(self, factor: str, episode: int) -> list[Any]:
        """The values that a factor has in other episodes and not in this one, each once.

        There are none for an episode of which the world did not tell its value.
        """
        of_episode = self.values[factor]
        if episode not in of_episode:
            return []
        own = _key(of_episode[episode])
        return [value for key, value in self.distinct[factor].items() if key != own]


def _known(names: Sequence[str], factors: Mapping[str, Any]) -> Sequence[str]:
    """Names of factors; any will do where the factors themselves are not known."""
    for name in names if factors else ():
        if name not in factors:
            raise unknown("factor", name, factors)
    return names


def _distinct(values: Mapping[int, Any]) -> dict[str, Any]:
    return {_key(each): each for each in values.values()}


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)
