"""What a score is: one kind for all scores of a network; words, notes and targets follow from it.

    logits                   of labels of which one is right: probabilities are their softmax
    log-probabilities        the same after log-softmax
    probabilities            the same after softmax: they sum to 1
    independent-logits       of labels that do not exclude each other: each has its sigmoid
    independent-probabilities  the same after sigmoid
    q-values                 what each label is worth
    numbers                  anything else that is measured, as by a regression

The kinds of a policy's scores are the distributions of its actions, `rlvis.models.distributions`.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from rlvis.errors import InputError, unknown


class ScoreKind(ABC):
    """What each of a row of K scores stands for.

    Attributes:
        name: as users write it, empty for those of actions.
        unit: of one score, as it stands before its number.
        plural: what the scores are called in a sentence.
        competing: whether all labels are the ways of one choice, so that the highest score is
            preferred to the others.
        probable: whether the scores make up probabilities that targets may be made of.
        comparable: whether all scores are on one scale.
    """

    name: ClassVar[str] = ""
    unit: ClassVar[str]
    plural: ClassVar[str]
    competing: ClassVar[bool] = False
    probable: ClassVar[bool] = True
    comparable: ClassVar[bool] = True

    @abstractmethod
    def log_probabilities(self, scores: Tensor) -> Tensor:
        """Float (N, K), differentiable, for scores (N, K): of what each score stands for.

        Raises:
            InputError: if the scores make up no probabilities.
        """

    def probabilities(self, scores: Tensor) -> Tensor:
        """Float (N, K), differentiable, for scores (N, K), NaN where they make up none."""
        return self.log_probabilities(scores).exp()

    def entropy(self, scores: Tensor) -> Tensor:
        """Float (N,), in nats: of the choice, or the sum of those of independent labels.

        Raises:
            InputError: as for `log_probabilities`.
        """
        log_p = self.log_probabilities(scores)
        impossible = log_p.isneginf()  # p log p is 0 there
        return -(self.probabilities(scores) * log_p.masked_fill(impossible, 0)).sum(dim=1)

    def words(self, label: int, score: float) -> str:
        """A score with its unit.

        Args:
            label: its place in the row.
            score: the number.
        """
        return f"{self.unit} {number(score)}"


class Logits(ScoreKind):
    """Logits of labels of which one is right."""

    name, unit, plural = "logits", "logit", "logits"
    competing = True

    def log_probabilities(self, scores: Tensor) -> Tensor:
        """The log-softmax."""
        return scores.log_softmax(dim=1)

    def probabilities(self, scores: Tensor) -> Tensor:
        """The softmax."""
        return scores.softmax(dim=1)


class LogProbabilities(Logits):
    """Logarithms of probabilities that sum to 1, of which the softmax is these probabilities."""

    name, unit, plural = "log-probabilities", "log-probability", "log-probabilities"


class Probabilities(ScoreKind):
    """Probabilities that sum to 1."""

    name, unit, plural = "probabilities", "probability", "probabilities"
    competing = True

    def log_probabilities(self, scores: Tensor) -> Tensor:
        """The logarithms, finite where a probability is 0."""
        return _log(scores)

    def probabilities(self, scores: Tensor) -> Tensor:
        """The scores."""
        return scores

    def words(self, label: int, score: float) -> str:
        """The probability in per cent; negative where it is a difference, or speaks against."""
        return f"{self.unit} {percentage(score)}"


class IndependentLogits(ScoreKind):
    """Logits of labels that do not exclude each other, or of one label."""

    name, unit, plural = "independent-logits", "logit", "independent logits"

    def log_probabilities(self, scores: Tensor) -> Tensor:
        """The logarithms of the sigmoids."""
        return F.logsigmoid(scores)

    def probabilities(self, scores: Tensor) -> Tensor:
        """The sigmoids."""
        return scores.sigmoid()

    def entropy(self, scores: Tensor) -> Tensor:
        """The sum of the entropies of all labels; see `ScoreKind.entropy`."""
        others = scores.neg()
        terms = scores.sigmoid() * F.logsigmoid(scores) + others.sigmoid() * F.logsigmoid(others)
        return -terms.sum(dim=1)


class IndependentProbabilities(Probabilities):
    """Probabilities of labels that do not exclude each other, or of one label."""

    name, plural = "independent-probabilities", "independent probabilities"
    competing = False

    def entropy(self, scores: Tensor) -> Tensor:
        """The sum of the entropies of all labels; see `ScoreKind.entropy`."""
        others = 1 - scores
        return -(scores * _log(scores) + others * _log(others)).sum(dim=1)


class Improbable(ScoreKind):
    """Scores that make up no probabilities."""

    probable = False

    def log_probabilities(self, scores: Tensor) -> Tensor:
        """There are none."""
        raise InputError(f"scores that are {self.plural} make up no probabilities")

    def probabilities(self, scores: Tensor) -> Tensor:
        """NaN."""
        return torch.full_like(scores, torch.nan)


class QValues(Improbable):
    """What each label is worth; the highest is chosen."""

    name, unit, plural = "q-values", "Q-value", "Q-values"
    competing = True


class Numbers(Improbable):
    """Measured quantities, each on a scale of its own."""

    name, unit, plural = "numbers", "score", "plain numbers"
    comparable = False


LOGITS = Logits()
_KINDS: dict[str, ScoreKind] = {
    kind.name: kind
    for kind in (
        LOGITS,
        *(LogProbabilities(), Probabilities(), IndependentLogits(), IndependentProbabilities()),
        *(QValues(), Numbers()),
    )
}
KINDS = tuple(_KINDS)
"""The kinds that scores can be said to be."""

_OF_ONE = {
    "logits": "independent-logits",
    "log-probabilities": "numbers",
    "probabilities": "independent-probabilities",
}


def kind_named(name: str, labels: int) -> ScoreKind:
    """The kind of that name; of a single label, which excludes no other, the independent one.

    Raises:
        InputError: if there is none.
    """
    if name not in _KINDS:
        raise unknown("kind of scores", name, KINDS)
    return _KINDS[_OF_ONE.get(name, name) if labels == 1 else name]


def require_probabilities(kind: ScoreKind, what: str) -> None:
    """Whether scores make up probabilities.

    Raises:
        InputError: if not.
    """
    if not kind.probable:
        raise InputError(
            f"{what} is made of probabilities, and the scores are {kind.plural}{_otherwise(kind)}"
        )


def require_choice(kind: ScoreKind, what: str) -> None:
    """Whether all labels are the ways of one choice.

    Raises:
        InputError: if not.
    """
    if not kind.competing:
        raise InputError(
            f"{what} is about one choice among all labels, and the scores are "
            f"{kind.plural}{_otherwise(kind)}"
        )


def log_shares(kind: ScoreKind, scores: Tensor) -> Tensor:
    """Float (N, K) for scores (N, K) of one choice: its log-probabilities, finite or -inf.

    Q-values make up none; their log-softmax stands for them, as it does in papers.
    """
    return kind.log_probabilities(scores) if kind.probable else scores.log_softmax(dim=1)


def _otherwise(kind: ScoreKind) -> str:
    """What to do where somebody has said, or found, what the scores are."""
    return "; choose another, or say what they are with scores=… (--scores)" if kind.name else ""


def number(value: float) -> str:
    """A number with two decimals, small ones with two digits: "1,210.00", "3.20", "0.0012"."""
    return f"{value:,.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"


def percentage(share: float) -> str:
    """A share in per cent, with a digit more where it is small: "38%", "0.4%", "<0.1%"."""
    if 0 < share < 0.0005:
        return "<0.1%"
    return f"{share:.0%}" if abs(share) >= 0.0995 else f"{share:.1%}"


def _log(probabilities: Tensor) -> Tensor:
    return probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny).log()
