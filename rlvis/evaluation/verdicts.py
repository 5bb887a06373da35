"""May a method's pictures be believed: the scores in one word, and the reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from rlvis.evaluation.estimates import NOTHING, Estimate
from rlvis.evaluation.maps import MethodScores

BELIEVE, PARTLY, NO, UNKNOWN = "yes", "partly", "no", "cannot be said"
GOOD = 0.7
"""Agreement from which on maps are believed."""
_SAME_MAP = 0.1
_SAME_NETWORK = 0.7
_LOCATES = 0.9
_OFTEN_EMPTY = 0.2


@dataclass(frozen=True)
class Verdict:
    """Whether a method's maps of a target can be believed.

    Attributes:
        word: "yes", "partly", "no" or "cannot be said".
        reason: with its numbers.
    """

    word: str
    reason: str


def verdict(method: MethodScores, target: str, baselines: Sequence[MethodScores]) -> Verdict:
    """The verdict on a method's maps of a target.

    Args:
        method: its scores.
        target: which maps.
        baselines: the scores of maps that know nothing; the oracle is passed over.
    """
    if target in method.refused:
        return Verdict(UNKNOWN, method.refused[target])
    scores = method.of(target)
    causal = scores.causal
    if not causal.sure:
        return Verdict(UNKNOWN, "too few images show parts that move it")
    chance = _chance(method, target, baselines)
    agreement = f"agrees with the true effects by {causal.written()}"
    if causal.low <= chance < causal.value:
        return Verdict(UNKNOWN, f"{agreement}, which may be no more than blind maps ({chance:.2f})")
    if causal.value <= chance:
        where = f"it points at what matters (AUC {scores.auc.value:.2f}), but "
        points = where if isfinite(scores.auc.value) and scores.auc.value >= _LOCATES else ""
        return Verdict(NO, f"{points}{agreement}, no more than blind maps ({chance:.2f})")
    doubts = _doubts(method, scores.empty)
    if causal.low >= GOOD and not doubts:
        return Verdict(BELIEVE, f"{agreement}; blind maps reach {chance:.2f}")
    return Verdict(PARTLY, "; ".join([f"{agreement}, blind maps by {chance:.2f}", *doubts]))


def _chance(method: MethodScores, target: str, baselines: Sequence[MethodScores]) -> float:
    """The most that maps score which know nothing: its own on other images, and the blind ones."""
    blind = [each.of(target).causal.value for each in baselines if each.method != "oracle"]
    known = [value for value in (method.of(target).null("causal"), *blind) if isfinite(value)]
    return max(known, default=0.0)


def _doubts(method: MethodScores, empty: Estimate) -> list[str]:
    found = []
    if method.sensitivity.below(_SAME_MAP):
        found.append("maps of different targets are alike")
    if method.randomisation.above(_SAME_NETWORK):
        found.append("maps of a network with random weights are alike")
    if empty is not NOTHING and empty.value > _OFTEN_EMPTY:
        found.append(f"empty in {empty.value:.0%} of the images")
    return found
