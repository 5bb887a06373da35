"""How much the answers of units tell about classes: formulas on arrays, exact.

N images, U units, C classes; `members` is bool (C, N), which images belong to which class. Images
may belong to none.
"""

import numpy as np

STEPS = 4
"""Into how many steps, of as many images each, answers are divided for mutual information."""


def class_means(peak_activations: np.ndarray, members: np.ndarray) -> np.ndarray:
    """The mean answer to each class, float64 (U, C).

    Args:
        peak_activations: float or bool (N, U).
        members: every class has at least one image.
    """
    sums = members.astype(np.float64) @ peak_activations.astype(np.float64)
    return (sums / members.sum(axis=1)[:, None]).T


def selectivity(means: np.ndarray) -> np.ndarray:
    """Class selectivity, 0 for the same answer to all classes, 1 for an answer to one only.

    (μ_max - μ_rest) / (μ_max + μ_rest), where μ_rest is the mean over the other classes (Morcos et
    al. 2018, "On the importance of single directions for generalization", section 2.3); 0 for a
    unit without an answer.

    Args:
        means: float (U, C), not negative.

    Returns:
        float64 (U,).
    """
    most = means.max(axis=1)
    rest = (means.sum(axis=1) - most) / (means.shape[1] - 1)
    return (most - rest) / np.maximum(most + rest, np.finfo(np.float64).tiny)


def roc_auc(peak_activations: np.ndarray, members: np.ndarray) -> np.ndarray:
    """The area under the ROC curve of each unit for each class against the rest, float64 (U, C).

    The probability that the unit's answer to an image of the class is higher than to one of another
    class, ties counted half (Mann and Whitney's U over the number of pairs).

    Args:
        peak_activations: float (N, U).
        members: of images that all belong to exactly one class, of two or more.
    """
    ranks = np.empty(peak_activations.shape)
    for unit, column in enumerate(peak_activations.T):
        ordered = np.sort(column)
        below, to = (ordered.searchsorted(column, side) for side in ("left", "right"))
        ranks[:, unit] = (below + to + 1) / 2
    inside = members.sum(axis=1)[:, None]
    outside = members.shape[1] - inside
    wins = members.astype(np.float64) @ ranks - inside * (inside + 1) / 2
    return (wins / (inside * outside)).T


def quantised(peak_activations: np.ndarray) -> np.ndarray:
    """Each unit's answers in `STEPS` steps from low to high, int64 (N, U).

    A step is how many of the unit's quantiles an answer exceeds.
    """
    edges = np.quantile(peak_activations, np.arange(1, STEPS) / STEPS, axis=0)
    return (peak_activations[None] > edges[:, None]).sum(axis=0)


def mutual_information(steps: np.ndarray, members: np.ndarray) -> np.ndarray:
    """The mutual information of each unit's quantised answer and the class in bits, float64 (U,).

    Σ p(s, c) log2 (p(s, c) / p(s) p(c)) over the images at hand; with few images of each class it
    comes out too high.

    Args:
        steps: int (N, U), see `quantised`.
        members: of images that all belong to exactly one class.
    """
    counts = [members.astype(np.float64) @ (steps == step) for step in range(STEPS)]
    joint = np.stack(counts) / members.shape[1]
    apart = joint.sum(axis=0, keepdims=True) * joint.sum(axis=1, keepdims=True)
    ratio = np.divide(joint, apart, out=np.ones_like(joint), where=joint > 0)
    return np.asarray((joint * np.log2(ratio)).sum(axis=(0, 1)))


def sharing(means: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """How far two classes excite the same units, -1..1, float64 (C, C).

    The cosine of the classes' mean answers, of each unit taken from its mean over the classes and
    in units of its standard deviation over the images, so that all count alike.

    Args:
        means: float (U, C).
        spread: float (U,), the standard deviations; units without any do not count.
    """
    varied = spread > 0
    profile = (means - means.mean(axis=1, keepdims=True))[varied] / spread[varied, None]
    length = np.linalg.norm(profile, axis=0)
    return (profile.T @ profile) / np.maximum(np.outer(length, length), np.finfo(float).tiny)
