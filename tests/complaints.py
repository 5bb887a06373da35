"""What is said about wrong input."""

import warnings
from collections.abc import Callable

from rlvis import InputError


def complaint(act: Callable[[], object]) -> str:
    """The line of the `InputError` that an act ends with, "" where it does not; any other error is
    passed on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            act()
        except InputError as error:
            return str(error)
    return ""
