"""How well a policy does: many episodes, several environments side by side in one process."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from gymnasium import Env

from rlvis.models.distributions import DiagonalGaussian
from rlvis.models.policy import Policy, require_policy
from rlvis.options import MANY, MOST_SEED, check_whole
from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.compatibility import check_compatible, named_actions
from rlvis.rollouts.environments import make_environment
from rlvis.rollouts.stepper import Outcome, play
from rlvis.rollouts.success import SuccessRule, as_rule

HELD_OUT = 1_000_000_000
"""Evaluation seeds start here, far from those of training."""


@dataclass(frozen=True)
class Evaluation:
    """What a policy did over a number of episodes.

    Attributes:
        environment: its id.
        env_options: what its constructor was given beside.
        episodes: how many were played; episode i was reset with the seed `seed + i`.
        seed: see `episodes`.
        deterministic: whether the most probable action was taken, or one was drawn.
        success_rate: share of the episodes that ended well, None where the environment does not
            say (`info["success"]` or `info["is_success"]`).
        mean_return: undiscounted.
        mean_length: steps per episode.
        action_shares: share of all steps in which each action was taken (of several choices each
            way, of bits each one set), by its label; empty for continuous actions.
        action_means: of continuous actions the mean of each entry, by its label; empty for others.
        oracle_length: mean steps of the straight path (turn, then walk) in the same episodes, None
            where the environment has no oracle.
    """

    environment: str
    env_options: dict[str, Any]
    episodes: int
    seed: int
    deterministic: bool
    success_rate: float | None
    mean_return: float
    mean_length: float
    action_shares: dict[str, float]
    action_means: dict[str, float]
    oracle_length: float | None

    def __str__(self) -> str:
        ended = "" if self.success_rate is None else f"success {self.success_rate:.1%}, "
        straight = self.oracle_length
        times = (
            ""
            if straight is None
            else f" ({self.mean_length / straight:.2f} × the straight path's {straight:.1f})"
        )
        shares = ", ".join(
            [f"{name} {share:.1%}" for name, share in self.action_shares.items()]
            + [f"mean {name} {mean:.2f}" for name, mean in self.action_means.items()]
        )
        actions = "most probable actions" if self.deterministic else "sampled actions"
        return (
            f"{self.episodes} episodes, {actions}: {ended}return {self.mean_return:.2f}, "
            f"{self.mean_length:.1f} steps{times}; {shares}"
        )

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for a policy's card."""
        return asdict(self)


def evaluate(
    policy: Policy,
    environment: str,
    episodes: int = 100,
    *,
    seed: int = HELD_OUT,
    deterministic: bool = False,
    parallel: int = 16,
    labels: Sequence[str] | None = None,
    success: str | SuccessRule | None = None,
    wrappers: Sequence[str] = (),
    **options: Any,
) -> Evaluation:
    """Play episodes and count.

    Args:
        policy: acts.
        environment: a Gymnasium id; see `rlvis.rollouts.environments.make_environment`.
        episodes: how many; episode i is reset with `seed + i`, whatever `parallel` is.
        seed: see `episodes`.
        deterministic: take the most probable action instead of sampling one.
        parallel: environments held at once; their images go through the network together.
        labels: names of the actions, in place of the policy's and the environment's.
        success: when an episode ended well, such as "return > 0.5"; see
            `rlvis.rollouts.success`. Left out, as the environment says.
        wrappers: put around the environment; see `rlvis.rollouts.wrappers`.
        options: passed to the environment's constructor.

    Raises:
        InputError: if the environment does not exist, or does not fit the policy.
    """
    require_policy(policy)
    check_whole("episodes", episodes, 1, MANY)
    check_whole("seed", seed, 0, MOST_SEED)
    rule, envs, straight = as_rule(success), list[Env](), list[int | None]()
    try:
        for _ in range(min(parallel, episodes)):
            envs.append(make_environment(environment, wrappers=wrappers, **options))
        check_compatible(policy, envs[0], environment)
        names = named_actions(policy, envs[0], labels)
        steps = play(
            policy,
            [CheckedEnv(env, environment) for env in envs],
            episodes,
            seed=seed,
            deterministic=deterministic,
            success=rule,
            on_reset=lambda _, env: straight.append(_oracle_length(env.environment)),
        )
        actions, outcomes = list[int | np.ndarray](), list[Outcome]()
        for step in steps:
            actions.append(step.decision.action)
            if step.outcome:
                outcomes.append(step.outcome)
    finally:
        for env in envs:
            env.close()
    distribution, taken = policy.distribution, np.array(actions)
    continuous = isinstance(distribution, DiagonalGaussian)
    means = taken.reshape(len(taken), -1) if continuous else distribution.taken(taken)
    of_actions = dict(zip(names, means.mean(axis=0).tolist(), strict=True))
    return Evaluation(
        environment=environment,
        env_options=options,
        episodes=episodes,
        seed=seed,
        deterministic=deterministic,
        success_rate=_mean(each.success for each in outcomes),
        mean_return=float(np.mean([each.total for each in outcomes])),
        mean_length=len(actions) / episodes,
        action_shares={} if continuous else of_actions,
        action_means=of_actions if continuous else {},
        oracle_length=_mean(straight),
    )


def _oracle_length(env: Env) -> int | None:
    """Steps of the straight path from here, None where nobody knows it."""
    if not type(env.unwrapped).__module__.startswith("rlvis_envs."):
        return None
    from rlvis_envs.cube_reach import CubeReachEnv
    from rlvis_envs.oracle import NoPathError, oracle_path

    if not isinstance(env.unwrapped, CubeReachEnv):
        return None
    try:
        return len(oracle_path(env))
    except NoPathError:
        return None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return float(np.mean(known)) if known else None
