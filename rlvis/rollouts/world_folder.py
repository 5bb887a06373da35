"""The current folder of a world whose own code changes it.

Such a world finds the folder that it has chosen whenever its code runs, and everybody else the one
in which the program was started: what is written lies where it was asked for.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from gymnasium import Env

_FOLDERS: "WeakKeyDictionary[Env, str]" = WeakKeyDictionary()


@dataclass
class Inside:
    """Whose code runs: None while the world is being made."""

    world: "Env | None"


@contextmanager
def in_its_folder(world: "Env | None" = None) -> Iterator[Inside]:
    """Run a world's own code in the folder that it has chosen.

    Args:
        world: the unwrapped environment; set on what is yielded where it is only made inside.
    """
    ours = _current()
    inside = Inside(world)
    if world is not None and world in _FOLDERS:
        os.chdir(_FOLDERS[world])
    try:
        yield inside
    finally:
        theirs = _current()
        moved = theirs != ours
        if moved and ours is not None:
            os.chdir(ours)
        if inside.world is not None and moved and theirs is not None:
            _FOLDERS[inside.world] = theirs
        elif inside.world is not None:
            _FOLDERS.pop(inside.world, None)


def _current() -> str | None:
    """The current folder, None where it was removed."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None
