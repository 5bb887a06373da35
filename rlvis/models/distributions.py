"""How an action is sampled from a row of scores: one kind of distribution per kind of action space.

    Discrete(K)              Categorical        each score is the logit of an action
                             Greedy             each score is the Q-value of an action
    MultiDiscrete(K₀, K₁ …)  MultiCategorical   the logits of one factor after those of the other
    MultiBinary(K)           Bernoulli          each score is the logit of one bit
    Box(…)                   DiagonalGaussian   each score is the mean of one entry
                             SquashedGaussian   each score is that before the tanh at its end

What a policy, a recording and a film ask of a distribution is the same for all of them.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from rlvis.errors import InputError
from rlvis.models.score_kinds import Improbable, IndependentLogits, ScoreKind, number

Actions = list[int | np.ndarray]
"""As an environment takes them."""
Lots = Sequence[torch.Generator | None]
"""A random generator for each row of scores; None for torch's global one."""


class ActionDistribution(ScoreKind):
    """π(action | scores) for a row of K scores, which are a kind of their own."""

    kind: ClassVar[str]

    @property
    @abstractmethod
    def labels(self) -> tuple[str, ...]:
        """The K names that scores have where nobody gives better ones."""

    def draw(
        self,
        scores: Tensor,
        lots: Lots | None = None,
        deterministic: bool = False,
        log_std: Tensor | None = None,
    ) -> Actions:
        """An action for each row of scores, as the environment takes it.

        Args:
            scores: float (N, K), on the CPU.
            lots: the random generator of each row, torch's global one where it is None or left
                out: what is drawn for a row does not depend on the rows beside it.
            deterministic: take the modes instead of sampling.
            log_std: float (N, K), the logarithms of the standard deviations that come with these
                scores, for continuous actions whose deviations depend on the image.
        """
        if deterministic:
            return self._modes(scores)
        return self._samples(scores, lots or [None] * len(scores), log_std)

    @abstractmethod
    def _modes(self, scores: Tensor) -> Actions:
        """The most probable action of each row."""

    @abstractmethod
    def _samples(self, scores: Tensor, lots: Lots, log_std: Tensor | None) -> Actions:
        """An action for each row, drawn with its random generator."""

    @abstractmethod
    def taken(self, actions: np.ndarray) -> np.ndarray:
        """Bool (T, K) for T actions: whether what each score stands for was chosen."""

    def modes(self, scores: np.ndarray) -> np.ndarray:
        """Float32 (T, K) for scores (T, K): each as the entry of an action that it makes likeliest.

        Where scores do not stand for entries they are as they were.
        """
        return scores

    @property
    def choices(self) -> tuple[slice, ...]:
        """The scores of each choice of which exactly one is taken; none for other actions."""
        return ()

    @property
    @abstractmethod
    def action_space(self) -> tuple[Any, ...]:
        """The kind and the sizes of the actions, equal for distributions in the same space.

        From where actions are numbered is left to the library that trained the policy.
        """

    def record(self) -> dict[str, Any]:
        """The distribution as JSON holds it; `from_record` reads it."""
        return {"kind": self.kind, **asdict(self)}  # type: ignore[call-overload]


class Factored(ActionDistribution):
    """Independent choices; each has the logits of a run of scores of its own."""

    unit = "logit"
    plural = "logits of several choices"

    @property
    @abstractmethod
    def factors(self) -> tuple[slice, ...]:
        """Where the scores of each choice are."""

    @property
    def choices(self) -> tuple[slice, ...]:
        """Each factor is a choice."""
        return self.factors

    def log_probabilities(self, scores: Tensor) -> Tensor:
        """The log-softmax of each choice; see `ScoreKind.log_probabilities`."""
        return torch.cat([scores[:, factor].log_softmax(dim=1) for factor in self.factors], dim=1)

    def probabilities(self, scores: Tensor) -> Tensor:
        """The softmax of each choice; see `ScoreKind.probabilities`."""
        return torch.cat([scores[:, factor].softmax(dim=1) for factor in self.factors], dim=1)

    @property
    @abstractmethod
    def first(self) -> tuple[int, ...]:
        """The number of the first way of each choice."""

    def taken(self, actions: np.ndarray) -> np.ndarray:
        """Which scores the actions stand for; see `ActionDistribution.taken`."""
        columns = actions.reshape(len(actions), -1).T
        return np.concatenate(
            [
                column[:, None] == first + np.arange(factor.stop - factor.start)
                for factor, first, column in zip(self.factors, self.first, columns, strict=True)
            ],
            axis=1,
        )

    @abstractmethod
    def _actions(self, chosen: np.ndarray) -> Actions:
        """The actions of which these ways of each choice were chosen, int64 (N, choices) from 0."""

    def _modes(self, scores: Tensor) -> Actions:
        return self._likeliest(self.probabilities(scores))

    def _samples(self, scores: Tensor, lots: Lots, log_std: Tensor | None) -> Actions:
        """The first of exponential clocks to ring, whose rates are the probabilities.

        That is how `torch.multinomial` draws one of a few, too, and so what it would have drawn.
        """
        probabilities = self.probabilities(scores)
        waits = torch.empty_like(probabilities)
        for row, lot in zip(waits, lots, strict=True):
            for factor in self.factors:
                row[factor].exponential_(generator=lot)
        return self._likeliest(probabilities / waits)

    def _likeliest(self, shares: Tensor) -> Actions:
        highest = [shares[:, factor].argmax(dim=1) for factor in self.factors]
        return self._actions(torch.stack(highest, dim=1).numpy())


