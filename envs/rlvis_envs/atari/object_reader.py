"""Where the objects of a game are, read from the console's memory by OCAtari.

OCAtari has a module for each game. Only that is imported: the package as a whole brings a window
and half a dozen libraries that have no part in reading memory. It was written for NumPy 1, in which
a byte and a number made a larger number; it is handed the memory as such numbers. Some of its
modules remember what they read last; here they forget it, so that a memory always reads alike.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np

_ALIAS = "_rlvis_ocatari"
_PLAIN = int | float | list | dict | set | None
INSTALL = "pip install 'rlvis[atari]' && pip install --no-deps ocatari"


@dataclass(frozen=True)
class Box:
    """Where OCAtari says that an object is, in pixels of the screen, and its colour."""

    left: int
    top: int
    width: int
    height: int
    colour: tuple[int, int, int]


class ObjectReader:
    """The objects of one game.

    Args:
        rom: its name, such as "ms_pacman".

    Raises:
        ValueError: OCAtari is missing, or does not know the game; the message says what to do.
    """

    def __init__(self, rom: str) -> None:
        self.rom = rom
        self._game = _module_of(rom)
        self._names, self._fresh = _as_loaded(self._game)
        usual = getattr(self._game, "MAX_NB_OBJECTS_HUD", {})
        self._slots = [kind for kind, count in usual.items() for _ in range(count)]
        self.usual = tuple(_numbered(self._slots))

    def boxes(self, memory: np.ndarray) -> dict[str, Box]:
        """The boxes of what is there, by name.

        Args:
            memory: uint8 (128,).

        Raises:
            ValueError: OCAtari fails.
        """
        try:
            self._forget()
            found: list[Any] = self._game._init_objects_ram(True)
            self._game._detect_objects_ram(found, memory.astype(object), True)
            return self._named(found)
        except Exception as error:  # whatever OCAtari's own code raises
            raise ValueError(
                f"there are no objects to be had of {self.rom}: OCAtari fails on its memory "
                f"({type(error).__name__}: {error})"
            ) from error

    def _forget(self) -> None:
        names = vars(self._game)
        for name in names.keys() - self._names:
            del names[name]
        names.update(deepcopy(self._fresh))

    def _named(self, found: Sequence[Any]) -> dict[str, Box]:
        """Numbered by their slots, so that the second car is "car 2" while the first is away."""
        slots = self._slots if len(self._slots) == len(found) else [""] * len(found)
        kinds = [each.category if each else slot for each, slot in zip(found, slots, strict=True)]
        return {
            name: _box(each)
            for name, each in zip(_numbered(kinds), found, strict=True)
            if each and min(each.wh) > 0
        }


def _box(found: Any) -> Box:
    left, top, width, height = map(int, found.xywh)
    red, green, blue = map(int, found.rgb[:3])
    return Box(left, top, width, height, (red, green, blue))


def _numbered(kinds: Sequence[str]) -> Iterator[str]:
    """Names of objects of these kinds: "player score", "car", "car 2"."""
    counts: Counter[str] = Counter()
    for kind in kinds:
        counts[kind] += 1
        words = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", kind).lower()
        yield f"{words} {counts[kind]}" if counts[kind] > 1 else words


def _module_of(rom: str) -> ModuleType:
    package = find_spec("ocatari")
    if package is None or not package.submodule_search_locations:
        raise ValueError(f"the objects of Atari games must be read by OCAtari: {INSTALL}")
    root = package.submodule_search_locations[0]
    for part in ("", "ram", "vision"):
        _add_package(f"{_ALIAS}.{part}".rstrip("."), f"{root}/{part}".rstrip("/"))
    name = f"{_ALIAS}.ram.{rom.replace('_', '')}"
    if find_spec(name) is None:
        raise ValueError(f"OCAtari has no objects of {rom}")
    try:
        module = import_module(name)
    except ImportError as error:
        raise ValueError(f"OCAtari must have {error.name} to read {rom}: {INSTALL}") from None
    if not hasattr(module, "_detect_objects_ram"):
        raise ValueError(f"OCAtari has no objects of {rom}")
    return module


@lru_cache
def _as_loaded(module: ModuleType) -> tuple[frozenset[str], dict[str, Any]]:
    """The names in a module, and what it may remember, before anything of it has run."""
    plain = {
        name: deepcopy(value)
        for name, value in vars(module).items()
        if not name.startswith("__") and isinstance(value, _PLAIN)
    }
    return frozenset(vars(module)), plain


def _add_package(name: str, folder: str) -> None:
    """A package of which nothing is run but the modules that are asked for."""
    if name not in sys.modules:
        package = ModuleType(name)
        package.__path__ = [folder]
        sys.modules[name] = package
