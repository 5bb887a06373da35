"""Estimates with 95% intervals, from observations that come in groups.

Frames of one episode are alike, so episodes are what is drawn anew (cluster bootstrap). Every
statistic here is a function of sums over observations, so a draw is a weighted sum of the groups'
sums and thousands of draws are one matrix product. The interval is that of Student's t with the
bootstrap's standard error, which is too small for few groups by about 2 / G (measured by
`scripts/audit_the_audit.py nulls`): percentiles of few groups are too narrow, too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite, isinf, isnan, nan
from typing import Any, Self

import numpy as np

from rlvis.rollouts.intervals import share_interval

FEWEST_GROUPS = 6
"""With fewer groups there is an estimate and no interval."""
_DRAWS = 500

Statistic = Callable[[np.ndarray], np.ndarray]
"""Maps sums (…, S) to numbers (…,)."""


@dataclass(frozen=True)
class Estimate:
    """A number, how sure it is, and what it rests on.

    Attributes:
        value: the number; NaN where there is nothing to estimate it from, infinite where one of
            the observations is.
        low, high: its 95% interval; NaN where there are too few groups for one.
        count: of observations.
        groups: that they come in, such as episodes.
    """

    value: float
    low: float = nan
    high: float = nan
    count: int = 0
    groups: int = 0

    @property
    def sure(self) -> bool:
        """Whether there is an interval."""
        return isfinite(self.low) and isfinite(self.high)

    def above(self, number: float) -> bool:
        """Whether it is larger than a number, the whole interval of it."""
        return self.sure and self.low > number

    def below(self, number: float) -> bool:
        """Whether it is smaller than a number, the whole interval of it."""
        return self.sure and self.high < number

    def written(self, digits: int = 2, share: bool = False) -> str:
        """It as text: "0.42 [0.30, 0.55]", as percentages where it is a share."""
        if isnan(self.value):
            return "–"
        if isinf(self.value):
            return rounded(self.value)

        ends = (abs(self.low), abs(self.high)) if self.sure else ()
        largest = max(abs(self.value), *ends, 0.0)

        def text(number: float) -> str:
            return f"{number:.0%}" if share else rounded(number, digits, largest)

        if not self.sure:
            return f"{text(self.value)} (too few for an interval)"
        return f"{text(self.value)} [{text(self.low)}, {text(self.high)}]"

    def plain(self) -> dict[str, float | int | None]:
        """It as JSON has it; what is not a number is None."""
        numbers: dict[str, float] = {"value": self.value, "low": self.low, "high": self.high}
        told = {name: float(each) if isfinite(each) else None for name, each in numbers.items()}
        return {**told, "count": self.count, "groups": self.groups}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """The estimate that `plain` told."""
        value, low, high = (
            nan if plain[name] is None else float(plain[name]) for name in ("value", "low", "high")
        )
        return cls(value, low, high, int(plain["count"]), int(plain["groups"]))


NOTHING = Estimate(nan)


def rounded(number: float, digits: int = 2, largest: float = 0.0) -> str:
    """A number as text: so many decimals, none of thousands, four digits of millions.

    Args:
        number: infinite ones, too.
        digits: decimals.
        largest: of the numbers beside it, so that all are written in one way.
    """
    if isinf(number):
        return "∞" if number > 0 else "−∞"
    size = max(abs(number), abs(largest))
    if size < 1e3:
        return f"{number:.{digits}f}"
    return f"{number:.0f}" if size < 1e6 else f"{number:.4g}"


def estimate(
    statistic: Statistic,
    sums: np.ndarray,
    groups: np.ndarray,
    *,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Estimate:
    """A statistic of observations, and its interval.

    Args:
        statistic: of their sums.
        sums: float (N, S), what of each observation is summed.
        groups: int (N,), which group it is of.
        bounds: what the statistic cannot leave.
    """
    if not len(sums):
        return NOTHING
    names, inverse = np.unique(groups, return_inverse=True)
    totals = np.zeros((len(names), sums.shape[1]))
    np.add.at(totals, inverse, sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(statistic(totals.sum(axis=0)))
        if len(names) < FEWEST_GROUPS or not isfinite(value):
            return Estimate(value, count=len(sums), groups=len(names))
        draws = statistic(_draws(len(names)) @ totals)
    draws = draws[np.isfinite(draws)]
    if len(draws) < _DRAWS // 2:
        return Estimate(value, count=len(sums), groups=len(names))
    spread = float(draws.std(ddof=1)) * _student(len(names) - 1) * (1 + 2 / len(names))
    low, high = max(bounds[0], value - spread), min(bounds[1], value + spread)
    return Estimate(value, low, high, len(sums), len(names))


def mean(
    values: np.ndarray, groups: np.ndarray, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> Estimate:
    """The mean of observations; those that are NaN are left out."""
    kept = ~np.isnan(values)
    values, groups = values[kept].astype(float), groups[kept]
    sums = np.stack([values, np.ones_like(values)], axis=1)
    return estimate(lambda totals: totals[..., 0] / totals[..., 1], sums, groups, bounds=bounds)


def share(hits: np.ndarray, groups: np.ndarray) -> Estimate:
    """The share of observations that are hits.

    Where all are alike no draw differs: the interval is then Wilson's for as many observations as
    there are groups, as if each group said one thing.
    """
    found = mean(hits.astype(float), groups, (0.0, 1.0))
    if found.sure and found.low == found.high:
        low, high = share_interval(found.value * found.groups, found.groups)
        return Estimate(found.value, low, high, found.count, found.groups)
    return found


def ranks(values: np.ndarray) -> np.ndarray:
    """Float (N,): average ranks from 1, ties sharing theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def few_ranks(values: np.ndarray) -> np.ndarray:
    """Float (N, k): average ranks of few numbers in each row."""
    one, other = values[:, :, None], values[:, None, :]
    return 0.5 + (one > other).sum(axis=2) + 0.5 * (one == other).sum(axis=2)


