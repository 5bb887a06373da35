"""What goes wrong through the user's input, and how it is said.

An `InputError` holds one line that says what is wrong and what would work; the command line prints
that line and exits with status 2. Everything else is a fault of ours and keeps its traceback.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Wrong input: the message is one line that says what is wrong and what would work."""


class Notice(UserWarning):
    """What a result rests on that its reader may not expect, in one line.

    Given as a warning, once for each text; the command line prints it on standard error.
    """


class NonFiniteError(InputError):
    """NaN or infinity in the weights or in the output of a network."""


def unknown(kind: str, name: object, known: Iterable[str]) -> InputError:
    """The error for a name that does not exist, with the closest existing ones.

    >>> str(unknown("method", "gradcam", ["grad-cam", "cam", "saliency"]))
    "no method 'gradcam'; did you mean 'grad-cam' or 'cam'?"
    >>> str(unknown("method", "x", ["grad-cam", "cam"]))
    "no method 'x'; there are: grad-cam, cam"
    """
    names = list(dict.fromkeys(known))
    by_lower = {each.lower(): each for each in reversed(names)}
    close = get_close_matches(str(name).lower(), list(by_lower), n=3, cutoff=0.5)
    if close:
        hint = "did you mean " + " or ".join(repr(by_lower[each]) for each in close) + "?"
    elif not names:
        hint = "there is none"
    else:
        shown = ", ".join(names[:12])
        hint = f"there are: {shown}" + (f", … ({len(names)} in all)" if len(names) > 12 else "")
    return InputError(f"no {kind} {str(name)!r}; {hint}")


def one_line(told: object) -> str:
    """The text of an error or another object in one line, runs of spaces as one space."""
    return " ".join(str(told).split())
