"""What moves a policy: how far π, its preferred action and its value go with each change."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from rlvis.evaluation.changes import Changed
from rlvis.evaluation.estimates import Estimate, mean, share
from rlvis.evaluation.situations import Pictures
from rlvis.models.score_kinds import LOGITS, ScoreKind, log_shares


@dataclass(frozen=True)
class Effect:
    """What one kind of change of one subject does.

    Attributes:
        subject, kind: see `rlvis.evaluation.changes.Change`.
        divergence: KL(π ‖ π′) in nats, the mean over moments; infinite where one of them is.
        unbounded: the share of moments in which it is: π′ rules out what π may do.
        flips: the share of moments in which another action is preferred.
        value: the mean change of the critic's value.
        size: the mean share of pixels that change.
        strongest: the image of the change with the largest divergence, by its number in `Changed`.
        most: that divergence.
    """

    subject: str
    kind: str
    divergence: Estimate
    unbounded: Estimate
    flips: Estimate
    value: Estimate
    size: float
    strongest: int = field(repr=False)
    most: float = field(repr=False)

    @property
    def name(self) -> str:
        """In words."""
        return f"{self.subject} {self.kind}"

    def plain(self) -> dict[str, Any]:
        """It as JSON has it."""
        return {
            "kl": self.divergence.plain(),
            "kl_unbounded": self.unbounded.plain(),
            "flips": self.flips.plain(),
            "value": self.value.plain(),
            "pixels": self.size,
        }


def divergence(logits: np.ndarray, others: np.ndarray, kind: ScoreKind | None = None) -> np.ndarray:
    """KL(π ‖ π′) in nats (M,) of scores (M, K) of one choice, logits where no kind is given.

    Scores of -inf are masked in both. Of Q-values the softmax stands for π.
    """
    log_p, log_q = (
        log_shares(kind or LOGITS, torch.from_numpy(each)).numpy() for each in (logits, others)
    )
    with np.errstate(invalid="ignore"):
        parts = np.exp(log_p) * (log_p - log_q)
    return np.where(np.isneginf(log_p), 0.0, parts).sum(axis=1)


def measured(changed: Changed) -> list[Effect]:
    """The effect of every kind of change of every subject, the strongest first.

    Changes of one kind of one moment, such as to several colours, count as one: their mean.
    """
    situations = changed.situations
    found = []
    groups = [each.group for each in changed.changes]
    for subject, kind in dict.fromkeys(groups):
        chosen = np.flatnonzero([each == (subject, kind) for each in groups])
        found.append(
            effect_of(
                (subject, kind),
                situations,
                changed.places[chosen],
                (changed.logits[chosen], changed.values[chosen]),
                changed.pixels[chosen],
                chosen,
            )
        )
    return sorted(found, key=_weakness)


def _weakness(effect: Effect) -> tuple[float, float]:
    """What effects are sorted by: those without bound first, those not known last."""
    far = effect.divergence.value
    return (np.inf if np.isnan(far) else -far), -effect.unbounded.value


def effect_of(
    name: tuple[str, str],
    pictures: Pictures,
    places: np.ndarray,
    answers: tuple[np.ndarray, np.ndarray],
    pixels: np.ndarray,
    numbers: np.ndarray,
) -> Effect:
    """The effect of one kind of change.

    Args:
        name: subject and kind.
        pictures: that were changed.
        places: int (M,), which of them.
        answers: logits (M, K) and values (M,) of the changed images.
        pixels: float (M,), the share of pixels that changed.
        numbers: int (M,), what each changed image is called.
    """
    logits, values = answers
    before = pictures.logits[places]
    far = divergence(before, logits, pictures.model.kind)
    first = int(np.nan_to_num(far, nan=-1.0).argmax())
    flipped = logits.argmax(axis=1) != before.argmax(axis=1)
    moments, inverse = np.unique(places, return_inverse=True)
    episodes = pictures.episodes[moments]

    def by_moment(of_each: np.ndarray) -> np.ndarray:
        return np.bincount(inverse, of_each) / np.bincount(inverse)

    return Effect(
        *name,
        mean(by_moment(far), episodes, (0.0, np.inf)),
        share(by_moment(np.isposinf(far).astype(float)) > 0, episodes),
        share(by_moment(flipped.astype(float)), episodes),
        mean(by_moment(values - pictures.values[places]), episodes),
        float(pixels.mean()),
        int(numbers[first]),
        float(far[first]),
    )
