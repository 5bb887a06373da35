"""Numbers that users give, checked where they arrive."""

from math import isfinite
from numbers import Integral, Real
from typing import Any

from rlvis.errors import InputError

MOST_SEED = 2**32 - 1
MANY = 10**6
"""More episodes, steps, images or units than anybody means."""


def check_whole(name: str, given: Any, least: int, most: int) -> None:
    """Whether a number is whole and within bounds.

    Raises:
        InputError: if not.
    """
    whole = isinstance(given, Integral) and not isinstance(given, bool)
    if not whole or not least <= int(given) <= most:
        raise InputError(f"{name} is {given}; give a whole number from {least} to {most}")


def check_real(name: str, given: Any, least: float, most: float) -> None:
    """Whether a number is finite and within bounds.

    Raises:
        InputError: if not.
    """
    real = isinstance(given, Real) and not isinstance(given, bool) and isfinite(given)
    if not real or not least <= given <= most:
        raise InputError(f"{name} is {given}; give a number from {least:g} to {most:g}")
