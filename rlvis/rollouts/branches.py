"""A recorded moment once more: environments are brought there, and go on from it.

That is done in one of two ways, and what an environment then shows must be what was recorded: by
the state that the recording keeps of it, or by playing the episode again from its seed. So
environments that give no states can be branched, too, as long as chance in them comes from the
seed.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from rlvis.errors import InputError
from rlvis.models.distributions import ActionDistribution
from rlvis.models.policy import Policy
from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.episode import Episode, reduced_render, taken_of
from rlvis.rollouts.intervals import share_interval
from rlvis.rollouts.states import is_bare, observed, restore
from rlvis.rollouts.stepper import Running, Step, go_on
from rlvis.rollouts.success import as_rule

if TYPE_CHECKING:
    from rlvis.rollouts.revisited import RevisitedEpisodes

AT_ONCE = 16
"""Environments that are held at once."""


@dataclass(frozen=True)
class Futures:
    """What came of an action at a moment.

    Attributes:
        action: its name.
        taken: whether it is the one that was taken in the recording.
        episodes: from the moment on, the action first, then the policy; each with random numbers
            of its own, the i-th of every action with the same ones.
    """

    action: str
    taken: bool
    episodes: Sequence[Episode]

    @property
    def success(self) -> tuple[int, int, float, float] | None:
        """Successes, episodes, and the 95% interval of their share; None where nobody says."""
        well = [each.success for each in self.episodes if each.success is not None]
        if not well:
            return None
        return sum(well), len(well), *share_interval(sum(well), len(well))

    @property
    def title(self) -> str:
        """The action, and whether it was taken."""
        return f"{self.action} (taken)" if self.taken else self.action

    @property
    def summary(self) -> str:
        """What came of it, in words and numbers."""
        parts = [f"return {self.mean_return:.2f}", f"{self.mean_length:.1f} steps"]
        if self.success:
            well, count, low, high = self.success
            share = f"{well} of {count} successful"
            parts.insert(0, share + (f" (95%: {low:.0%}–{high:.0%})" if count > 1 else ""))
        return ", ".join(parts)

    @property
    def mean_return(self) -> float:
        """Of the rewards from the moment on."""
        return float(np.mean([each.total_reward for each in self.episodes]))

    @property
    def mean_length(self) -> float:
        """Steps from the moment on."""
        return float(np.mean([len(each) for each in self.episodes]))


def play_branches(
    moment: "BranchPoint",
    branches: Sequence[tuple[int | None, int]],
    *,
    deterministic: bool,
    max_steps: int,
) -> list[Episode]:
    """Play an episode for each branch from a moment on.

    Args:
        moment: the moment.
        branches: the number of the action it starts with, None for the policy's own, and of its
            future, for each.
        deterministic: take the most probable action instead of sampling one.
        max_steps: where a future is stopped if it has not ended.

    Returns:
        The episodes; the first future of each action with the environment's own pictures.

    Raises:
        InputError: if the environment cannot be brought to the moment.
    """
    first = [place for place, (_, future) in enumerate(branches) if future == 0]
    others = [place for place, (_, future) in enumerate(branches) if future > 0]
    found: dict[int, Episode] = {}
    with ExitStack() as opened:
        count = min(AT_ONCE, max(len(first), len(others)))
        made = [open_recorded(moment.recording, opened) for _ in range(count)]
        shown = made[0].environment.render_mode == "rgb_array"
        for places, picture in ((first, reduced_render if shown else None), (others, None)):
            waiting = iter(places)

            def begin(env: CheckedEnv, waiting: Iterator[int] = waiting) -> Running | None:
                place = next(waiting, None)
                return None if place is None else moment.branch(env, place, branches[place])

            of: dict[int, list[Step]] = {place: [] for place in places}
            for each in go_on(
                moment.policy,
                [running for env in made if (running := begin(env))],
                deterministic=deterministic,
                max_steps=max_steps,
                picture=picture,
                success=as_rule(moment.recording.header.success),
                following=begin,
            ):
                of[each.episode].append(each)
            found |= {
                place: as_episode(steps, moment.policy.distribution) for place, steps in of.items()
            }
    return [found[place] for place in range(len(branches))]


class BranchPoint:
    """A recorded moment, to which environments are brought.

    Raises:
        InputError: if there is none.
    """

    def __init__(
        self, recording: "RevisitedEpisodes", policy: Policy, number: int, step: int
    ) -> None:
        self.recording, self.policy, self.brought_by = recording, policy, "state"
        self._number, self._step = number, recording.check_step(number, step)
        self._episode = recording.episode(number)
        self._state = recording.state(number, step)

    @property
    def taken(self) -> int:
        """The number of the action that was taken.

        Raises:
            InputError: if actions are no choice of one of several.
        """
        return _taken(self._episode, self._step)

    def branch(self, env: CheckedEnv, place: int, branch: tuple[int | None, int]) -> Running:
        """An episode that starts at the moment with an action or as it will, numbered `place`."""
        action, future = branch
        seed = self._episode.seed
        generator = torch.Generator().manual_seed(seed * 1_000_003 + self._step * 1009 + future)
        observation, info = self.bring(env)
        context = self._episode.context
        return Running(
            env,
            place,
            seed,
            generator,
            observation,
            info,
            {name: context[name][self._step] for name in self.policy.memory if name in context},
            forced=[] if action is None else [self._as_action(action)],
        )

    def _as_action(self, number: int) -> int:
        """An action as the environment takes it."""
        return int(self.policy.distribution.first[0]) + number  # type: ignore[attr-defined]

    def bring(self, env: CheckedEnv) -> tuple[Any, Mapping[str, Any]]:
        """Bring an environment to the moment; the observation and the info there.

        Raises:
            InputError: if it cannot be brought there.
        """
        info: Mapping[str, Any]
        observation, info = env.reset(self._episode.seed, self._number)
        if self._state is not None and self.brought_by == "state" and is_bare(env.environment):
            told = restore(self.recording.header.states, env.environment, self._state)
            observation, info = observed(told)
            if observation is not None and self._shows(observation, self._step):
                return observation, info
            observation, info = env.reset(self._episode.seed, self._number)
        self.brought_by = "replay"
        for step in range(self._step):
            self._require(observation, step)
            observation, _, terminated, truncated, info = env.step(self._episode.actions[step])
            if terminated or truncated:
                raise self._unreachable(step, "it ends")
        self._require(observation, self._step)
        return observation, info

    def _shows(self, observation: Any, step: int) -> bool:
        image = observed_image(self.policy, observation)
        recorded = self._episode.observations[step]
        return image.shape == recorded.shape and bool((image == recorded).all())

    def _require(self, observation: Any, step: int) -> None:
        if not self._shows(observation, step):
            raise self._unreachable(step, "it shows something else")

    def _unreachable(self, step: int, what: str) -> InputError:
        header = self.recording.header
        return InputError(
            f"{header.environment} cannot be brought to step {self._step} of episode "
            f"{self._number}: played again from seed {self._episode.seed}, {what} at step {step}; "
            "it needs the same environment, wrappers and options, and chance in it from the seed, "
            "or get_state() and set_state(state) -> (observation, info) on env.unwrapped, the "
            "states kept in the recording"
        )


def observed_image(policy: Policy, observation: Any) -> np.ndarray:
    """The image in an observation, uint8 (H, W, C), whatever the policy needs to know besides."""
    every = np.ones(len(policy.labels), bool)
    return policy.observe(observation, every)[0]


def as_episode(steps: Sequence[Step], distribution: ActionDistribution) -> Episode:
    """The steps of one episode, up to its last, as arrays."""
    decisions, outcome = [each.decision for each in steps], steps[-1].outcome
    renders = [each.render for each in steps if each.render is not None]
    assert outcome is not None
    return Episode(
        seed=steps[0].seed,
        observations=np.stack([each.image for each in decisions]),
        renders=np.stack(renders) if renders else None,
        actions=np.array([each.action for each in decisions]),
        rewards=np.array([each.reward for each in steps], np.float32),
        logits=np.stack([each.logits for each in decisions]),
        values=np.array([each.value for each in decisions], np.float32),
        context={
            name: np.stack([each.context[name] for each in decisions])
            for name in decisions[0].context
        },
        info={},
        terminated=outcome.terminated,
        truncated=outcome.truncated,
        success=outcome.success,
        distribution=distribution,
    )


def _taken(episode: Episode, step: int) -> int:
    taken = taken_of(episode.distribution, episode.actions)
    if taken is None:
        raise InputError(
            f"{episode.distribution} have no other to take instead; what-if needs one of several "
            "actions"
        )
    return int(taken[step])


def rest_of(episode: Episode, step: int) -> Episode:
    """The part of an episode from a step on."""
    return replace(
        episode,
        observations=episode.observations[step:],
        renders=None if episode.renders is None else episode.renders[step:],
        actions=episode.actions[step:],
        rewards=episode.rewards[step:],
        logits=episode.logits[step:],
        values=episode.values[step:],
        context={name: each[step:] for name, each in episode.context.items()},
        info={name: each[step:] for name, each in episode.info.items()},
    )


def open_recorded(recording: "RevisitedEpisodes", opened: ExitStack) -> CheckedEnv:
    """The recorded environment, showing its own view where it has one; closed at the end."""
    env = recording.make_environment()
    modes = env.metadata.get("render_modes") or ()
    if env.render_mode is None and "rgb_array" in modes:
        env.close()
        env = recording.make_environment(render_mode="rgb_array")
    opened.callback(env.close)
    return CheckedEnv(env, recording.header.environment)
