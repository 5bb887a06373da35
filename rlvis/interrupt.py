"""Ctrl-C as a question that long work asks itself between two steps: nothing is half done."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Hold back the first Ctrl-C: it only makes the function that is given answer True.

    A second one stops at once, as usual. Signals reach the main thread only; elsewhere the answer
    stays False.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


class Stopped(KeyboardInterrupt):
    """Ctrl-C, obeyed at a good place: the message is one line that says how to go on."""
