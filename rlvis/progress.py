"""How far long work has come: what it tells its caller, and the bar that shows it.

Long functions take `on_progress`, a function that is called between two steps. It may raise
KeyboardInterrupt to stop them there, where nothing is half done. Left out, a notebook shows a bar
and everything else is silent.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any


@dataclass(frozen=True)
class Progress:
    """How far long work has come.

    Attributes:
        task: what is being done, in a word or two.
        done, total: steps done and wanted.
        unit: what a step is, in the plural: "images".
        note: a line about the step that is just done, where there is something to say.
    """

    task: str
    done: int
    total: int
    unit: str
    note: str = ""


OnProgress = Callable[[Progress], None]
"""Called between two steps of long work."""


def reporter(on_progress: OnProgress | None) -> OnProgress:
    """The function that long work tells how far it has come.

    Args:
        on_progress: given by the caller; left out, a bar in a notebook, elsewhere nothing.
    """
    if on_progress is not None:
        return on_progress
    return notebook_bar() if in_notebook() else silent


def silent(progress: Progress) -> None:
    """Shows nothing, in a notebook neither."""


def in_notebook() -> bool:
    """Whether this runs in a notebook, whose output cells show HTML."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


def notebook_bar() -> OnProgress:
    """A bar for each task in the output of a notebook's cell."""
    from IPython.display import HTML, display

    handles: dict[str, Any] = {}

    def show(progress: Progress) -> None:
        bar = HTML(
            f'<progress value="{progress.done}" max="{progress.total}"></progress> '
            f"{escape(progress.task)}: {progress.done} of {progress.total} {progress.unit}"
        )
        if progress.task in handles:
            handles[progress.task].update(bar)
        else:
            handles[progress.task] = display(bar, display_id=True)

    return show


@contextmanager
def terminal_bar() -> Iterator[OnProgress]:
    """A bar for each task on standard error, gone at the end.

    Where standard error is no terminal there are the notes alone.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    with Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        redirect_stdout=sys.stdout.isatty(),  # what is piped on stays on standard output
    ) as bars:
        tasks: dict[str, TaskID] = {}

        def show(progress: Progress) -> None:
            task, total = progress.task, progress.total
            if task not in tasks:
                tasks[task] = bars.add_task(task, total=total, unit=progress.unit)
            bars.update(tasks[task], completed=progress.done, total=total)
            if progress.note:
                console.print(progress.note, highlight=False)

        yield show
