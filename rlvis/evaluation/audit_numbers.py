"""The numbers of an audit by name, and what is required of them: "occlusion.causal >= 0.9"."""

from collections.abc import Sequence

from rlvis.errors import unknown
from rlvis.evaluation.baselines import BASELINES
from rlvis.evaluation.estimates import Estimate
from rlvis.evaluation.findings import Findings
from rlvis.evaluation.map_scores import MapScores
from rlvis.evaluation.maps import MethodScores
from rlvis.rollouts.conditions import Condition

SHORTCUTS = "shortcuts"
_ALONE = ("success", "regret", "mistakes")
_OF_MAPS = (
    *("causal", "largest_first", "single_deletion", "empty"),
    *("pointing", "mass", "rank", "auc"),
)
_OF_METHODS = ("deletion", "insertion", "sensitivity", "randomisation")
_OF_CHANGES, _OF_FACTORS = ("kl", "flips"), ("lost",)
_ENDS = (".low", ".high")


def numbers_of(found: Findings) -> dict[str, float]:
    """Every number of an audit by its name; see `Audit.number`."""
    estimates = {"success": found.success}
    for method in found.methods:
        estimates |= _of_method(method, found.targets[0])
    for effect in found.effects:
        estimates[f"{_word(effect.name)}.kl"] = effect.divergence
        estimates[f"{_word(effect.name)}.flips"] = effect.flips
    estimates |= {f"{_word(each.factor)}.lost": each.lost for each in found.cues}
    if found.decisions is not None:
        estimates["regret"] = found.decisions.regret
        estimates["mistakes"] = found.decisions.mistakes
    numbers = {SHORTCUTS: float(len(found.shortcuts))}
    for name, each in estimates.items():
        numbers |= {name: each.value, f"{name}.low": each.low, f"{name}.high": each.high}
    return numbers


def requirement(text: str) -> Condition:
    """A requirement as users write it.

    Raises:
        InputError: if it cannot be read.
    """
    return Condition.read(text, "requirement", '"occlusion.causal >= 0.9"')


def check_requirements(requirements: Sequence[str], methods: Sequence[str]) -> None:
    """Whether requirements can be read and name what there may be, asked before an audit.

    What is changed in a world and what differs between its episodes shows only in it.

    Args:
        requirements: such as "occlusion.causal >= 0.9".
        methods: the names of those that will be scored.

    Raises:
        InputError: if one cannot be read, or names another method or no score.
    """
    for text in requirements:
        _check_name(requirement(text).name, [*methods, *BASELINES])


def _check_name(name: str, methods: Sequence[str]) -> None:
    short = next((name.removesuffix(end) for end in _ENDS if name.endswith(end)), name)
    if name == SHORTCUTS or short in _ALONE:
        return
    subject, _, score = short.rpartition(".")
    if not subject:
        raise unknown("number", name, (SHORTCUTS, *_ALONE, *(f"{each}.causal" for each in methods)))
    if score in (*_OF_CHANGES, *_OF_FACTORS):
        return
    if score not in (*_OF_MAPS, *_OF_METHODS):
        known = (*_OF_MAPS, *_OF_METHODS, *_OF_CHANGES, *_OF_FACTORS)
        raise unknown("score", score, known)
    words = [_word(each) for each in methods]
    if not any(f"{subject}.".startswith(f"{each}.") for each in words):
        raise unknown("audited method", subject.split(".")[0], words)


def _of_method(method: MethodScores, first: str) -> dict[str, Estimate]:
    """A method's estimates by name, those of the first target also without it."""
    named = _word(method.method)
    found = {
        f"{named}.{_word(target)}.{score}": each
        for target in method.targets
        for score, each in _of_maps(method.of(target)).items()
    }
    found |= {f"{named}.{score}": each for score, each in _of_maps(method.of(first)).items()}
    return found | {f"{named}.{score}": getattr(method, score) for score in _OF_METHODS}


def _of_maps(scores: MapScores) -> dict[str, Estimate]:
    return {score: getattr(scores, score) for score in _OF_MAPS}


def _word(text: str) -> str:
    return text.replace(" ", "_")
