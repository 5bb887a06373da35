"""The environment's own view of recorded steps, drawn from the states and checked.

Where going back to a state shows it at once, what the environment then says that the policy sees
must be what was recorded. Where the picture is drawn only by a step (Atari), the environment goes
back to a state before and takes the recorded actions, and must then be in the recorded state.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlvis.images.observations import as_image, is_picture
from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.episode import reduced_render
from rlvis.rollouts.states import FORMS, is_bare, observed, restore
from rlvis.rollouts.stored_episode import StoredEpisode


class NoViewError(Exception):
    """Why a view cannot be drawn as it was."""


_NOWHERE = -2
_LEADS = (1, 2, 4, 8, 16)
"""So many steps before a step the environment goes back to, the later ones where these fail: an
emulator may repeat an action of before, which is no part of its states."""


@dataclass
class DrawnViews:
    """Draws the views of an episode.

    Attributes:
        env: made as the recorded one was, and reset; it shows its own picture.
        stored: the episode.
        form: of its states.
    """

    env: CheckedEnv
    stored: StoredEpisode
    form: str
    _at: int = _NOWHERE

    def draw(self, steps: range) -> list[np.ndarray]:
        """The pictures of steps, uint8 (h, w, 3) each.

        Raises:
            InputError: if the environment fails, or the episode is damaged.
            NoViewError: if one would not be what was seen.
        """
        if not steps:
            return []
        first = max(0, min(steps) - _LEADS[-1])
        states = dict(enumerate(self.stored.states(slice(first, max(steps) + 1)), first))
        at = self._at_once if FORMS[self.form].redraws else self._by_a_step
        pictures = []
        for step in steps:
            at(step, states)
            pictures.append(reduced_render(self.env))
        return pictures

    def _at_once(self, step: int, states: Mapping[int, bytes]) -> None:
        state = FORMS[self.form].unpack(states[step])
        observation, _ = observed(restore(self.form, self.env.environment, state))
        recorded = self.stored.read("observation", slice(step, step + 1))[0]
        if observation is not None and not self._is(observation, recorded):
            raise NoViewError(
                f"brought back to step {step}, the environment shows another picture than the "
                "policy saw there: its get_state keeps only part of it"
            )

    def _is(self, observation: Any, recorded: np.ndarray) -> bool:
        """Whether an observation is what was recorded, as far as that can be said."""
        if not is_bare(self.env.environment):
            return True
        entries = observation.values() if isinstance(observation, Mapping) else [observation]
        images = [as_image(each) for each in entries if is_picture(np.shape(each), np.uint8)]
        alike = [each for each in images if (each.shape, each.dtype) == (recorded.shape, np.uint8)]
        return not alike or any(np.array_equal(each, recorded) for each in alike)

    def _by_a_step(self, step: int, states: Mapping[int, bytes]) -> None:
        if self._at == step - 1 and self._goes_on(step, step, states):
            return
        for lead in _LEADS:
            start = max(0, step - lead)
            if start:
                restore(self.form, self.env.environment, FORMS[self.form].unpack(states[start]))
            else:
                self.env.reset(self.stored.attributes["seed"])
            if self._goes_on(start + 1, step, states):
                return
        raise NoViewError(
            f"the steps that lead to step {step} lead elsewhere now, and no others draw its picture"
        )

    def _goes_on(self, first: int, step: int, states: Mapping[int, bytes]) -> bool:
        """Take the recorded actions from before a step up to another; whether that is its state."""
        for taken in self.stored.read("action_taken", slice(first - 1, step)):
            self.env.step(int(taken) if taken.ndim == 0 else taken)
        form = FORMS[self.form]
        arrived = self.env.ask("get_state", lambda env: form.pack(form.get(env))) == states[step]
        self._at = step if arrived else _NOWHERE
        return arrived
