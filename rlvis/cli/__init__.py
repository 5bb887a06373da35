"""The command `rlvis`: a thin skin over the functions that the API has.

Only this package may import the worlds and the agents besides the tools, and it does so when a
command needs them: torch is not loaded to print help.
"""

import os
import sys
from collections.abc import Callable, Sequence

import tyro

from rlvis.cli.attacking import attack
from rlvis.cli.explaining import explain, methods
from rlvis.cli.looking import embed, filters, project
from rlvis.cli.making import dream, synthesize
from rlvis.cli.rollouts import evaluate, record, train, video
from rlvis.cli.surveys import patches, units
from rlvis.errors import InputError


def features() -> None:
    """What the network has learned: filters, patches, units, embed, synthesize, dream, project,
    attack. `rlvis features --help` lists them."""


COMMANDS: dict[str, Callable[..., None]] = {
    "train": train,
    "record": record,
    "video": video,
    "explain": explain,
    "features": features,
    "evaluate": evaluate,
    "methods": methods,
}


FEATURES: dict[str, Callable[..., None]] = {
    "filters": filters,
    "patches": patches,
    "units": units,
    "embed": embed,
    "synthesize": synthesize,
    "dream": dream,
    "project": project,
    "attack": attack,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; wrong input ends with one line and status 2, Ctrl-C with 130."""
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        os.environ.setdefault("PYGLET_HEADLESS", "true")  # for worlds of others drawn with pyglet
    given = list(sys.argv[1:] if arguments is None else arguments)
    within = given[:1] == ["features"]
    try:
        tyro.extras.subcommand_cli_from_dict(
            FEATURES if within else COMMANDS,
            prog="rlvis features" if within else "rlvis",
            description=features.__doc__ if within else "See why a visual agent acts as it does.",
            args=given[1:] if within else given,
            config=(tyro.conf.FlagCreatePairsOff,),
        )
    except InputError as error:
        print(f"rlvis: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as stop:
        print(f"rlvis: {str(stop) or 'stopped'}", file=sys.stderr)
        sys.exit(130)
