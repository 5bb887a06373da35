"""Steps on their way into a recording: explained together, written in the background."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np

from rlvis.attribution.explanation import Explanation
from rlvis.files import write_error
from rlvis.memory import give_back_memory
from rlvis.rollouts.background import Background
from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.episode import reduced_render, taken_of
from rlvis.rollouts.episode_writer import EpisodeWriter
from rlvis.rollouts.plan import ExplanationPlan
from rlvis.rollouts.recording import Recording
from rlvis.rollouts.state_keeper import StateKeeper
from rlvis.rollouts.stepper import Step
from rlvis.rollouts.view_check import ViewCheck

_EXPLAINED, _PLAIN = 64, 256
"""Most steps that are passed on together: with maps, and without, which are written at once."""
_MOST_ENDED = 32
"""Most finished episodes that wait to be passed on."""
_BYTES = 2**22
"""Of pictures that are passed on together."""
_PATIENCE = 0.5
"""Seconds after which a finished episode is passed on before as many steps have come together."""


class Besides(StateKeeper):
    """What is kept of an environment besides what the policy sees: its states, its own picture.

    Args:
        render: whether pictures are kept; None for where they cannot be drawn from the states.
        explained: whether maps are made, beside which pictures are looked at.
        states: whether states are kept.
        check: whether pictures can be drawn from states; None where the environment cannot be made
            again or shows none.

    Attributes:
        no_views: why pictures cannot be drawn from the states, "" where they can, None where
            nobody asked.
    """

    def __init__(
        self, render: bool | None, explained: bool, states: bool, check: ViewCheck | None
    ) -> None:
        super().__init__(states)
        self._render, self._explained, self._check = render, explained, check
        self.no_views: str | None = None

    def picture(self, env: CheckedEnv) -> np.ndarray | None:
        """The environment's own picture, None where it is not kept."""
        kept = self._render
        if kept is None:
            self._look_for_faults(env)
            kept = bool(self.no_views) or (self._explained and self.no_views is None)
        return reduced_render(env) if kept else None

    def _look_for_faults(self, env: CheckedEnv) -> None:
        if self._check is None or not self.form:
            return
        if self.no_views is None:
            self.no_views = self._check.fault()
        if not self.no_views and self._check.is_due(env):
            state = self.state(env)
            assert state is not None
            self.no_views = self._check.late_fault(env, self.form, state)


class Written:
    """An episode that is in the recording.

    Args:
        number: of the episode.
        last: its last step.

    Attributes:
        note: its seed, its outcome and its length, as one line.
    """

    def __init__(self, number: int, last: Step) -> None:
        assert last.outcome is not None
        self.number = number
        self.note = f"episode of seed {last.seed}: {last.outcome.word}, {last.number + 1} steps"


class Pipeline:
    """Steps in, of whichever episodes; explained together and written in the background."""

    def __init__(
        self, recording: Recording, plan: ExplanationPlan | None, besides: Besides
    ) -> None:
        self._recording, self._plan, self._besides = recording, plan, besides
        self._background = Background(self._close)
        self._block: list[Step] = []
        self._most = _PLAIN if plan is None else _EXPLAINED
        self._size, self._passed_on = 0, time.monotonic()
        self._ended = 0
        self._writers: dict[int, EpisodeWriter] = {}
        self._written: deque[Written] = deque()

    def __enter__(self) -> "Pipeline":
        self._background.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        try:
            self._pass_on()
        finally:
            self._background.__exit__(*raised)

    def _close(self) -> None:
        for unfinished in self._writers.values():
            unfinished.discard()
        self._recording.close()

    def put(self, step: Step) -> None:
        """Take a step; a finished episode is passed on soon.

        Raises:
            InputError: if an earlier one could not be written.
        """
        if not self._block:
            kept = self._besides
            self._recording.describe_states(kept.form or "", kept.no_states, kept.no_views or "")
        self._block.append(step)
        self._size += _size(step)
        self._ended += step.outcome is not None
        full = len(self._block) == self._most or self._size >= _BYTES or self._ended == _MOST_ENDED
        if full or (step.outcome and time.monotonic() - self._passed_on > _PATIENCE):
            self._pass_on()

    def _pass_on(self) -> None:
        block, size = sorted(self._block, key=attrgetter("episode")), self._size
        self._block, self._size, self._ended = [], 0, 0
        self._passed_on = time.monotonic()
        if not block:
            return
        found = self._explain(block)
        size += sum(each.maps.nbytes for each in found)
        self._background.submit(self._write, block, found, size=size)

    def _explain(self, block: Sequence[Step]) -> list[Explanation]:
        if self._plan is None:
            return []
        decisions = [each.decision for each in block]
        context = {
            name: np.stack([each.context[name] for each in decisions])
            for name in decisions[0].context
        }
        actions = np.array([each.action for each in decisions])
        taken = taken_of(self._plan.policy.distribution, actions)
        images = np.stack([each.image for each in decisions])
        found = list(self._plan.explain(images, context, taken).values())
        give_back_memory()
        return found

    def written(self) -> Iterator[Written]:
        """The episodes that are in the recording since the last call."""
        while self._written:
            yield self._written.popleft()

    def _write(self, block: Sequence[Step], explanations: Sequence[Explanation]) -> None:
        start = 0
        try:
            for number, group in groupby(block, attrgetter("episode")):
                steps = list(group)
                part = slice(start, start := start + len(steps))
                self._write_episode(number, steps, [each[part] for each in explanations])
        except OSError as error:
            raise write_error(self._recording.title, error) from None

    def _write_episode(
        self, number: int, steps: Sequence[Step], explanations: Sequence[Explanation]
    ) -> None:
        if number not in self._writers:
            self._writers[number] = self._recording.begin(number)
        self._writers[number].add(steps, explanations)
        if steps[-1].outcome:
            self._recording.finish(number, self._writers[number], steps[-1])
            del self._writers[number]
            self._written.append(Written(number, steps[-1]))


def _size(step: Step) -> int:
    """Bytes of the pictures of a step."""
    return step.decision.image.nbytes + (0 if step.render is None else step.render.nbytes)
