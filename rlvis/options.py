"""Options and numbers that users give, checked where they arrive."""

from collections.abc import Sequence
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


def parse_options(written: Sequence[str]) -> dict[str, Any]:
    """Options written as "name=value"; numbers, true and false become what they look like.

    Raises:
        InputError: if one has no equals sign.
    """
    options = {}
    for part in written:
        name, equals, text = part.partition("=")
        if not equals:
            raise InputError(f"cannot read the option {part!r}; write name=value")
        options[name.strip()] = parse_value(text.strip())
    return options


def parse_value(text: str) -> Any:
    """A number, true or false where the text looks like one, else the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)
