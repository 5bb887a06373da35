"""Whether some other action is surely worth more, by futures that share their random numbers.

The i-th future of every action has the same chances, so that what the actions do is told apart by
the differences of futures of one number, however much those of different numbers differ.
"""

from statistics import NormalDist

import numpy as np

_SURE = 0.975
"""One end of a 95% interval."""


def surely_better(rollouts: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Where some other action is surely worth more than the one of a moment.

    Each other action's differences from it are held against 0 by Student's t, at a level divided by
    the number of other actions: the largest of many noisy means is large by chance (Bonferroni).
    What has not happened in so few futures may still happen: to the differences of an action one is
    added that is as large as they are in the mean and of the other sign.

    Args:
        rollouts: float (S, K, R), the return of each future; NaN of actions that are forbidden.
        actions: int (S,), one for each moment.

    Returns:
        Bool (S,).
    """
    own = rollouts[np.arange(len(actions)), actions]
    differences = rollouts - own[:, None]
    unseen = -np.abs(differences).mean(axis=2, keepdims=True)
    differences = np.concatenate([differences, unseen], axis=2)
    count = differences.shape[2]
    error = differences.std(axis=2, ddof=1) / np.sqrt(count)
    others = np.isfinite(rollouts).all(axis=2).sum(axis=1) - 1
    least = [student(count - 1, 1 - (1 - _SURE) / max(1, each)) for each in others.tolist()]
    found: np.ndarray = (differences.mean(axis=2) > error * np.array(least)[:, None]).any(axis=1)
    return found


def student(freedom: int, share: float) -> float:
    """A quantile of Student's t by its expansion in 1 / freedom (Abramowitz and Stegun, 26.7.5)."""
    z = NormalDist().inv_cdf(share)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))
