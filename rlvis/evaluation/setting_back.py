"""Worlds that are asked at a moment, and set back where asking changed them."""

from collections.abc import Callable
from typing import TypeVar

from rlvis.evaluation.answers import Refusals
from rlvis.evaluation.situations import Situations
from rlvis.rollouts.states import FORMS

Answer = TypeVar("Answer")


def unspoilt(
    situations: Situations,
    place: int,
    name: str,
    question: Callable[[bool], Answer],
    refused: Refusals,
) -> Answer:
    """What a world answers in a moment, which it is still at afterwards.

    Where asking changes the world that is noted, and it is asked anew.

    Args:
        situations: the moments.
        place: of the one that the world is at.
        name: of what is asked, such as "without()".
        question: given whether the world is at the moment; if not, it has to be brought there
            before everything that is asked.
        refused: where it is noted.
    """
    before = _state(situations)
    answer = question(True)
    if _state(situations) == before:
        return answer
    refused.note(name, "it changed the world, which was set back each time")
    answer = question(False)
    situations.at(place)
    return answer


def _state(situations: Situations) -> bytes:
    form = FORMS[situations.form]
    return situations.world.ask("get_state", lambda env: form.pack(form.get(env)))
