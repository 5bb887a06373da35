"""The numbers of an audit by name, and what is required of them: "occlusion.causal >= 0.9"."""

from collections.abc import Sequence
from math import isfinite, nan

from rlvis.errors import InputError, unknown
from rlvis.evaluation.baselines import BASELINES
from rlvis.evaluation.estimates import Estimate
from rlvis.evaluation.findings import Findings
from rlvis.evaluation.map_scores import MapScores
from rlvis.evaluation.maps import MethodScores
from rlvis.evaluation.plan import AuditPlan
from rlvis.evaluation.shortcuts import untested
from rlvis.rollouts.conditions import Condition

SHORTCUTS = "shortcuts"
_OF_DECISIONS = ("regret", "mistakes")
_ALONE = ("success", *_OF_DECISIONS)
_OF_MAPS = (
    *("causal", "largest_first", "single_deletion", "empty"),
    *("pointing", "mass", "rank", "auc"),
)
_OF_PIXELS = ("deletion", "insertion")
_OF_METHODS = (*_OF_PIXELS, "sensitivity", "randomisation")
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
    numbers = {SHORTCUTS: nan if untested(found.cues) else float(len(found.shortcuts))}
    for name, each in estimates.items():
        numbers |= {name: each.value, f"{name}.low": each.low, f"{name}.high": each.high}
    return numbers


def told_number(found: Findings, name: str) -> str:
    """A number of an audit as text, with why where nobody knows it."""
    number = numbers_of(found)[name]
    if name == SHORTCUTS and not isfinite(number):
        return f"not tested: {untested(found.cues)}"
    return f"{number:.4g}"


def requirement(text: str) -> Condition:
    """A requirement as users write it.

    Raises:
        InputError: if it cannot be read.
    """
    return Condition.read(text, "requirement", '"occlusion.causal >= 0.9"')


def check_requirements(requirements: Sequence[str], plan: AuditPlan) -> None:
    """Whether requirements can be read and name what there may be, asked before an audit.

    What is changed in a world and what differs between its episodes shows only in it.

    Args:
        requirements: such as "occlusion.causal >= 0.9".
        plan: what will be asked.

    Raises:
        InputError: if one cannot be read, or names another method, no score, or what the plan
            leaves out.
    """
    for text in requirements:
        name = requirement(text).name
        short = next((name.removesuffix(end) for end in _ENDS if name.endswith(end)), name)
        _check_name(name, short, [*plan.named, *BASELINES])
        _check_asked(short, plan)


def _check_asked(name: str, plan: AuditPlan) -> None:
    """Whether a number that there may be is asked for."""
    score = name.rpartition(".")[2]
    if name in _OF_DECISIONS and not plan.decisions:
        raise InputError(
            f"{name} needs decisions of which every action is tried, and 0 are asked for"
        )
    if score in (SHORTCUTS, *_OF_FACTORS) and not plan.episodes:
        raise InputError(f"{name} needs episodes that are played again, and 0 are asked for")
    if score in _OF_PIXELS and plan.quick:
        raise InputError(f"{name} is left out of a quick audit; leave out quick")


def _check_name(name: str, short: str, methods: Sequence[str]) -> None:
    if name == SHORTCUTS or short in _ALONE:
        return
    words = [_word(each) for each in methods]
    subject, _, score = short.rpartition(".")
    if not subject:
        raise unknown("number", name, (SHORTCUTS, *_ALONE, *(f"{each}.causal" for each in words)))
    if score in (*_OF_CHANGES, *_OF_FACTORS):
        return
    if score not in (*_OF_MAPS, *_OF_METHODS):
        known = (*_OF_MAPS, *_OF_METHODS, *_OF_CHANGES, *_OF_FACTORS)
        raise unknown("score", score, known)
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
