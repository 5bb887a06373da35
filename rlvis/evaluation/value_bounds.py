"""Q(s, a) of a world without chance, computed instead of played.

How likely every state is after so many steps is carried forward for all moments and first actions
side by side. A state is drawn once, however many ways lead to it, and only where enough leads to
it; what is not followed bounds the result from both sides.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from rlvis.errors import InputError, one_line
from rlvis.evaluation.situations import BATCH
from rlvis.models.habits import in_format
from rlvis.models.policy import Policy
from rlvis.models.replica import replicate
from rlvis.progress import OnProgress, Progress
from rlvis.rollouts.interventions import Simulation

CLOSE_ENOUGH = 0.005
"""Half of an interval that is not narrowed any further, as a share of all that can be earned."""
WIDEST = 0.05
"""Half of one that is not narrowed where the others are `CLOSE_ENOUGH` in the mean."""
_FINENESS = tuple(0.01 * 0.85**level for level in range(27))
"""States are drawn that are at least so likely, a reward in them worth what it is now."""
_TINY = 0.03
"""Known states are followed down to this share of that."""
_OF_PROCESS = ("start", "steps_left", "gains", "step", "picture")
_TOGETHER = 128
"""So many moments are computed side by side, so that their states are drawn and asked together."""


@dataclass(frozen=True)
class Bounds:
    """What S moments' K actions are worth at least and at most, float (S, K) each.

    Attributes:
        drawn: how many states were drawn for it.
    """

    low: np.ndarray
    high: np.ndarray
    drawn: int


def computed_values(
    processes: Sequence[Simulation],
    worlds: Sequence[int],
    policy: Policy,
    *,
    discount: float,
    max_steps: int,
    on_progress: OnProgress,
) -> Bounds:
    """Bounds of Q, narrowed until their halves are `CLOSE_ENOUGH` in the mean, none over `WIDEST`.

    In a world where too much can happen they stay wider.

    Args:
        processes: of S moments, from there on.
        worlds: int (S,), equal for moments of one episode, whose states are the same.
        policy: that goes on, without memory.
        discount: γ.
        max_steps: where a future is stopped if it has not ended.
        on_progress: see `rlvis.progress`.

    Raises:
        InputError: if one of the processes is none, or fails.
    """
    for each in processes:
        _check_process(each)
    with _simulated():
        least_gain, most_gain = np.array([each.gains for each in processes], float).T[..., None]
        steps_left = np.minimum([each.steps_left for each in processes], max_steps)
    labels = len(policy.labels)
    earned, left_out = np.zeros((2, len(processes), labels))
    reached = ReachedStates(policy, dict(zip(worlds, processes, strict=True)))
    for first in range(0, len(processes), _TOGETHER):
        these = slice(first, first + _TOGETHER)
        starts = reached.numbers(
            (world, process.start)
            for world, process in zip(worlds[these], processes[these], strict=True)
        )
        steps = steps_left[these]
        wide = np.arange(len(starts))
        for least in _FINENESS:
            places = first + wide
            earned[places], left_out[places] = reached.follow(
                starts[wide], steps[wide], discount, least
            )
            halves = left_out[these] / 2
            limit = CLOSE_ENOUGH if halves.mean() > CLOSE_ENOUGH else WIDEST
            wide = np.flatnonzero(halves.max(axis=1) > limit)
            done = first + len(starts) - len(wide)
            on_progress(Progress("trying every action", done, len(processes), "moments"))
            if not len(wide):
                break
    on_progress(Progress("trying every action", len(processes), len(processes), "moments"))
    return Bounds(
        earned + left_out * least_gain, earned + left_out * most_gain, int(reached.asked.sum())
    )


def _check_process(process: Simulation) -> None:
    missing = [name for name in _OF_PROCESS if not hasattr(process, name)]
    if missing:
        told = one_line(repr(process))
        raise InputError(
            f"simulation() returned {told}, which has no {', '.join(missing)}; see simulation() in "
            "docs/world.md"
        )


@contextmanager
def _simulated() -> Iterator[None]:
    """What a process fails of is told in a line."""
    try:
        yield
    except Exception as error:  # whatever the environment's own code raises
        reason = one_line(error) or type(error).__name__
        raise InputError(f"the process of simulation() fails: {reason}") from error


class ReachedStates:
    """The N states of some worlds that have been met so far, by number.

    Args:
        policy: asked in them, K actions.
        processes: of each world.

    Attributes:
        asked: bool (N,), whether a state has been drawn; only then the others say something of it.
        likely: float (N, K), π.
        rewards: float (N, K), of the next step.
        ended: bool (N, K), whether it terminates the episode.
        following: int (N, K), the state after it.
    """

    def __init__(self, policy: Policy, processes: dict[int, Simulation]) -> None:
        labels = len(policy.labels)
        self._policy, self._processes = policy, processes
        self._replica = replicate(policy.module)
        self._states: list[tuple[int, Hashable]] = []
        self._numbers: dict[tuple[int, Hashable], int] = {}
        self.asked = np.zeros(0, bool)
        self.likely = np.zeros((0, labels))
        self.rewards = np.zeros((0, labels))
        self.ended = np.zeros((0, labels), bool)
        self.following = np.zeros((0, labels), np.int64)

    def numbers(self, states: Iterable[tuple[int, Hashable]]) -> np.ndarray:
        """Int (M,), of states of worlds; those never met get one."""
        found = [self._number(each) for each in states]
        missing = len(self._states) - len(self.asked)
        if missing > 0:
            more = missing + len(self._states)
            for name in ("asked", "likely", "rewards", "ended", "following"):
                known = getattr(self, name)
                new = np.zeros((more, *known.shape[1:]), known.dtype)
                setattr(self, name, np.concatenate([known, new]))
        return np.array(found)

    def ask(self, numbers: np.ndarray) -> None:
        """Draw those of these states that have not been, and ask what follows."""
        new = np.unique(numbers[~self.asked[numbers]]).tolist()
        new.sort(key=lambda number: self._states[number][0])
        for start in range(0, len(new), BATCH):
            part = new[start : start + BATCH]
            at = [self._states[number] for number in part]
            where = [(self._processes[world], state) for world, state in at]
            shape = len(where), self.likely.shape[1]
            with _simulated():
                images = np.stack([process.picture(state) for process, state in where])
                steps = [
                    process.step(state, action)
                    for process, state in where
                    for action in range(shape[1])
                ]
            found = self._likely(images)
            worlds = np.repeat([world for world, _ in at], shape[1]).tolist()
            then = self.numbers((world, step[0]) for world, step in zip(worlds, steps, strict=True))
            self.likely[part] = found / found.sum(axis=1, keepdims=True)
            self.following[part] = then.reshape(shape)
            self.rewards[part] = np.array([step[1] for step in steps]).reshape(shape)
            self.ended[part] = np.array([step[2] for step in steps]).reshape(shape)
            self.asked[part] = True

    def follow(
        self, starts: np.ndarray, steps: np.ndarray, discount: float, least: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """What is earned after each first action, and how much of the future is left out.

        Args:
            starts: int (S,), the states of the moments.
            steps: int (S,), after so many the future ends.
            discount: γ.
            least: states that are not known are drawn from this probability times γ^t on.

        Returns:
            Float (S, K) each: the discounted rewards, and the probability times γ^t of the states
            at which futures were given up.
        """
        self.ask(starts)
        labels = self.likely.shape[1]
        count = len(starts) * labels
        left_out = np.zeros(count)
        earned = self.rewards[starts].ravel()
        future = np.flatnonzero(~self.ended[starts] & (steps > 1)[:, None])
        state: np.ndarray = self.following[starts].ravel()[future]
        chance: np.ndarray = np.ones(len(future))
        for step in range(1, int(steps.max())):
            worth = discount**step
            self.ask(state[chance * worth >= least])
            on = self.asked[state] & (chance * worth >= least * _TINY)
            left_out += worth * np.bincount(future[~on], chance[~on], count)
            future, state, chance = future[on], state[on], chance[on]
            if not len(future):
                break
            chances = chance[:, None] * self.likely[state]
            gained = (chances * self.rewards[state]).sum(axis=1)
            earned += worth * np.bincount(future, gained, count)
            goes_on = ~self.ended[state] & (step + 1 < steps[future // labels])[:, None]
            total = len(self._states)
            both = (future[:, None] * total + self.following[state])[goes_on]
            met, which = np.unique(both, return_inverse=True)
            chance = np.bincount(which, chances[goes_on], len(met))
            future, state = met // total, met % total
        shape = len(starts), labels
        return earned.reshape(shape), left_out.reshape(shape)

    def _likely(self, images: np.ndarray) -> np.ndarray:
        """π of images, float (M, K); few at a time, so that a replica for each call would cost."""
        with torch.no_grad():
            inputs = self._policy.inputs(images)
            inputs = in_format(inputs, self._policy.memory_format(self._replica, inputs, {}))
            scores = self._policy.run(self._replica, inputs, {})
        return scores.probabilities.double().cpu().numpy()

    def _number(self, state: tuple[int, Hashable]) -> int:
        number = self._numbers.setdefault(state, len(self._states))
        if number == len(self._states):
            self._states.append(state)
        return number
