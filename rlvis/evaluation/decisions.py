"""The decisions that mattered: what every action was worth, beside what was done and expected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rlvis.evaluation.action_values import TrueValues
from rlvis.evaluation.estimates import (
    NOTHING,
    Estimate,
    estimate,
    mean,
    partial_correlation,
    partial_sums,
    ranks,
    share,
)
from rlvis.evaluation.situations import Situations
from rlvis.images.frames import picture_of


@dataclass(frozen=True)
class Mistake:
    """A decision that gave something away.

    Attributes:
        place: of the moment, in the situations.
        episode, step, seed: of the moment.
        taken, best: actions.
        regret: what was given away.
        sure: whether it was, see `TrueValues.sure_mistakes`.
        image: uint8 (H, W, 3), what the policy saw.
    """

    place: int
    episode: int
    step: int
    seed: int
    taken: str
    best: str
    regret: float
    sure: bool
    image: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class Decisions:
    """True values of S moments, and what the policy made of them.

    Attributes:
        true: Q of every action.
        expected: float (S,), what following the policy is worth: the mean of Q under π.
        critic: float (S,), the policy's own estimate, NaN without a critic.
        by_logits: float (S,), how much the decision matters by its scores: the highest less the
            lowest.
        regret: the mean regret of the actions that were taken.
        mistakes: the share of moments in which another action was surely worth more.
        bias: the critic's value less the true one, the mean.
        critic_correlation: of the two.
        importance_correlation: the rank correlation of importance by Q and by logits.
        worst: the moments with the most regret, the first the worst.
    """

    true: TrueValues = field(repr=False)
    expected: np.ndarray = field(repr=False)
    critic: np.ndarray = field(repr=False)
    by_logits: np.ndarray = field(repr=False)
    regret: Estimate
    mistakes: Estimate
    bias: Estimate
    critic_correlation: Estimate
    importance_correlation: Estimate
    worst: Sequence[Mistake] = field(repr=False)

    def plain(self) -> dict[str, Any]:
        """It as JSON has it."""
        named: Mapping[str, Estimate] = {
            "regret": self.regret,
            "mistakes": self.mistakes,
            "critic_bias": self.bias,
            "critic_correlation": self.critic_correlation,
            "importance_correlation": self.importance_correlation,
        }
        return {
            **{name: each.plain() for name, each in named.items()},
            "discount": self.true.discount,
            "computed": self.true.computed,
            "half_width": self.true.half_width,
            "worst": [
                {
                    "episode": each.episode,
                    "step": each.step,
                    "seed": each.seed,
                    "taken": each.taken,
                    "best": each.best,
                    "regret": each.regret,
                    "sure": each.sure,
                }
                for each in self.worst
            ],
        }


def weighed(situations: Situations, true: TrueValues, most: int = 6) -> Decisions:
    """True values beside what the policy did and expected.

    Args:
        situations: the moments.
        true: of some of them.
        most: how many of the worst are kept.
    """
    places = true.places
    groups = situations.episodes[places]
    taken = situations.taken[places]
    expected = np.nansum(true.values * situations.probabilities[places], axis=1)
    critic = situations.values[places]
    logits = np.where(np.isfinite(situations.logits[places]), situations.logits[places], np.nan)
    by_logits = np.nanmax(logits, axis=1) - np.nanmin(logits, axis=1)
    regret, sure = true.regret(taken), true.sure_mistakes(taken)
    known = np.isfinite(critic)
    return Decisions(
        true,
        expected,
        critic,
        by_logits,
        mean(regret, groups, (0.0, np.inf)),
        share(sure, groups),
        mean(critic - expected, groups),
        _correlation(critic[known], expected[known], groups[known]),
        _correlation(ranks(by_logits), ranks(true.importance), groups),
        [
            _mistake(situations, true, int(which), regret, sure)
            for which in np.argsort(-regret, kind="stable")[:most]
            if regret[which] > 0
        ],
    )


def _mistake(
    situations: Situations, true: TrueValues, which: int, regret: np.ndarray, sure: np.ndarray
) -> Mistake:
    place = int(true.places[which])
    labels, number = situations.policy.labels, int(situations.episodes[place])
    return Mistake(
        place,
        number,
        int(situations.steps[place]),
        situations.seeds[number],
        labels[int(situations.taken[place])],
        labels[int(true.best[which])],
        float(regret[which]),
        bool(sure[which]),
        picture_of(situations.images[place], situations.policy.frames or 1),
    )


def _correlation(one: np.ndarray, other: np.ndarray, groups: np.ndarray) -> Estimate:
    if len(one) < 3:
        return NOTHING
    if not (np.ptp(one) and np.ptp(other)):
        return NOTHING
    one, other = ((each - each.mean()) / each.std() for each in (one, other))
    sums = partial_sums(one, other, np.zeros_like(one))
    return estimate(partial_correlation, sums, groups, bounds=(-1.0, 1.0))