@dataclass(frozen=True)
class Categorical(Factored):
    """One of `count` actions, numbered from `start`; an action is an int."""

    kind = "categorical"
    plural = "logits"
    competing = True
    count: int
    start: int = 0

    def __str__(self) -> str:
        return f"{self.count} actions"

    @property
    def action_space(self) -> tuple[Any, ...]:
        """See `ActionDistribution.action_space`."""
        return "discrete", self.count

    @property
    def labels(self) -> tuple[str, ...]:
        """Their numbers: "action 0" to "action K-1"."""
        return tuple(f"action {self.start + index}" for index in range(self.count))

    @property
    def factors(self) -> tuple[slice, ...]:
        """All scores."""
        return (slice(0, self.count),)

    @property
    def first(self) -> tuple[int, ...]:
        """The number of the first action."""
        return (self.start,)

    def _actions(self, chosen: np.ndarray) -> Actions:
        return (self.start + chosen[:, 0]).tolist()


@dataclass(frozen=True)
class Greedy(Categorical):
    """The one of `count` actions with the highest score, always."""

    kind = "greedy"
    unit, plural = "Q-value", "Q-values"
    probable = False

    def log_probabilities(self, scores: Tensor) -> Tensor:
        """There are none that change with the scores; see `ScoreKind.log_probabilities`."""
        raise InputError("an agent that takes the highest Q-value has no probabilities")

    def probabilities(self, scores: Tensor) -> Tensor:
        """1 for the highest score, 0 for the others."""
        best = scores.argmax(dim=1, keepdim=True)
        return torch.zeros_like(scores).scatter_(1, best, 1.0)


@dataclass(frozen=True)
class MultiCategorical(Factored):
    """Several choices at once; an action is int64 (D,).

    The i-th has `sizes[i]` ways, numbered from `starts[i]`, or from 0 where there is none.
    """

    kind = "multi-categorical"
    sizes: tuple[int, ...]
    starts: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{'×'.join(map(str, self.sizes))} actions"

    @property
    def action_space(self) -> tuple[Any, ...]:
        """See `ActionDistribution.action_space`."""
        return "multi-discrete", self.sizes

    @property
    def labels(self) -> tuple[str, ...]:
        """Which entry of the action has which value: "a0=0", "a0=1" … "a1=0" and so on."""
        ways = enumerate(zip(self.sizes, self.first, strict=True))
        return tuple(
            f"a{place}={first + index}" for place, (size, first) in ways for index in range(size)
        )

    @property
    def factors(self) -> tuple[slice, ...]:
        """One run of scores after the other."""
        stops = accumulate(self.sizes)
        return tuple(slice(stop - size, stop) for size, stop in zip(self.sizes, stops, strict=True))

    @property
    def first(self) -> tuple[int, ...]:
        """The number of the first way of each choice."""
        return self.starts or (0,) * len(self.sizes)

    def _actions(self, chosen: np.ndarray) -> Actions:
        return list(np.array(self.first, np.int64) + chosen)


@dataclass(frozen=True)
class Bernoulli(IndependentLogits, ActionDistribution):
    """Independent bits; an action is int8 (K,)."""

    kind = "bernoulli"
    name = ""
    count: int

    def __str__(self) -> str:
        return f"{'×'.join('2' * self.count)} actions"

    @property
    def action_space(self) -> tuple[Any, ...]:
        """See `ActionDistribution.action_space`."""
        return "multi-binary", self.count

    @property
    def labels(self) -> tuple[str, ...]:
        """The bits of the action: "a0" to "aK-1"."""
        return tuple(f"a{place}" for place in range(self.count))

    def _modes(self, scores: Tensor) -> Actions:
        return list(scores.sigmoid().round().numpy().astype(np.int8))

    def _samples(self, scores: Tensor, lots: Lots, log_std: Tensor | None) -> Actions:
        rows = zip(scores.sigmoid(), lots, strict=True)
        return [torch.bernoulli(row, generator=lot).numpy().astype(np.int8) for row, lot in rows]

    def taken(self, actions: np.ndarray) -> np.ndarray:
        """Which scores the actions stand for; see `ActionDistribution.taken`."""
        return actions.reshape(len(actions), -1) == 1


