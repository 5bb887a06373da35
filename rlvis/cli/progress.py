"""A progress bar on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(
    unit: str,
) -> Iterator[tuple[Callable[[int, str], None], Callable[..., None]]]:
    """A progress bar on standard error: a function to start it and one to advance it, by one step
    or `to` so many, with a note if there is something to say."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(f"{unit}s"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("", total=None)

        def start(total: int, description: str) -> None:
            progress.update(task, total=total, description=description)

        def advance(note: str = "", *, to: int | None = None) -> None:
            progress.update(task, completed=to) if to is not None else progress.advance(task)
            if note:
                console.print(note, highlight=False)

        yield start, advance
