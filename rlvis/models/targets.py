"""What is to be explained: a target is a small callable on the named scores.

A target maps `Scores` of N images to a tensor (N,), one number per image. A label or its index
stands for that score; the functions here make the others. Targets are differentiable.

Some targets mean another label for each image, such as its highest. When an image is changed, to
see what happens, the label must stay that of the image as it was: such targets look it up in the
reference, the scores of the unchanged images.

A score of -inf is that of a label that is masked, as an action that is not allowed now. It is a
score like others, of which nothing can be explained; what is made of several scores needs those
that are not masked.

To add a target is to write one function that makes it, and to register how it is `written`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from rlvis.errors import InputError
from rlvis.models.image_model import ImageModel
from rlvis.models.label_search import unknown_label
from rlvis.models.score_kinds import (
    Probabilities,
    ScoreKind,
    require_choice,
    require_probabilities,
)
from rlvis.models.scores import Scores

FEW = 10
"""So many labels are shown side by side without being asked for."""

OF_SCORES = "{score}"
"""The unit of what is a score, or a sum of multiples of scores: that of the scores."""


@dataclass(frozen=True)
class Target:
    """A number per image, and what to call it.

    Attributes:
        name: shown in pictures; `names` overrides it where it differs from image to image.
        of: maps scores and the reference to a tensor (N,).
        names: maps the reference to N names, or None where all are `name`.
        made_of: what scores must make up for it: nothing more ("scores"), "probabilities", or
            "one choice" among all labels.
        unit: of the number; `OF_SCORES` where it is that of the scores.
        is_score: whether it is the score of one label, whose name it then bears. Others that have
            the name of a label are called "target …".
    """

    name: str
    of: Callable[[Scores, Scores], Tensor]
    names: Callable[[Scores], list[str]] | None = None
    made_of: Literal["scores", "probabilities", "one choice"] = "scores"
    unit: str = "score"
    is_score: bool = False

    def __call__(self, scores: Scores, reference: Scores | None = None) -> Tensor:
        """The target's value of each image, float (N,); labels are those of the reference.

        Raises:
            InputError: if the scores are not what it is made of.
        """
        self.check(scores.kind)
        return self.of(scores, scores if reference is None else reference)

    def check(self, kind: ScoreKind) -> None:
        """Whether it can be made of scores of a kind.

        Raises:
            InputError: if not.
        """
        if self.made_of == "probabilities":
            require_probabilities(kind, f"the target {self.name!r}")
        elif self.made_of == "one choice":
            require_choice(kind, f"the target {self.name!r}")

    def unit_for(self, kind: ScoreKind) -> str:
        """The unit where scores are of that kind."""
        return kind.unit if self.unit == OF_SCORES else self.unit

    def labels(self, reference: Scores) -> list[str]:
        """N names, one per image: that of a label only where it is the score of that label."""
        names = self.names(reference) if self.names else [self.name] * len(reference.logits)
        return names if self.is_score else [_unlike(name, reference.labels) for name in names]


TARGETS: dict[str, Callable[..., Target]] = {}
"""What makes each target, by the form in which it is written; {label} stands for a label."""

Maker = TypeVar("Maker", bound=Callable[..., Target])


def written(form: str) -> Callable[[Maker], Maker]:
    """Register what makes a target under the form in which users write it.

    Args:
        form: "entropy", or with a label for each argument "log p({label})".
    """

    def register(make: Maker) -> Maker:
        TARGETS[form] = make
        return make

    return register


@written("{label}")
def score(label: str | int) -> Target:
    """The network's own score of one label, such as its logit."""

    def of(scores: Scores, _: Scores) -> Tensor:
        return scores.logits[:, label_index(label, scores.labels)]

    def names(reference: Scores) -> list[str]:
        return [reference.labels[label_index(label, reference.labels)]] * len(reference.logits)

    return Target(str(label), of, names, unit=OF_SCORES, is_score=True)


@written("against {label}")
def against(label: str | int) -> Target:
    """What speaks against one label: its score with the sign turned round."""
    found = score(label)

    def of(scores: Scores, reference: Scores) -> Tensor:
        _check_free(reference, label_index(label, scores.labels), f"against {label}")
        return -found(scores, reference)

    return Target(f"against {label}", of, unit=OF_SCORES)


@written("p({label})")
def probability(label: str | int) -> Target:
    """The probability of one label."""

    def of(scores: Scores, reference: Scores) -> Tensor:
        index = label_index(label, scores.labels)
        _check_free(reference, index, f"p({label})")
        return scores.probabilities[:, index]

    return Target(f"p({label})", of, made_of="probabilities", unit="probability")


@written("log p({label})")
def log_prob(label: str | int) -> Target:
    """The log-probability of one label."""

    def of(scores: Scores, reference: Scores) -> Tensor:
        index = label_index(label, scores.labels)
        _check_free(reference, index, f"log p({label})")
        never = reference.logits[:, index] == 0
        if isinstance(reference.kind, Probabilities) and bool(never.any()):
            raise InputError(
                f"the target 'log p({label})' does not exist for an image of which the network "
                f"says that the probability is 0; explain 'p({label})'"
            )
        return scores.log_probabilities[:, index]

    return Target(f"log p({label})", of, made_of="probabilities", unit="nats")


