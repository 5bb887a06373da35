"""The command `rlvis`: a thin skin over the functions that the API has.

Only this package may import the worlds and the agents besides the tools, and it does so when a
command needs them: torch is not loaded to print help.
"""

import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

import tyro

import rlvis
from rlvis.cli import (
    audit,
    compare,
    episodes,
    evaluate,
    explain,
    export,
    field,
    inspecting,
    labels,
    layers,
    methods,
    record,
    train,
    video,
    whatif,
)
from rlvis.cli.features import (
    attack,
    dream,
    embed,
    filters,
    patches,
    project,
    synthesize,
    units,
)
from rlvis.cli.help_text import REGISTRY, helpful
from rlvis.errors import InputError, Notice
from rlvis.processor import keep_freed_memory


def _features() -> None:
    """See what a network has learned: filters, patches, units and others; these have commands."""


COMMANDS: dict[str, Callable[..., None]] = {
    "explain": explain.command,
    "record": record.command,
    "episodes": episodes.command,
    "video": video.command,
    "whatif": whatif.command,
    "compare": compare.command,
    "field": field.command,
    "audit": audit.command,
    "inspect": inspecting.command,
    "export": export.command,
    "evaluate": evaluate.command,
    "train": train.command,
    "features": _features,
    "methods": methods.command,
    "layers": layers.command,
    "labels": labels.command,
}


FEATURES: dict[str, Callable[..., None]] = {
    "filters": filters.command,
    "patches": patches.command,
    "units": units.command,
    "embed": embed.command,
    "synthesize": synthesize.command,
    "dream": dream.command,
    "project": project.command,
    "attack": attack.command,
}


_DESCRIPTION = """See why a visual agent acts as it does, and what a network has learned.

Say rlvis COMMAND --help for what a command takes, rlvis --version for the version."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; wrong input ends with one line and status 2, Ctrl-C with 130."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    within = given[:1] == ["features"]
    if given == ["--version"]:
        print(f"rlvis {rlvis.__version__}")
        return
    _end_orderly_on_signals()
    keep_freed_memory()
    try:
        with _notices_in_a_line(), REGISTRY:
            tyro.extras.subcommand_cli_from_dict(
                {
                    name: helpful(f"features {name}" if within else name, each, name in given)
                    for name, each in (FEATURES if within else COMMANDS).items()
                },
                prog="rlvis features" if within else "rlvis",
                description=_features.__doc__ if within else _DESCRIPTION,
                args=given[1:] if within else given,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
        sys.stdout.flush()
    except InputError as error:
        print(f"rlvis: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # nobody reads on, as in `rlvis methods | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except KeyboardInterrupt as stop:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is stopping already
        print(f"rlvis: {str(stop) or 'stopped'}", file=sys.stderr)
        sys.exit(130)


def _end_orderly_on_signals() -> None:
    """What is half-written is cleared away when the process is told to end."""
    if threading.current_thread() is threading.main_thread():
        for each in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, _end)


def _end(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


@contextmanager
def _notices_in_a_line() -> Iterator[None]:
    """Notices are printed on standard error, each text once."""
    with warnings.catch_warnings():
        warnings.simplefilter("once", Notice)
        show = warnings.showwarning

        def say(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, Notice):
                print(f"rlvis: {message}", file=sys.stderr)
            else:
                show(message, category, filename, lineno, file, line)

        warnings.showwarning = say
        yield
