"""How an action is drawn from a row of scores: one kind of distribution per kind of action space.

    Discrete(K)              Categorical        each score is the logit of an action
                             Greedy             each score is the worth of an action (Q-values)
    MultiDiscrete(K₀, K₁ …)  MultiCategorical   the logits of one factor after those of the other
    Box(D)                   DiagonalGaussian   each score is the mean of one dimension

What a policy, a recording and a film ask of a distribution is the same for all of them.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from rlvis.errors import InputError


class ActionDistribution(ABC):
    """π(action | scores) for a row of K scores."""

    kind: ClassVar[str]

    @property
    @abstractmethod
    def labels(self) -> tuple[str, ...]:
        """The K names that scores have where nobody gives better ones."""

    @abstractmethod
    def draw(
        self, scores: Tensor, generator: torch.Generator | None = None, deterministic: bool = False
    ) -> int | np.ndarray:
        """An action as the environment takes it.

        Args:
            scores: float (K,), on the CPU.
            generator: the source of chance (torch's global one when left out).
            deterministic: take the mode instead of drawing.
        """

    @abstractmethod
    def probabilities(self, scores: Tensor) -> Tensor:
        """Float (N, K) for scores (N, K): of what each score stands for, NaN where it has none."""

    @abstractmethod
    def taken(self, actions: np.ndarray) -> np.ndarray:
        """Bool (T, K) for T actions: whether what each score stands for was chosen."""

    def record(self) -> dict[str, Any]:
        """The distribution as JSON holds it; `from_record` reads it."""
        return {"kind": self.kind, **asdict(self)}  # type: ignore[call-overload]


class Factored(ActionDistribution):
    """Independent choices; each has the logits of a run of scores of its own."""

    @property
    @abstractmethod
    def factors(self) -> tuple[slice, ...]:
        """Where the scores of each choice are."""

    def probabilities(self, scores: Tensor) -> Tensor:
        return torch.cat([scores[:, factor].softmax(dim=1) for factor in self.factors], dim=1)

    def taken(self, actions: np.ndarray) -> np.ndarray:
        columns = actions.reshape(len(actions), -1).T
        return np.concatenate(
            [
                column[:, None] == np.arange(factor.stop - factor.start)
                for factor, column in zip(self.factors, columns, strict=True)
            ],
            axis=1,
        )

    def _draw(
        self, scores: Tensor, generator: torch.Generator | None, deterministic: bool
    ) -> list[int]:
        probabilities = self.probabilities(scores[None])[0]
        return [
            int(
                probabilities[factor].argmax()
                if deterministic
                else torch.multinomial(probabilities[factor], 1, generator=generator)
            )
            for factor in self.factors
        ]


@dataclass(frozen=True)
class Categorical(Factored):
    """One of `count` actions; an action is an int."""

    kind = "categorical"
    count: int

    def __str__(self) -> str:
        return f"{self.count} actions"

    @property
    def labels(self) -> tuple[str, ...]:
        """ "action 0" to "action K-1"."""
        return tuple(f"action {index}" for index in range(self.count))

    @property
    def factors(self) -> tuple[slice, ...]:
        """All scores."""
        return (slice(0, self.count),)

    def draw(
        self, scores: Tensor, generator: torch.Generator | None = None, deterministic: bool = False
    ) -> int:
        return self._draw(scores, generator, deterministic)[0]


@dataclass(frozen=True)
class Greedy(Categorical):
    """The one of `count` actions with the highest score, always."""

    kind = "greedy"

    def probabilities(self, scores: Tensor) -> Tensor:
        """1 for the highest score, 0 for the others."""
        best = scores.argmax(dim=1, keepdim=True)
        return torch.zeros_like(scores).scatter_(1, best, 1.0)


@dataclass(frozen=True)
class MultiCategorical(Factored):
    """Several choices at once, `sizes[i]` ways for the i-th; an action is int64 (D,)."""

    kind = "multi-categorical"
    sizes: tuple[int, ...]

    def __str__(self) -> str:
        return f"{'×'.join(map(str, self.sizes))} actions"

    @property
    def labels(self) -> tuple[str, ...]:
        """ "a0=0", "a0=1" … "a1=0" and so on: which entry of the action has which value."""
        return tuple(
            f"a{place}={index}" for place, size in enumerate(self.sizes) for index in range(size)
        )

    @property
    def factors(self) -> tuple[slice, ...]:
        """One run of scores after the other."""
        stops = accumulate(self.sizes)
        return tuple(slice(stop - size, stop) for size, stop in zip(self.sizes, stops, strict=True))

    def draw(
        self, scores: Tensor, generator: torch.Generator | None = None, deterministic: bool = False
    ) -> np.ndarray:
        return np.array(self._draw(scores, generator, deterministic), np.int64)


@dataclass(frozen=True)
class DiagonalGaussian(ActionDistribution):
    """Independent normal distributions; an action is float32 (D,), clipped to its bounds.

    Attributes:
        log_std: logarithms of the standard deviations, the same for every image.
        low, high: the bounds; the largest float32 stands for none.
    """

    kind = "diagonal-gaussian"
    log_std: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def within(cls, log_std: np.ndarray, low: np.ndarray, high: np.ndarray) -> "DiagonalGaussian":
        """From arrays (D,), which may be infinite: no bounds, no deviation."""
        finite = [np.nan_to_num(each.astype(np.float32)).tolist() for each in (log_std, low, high)]
        return cls(*map(tuple, finite))

    def __str__(self) -> str:
        return f"{len(self.log_std)} continuous actions"

    @property
    def labels(self) -> tuple[str, ...]:
        """ "a0" to "aD-1": the entries of the action."""
        return tuple(f"a{place}" for place in range(len(self.log_std)))

    def draw(
        self, scores: Tensor, generator: torch.Generator | None = None, deterministic: bool = False
    ) -> np.ndarray:
        drawn = scores
        if not deterministic:
            deviation = torch.tensor(self.log_std).exp()
            drawn = scores + deviation * torch.randn(len(scores), generator=generator)
        return drawn.clamp(torch.tensor(self.low), torch.tensor(self.high)).numpy()

    def probabilities(self, scores: Tensor) -> Tensor:
        """NaN: means have densities, not probabilities."""
        return torch.full_like(scores, torch.nan)

    def taken(self, actions: np.ndarray) -> np.ndarray:
        """False: every dimension takes part in every action."""
        return np.zeros((len(actions), len(self.log_std)), bool)


_KINDS: dict[str, type[ActionDistribution]] = {
    each.kind: each for each in (Categorical, Greedy, MultiCategorical, DiagonalGaussian)
}


def from_record(record: Mapping[str, Any]) -> ActionDistribution:
    """The distribution that `ActionDistribution.record` described."""
    values = {
        name: tuple(each) if isinstance(each, list) else each
        for name, each in record.items()
        if name != "kind"
    }
    return _KINDS[record["kind"]](**values)


def require_categorical(distribution: ActionDistribution, what: str) -> None:
    """Refuse what is not made for several choices at once or continuous actions.

    Raises:
        InputError: if the distribution is another than `Categorical`.
    """
    if not isinstance(distribution, Categorical):
        raise InputError(f"{what} works with Discrete actions only; here are {distribution}")