@written("{label} - {against}")
def contrast(label: str | int, against: str | int) -> Target:
    """The difference of two scores: why `label` rather than `against`."""

    def of(scores: Scores, reference: Scores) -> Tensor:
        first, second = (label_index(each, scores.labels) for each in (label, against))
        _check_free(reference, first, f"{label} - {against}")
        _check_free(reference, second, f"{label} - {against}")
        return scores.logits[:, first] - scores.logits[:, second]

    return Target(f"{label} - {against}", of, unit=OF_SCORES)


@written("entropy")
def entropy() -> Target:
    """The entropy of the choice in nats, or the sum of those of independent labels."""

    def of(scores: Scores, _: Scores) -> Tensor:
        return scores.kind.entropy(scores.logits)

    return Target("entropy", of, made_of="probabilities", unit="nats")


@written("value")
def value() -> Target:
    """The critic's value of an actor-critic."""

    def of(scores: Scores, _: Scores) -> Tensor:
        if scores.value is None:
            raise InputError("this network gives no value; choose a label as target")
        return scores.value

    return Target("value", of, unit="value")


def rank(place: int, complete: bool = False) -> Target:
    """The score in that place of each image's own ranking, 0 for its highest.

    Args:
        place: from 0.
        complete: whether masked labels are ranked too, behind all others.
    """

    def labels_at(reference: Scores) -> Tensor:
        count = reference.logits.shape[1]
        if place >= count:
            raise InputError(f"place {place + 1} of {count} labels does not exist")
        free = int(reference.logits.isfinite().sum(dim=1).min())
        if count > free <= place and not complete:
            raise InputError(
                f"there is no place {place + 1} for an image of which all but {free} labels are "
                "masked; choose a label as target"
            )
        return reference.logits.argsort(dim=1, descending=True)[:, place]

    def of(scores: Scores, reference: Scores) -> Tensor:
        return scores.logits.gather(1, labels_at(reference)[:, None])[:, 0]

    def names(reference: Scores) -> list[str]:
        return [reference.labels[index] for index in labels_at(reference).tolist()]

    return Target(f"top {place + 1}", of, names, unit=OF_SCORES, is_score=True)


def top(count: int) -> list[Target]:
    """The `count` highest scores of each image."""
    return [rank(place) for place in range(count)]


def every(labels: Sequence[str]) -> list[Target]:
    """Every score: in the order of the labels where they are few, the highest first where many."""
    if len(labels) <= FEW:
        return [score(label) for label in labels]
    return [rank(place, complete=True) for place in range(len(labels))]


@written("margin")
def margin() -> Target:
    """The highest score less the second highest: why this label rather than the runner-up."""
    first, second = top(2)

    def names(reference: Scores) -> list[str]:
        pairs = zip(first.labels(reference), second.labels(reference), strict=True)
        return [f"{best} - {runner_up}" for best, runner_up in pairs]

    return Target(
        "margin",
        lambda scores, reference: first(scores, reference) - second(scores, reference),
        names,
        made_of="one choice",
        unit=OF_SCORES,
    )


@written("chosen")
def chosen() -> Target:
    """The score of the action that was taken less the highest of the others: why this one.

    Defined where `Scores.taken` says which were taken, as while recording. Where all others are
    masked there is nothing to compare it with: it is 0 and depends on nothing.
    """

    def pair(reference: Scores) -> tuple[Tensor, Tensor]:
        if reference.taken is None:
            raise InputError(
                "nobody says which action was taken for the target 'chosen'; record a rollout, or "
                "choose 'margin'"
            )
        taken = reference.taken[:, None]
        others = reference.logits.detach().scatter(1, taken, -torch.inf)
        runner_up = others.argmax(dim=1, keepdim=True)
        return taken, torch.where(others.amax(dim=1, keepdim=True).isneginf(), taken, runner_up)

    def of(scores: Scores, reference: Scores) -> Tensor:
        first, second = (scores.logits.gather(1, each)[:, 0] for each in pair(reference))
        return first - second

    def names(reference: Scores) -> list[str]:
        pairs = zip(*(each[:, 0].tolist() for each in pair(reference)), strict=True)
        return [
            f"{reference.labels[first]} - {reference.labels[second]}"
            if first != second
            else f"{reference.labels[first]} alone"
            for first, second in pairs
        ]

    return Target("chosen", of, names, made_of="one choice", unit=OF_SCORES)


def is_difference(name: str, labels: Sequence[str]) -> bool:
    """Whether a target of that name is one score less another.

    Args:
        name: as `Target.labels` gives it.
        labels: of the scores.
    """
    return name not in labels and " - " in name


def _unlike(name: str, labels: Sequence[str]) -> str:
    while name in labels:
        name = f"target {name}"
    return name


