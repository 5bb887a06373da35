"""How well a policy does: many episodes, several environments side by side in one process."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from gymnasium import Env

from rlvis.models.distributions import require_categorical
from rlvis.models.policy import MASK, Policy
from rlvis.options import MANY, MOST_SEED, check_whole
from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.compatibility import check_compatible, named_actions
from rlvis.rollouts.environments import make_environment
from rlvis.rollouts.success import SuccessRule, as_rule, ended_well

HELD_OUT = 1_000_000_000
"""Evaluation seeds start here, far from those of training."""


@dataclass(frozen=True)
class Evaluation:
    """What a policy did over a number of episodes.

    Attributes:
        environment: its id.
        episodes: how many were played; episode i was reset with the seed `seed + i`.
        seed: see `episodes`.
        deterministic: whether the most probable action was taken, or one was drawn.
        success_rate: share of the episodes that ended well, None where the environment does not
            say (`info["success"]` or `info["is_success"]`).
        mean_return: undiscounted.
        mean_length: steps per episode.
        action_shares: share of all steps in which each action was taken, by its label.
        oracle_length: mean steps of the straight path (turn, then walk) in the same episodes, None
            where the environment has no oracle.
    """

    environment: str
    episodes: int
    seed: int
    deterministic: bool
    success_rate: float | None
    mean_return: float
    mean_length: float
    action_shares: dict[str, float]
    oracle_length: float | None

    def __str__(self) -> str:
        ended = "" if self.success_rate is None else f"success {self.success_rate:.1%}, "
        straight = self.oracle_length
        times = (
            ""
            if straight is None
            else f" ({self.mean_length / straight:.2f} × the straight path's {straight:.1f})"
        )
        shares = ", ".join(f"{name} {share:.1%}" for name, share in self.action_shares.items())
        actions = "most probable actions" if self.deterministic else "sampled actions"
        return (
            f"{self.episodes} episodes, {actions}: {ended}return {self.mean_return:.2f}, "
            f"{self.mean_length:.1f} steps{times}; {shares}"
        )

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for a policy's card."""
        return asdict(self)


@dataclass
class _Episode:
    """An episode, under way or over.

    It draws from a generator of its own, so that its actions do not depend on its neighbours.
    """

    environment: CheckedEnv
    observation: Any
    memory: Mapping[str, np.ndarray]
    rng: np.random.Generator
    actions: list[int]
    oracle_length: int | None
    total: float = 0.0
    success: bool | None = None


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
        environment: a Gymnasium id; see `rlvis.rollouts.environments.make_environment`.
        episodes: how many; episode i is reset with `seed + i`, whatever `parallel` is.
        deterministic: take the most probable action instead of drawing one.
        parallel: environments held at once; their images go through the network together.
        labels: names of the actions, in place of the policy's and the environment's.
        success: when an episode ended well, such as "return > 0.5"; see
            `rlvis.rollouts.success`. Left out, as the environment says.
        wrappers: put around the environment; see `rlvis.rollouts.wrappers`.
        options: passed to the environment's constructor.

    Raises:
        InputError: if the environment does not exist, or does not fit the policy, or its actions
            are not Discrete.
    """
    require_categorical(policy.distribution, "evaluation")
    check_whole("episodes", episodes, 1, MANY)
    check_whole("seed", seed, 0, MOST_SEED)
    rule, worlds = as_rule(success), list[Env]()
    try:
        for _ in range(min(parallel, episodes)):
            worlds.append(make_environment(environment, wrappers=wrappers, **options))
        check_compatible(policy, worlds[0], environment)
        names = named_actions(policy, worlds[0], labels)
        checked = [CheckedEnv(world, environment) for world in worlds]
        played = list(_play(policy, checked, seed, episodes, deterministic, rule))
    finally:
        for world in worlds:
            world.close()
    actions = np.concatenate([each.actions for each in played])
    shares = np.bincount(actions, minlength=len(policy.labels)) / len(actions)
    return Evaluation(
        environment=environment,
        episodes=episodes,
        seed=seed,
        deterministic=deterministic,
        success_rate=_mean(each.success for each in played),
        mean_return=float(np.mean([each.total for each in played])),
        mean_length=len(actions) / episodes,
        action_shares=dict(zip(names, shares.tolist(), strict=True)),
        oracle_length=_mean(each.oracle_length for each in played),
    )


def _play(
    policy: Policy,
    worlds: list[CheckedEnv],
    seed: int,
    episodes: int,
    deterministic: bool,
    rule: SuccessRule | None,
) -> Iterator[_Episode]:
    waiting = iter(range(episodes))
    under_way = [
        _start(policy, world, seed, number) for world, number in zip(worlds, waiting, strict=False)
    ]
    first = require_categorical(policy.distribution, "evaluation").start
    while under_way:
        probabilities = _look(policy, under_way)
        for place, episode in reversed(list(enumerate(under_way))):
            chosen = _choose(probabilities[place], episode.rng, deterministic)
            if not _step(episode, chosen, first, rule):
                continue
            yield episode
            number = next(waiting, None)
            if number is None:
                del under_way[place]
            else:
                under_way[place] = _start(policy, episode.environment, seed, number)


def _look(policy: Policy, episodes: Sequence[_Episode]) -> np.ndarray:
    """The probabilities (N, K) of the actions in N episodes, which remember what they saw."""
    masked = MASK in policy.context
    seen = [
        policy.observe(each.observation, each.environment.action_mask() if masked else None)
        for each in episodes
    ]
    known = [{**context, **each.memory} for (_, context), each in zip(seen, episodes, strict=True)]
    scores = policy.scores(
        np.stack([image for image, _ in seen]),
        {name: np.stack([each[name] for each in known]) for name in known[0]},
    )
    memory = {name: each.float().cpu().numpy() for name, each in scores.memory.items()}
    for place, episode in enumerate(episodes):
        episode.memory = {name: each[place] for name, each in memory.items()}
    return policy.distribution.probabilities(scores.logits.double().cpu()).numpy()


def _start(policy: Policy, world: CheckedEnv, seed: int, number: int) -> _Episode:
    observation, _ = world.reset(seed + number, number)
    rng, length = np.random.default_rng(seed + number), _oracle_length(world.environment)
    return _Episode(world, observation, policy.blank_memory(), rng, [], length)


def _step(episode: _Episode, action: int, first: int, rule: SuccessRule | None) -> bool:
    """Take an action, counted from the first; whether the episode is over."""
    observation, reward, terminated, truncated, info = episode.environment.step(first + action)
    episode.observation = observation
    episode.actions.append(action)
    episode.total += reward
    over = terminated or truncated
    if over and rule:
        episode.success = rule.holds(episode.total, len(episode.actions), reward, info)
    elif over:
        episode.success = ended_well(info)
    return over


def _choose(probabilities: np.ndarray, rng: np.random.Generator, deterministic: bool) -> int:
    if deterministic:
        return int(probabilities.argmax())
    drawn = np.searchsorted(probabilities.cumsum(), rng.random())
    return min(int(drawn), len(probabilities) - 1)


def _oracle_length(world: Env) -> int | None:
    """Steps of the straight path from here, None where nobody knows it."""
    if not type(world.unwrapped).__module__.startswith("rlvis_envs."):
        return None
    from rlvis_envs.oracle import NoPathError, oracle_path

    try:
        return len(oracle_path(world))
    except NoPathError:
        return None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return float(np.mean(known)) if known else None
