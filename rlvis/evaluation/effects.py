"""What moves a policy: how far π, its preferred action and its value go with each change."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rlvis.evaluation.changes import Changed
from rlvis.evaluation.estimates import Estimate, mean, share


@dataclass(frozen=True)
class Effect:
    """What one kind of change of one subject does.

    Attributes:
        subject, kind: see `rlvis.evaluation.changes.Change`.
        divergence: KL(π ‖ π′) in nats, the mean over moments.
        flips: the share of moments in which another action is preferred.
        value: the mean change of the critic's value.
        size: the mean share of pixels that change.
        strongest: the image of the change with the largest divergence, by its number in `Changed`.
    """

    subject: str
    kind: str
    divergence: Estimate
    flips: Estimate
    value: Estimate
    size: float
    strongest: int = field(repr=False)

    @property
    def name(self) -> str:
        """In words."""
        return f"{self.subject} {self.kind}"

    def plain(self) -> dict[str, Any]:
        """It as JSON has it."""
        return {
            "kl": self.divergence.plain(),
            "flips": self.flips.plain(),
            "value": self.value.plain(),
            "pixels": self.size,
        }


def divergence(logits: np.ndarray, others: np.ndarray) -> np.ndarray:
    """KL(π ‖ π′) in nats (M,) of softmaxes of logits (M, K); scores of -inf are masked in both."""
    log_p, log_q = _log_softmax(logits), _log_softmax(others)
    with np.errstate(invalid="ignore"):
        parts = np.exp(log_p) * (log_p - log_q)
    return np.where(np.isneginf(log_p), 0.0, parts).sum(axis=1)


def measured(changed: Changed) -> list[Effect]:
    """The effect of every kind of change of every subject, the strongest first.

    Changes of one kind of one moment, such as to several colours, count as one: their mean.
    """
    situations = changed.situations
    before = situations.logits[changed.places]
    far = divergence(before, changed.logits)
    flipped = changed.logits.argmax(axis=1) != before.argmax(axis=1)
    less = changed.values - situations.values[changed.places]
    found = []
    groups = [each.group for each in changed.changes]
    for subject, kind in dict.fromkeys(groups):
        chosen = np.flatnonzero([each == (subject, kind) for each in groups])
        places = changed.places[chosen]
        moments, inverse = np.unique(places, return_inverse=True)
        episodes = situations.episodes[moments]

        def by_moment(values: np.ndarray, inverse: np.ndarray = inverse) -> np.ndarray:
            return np.bincount(inverse, values) / np.bincount(inverse)

        found.append(
            Effect(
                subject,
                kind,
                mean(by_moment(far[chosen]), episodes, (0.0, np.inf)),
                share(by_moment(flipped[chosen].astype(float)), episodes),
                mean(by_moment(less[chosen]), episodes),
                float(changed.pixels[chosen].mean()),
                int(chosen[far[chosen].argmax()]),
            )
        )
    return sorted(found, key=lambda each: -each.divergence.value)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    highest = logits.max(axis=1, keepdims=True)
    shifted = logits - highest
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