@dataclass(frozen=True)
class DiagonalGaussian(Improbable, ActionDistribution):
    """Independent normal distributions; an action is float32 (D,), clipped to its bounds.

    It may have another shape with D entries.

    Attributes:
        log_std: logarithms of the standard deviations, the same for every image.
        low, high: the bounds; the largest float32 stands for none.
        shape: of an action, (D,) where there is none.
    """

    kind = "diagonal-gaussian"
    unit, plural = "mean", "means of continuous actions"
    comparable = False
    bounded_by: ClassVar[str] = "clipping"
    log_std: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    shape: tuple[int, ...] | None = None

    @classmethod
    def within(cls, log_std: np.ndarray, low: np.ndarray, high: np.ndarray) -> "DiagonalGaussian":
        """From arrays of the shape of an action, which may be infinite: no bounds, no deviation."""
        deviation, least, most = (
            tuple(np.nan_to_num(each.astype(np.float32)).ravel().tolist())
            for each in (log_std, low, high)
        )
        return cls(deviation, least, most, None if log_std.ndim == 1 else log_std.shape)

    def __str__(self) -> str:
        size = len(self.log_std) if self.shape is None else "×".join(map(str, self.shape)) or 1
        return f"{size} continuous actions"

    @property
    def action_space(self) -> tuple[Any, ...]:
        """See `ActionDistribution.action_space`."""
        return "box", (len(self.log_std),) if self.shape is None else self.shape

    @property
    def labels(self) -> tuple[str, ...]:
        """The entries of the action: "a0" to "aD-1"; "a0,0" and so on where it has more axes."""
        shape = self.shape or (len(self.log_std),)
        return tuple("a" + ",".join(map(str, place)) for place in np.ndindex(*shape))

    def _modes(self, scores: Tensor) -> Actions:
        return self._shaped(scores)

    def _samples(self, scores: Tensor, lots: Lots, log_std: Tensor | None) -> Actions:
        deviation = (torch.tensor(self.log_std) if log_std is None else log_std).exp()
        drawn = [torch.randn(scores.shape[1], generator=lot) for lot in lots]
        return self._shaped(scores + deviation * torch.stack(drawn))

    def _shaped(self, entries: Tensor) -> Actions:
        shape = (len(self.log_std),) if self.shape is None else self.shape
        return list(self._bounded(entries.numpy()).reshape(-1, *shape))

    def modes(self, scores: np.ndarray) -> np.ndarray:
        """Float32 (T, D) for scores (T, D): the entries of the action without chance."""
        return self._bounded(scores)

    def _bounded(self, drawn: np.ndarray) -> np.ndarray:
        low, high = self._bounds
        return np.clip(drawn, low, high)

    @property
    def _bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array(self.low, np.float32), np.array(self.high, np.float32)

    def words(self, label: int, score: float) -> str:
        """The mean; where the bounds make another entry of it, that entry and what it was."""
        given, entry = number(score), number(self.entry(label, score))
        if entry == given:
            return f"{self.unit} {given}"
        return f"{self.unit} {entry} ({given} before {self.bounded_by})"

    def entry(self, label: int, score: float) -> float:
        """The entry of an action that a mean makes likeliest."""
        means = np.zeros((1, len(self.low)), np.float32)
        means[0, label] = score
        return float(self.modes(means)[0, label])

    def taken(self, actions: np.ndarray) -> np.ndarray:
        """False: every entry takes part in every action."""
        return np.zeros((len(actions), len(self.log_std)), bool)


@dataclass(frozen=True)
class SquashedGaussian(DiagonalGaussian):
    """Normal distributions whose draws tanh brings between the bounds of each entry.

    Haarnoja et al. 2018, Soft Actor-Critic, appendix C. Scores are the means before the tanh.
    """

    kind = "squashed-gaussian"
    bounded_by = "tanh"

    def _bounded(self, drawn: np.ndarray) -> np.ndarray:
        low, high = self._bounds
        squashed = torch.from_numpy(np.ascontiguousarray(drawn)).tanh().numpy()
        return low + (0.5 * (squashed + 1.0) * (high - low))


_KINDS: dict[str, type[ActionDistribution]] = {
    each.kind: each
    for each in (
        *(Categorical, Greedy, MultiCategorical),
        *(Bernoulli, DiagonalGaussian, SquashedGaussian),
    )
}


def from_record(record: Mapping[str, Any]) -> ActionDistribution:
    """The distribution that `ActionDistribution.record` described."""
    values = {
        name: tuple(each) if isinstance(each, list) else each
        for name, each in record.items()
        if name != "kind"
    }
    return _KINDS[record["kind"]](**values)


def require_categorical(distribution: ActionDistribution, what: str) -> Categorical:
    """The distribution; refuses several choices at once and continuous actions.

    Raises:
        InputError: if the distribution is another than `Categorical`.
    """
    if not isinstance(distribution, Categorical):
        raise InputError(f"{what} works with Discrete actions only; here are {distribution}")
    return distribution
