"""Intervals of what was counted, so that few episodes do not look like many."""

from math import sqrt

_Z = 1.959963984540054  # 97.5% quantile of the normal distribution


def share_interval(count: float, of: int) -> tuple[float, float]:
    """The 95% interval of a share, low and high, for `count` of `of` (Wilson 1927).

    Raises:
        ZeroDivisionError: if `of` is 0.
    """
    share, z2 = count / of, _Z**2
    middle = share + z2 / (2 * of)
    spread = _Z * sqrt(share * (1 - share) / of + z2 / (4 * of**2))
    low = max(0.0, (middle - spread) / (1 + z2 / of)) if count > 0 else 0.0
    high = min(1.0, (middle + spread) / (1 + z2 / of)) if count < of else 1.0
    return low, high
