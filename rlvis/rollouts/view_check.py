"""Whether an environment, brought back to a state of its own, shows what it showed there.

Its own picture need not be kept of every step where it can be drawn from the states later. It
cannot where `get_state` holds only part of the state, or where a picture is drawn only by a step.
That is tried before episodes are recorded, in two environments made like theirs, and tried again
at a few late steps of the episodes themselves.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from rlvis.errors import InputError
from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.states import FORMS, NoStatesError, form_of, restore

if TYPE_CHECKING:
    from gymnasium import Env

_STEPS = (0, 1, 2, 3, 5, 8, 12, 18, 27, 41, 62, 93, 140)
_ELSEWHERE = 5
"""So many steps lead the second environment elsewhere before it is brought back."""
_SECONDS = 1.0
_FIRST_LATE = 32


class ViewCheck:
    """Compares pictures drawn from states with those of the moment.

    Args:
        make: makes an environment like those that are played, showing its own picture.
        name: what errors call it.
        opened: closes what is made.
    """

    def __init__(self, make: "Callable[[], Env]", name: str, opened: ExitStack) -> None:
        self._make, self._name, self._opened = make, name, opened

    def fault(self) -> str:
        """Why pictures cannot be drawn from states, "" where they can, by a trial of some steps."""
        try:
            return self._tried()
        except (NoStatesError, InputError) as why:
            return str(why)

    def _tried(self) -> str:
        env = self._another(1)
        form = form_of(env.environment)
        seen: list[tuple[bytes, np.ndarray]] = []
        env.environment.action_space.seed(0)
        end = time.monotonic() + _SECONDS
        for step in range(_STEPS[-1] + 1):
            if step in _STEPS:
                seen.append((FORMS[form].pack(FORMS[form].get(env.environment)), env.render()))
            if time.monotonic() > end or not _moved(env):
                break
        alike = (self._alike(form, state, picture) for state, picture in reversed(seen))
        return "" if all(alike) else _fault(form)

    def is_due(self, env: CheckedEnv) -> bool:
        """Whether an environment is at a step at which `late_fault` is to be asked."""
        return env.steps >= _FIRST_LATE and env.steps & (env.steps - 1) == 0

    def late_fault(self, env: CheckedEnv, form: str, state: bytes) -> str:
        """The same of an episode under way, in that state."""
        if self._alike(form, state, env.render()):
            return ""
        return f"{_fault(form)}, first at step {env.steps}"

    def _alike(self, form: str, state: bytes, picture: np.ndarray) -> bool:
        restore(form, self._other.environment, FORMS[form].unpack(state))
        return np.array_equal(self._other.render(), picture)

    @cached_property
    def _other(self) -> CheckedEnv:
        """The one that is brought back, elsewhere by then."""
        env = self._another(2)
        env.environment.action_space.seed(1)
        for _ in range(_ELSEWHERE):
            if not _moved(env):
                break
        return env

    def _another(self, seed: int) -> CheckedEnv:
        env = CheckedEnv(self._make(), self._name)
        self._opened.callback(env.environment.close)
        env.reset(seed)
        return env


def _fault(form: str) -> str:
    if not FORMS[form].redraws:
        return "Atari's screen stays as it was until the next step when its state is restored"
    return "brought back to a recorded state, the environment shows another picture than it did"


def _moved(env: CheckedEnv) -> bool:
    """Take any action; whether the episode goes on.

    It does not where the environment says which actions are possible and they are not one of
    several: how it says that is not known then.
    """
    space, mask = env.environment.action_space, env.action_mask()
    if mask is not None and (type(space).__name__ != "Discrete" or not mask.any()):
        return False
    action = space.sample() if mask is None else space.sample(mask.astype(np.int8))
    *_, terminated, truncated, _ = env.step(action)
    return not (terminated or truncated)
