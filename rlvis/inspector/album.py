"""The pictures that a network was shown: the latest so many, each at a place of its own."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import numpy as np

from rlvis.errors import InputError

Place = tuple[int, int]
"""An episode and a step, or what stands for them: a photo and 0, a world and a moment."""

Seen = tuple[np.ndarray, Mapping[str, np.ndarray]]
"""An image, uint8 (H, W, C), and what the network knew besides, (1, …) each."""


class SeenImages:
    """Pictures as an image set; see `rlvis.features.image_sets.image_set.ImageSet`.

    Args:
        seen: the pictures by place; `metadata` are the places' "episode" and "step".
        name: what pictures call the set.
    """

    meaning = "label"

    def __init__(self, seen: Mapping[Place, Seen], name: str) -> None:
        self.name, self._seen = name, list(seen.values())
        self.classes: tuple[str, ...] = ()
        self.labels = np.full(len(seen), -1)
        episodes, steps = np.array([*seen], int).reshape(-1, 2).T
        self.metadata = {"episode": episodes, "step": steps}

    def __len__(self) -> int:
        return len(self._seen)

    def picture(self, index: int) -> np.ndarray:
        """See `ImageSet.picture`."""
        return self._seen[index][0]

    def title(self, index: int) -> str:
        """Its number."""
        return str(index)

    def context(self, indices: Sequence[int]) -> Mapping[str, np.ndarray]:
        """What the network knew besides these."""
        known = [self._seen[index][1] for index in indices]
        return {name: np.concatenate([each[name] for each in known]) for name in known[0]}


class Album:
    """Pictures kept by place, the latest so many.

    Args:
        name: what they are together.
        most: how many are kept.
        given: pictures that are kept besides, from the start.
    """

    def __init__(self, name: str, most: int, given: Mapping[Place, Seen] | None = None) -> None:
        self._name, self._most, self._given = name, most, dict(given or {})
        self._latest: OrderedDict[Place, Seen] = OrderedDict()
        self._images: SeenImages | None = None
        self._lock = threading.Lock()

    def keep(self, place: Place, seen: Seen) -> None:
        """Keep a picture; one of that place is there already where it was kept before."""
        with self._lock:
            if place not in self._latest:
                self._latest[place] = seen
                self._images = None
            while len(self._latest) > self._most:
                self._latest.popitem(last=False)

    def at(self, place: Place) -> Seen:
        """The picture at a place.

        Raises:
            InputError: if none is kept there, or none any more.
        """
        with self._lock:
            found = self._given.get(place) or self._latest.get(place)
        if found is None:
            raise InputError(f"no picture {place[0]}, {place[1]} of {self._name} is kept any more")
        return found

    def images(self) -> SeenImages:
        """All of them; the same object until another one is kept."""
        with self._lock:
            if self._images is None:
                self._images = SeenImages({**self._given, **self._latest}, self._name)
            return self._images