def partial_sums(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Float (N, 10): what `partial_correlation` is a function of."""
    one = np.ones_like(x)
    return np.stack([one, x, y, z, x * x, y * y, z * z, x * y, x * z, y * z], axis=-1)


def partial_correlation(sums: np.ndarray) -> np.ndarray:
    """The correlation (…,) of x and y given z, from sums (…, 10) of `partial_sums`.

    (r_xy - r_xz r_yz) / sqrt((1 - r_xz²)(1 - r_yz²)); r_xy where z does not vary, 0 where x or y
    does not vary beside z.
    """
    n, x, y, z, xx, yy, zz, xy, xz, yz = np.moveaxis(sums, -1, 0)
    var_x, var_y, var_z = (n * square - one**2 for square, one in ((xx, x), (yy, y), (zz, z)))
    tiny = 1e-9 * n * n
    with np.errstate(divide="ignore", invalid="ignore"):
        r_xy = (n * xy - x * y) / np.sqrt(var_x * var_y)
        r_xz = np.where(var_z > tiny, (n * xz - x * z) / np.sqrt(var_x * var_z), 0)
        r_yz = np.where(var_z > tiny, (n * yz - y * z) / np.sqrt(var_y * var_z), 0)
        left = (1 - r_xz**2) * (1 - r_yz**2)
        found = (r_xy - r_xz * r_yz) / np.sqrt(left)
    return np.where((var_x > tiny) & (var_y > tiny) & (left > 1e-9), found, 0.0)


@lru_cache(maxsize=64)
def _draws(groups: int) -> np.ndarray:
    """Float (500, G): how often each group is drawn, the same for every statistic."""
    generator = np.random.default_rng(groups)
    return generator.multinomial(groups, np.full(groups, 1 / groups), _DRAWS).astype(float)


_T_975: Sequence[Any] = (
    *((5, 2.571), (6, 2.447), (7, 2.365), (8, 2.306), (9, 2.262), (10, 2.228), (12, 2.179)),
    *((15, 2.131), (20, 2.086), (30, 2.042), (60, 2.000), (120, 1.980)),
)


def _student(freedom: int) -> float:
    """The 97.5% quantile of Student's t, of the next lower degree of freedom in the table."""
    return [t for degrees, t in _T_975 if degrees <= freedom][-1]
