"""What is told of an error: a question that cannot be read, a refusal, a fault of ours."""

import sys
import traceback

from rlvis.errors import InputError, one_line

REFUSED = "rlvis-refused"
"""The header of an answer that is the reason why there is none."""


class UnreadableError(InputError):
    """A question that is not written as it must be, which no page of ours sends."""


def fault(error: Exception) -> tuple[str, int]:
    """What is told of an error, and its status; what is a fault of ours goes to the terminal.

    The refusal of a tool is an answer, with status 200, so that no browser reports it as failed.
    """
    if isinstance(error, InputError):
        return str(error), 400 if isinstance(error, UnreadableError) else 200
    traceback.print_exception(error, file=sys.stderr)
    return f"the server failed: {one_line(error) or type(error).__name__}", 500
