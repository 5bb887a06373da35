"""The units of a network as the inspector asks for them: maps, patches, pictures, heat of one."""

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from PIL import Image

from rlvis.display.theme import DARK
from rlvis.errors import InputError
from rlvis.features.activations.units import located_activations
from rlvis.features.image_sets.image_set import ImageSet
from rlvis.features.projection.backward import project
from rlvis.features.projection.figure import as_picture
from rlvis.features.synthesis.visualization import synthesize
from rlvis.features.top_patches.result import Patches
from rlvis.features.top_patches.search import patches
from rlvis.images.frames import picture_of
from rlvis.inspector.album import Place, Seen
from rlvis.inspector.maps import window_facts
from rlvis.inspector.unit_networks import Edit, edited
from rlvis.models.image_model import ImageModel
from rlvis.models.pixels import input_shape

_PATCHES = 12
_LARGEST_PATCH = 96
_SYNTHESIS_STEPS = 128
_MOST_LABELS = 32
_TOP = 5

Pack = tuple[Mapping[str, np.ndarray], Mapping[str, Any]]


class Shown(Protocol):
    """A network, and what it was shown: a recording, photos, a world that runs."""

    @property
    def model(self) -> ImageModel:
        """The network.

        Raises:
            InputError: if it is not at hand.
        """

    def seen(self, place: Place) -> Seen:
        """What it was shown at a place.

        Raises:
            InputError: if there is no such place.
        """

    def images(self) -> ImageSet:
        """All that it was shown, "episode" and "step" of each in its metadata.

        It is the same object as long as nothing else was shown.
        """


class Units:
    """What a network's units answer to.

    Args:
        shown: the network and what it was shown.
    """

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._busy: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._synthesized = lru_cache(256)(self._synthesize)
        self._found: dict[str, Patches] = {}

    def layer(self, place: Place, name: str) -> Pack:
        """All units of a layer at a place, as bytes, each from its least to its greatest value.

        Raises:
            InputError: if there is no such layer, or it has no units.
        """
        image, context = self._shown.seen(place)
        model, (height, width, channels) = self._shown.model, image.shape
        found, places = located_activations(model, image, name, context)
        maps = found.float().cpu().numpy()
        low, high = maps.min(axis=(1, 2)), maps.max(axis=(1, 2))
        span = np.where(high > low, high - low, 1)[:, None, None]
        levels = ((maps - low[:, None, None]) / span * 255).round().astype(np.uint8)
        arrays = {"channels": levels, "low": low, "high": high, "mean": maps.mean(axis=(1, 2))}
        uneven = [] if places is None or places.is_stretched else [places]
        window = window_facts(model.window((channels, height, width)), uneven)
        return arrays, {"layer": name, "window": window, "size": [height, width]}

    def projection(self, place: Place, layer: str, unit: int) -> Pack:
        """What of an image excites a unit, as colours round middle grey; see `project`."""
        image, context = self._shown.seen(place)
        found = project(self._shown.model, image, layer, [unit], context=context)
        return {"picture": as_picture(found.maps[0])}, {"activation": float(found.activations[0])}

    def edit(self, place: Place, edits: Sequence[Edit]) -> dict[str, Any]:
        """What the network says with units held, and what it said before.

        Of more than 32 labels the five likeliest of both.

        Raises:
            InputError: if there is no such unit.
        """
        model, seen = self._shown.model, self._shown.seen(place)
        after = _says(edited(model, *seen, edits), seen)
        before = _says(model, seen)
        kept = np.arange(len(model.labels))
        if len(kept) > _MOST_LABELS:
            likeliest = [np.argsort(-each["score"])[:_TOP] for each in (after, before)]
            kept = np.array(list(dict.fromkeys(np.concatenate(likeliest).tolist())))
        for each in (after, before):
            for name in ("probability", "score"):
                each[name] = each[name][kept]
        return {**after, "before": before, "labels": [model.labels[place] for place in kept]}

    def strongest(self, layer: str, unit: int) -> Pack:
        """The patches of all that was shown that excite a unit most, and where they are."""
        found = self._patches(layer)
        each = found.layer(layer)
        if not 0 <= unit < len(each.values):
            raise InputError(f"layer {layer} has units 0 to {len(each.values) - 1}, no {unit}")
        images: Any = found.images
        kept = [
            place
            for place, number in enumerate(each.images[unit])
            if number >= 0 and each.values[unit, place] > 0
        ]
        cuts, places = [], []
        for place in kept:
            number = int(each.images[unit, place])
            top, left, bottom, right = map(int, each.boxes[unit, place])
            picture = picture_of(images.picture(number), self._shown.model.frames or 1)
            cuts.append(picture[top:bottom, left:right])
            where = {name: int(images.metadata[name][number]) for name in ("episode", "step")}
            places.append({**where, "box": [top, left, bottom - top, right - left]})
        values = each.values[unit, kept].astype(np.float32)
        return {"patches": _of_one_size(cuts), "value": values}, {"places": places}

    def synthesis(self, layer: str, unit: int) -> Pack:
        """An image that excites a unit, made once."""
        with self._busy["synthesis"]:
            return self._synthesized(layer, unit)

    def _synthesize(self, layer: str, unit: int) -> Pack:
        model, unit_of_layer = self._shown.model, f"{layer}:{unit}"
        made = synthesize(model, unit_of_layer, steps=_SYNTHESIS_STEPS, size=self._size())
        tile = made.tiles()[0].picture
        return {"picture": np.asarray(tile)}, {"activation": float(made.values[0])}

    def _size(self) -> tuple[int, int] | None:
        """Height and width of an image, where the network does not say it."""
        with suppress(InputError):
            input_shape(self._shown.model)
            return None
        height, width = self._images().picture(0).shape[:2]
        return height, width

    def _images(self) -> ImageSet:
        """All that was shown.

        Raises:
            InputError: if that is nothing.
        """
        images = self._shown.images()
        if not len(images):
            raise InputError("nothing was shown to the network yet")
        return images

    def _patches(self, layer: str) -> Patches:
        with self._busy["patches"]:
            images, known = self._images(), self._found.get(layer)
            if known is None or known.images is not images:
                count = min(_PATCHES, len(images))
                known = self._found[layer] = patches(self._shown.model, images, [layer], count)
            return known


def _says(model: ImageModel, seen: Seen) -> dict[str, Any]:
    image, context = seen
    scores = model.scores(image[None], context)
    return {
        "probability": scores.probabilities[0].float().cpu().numpy(),
        "score": scores.logits[0].float().cpu().numpy(),
        "value": None if scores.value is None else float(scores.value[0]),
    }


def _of_one_size(cuts: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures in the middle of tiles as large as the largest, uint8 (n, h, w, 3)."""
    if not cuts:
        return np.zeros((0, 1, 1, 3), np.uint8)
    height, width = (max(each.shape[axis] for each in cuts) for axis in (0, 1))
    scale = min(1.0, _LARGEST_PATCH / max(height, width))
    tiles = []
    for cut in cuts:
        tile = Image.new("RGB", (width, height), DARK.surface)
        tile.paste(
            Image.fromarray(cut), ((width - cut.shape[1]) // 2, (height - cut.shape[0]) // 2)
        )
        size = max(1, round(width * scale)), max(1, round(height * scale))
        tiles.append(np.asarray(tile if scale == 1 else tile.resize(size)))
    return np.stack(tiles)
