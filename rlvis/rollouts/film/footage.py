"""An episode as a film reads it: its numbers whole, its pictures where they are shown."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from rlvis.rollouts.episode import EpisodeNumbers
from rlvis.rollouts.revisited import RevisitedEpisodes

_BLOCK = 32


class PicturesOverTime(Protocol):
    """Pictures of T steps, uint8 (T, …): an array, or what is read like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """T and the shape of a picture."""

    def __getitem__(self, steps: int | slice, /) -> np.ndarray:
        """One picture, or those of some steps."""


@dataclass(frozen=True)
class Footage(EpisodeNumbers):
    """An episode with pictures that are read as they are asked for; see `Episode`."""

    observations: PicturesOverTime = field(repr=False)
    renders: PicturesOverTime | None = field(repr=False)


class Views:
    """The environment's own pictures, made or read a block at a time.

    Args:
        recording: the recording.
        number: of the episode.
        first: those of the first block.
        steps: how many there are.
    """

    def __init__(
        self, recording: RevisitedEpisodes, number: int, first: np.ndarray, steps: int
    ) -> None:
        self._recording, self._number = recording, number
        self._block = (0, first)
        self.shape = (steps, *first.shape[1:])

    @classmethod
    def of(cls, recording: RevisitedEpisodes, number: int, steps: int) -> "Views | None":
        """Those of an episode, None where there are none."""
        first = recording.renders(number, slice(0, _BLOCK))
        return None if first is None else cls(recording, number, first, steps)

    def __getitem__(self, steps: int | slice) -> np.ndarray:
        """One picture, or those of some steps."""
        if isinstance(steps, slice):
            return np.stack([self[step] for step in range(self.shape[0])[steps]])
        number = steps // _BLOCK
        if self._block[0] != number:
            wanted = slice(number * _BLOCK, (number + 1) * _BLOCK)
            pictures = self._recording.renders(self._number, wanted)
            assert pictures is not None
            self._block = number, pictures
        return self._block[1][steps % _BLOCK]
