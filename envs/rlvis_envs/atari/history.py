"""The last steps of a game: what the observation is made from, and the way back to it.

The emulator draws its screen only as it goes on, so a state that shows what was seen needs more
than the console's own: the console as it was before the oldest step that can still be seen, and
what was pressed since. Played again it gives the same frames, bit for bit.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rlvis_envs.atari.emulator import ALEState
from rlvis_envs.atari.glimpses import STACKED, Glimpse

_MOST = 2**24
"""Bytes that an honest state stays far below."""


@dataclass(frozen=True)
class Step:
    """A step of the game.

    Attributes:
        glimpse: what was seen after it.
        before: the console before it.
        pressed: the action of each frame, after chance had its part in it.
    """

    glimpse: Glimpse = field(repr=False)
    before: ALEState = field(repr=False)
    pressed: tuple[int, ...]


class History:
    """The steps that can still be seen, and the start of the episode as long as it can be.

    Args:
        start: what was seen first; None where it can no longer be seen.
    """

    def __init__(self, start: Glimpse | None) -> None:
        self.start = start
        self.steps: deque[Step] = deque(maxlen=STACKED)

    def add(self, step: Step) -> None:
        """Append a step; the oldest is forgotten, the start before it."""
        self.steps.append(step)
        if len(self.steps) == STACKED:
            self.start = None

    @property
    def glimpses(self) -> Sequence[Glimpse]:
        """What the observation is made from, the latest last."""
        first = [] if self.start is None else [self.start]
        return [*first, *(step.glimpse for step in self.steps)]


@dataclass(frozen=True)
class State:
    """A moment of a game, with everything that its future depends on.

    Attributes:
        options: of the environment.
        console: as it was before the first of `pressed`.
        start: what was seen first, where it can still be seen.
        pressed: the action of each frame, by step, up to the moment.
        held: the action that may stick.
        random: of the generator.
    """

    options: Mapping[str, Any]
    console: bytes
    start: Glimpse | None
    pressed: tuple[tuple[int, ...], ...]
    held: int
    random: Mapping[str, Any]

    def packed(self) -> bytes:
        """The state as compressed JSON."""
        start = self.start and [
            _text(each.tobytes()) for each in (self.start.screens, self.start.memories)
        ]
        plain = {**vars(self), "console": _text(self.console), "start": start}
        return zlib.compress(json.dumps(plain).encode(), 1)

    @classmethod
    def unpacked(cls, packed: bytes, shapes: Sequence[tuple[int, ...]]) -> State:
        """The state that was packed.

        Args:
            packed: by `packed`.
            shapes: of the screens and the memories of a glimpse.

        Raises:
            ValueError: It is none.
        """
        try:
            plain = json.loads(zlib.decompressobj().decompress(packed, _MOST))
            start = plain["start"]
            return cls(
                dict(plain["options"]),
                _bytes(plain["console"]),
                start and Glimpse(*map(_array, start, shapes)),
                tuple(tuple(map(int, each)) for each in plain["pressed"])[-STACKED:],
                int(plain["held"]),
                dict(plain["random"]),
            )
        except (zlib.error, ValueError, KeyError, IndexError, TypeError) as error:
            raise ValueError(f"no state of an Atari game: {error}") from error


def _text(plain: bytes) -> str:
    return base64.b64encode(plain).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _array(text: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.frombuffer(_bytes(text), np.uint8).reshape(shape)
