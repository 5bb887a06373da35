"""A world's own account of itself: what differs between episodes, and what matters."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rlvis.errors import InputError
from rlvis.evaluation.situations import Situations
from rlvis.rollouts.interventions import ask


@dataclass(frozen=True)
class Account:
    """What a world says of E episodes at their starts.

    Attributes:
        values: of each factor that is not the same in all episodes, by episode.
        constant: the factors that are the same in all of them.
        matters: the factors that what is right to do depends on; None where the world does not say.
    """

    values: Mapping[str, Mapping[int, Any]] = field(default_factory=dict)
    constant: tuple[str, ...] = ()
    matters: tuple[str, ...] | None = None

    @classmethod
    def of(cls, situations: Situations) -> "Account":
        """What the world says, nothing of what it does not offer or fails to answer."""
        varies, judges = situations.offers("factors", "varied"), situations.offers("matters")
        values: dict[str, dict[int, Any]] = {}
        matters: dict[str, None] = {}
        for number, state in situations.starts.items() if varies or judges else ():
            assert state is not None
            situations.enter(state)
            for name, value in dict(told(situations, "factors")).items() if varies else ():
                values.setdefault(name, {})[number] = value
            if judges:
                matters |= dict.fromkeys(told(situations, "matters"))
        counts = {name: len(_distinct(found)) for name, found in values.items()}
        return cls(
            {name: found for name, found in values.items() if counts[name] > 1},
            tuple(name for name in values if counts[name] == 1),
            tuple(matters) if judges else None,
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


def told(situations: Situations, method: str, *arguments: Any) -> Any:
    """What the world answers in the moment it is at, nothing where it fails."""
    try:
        return ask(situations.world.environment, method, *arguments)
    except InputError:
        return ()


def _distinct(values: Mapping[int, Any]) -> dict[str, Any]:
    return {_key(each): each for each in values.values()}


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)
