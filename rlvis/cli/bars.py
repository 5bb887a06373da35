"""A progress bar on standard error, and Ctrl-C obeyed between two steps."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rlvis.interrupt import interruptible
from rlvis.progress import OnProgress, Progress, terminal_bar


@contextmanager
def stoppable_progress() -> Iterator[OnProgress]:
    """A bar for long work that can be stopped.

    The first Ctrl-C stops the work when it next tells how far it is, so that it can be kept, a
    second one at once.
    """
    with interruptible() as asked_to_stop, terminal_bar() as show:

        def on_progress(progress: Progress) -> None:
            show(progress)
            if asked_to_stop():
                raise KeyboardInterrupt

        yield on_progress


@contextmanager
def progress(
    unit: str,
) -> Iterator[tuple[Callable[[int, str], None], Callable[..., None]]]:
    """A bar for a loop: a function to start it and one to advance it.

    It advances by one step or `to` so many, with a note if there is something to say.
    """
    with terminal_bar() as show:
        now = Progress("", 0, 0, f"{unit}s")

        def start(total: int, description: str) -> None:
            nonlocal now
            now = Progress(description, 0, total, f"{unit}s")
            show(now)

        def advance(note: str = "", *, to: int | None = None) -> None:
            nonlocal now
            done = now.done + 1 if to is None else to
            now = Progress(now.task, done, now.total, now.unit, note)
            show(now)

        yield start, advance