def _check_free(reference: Scores, index: int, name: str) -> None:
    if bool(reference.logits[:, index].isneginf().any()):
        raise InputError(
            f"the target {name!r} does not exist for an image of which {reference.labels[index]!r} "
            "is masked (its score is -inf); leave such images out, or choose another target"
        )


TargetLike = str | int | Target | Callable[[Scores], Tensor]


def as_targets(target: TargetLike | Sequence[TargetLike] | None, model: ImageModel) -> list[Target]:
    """Targets from what a user may write.

    Args:
        target: a label, an index, a target, any callable on `Scores`, or a sequence of these.
            None means every action of a policy (up to ten labels) and the highest score of a
            classifier.
        model: whose labels these are.

    Raises:
        InputError: if a label does not exist (the closest ones are offered), an index is out of
            range, or the scores are known not to be what the target is made of.
    """
    if target is None:
        return every(model.labels) if len(model.labels) <= FEW else top(1)
    if isinstance(target, (np.ndarray, Tensor)) and target.ndim:
        raise InputError(
            f"an array of {len(target)} targets is ambiguous; give a list of labels, each of which "
            "is explained on every image, or 'highest' for each image's own"
        )
    if not isinstance(target, Sequence) or isinstance(target, str) or callable(target):
        target = [target]
    if not target:
        raise InputError("no target given; name a label, or leave the target out")
    targets = [_as_target(each, model) for each in target]
    if model.kind is not None:
        for each in targets:
            each.check(model.kind)
    return targets


def _as_target(target: Any, model: ImageModel) -> Target:
    if isinstance(target, Target):
        return target
    if callable(target):
        return Target(getattr(target, "__name__", "target"), lambda scores, _: target(scores))
    if isinstance(target, str) and target not in model.labels:
        return _read(target, model)
    if isinstance(target, (np.integer, np.ndarray, Tensor)):
        target = target.item()
    label_index(target, model.labels)
    return score(target)


@written("highest")
def highest() -> Target:
    """The highest score: of a policy, the action that it would most likely choose."""
    return replace(rank(0), name="highest")


def _read(text: str, model: ImageModel) -> Target:
    """A target as pictures call it: "left - right", "log p(left)", "entropy", or a synonym."""
    wrong: InputError | None = None
    for form in sorted(TARGETS, key=_literal_length, reverse=True):
        for as_given in (text, text.replace(" − ", " - ")):  # the minus that pictures write
            if not (found := _pattern(form).fullmatch(as_given)):
                continue
            try:
                for label in found.groups():
                    _check_label(label, form, model.labels)
            except InputError as error:  # what looks like this form may be the name of a label
                wrong = wrong or error
            else:
                return TARGETS[form](*found.groups())
    raise wrong or unknown_label(text, model.labels)


def _check_label(label: str, form: str, labels: tuple[str, ...]) -> None:
    """Whether a label within a form exists.

    Raises:
        InputError: if not; within a form other targets are not offered.
    """
    if form != "{label}" and label in TARGETS and label not in labels:
        raise InputError(
            f"{label!r} is a target of its own; {_shown(form)} is made of the scores of labels"
        )
    label_index(label, labels, _WORDS if form == "{label}" else ())


def _shown(form: str) -> str:
    """A form as it is written of labels: 'x - y', 'log p(x)'."""
    names = iter("xy")
    return repr(re.sub(r"\{\w+\}", lambda _: next(names), form))


def _pattern(form: str) -> re.Pattern[str]:
    """What matches a text of this form, its labels in groups."""
    return re.compile("(.+?)".join(map(re.escape, _literals(form))))


def _literal_length(form: str) -> int:
    return len("".join(_literals(form)))


def _literals(form: str) -> list[str]:
    return re.split(r"\{\w+\}", form)


def label_index(label: str | int, labels: tuple[str, ...], others: Sequence[str] = ()) -> int:
    """The column of a label given by name (case apart) or by index, which may be written out.

    A name may also be one of several synonyms that a label lists, separated by commas.

    Args:
        label: the name or the index.
        labels: the K names.
        others: what else would have done, for the error.

    Raises:
        InputError: if there is no such label; the closest ones are offered.
    """
    if isinstance(label, bool) or not isinstance(label, (str, int)):
        raise InputError(f"cannot take {label!r} as a target; give a label or its index")
    if isinstance(label, int):
        if not 0 <= label < len(labels):
            raise InputError(f"no label {label}; indices go from 0 to {len(labels) - 1}")
        return label
    if label in labels:
        return labels.index(label)
    wanted = label.strip().lower()
    for index, known in enumerate(labels):
        synonyms = [synonym.strip().lower() for synonym in known.split(",")]
        if wanted == known.lower() or wanted in synonyms:
            return index
    if wanted.isdecimal():
        return label_index(int(wanted), labels)
    raise unknown_label(label, labels, others)


_WORDS = [form for form in TARGETS if "{" not in form]
"""Targets that are written as one word."""
