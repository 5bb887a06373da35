"""What may be asked of an Atari game: its objects, and the picture as it would have been.

Objects are taken out of the frames, or painted, before anything is made of them: what is asked for
goes the way of the observation itself.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache

import numpy as np

from rlvis_envs.atari import sprites
from rlvis_envs.atari.glimpses import Glimpse, seen, stacked
from rlvis_envs.atari.object_reader import ObjectReader
from rlvis_envs.options import check_choice

Triple = tuple[float, float, float]
COLOURS: Mapping[str, Triple] = {
    "black": (0.0, 0.0, 0.0),
    "grey": (0.5, 0.5, 0.5),
    "white": (1.0, 1.0, 1.0),
}

Masks = Mapping[str, np.ndarray]
Change = Callable[[np.ndarray, Masks], np.ndarray]


class Interventions:
    """The part of an Atari environment that answers "what if".

    In all methods `name` is one of `objects()`; a ValueError says in one line what is wrong with an
    argument, or why nothing can be said of the game's objects.
    """

    rom: str

    def glimpses(self) -> Sequence[Glimpse]:
        """What the present observation is made from, the latest last."""
        raise NotImplementedError

    def objects(self) -> tuple[str, ...]:
        """Return the names of everything that the game may show, also of what is away just now."""
        found = {name: None for masks in self._masks() for each in masks for name in each}
        return tuple({**dict.fromkeys(self._reader.usual), **found})

    def object_mask(self, name: str) -> np.ndarray:
        """Return which pixels of the observation show any of an object, bool (84, 84).

        In any of the stacked images: those that differ with the object black and with it white.
        """
        black, white = (self.recoloured(name, colour) for colour in ("black", "white"))
        return (black != white).any(axis=-1)

    def without(self, name: str) -> np.ndarray:
        """Return the observation as it would have been without an object."""

        def gone(screen: np.ndarray, masks: Masks) -> np.ndarray:
            return sprites.without(screen, masks[name], np.any(list(masks.values()), axis=0))

        return self._changed(name, gone)

    def recoloured(self, name: str, colour: str | Sequence[float]) -> np.ndarray:
        """Return the observation as it would have been with an object of another colour."""
        red, green, blue = (round(255 * part) for part in _triple(colour))

        def painted(screen: np.ndarray, masks: Masks) -> np.ndarray:
            return sprites.painted(screen, masks[name], (red, green, blue))

        return self._changed(name, painted)

    def colours(self) -> dict[str, Triple]:
        """Return the colours that have a name, of those that can be told apart in grey."""
        return dict(COLOURS)

    @cached_property
    def _reader(self) -> ObjectReader:
        return ObjectReader(self.rom)

    def _masks(self) -> list[tuple[Masks, Masks]]:
        """The pixels of what each glimpse shows, by name, for each of its two screens."""
        return [_masks_of(each, self._reader) for each in self.glimpses()]

    def _changed(self, name: str, change: Change) -> np.ndarray:
        check_choice("name", name, self.objects())
        images = []
        for glimpse, masks in zip(self.glimpses(), self._masks(), strict=True):
            if any(name in each for each in masks):
                screens = [
                    change(screen, each) if name in each else screen
                    for screen, each in zip(glimpse.screens, masks, strict=True)
                ]
                images.append(seen(np.stack(screens)))
            else:
                images.append(glimpse.seen)
        return stacked(images)


@lru_cache(maxsize=64)
def _masks_of(glimpse: Glimpse, reader: ObjectReader) -> tuple[Masks, Masks]:
    first, last = (
        sprites.pixels_of(screen, reader.boxes(memory))
        for screen, memory in zip(glimpse.screens, glimpse.memories, strict=True)
    )
    return first, last


def _triple(colour: str | Sequence[float]) -> Triple:
    """Red, green and blue, from 0 to 1.

    Raises:
        ValueError: It is no colour.
    """
    if isinstance(colour, str):
        check_choice("colour", colour, tuple(COLOURS))
        return COLOURS[colour]
    try:
        red, green, blue = map(float, colour)
    except (TypeError, ValueError):
        red = green = blue = -1.0
    if not all(0 <= part <= 1 for part in (red, green, blue)):
        raise ValueError(f"colour={colour!r} must be red, green and blue from 0 to 1")
    return red, green, blue
