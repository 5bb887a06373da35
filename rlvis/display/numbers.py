"""How numbers are written wherever they are drawn."""

from math import floor, isinf, isnan, log10

_LARGEST, _LEAST = 1e9, 1e-4
NOT_A_NUMBER = "not a number"
"""What is said of NaN, and of a map that holds NaN or infinity: nothing of it is drawn."""


def written(value: float, digits: int = 3) -> str:
    """A number rounded to so many significant digits, thousands parted by commas.

    Powers of ten are written only of sizes from 1e9 on and below 1e-4.

    >>> [written(each) for each in (1210.4, 0.12345, 21.0, 3e-6, float("nan"))]
    ['1,210', '0.123', '21', '3e-06', 'not a number']
    """
    value = float(value)
    if isnan(value):
        return NOT_A_NUMBER
    if isinf(value):
        return "inf" if value > 0 else "-inf"
    short = float(f"{value:.{digits}g}")
    size = abs(short)
    if size and not _LEAST <= size < _LARGEST:
        return f"{value:.{digits}g}"
    places = max(0, digits - 1 - floor(log10(size))) if size else 0
    text = f"{short:,.{places}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) if size else "0"


def signed_number(number: float) -> str:
    """A number to two decimals, zero as 0, what rounds to it without a sign."""
    return f"{round(number, 2) + 0.0:.2f}" if number else "0"


def resolved(number: float, spread: float) -> str:
    """A number with as many decimals as tell apart those of that spread, three digits at least.

    >>> [resolved(*each) for each in ((3.14159, 2.0), (3.14159, 0.01), (31491.7266, 0.0))]
    ['3.14', '3.142', '31,492']
    """
    decimals = 2 - floor(log10(max(abs(number), 1)))
    if spread > 0:
        decimals = max(decimals, 1 - floor(log10(max(spread, 1e-6))))
    decimals = max(0, min(decimals, 4))
    return f"{round(number, decimals) + 0.0:,.{decimals}f}"
