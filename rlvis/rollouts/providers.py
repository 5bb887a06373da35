"""Packages that bring environments: bare ids such as `MiniGrid-Empty-5x5-v0` find theirs.

Gymnasium knows an id once the package that brings it is imported. It no longer looks for such
packages itself, so the usual ones are named here; "module:id" names any other.
"""

import os
import re
import sys
from importlib import import_module
from importlib.util import find_spec

from rlvis.errors import InputError

PROVIDERS = {
    "rlvis_envs": r"CubeReach|AtariObjects",
    "minigrid": r"(MiniGrid|BabyAI)-",
    "miniworld": r"MiniWorld-",
    "vizdoom.gymnasium_wrapper": r"Vizdoom",
    "highway_env": r"(highway|merge|roundabout|parking|intersection|racetrack)-",
    "gymnasium_robotics": r"(Fetch|Hand|Ant|Point|Adroit|Franka)",
    "flappy_bird_gymnasium": r"FlappyBird",
    "procgen_gym": r"procgen",
    "ale_py": r"ALE/|[A-Z]\w*-v[045]$",
}
"""Modules, and the beginnings of the ids that they bring."""

KNOWN = {
    *(module.partition(".")[0] for module in PROVIDERS),
    *("gymnasium", "stable_baselines3", "sb3_contrib", "rl_zoo3"),
}
"""Packages whose modules a policy's file may name. All others are only imported where the user
names them: importing is running code."""


def import_provider(environment: str) -> None:
    """Import the installed package that brings an environment, if one is known to."""
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        os.environ.setdefault("PYGLET_HEADLESS", "true")  # read when pyglet is imported first
    for module, ids in PROVIDERS.items():
        if re.match(ids, environment) and find_spec(module.partition(".")[0]) is not None:
            import_module(module)
            return


def check_provider(named: str, option: str, whose: str = "policy") -> None:
    """Whether what a file names lies in a package that is imported without being asked.

    Args:
        named: an environment "module:Id-v0", or a wrapper "package.module.Wrapper:option=value";
            what has no module passes.
        option: that of the command line by which users name it themselves.
        whose: file it is.

    Raises:
        InputError: if it does not.
    """
    head, colon, _ = named.partition(":")
    environment = option == "--env"
    module = (head if colon else "") if environment else head.rpartition(".")[0]
    if module and module.split(".")[0] not in KNOWN:
        raise InputError(
            f"the {whose}'s file names {named!r}, and a file may not choose what code is imported; "
            f"if you trust it, add {option} {named}"
        )
