"""Worlds that are asked at a moment, and set back where asking changed them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from rlvis.evaluation.answers import Refusals
from rlvis.evaluation.situations import Situations
from rlvis.rollouts.states import FORMS

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class AskedMoment:
    """A moment that a world is at, and still is after every question.

    Attributes:
        situations: the moments.
        place: which of them.
        refused: where it is noted that asking changed the world.
    """

    situations: Situations = field(repr=False)
    place: int
    refused: Refusals = field(repr=False)

    def answer(self, name: str, question: Callable[[bool], Answer]) -> Answer:
        """What the world answers; where asking changes it, it is asked anew.

        Args:
            name: of what is asked, such as "without()".
            question: given whether the world is at the moment; if not, it has to be brought there
                before everything that is asked.
        """
        before = self._state
        answer = question(True)
        if self._now() == before:
            return answer
        self.refused.note(name, "it changed the world, which was set back each time")
        answer = question(False)
        self.situations.at(self.place)
        return answer

    @cached_property
    def _state(self) -> bytes:
        """The world's state before the first question."""
        return self._now()

    def _now(self) -> bytes:
        form = FORMS[self.situations.form]
        return self.situations.world.ask("get_state", lambda env: form.pack(form.get(env)))
