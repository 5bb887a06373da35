"""Numbers of an episode, step by step, that say where to look: how sure, how surprising, how bad.

What a policy has no such number for is NaN: continuous actions have no margin, an agent without a
critic has no drop of the value.
"""

from dataclasses import dataclass

import numpy as np

from rlvis.models.distributions import Bernoulli, Greedy
from rlvis.rollouts.episode import EpisodeNumbers


@dataclass(frozen=True)
class Signals:
    """Float64 (T,) each.

    Attributes:
        margin: how far the likeliest action is ahead of the next, in probability; of Q-values their
            difference; of several choices at once the least of them.
        entropy: of π, in nats; of several choices their sum.
        surprise: −log π of the action taken, in nats.
        greedy: 1 where the likeliest action was taken, else 0.
        flip: how much more the newly preferred action is preferred than the one preferred a step
            before, where that changed: half the probability that moved between the two, 0 to 1.
        importance: the highest score less the lowest; of Q-values the importance of a state in
            HIGHLIGHTS (Amir & Amir 2018, eq. 1).
        advantage: of the action taken, by the critic after one step, undiscounted: reward + value
            of the next observation − value. At the end of an episode that terminated the next value
            is 0; where it was cut off nobody knows it.
        drop: how far the value fell short of what it had promised: −`advantage`.
    """

    margin: np.ndarray
    entropy: np.ndarray
    surprise: np.ndarray
    greedy: np.ndarray
    flip: np.ndarray
    importance: np.ndarray
    advantage: np.ndarray

    @property
    def drop(self) -> np.ndarray:
        """See above."""
        return -self.advantage


def signals_of(episode: EpisodeNumbers) -> Signals:
    """The signals of an episode of T steps."""
    distribution = episode.distribution
    preference = _preference(episode)
    chosen = distribution.taken(episode.actions)
    steps = len(episode.actions)
    unknown = np.full(steps, np.nan)
    if not np.isfinite(preference).any():
        margin = entropy = surprise = greedy = flip = unknown
    else:
        choices = distribution.choices or tuple(
            slice(place, place + 1) for place in range(preference.shape[1])
        )
        margin = np.min([_margin(preference[:, each]) for each in choices], axis=0)
        flip = np.max([_flip(preference[:, each]) for each in choices], axis=0)
        greedy = np.min([_is_best(preference[:, each], chosen[:, each]) for each in choices], 0)
        entropy = surprise = unknown
        if not isinstance(distribution, Greedy):
            entropy = np.sum([_entropy(preference[:, each]) for each in choices], axis=0)
            surprise = np.sum(
                [_surprise(preference[:, each], chosen[:, each]) for each in choices], axis=0
            )
    return Signals(
        margin=margin,
        entropy=entropy,
        surprise=surprise,
        greedy=greedy,
        flip=flip,
        importance=_importance(episode),
        advantage=advantages(episode),
    )


def advantages(episode: EpisodeNumbers) -> np.ndarray:
    """Float64 (T,): see `Signals.advantage`."""
    values = episode.values.astype(np.float64)
    following = np.append(values[1:], 0.0 if episode.terminated else np.nan)
    return episode.rewards + following - values


def _preference(episode: EpisodeNumbers) -> np.ndarray:
    """Float64 (T, K): probabilities, or the Q-values of a policy that takes the highest."""
    greedy = isinstance(episode.distribution, Greedy)
    return (episode.logits if greedy else episode.probabilities).astype(np.float64)


def _margin(choice: np.ndarray) -> np.ndarray:
    """The best of (T, k) less the next; of a single bit set with that probability |2p − 1|."""
    if choice.shape[1] == 1:
        return np.abs(2 * choice[:, 0] - 1)
    ordered = np.sort(choice, axis=1)
    best, following = ordered[:, -1], ordered[:, -2]
    return np.where(np.isneginf(following), np.inf, best - following)


def _flip(choice: np.ndarray) -> np.ndarray:
    if choice.shape[1] == 1:
        choice = np.concatenate([1 - choice, choice], axis=1)
    best, steps = choice.argmax(axis=1), np.arange(1, len(choice))
    before, now = choice[:-1], choice[1:]
    old, new = best[:-1], best[1:]
    rows = steps - 1
    with np.errstate(invalid="ignore"):  # −inf for actions that were not possible
        gained = now[rows, new] - before[rows, new] + before[rows, old] - now[rows, old]
    return np.concatenate([[0.0], np.where((old == new) | ~np.isfinite(gained), 0, gained / 2)])


def _is_best(choice: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    if choice.shape[1] == 1:
        return (np.round(choice[:, 0]) == chosen[:, 0]).astype(float)
    return (choice.argmax(axis=1) == chosen.argmax(axis=1)).astype(float)


def _entropy(choice: np.ndarray) -> np.ndarray:
    if choice.shape[1] == 1:
        choice = np.concatenate([1 - choice, choice], axis=1)
    logs = np.log(choice, where=choice > 0, out=np.zeros_like(choice))
    return -(choice * logs).sum(axis=1)


def _surprise(choice: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    if choice.shape[1] == 1:
        taken = np.where(chosen[:, 0], choice[:, 0], 1 - choice[:, 0])
    else:
        taken = choice[np.arange(len(choice)), chosen.argmax(axis=1)]
    return -np.log(np.maximum(taken, np.finfo(np.float32).tiny))


def _importance(episode: EpisodeNumbers) -> np.ndarray:
    scores = episode.logits.astype(np.float64)
    if not episode.distribution.choices or isinstance(episode.distribution, Bernoulli):
        return np.full(len(scores), np.nan)
    spans = []
    for each in episode.distribution.choices:
        possible = np.where(np.isfinite(scores[:, each]), scores[:, each], np.nan)
        spans.append(np.nanmax(possible, axis=1) - np.nanmin(possible, axis=1))
    return np.max(spans, axis=0)


def runs_without_news(codes: np.ndarray) -> np.ndarray:
    """Int64 (T,): at the last step that showed a new picture, the steps after it without another.

    0 elsewhere. An agent that stands before a wall makes such a run, and one that goes in a circle.

    Args:
        codes: (T,), equal for equal pictures.
    """
    _, first = np.unique(codes, return_index=True)
    news = np.append(np.sort(first), len(codes))
    runs = np.zeros(len(codes), np.int64)
    runs[news[:-1]] = np.diff(news) - 1
    return runs
