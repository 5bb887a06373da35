"""What a live world is at a moment: what was seen there, and what was changed until then."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.episode import reduced_render
from rlvis.rollouts.states import FORMS


@dataclass(frozen=True)
class Change:
    """A change of a world.

    Attributes:
        words: what is said of it.
        of: what it changes; the words of a later one of the same take their place.
        intervention: a method of `Interventions`.
        args, named: what it takes.
    """

    words: str
    of: str
    intervention: str
    args: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Changes:
    """What was changed in the world, and in what the policy sees of it.

    Attributes:
        words: of each change, by what it changed.
        gone: an object that is missing in the picture alone.
        hidden: the part of the picture that is painted over: top, left, height, width.
    """

    words: Mapping[str, str] = field(default_factory=dict)
    gone: str | None = None
    hidden: tuple[int, int, int, int] | None = None

    def saying(self, key: str, words: str | None, **changed: Any) -> Self:
        """These and one more, in place of an earlier one of the same key; None for none."""
        others = {name: each for name, each in self.words.items() if name != key}
        return replace(self, words=others if words is None else {**others, key: words}, **changed)


@dataclass(frozen=True)
class Moment:
    """An observation that is to be acted on, and how it came about.

    Attributes:
        observation, info: as the environment told them.
        memory: what the policy remembers; None at an episode's start.
        step: since the reset.
        reward, total: of the step before, and of all.
        taken: the score of the action before, None at the start.
        ended: how the episode ended, None while it goes on.
        changes: what was changed until then.
        state: of the environment, None where it has none.
        view: its own picture, kept where going back to a state does not bring it back.
        number: no other moment of this world has it.
    """

    observation: Any
    info: Mapping[str, Any]
    memory: Mapping[str, np.ndarray] | None = None
    step: int = 0
    reward: float = 0.0
    total: float = 0.0
    taken: int | None = None
    ended: str | None = None
    changes: Changes = field(default_factory=Changes)
    state: Any = None
    view: np.ndarray | None = None
    number: int = 0

    def views(self) -> Callable[[CheckedEnv], np.ndarray]:
        """What gives the own pictures of a world that was brought to the moment and goes on."""
        kept = [] if self.view is None else [self.view]
        return lambda env: kept.pop() if kept else reduced_render(env)


def shows_itself(env: CheckedEnv) -> bool:
    """Whether a world has a picture of its own."""
    return env.environment.render_mode == "rgb_array"


def lost_view(env: CheckedEnv, form: str) -> np.ndarray | None:
    """A world's own picture, where going back to a state of that form does not bring it back."""
    lost = form and not FORMS[form].redraws
    return reduced_render(env) if lost and shows_itself(env) else None
