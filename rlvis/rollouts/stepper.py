"""Episodes of a policy, step by step, in several environments side by side.

Everything that plays goes through here. An episode's actions are sampled with a random generator of
its own, so that they do not depend on the episodes beside it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from rlvis.models.policy import MASK, Decision, Policy, Situation
from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.success import SuccessRule, ended_well


@dataclass(frozen=True)
class Outcome:
    """How an episode ended.

    Attributes:
        terminated, truncated: as the environment said; both False where it was stopped.
        success: whether it ended well, None where nobody says.
        total: the sum of the rewards.
    """

    terminated: bool
    truncated: bool
    success: bool | None
    total: float

    @property
    def word(self) -> str:
        """It in a word or two."""
        return outcome_word(self.terminated, self.truncated, self.success)


def outcome_word(terminated: bool, truncated: bool, success: bool | None) -> str:
    """How an episode ended, in a word or two."""
    if success:
        return "success"
    if terminated:
        return "terminated" if success is None else "failed"
    return "out of time" if truncated else "recording stopped"


@dataclass(frozen=True)
class Step:
    """One step of an episode.

    Attributes:
        episode: the number of the episode.
        number: of the step in it, from 0.
        seed: given to the environment's reset.
        decision: what the policy saw and did.
        info: what the environment told along with the observation acted on.
        render: the environment's own picture of that moment, uint8 (h, w, 3), if it was asked for.
        state: the environment's state at that moment, if it was asked for.
        reward: received for the action.
        outcome: where this step was the episode's last.
    """

    episode: int
    number: int
    seed: int
    decision: Decision
    info: Mapping[str, Any]
    render: np.ndarray | None
    state: bytes | None
    reward: float
    outcome: Outcome | None


def play(
    policy: Policy,
    environments: Sequence[CheckedEnv],
    episodes: int,
    *,
    seed: int,
    deterministic: bool = False,
    max_steps: int | None = None,
    picture: Callable[[CheckedEnv], np.ndarray | None] | None = None,
    state: Callable[[CheckedEnv], bytes | None] | None = None,
    success: SuccessRule | None = None,
    on_reset: Callable[[int, CheckedEnv], None] | None = None,
) -> Iterator[Step]:
    """Play episodes, as many at once as there are environments.

    Their images go through the network together.

    Args:
        policy: the policy; it remembers from step to step where it has memory.
        environments: all of one kind.
        episodes: how many; episode i is reset with `seed + i`, which its actions are sampled with,
            too.
        seed: see `episodes`.
        deterministic: take the most probable action instead of sampling one.
        max_steps: where an episode is stopped if it has not ended.
        picture: makes the `render` of each step, before it is taken.
        state: gives the `state` of each step, before its picture is made.
        success: when an episode ended well; as the environment says where left out.
        on_reset: called with an episode's number and its environment before its first step.

    Yields:
        Every step, those of one episode in their order.

    Raises:
        InputError: if an environment fails.
    """
    waiting = iter(range(episodes))

    def begin(environment: CheckedEnv, number: int) -> Running:
        observation, info = environment.reset(seed + number, number)
        if on_reset:
            on_reset(number, environment)
        generator = torch.Generator().manual_seed(seed + number)
        return Running(environment, number, seed + number, generator, observation, info)

    def following(environment: CheckedEnv) -> Running | None:
        number = next(waiting, None)
        return None if number is None else begin(environment, number)

    running = [begin(*each) for each in zip(environments, waiting, strict=False)]
    yield from go_on(
        policy,
        running,
        deterministic=deterministic,
        max_steps=max_steps,
        picture=picture,
        state=state,
        success=success,
        following=following,
    )


def go_on(
    policy: Policy,
    running: "Sequence[Running]",
    *,
    deterministic: bool = False,
    max_steps: int | None = None,
    picture: Callable[[CheckedEnv], np.ndarray | None] | None = None,
    state: Callable[[CheckedEnv], bytes | None] | None = None,
    success: SuccessRule | None = None,
    following: "Callable[[CheckedEnv], Running | None] | None" = None,
) -> Iterator[Step]:
    """Play episodes that are under way to their ends, all of them a step at a time.

    Args:
        policy: the policy.
        running: the episodes, each in an environment of its own.
        deterministic: as for `play`.
        max_steps: as for `play`.
        picture: as for `play`.
        state: as for `play`.
        success: as for `play`.
        following: gives the episode to be played next in an environment whose episode has ended.

    Yields:
        Every step, those of one episode in their order.
    """
    masked = MASK in policy.context
    while running:
        states = [state(each.environment) if state else None for each in running]
        renders = [picture(each.environment) if picture else None for each in running]
        decisions = policy.act_on([each.situation(masked) for each in running], deterministic)
        going_on = []
        for each, decision, shown, kept in zip(running, decisions, renders, states, strict=True):
            step = each.take(decision, shown, kept, max_steps, success)
            yield step
            if step.outcome is None:
                going_on.append(each)
            elif following and (another := following(each.environment)):
                going_on.append(another)
        running = going_on


@dataclass
class Running:
    """An episode that is being played, at the observation to be acted on.

    Attributes:
        environment: it is played in.
        number, seed: of the episode.
        generator: its actions are sampled with.
        observation, info: what the environment told last.
        memory: what the policy remembers; None at an episode's start.
        rewards: so far.
        forced: actions that are taken first, whatever the policy decides.
    """

    environment: CheckedEnv
    number: int
    seed: int
    generator: torch.Generator
    observation: Any
    info: Mapping[str, Any]
    memory: Mapping[str, np.ndarray] | None = None
    rewards: list[float] = field(default_factory=list)
    forced: list[int | np.ndarray] = field(default_factory=list)

    def situation(self, masked: bool) -> Situation:
        """What the policy acts on; with what actions are possible where it asks for that."""
        mask = self.environment.action_mask() if masked else None
        return Situation(self.observation, self.memory, mask, self.generator)

    def take(
        self,
        decision: Decision,
        render: np.ndarray | None,
        state: bytes | None,
        max_steps: int | None,
        success: SuccessRule | None,
    ) -> Step:
        """Take the action decided on, or the one that is forced."""
        info = self.info
        if self.forced:
            decision = replace(decision, action=self.forced.pop(0))
        self.observation, reward, terminated, truncated, self.info = self.environment.step(
            decision.action
        )
        self.memory = decision.memory
        self.rewards.append(reward)
        outcome = None
        if terminated or truncated or len(self.rewards) == max_steps:
            total = float(np.sum(self.rewards, dtype=np.float64))
            well = (
                success.holds(total, len(self.rewards), reward, self.info)
                if success
                else ended_well(self.info)
            )
            outcome = Outcome(terminated, truncated, well, total)
        number = len(self.rewards) - 1
        return Step(self.number, number, self.seed, decision, info, render, state, reward, outcome)
