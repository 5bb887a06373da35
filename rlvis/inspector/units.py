"""The units of a network as the inspector asks for them: maps, patches, pictures, heat of one."""

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from rlvis.attribution.engine import explain
from rlvis.attribution.explanation import Explanation
from rlvis.attribution.registry import get_method
from rlvis.display.theme import DARK
from rlvis.errors import InputError
from rlvis.features.activations.units import activations_of
from rlvis.features.image_sets.image_set import RecordingImages
from rlvis.features.projection.backward import project
from rlvis.features.projection.figure import as_picture
from rlvis.features.synthesis.visualization import synthesize
from rlvis.features.top_patches.result import Patches
from rlvis.features.top_patches.search import patches
from rlvis.images.frames import picture_of
from rlvis.inspector.unit_networks import INNER, unit_model
from rlvis.models.image_model import ImageModel
from rlvis.rollouts.recording import Recording

_PATCHES = 12
_LARGEST_PATCH = 96
_SYNTHESIS_STEPS = 128

Pack = tuple[Mapping[str, np.ndarray], Mapping[str, Any]]


def layer_pack(model: ImageModel, image: np.ndarray, context: Mapping[str, Any], name: str) -> Pack:
    """All units of a layer for an image, as bytes, each from its least to its greatest value.

    Raises:
        InputError: if there is no such layer, or it has no units.
    """
    maps = activations_of(model, image, name, context).float().cpu().numpy()
    low, high = maps.min(axis=(1, 2)), maps.max(axis=(1, 2))
    span = np.where(high > low, high - low, 1)[:, None, None]
    levels = ((maps - low[:, None, None]) / span * 255).round().astype(np.uint8)
    arrays = {"channels": levels, "low": low, "high": high, "mean": maps.mean(axis=(1, 2))}
    return arrays, {"layer": name, "window": None}


def projection_pack(
    model: ImageModel, image: np.ndarray, context: Mapping[str, Any], layer: str, unit: int
) -> Pack:
    """What of an image excites a unit, as colours round middle grey; see `project`."""
    found = project(model, image, layer, [unit], context=context)
    return {"picture": as_picture(found.maps[0])}, {"activation": float(found.activations[0])}


def explain_unit(
    model: ImageModel,
    images: np.ndarray,
    context: Mapping[str, Any],
    method: str,
    target: str,
    layer: str | None,
) -> Explanation:
    """Why a unit is as strong as it is, in each of N images.

    Args:
        model: the network.
        images: uint8 (N, H, W, C).
        context: (N, …) each.
        method: by name.
        target: "unit:layer:number".
        layer: for methods that read one; the unit's own when left out.

    Raises:
        InputError: if there is no such unit, or the method cannot be asked for one.
    """
    own, unit = read_unit(target)
    first = {name: each[:1] for name, each in context.items()}
    asked = unit_model(model, images[0], first, own, unit)
    options: dict[str, Any] = {"context": context} if context else {}
    if get_method(method).reads_layer:
        options["layer"] = INNER + (layer or own)
    return explain(asked, images, method, 0, **options)


def read_unit(target: str) -> tuple[str, int]:
    """The layer and the number in "unit:layer:number".

    Raises:
        InputError: if it is written otherwise.
    """
    kind, _, rest = target.partition(":")
    layer, _, number = rest.rpartition(":")
    if kind != "unit" or not layer or not number.isdecimal():
        raise InputError(f"cannot read the unit {target!r}; write unit:layer:number")
    return layer, int(number)


class RecordedUnits:
    """What a network's units answer to over a whole recording.

    Args:
        model: the network.
        recording: whose frames it is shown.
    """

    def __init__(self, model: ImageModel, recording: Recording) -> None:
        self._model, self._recording = model, recording
        self._busy: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._images: RecordingImages | None = None
        self._synthesized = lru_cache(256)(self._synthesize)
        self._found: dict[str, Patches] = {}

    def strongest(self, layer: str, unit: int) -> Pack:
        """The patches of the recording that excite a unit most, and where they are."""
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
            picture = picture_of(images.picture(number), self._recording.header.frames)
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
        made = synthesize(self._model, f"{layer}:{unit}", steps=_SYNTHESIS_STEPS)
        tile = made.tiles()[0].picture
        return {"picture": np.asarray(tile)}, {"activation": float(made.values[0])}

    def _patches(self, layer: str) -> Patches:
        with self._busy["patches"]:
            if layer not in self._found:
                self._images = self._images or RecordingImages(self._recording)
                count = min(_PATCHES, len(self._images))
                self._found[layer] = patches(self._model, self._images, [layer], count)
            return self._found[layer]


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
