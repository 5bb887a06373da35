"""A unit's activation of one image back to pixels: deconvnet, guided backpropagation, gradient.

Zeiler & Fergus (2014, section 2.1) keep one activation of a layer, set all others to zero, and go
back down: through the recorded switches of max pooling, a ReLU on what is reconstructed, and the
transposed filters. Going back through pooling and convolutions is what a backward pass does, and
the ReLU is one of the rules of `rectifiers`; so one forward pass serves all units and rules.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from rlvis.display.overlay import resize_picture
from rlvis.display.page import Row, Tile, save_picture, sheet, single
from rlvis.errors import InputError, unknown
from rlvis.features.activations.units import UnitReader, check_unit
from rlvis.files import save_arrays
from rlvis.images.loading import Images, as_images
from rlvis.instrument.layers import watch
from rlvis.instrument.relu_rules import RULES, Rectifier
from rlvis.models.image_model import ImageModel
from rlvis.models.pixels import seen_part
from rlvis.models.replica import is_scripted, replicate

NAMES = {"deconvnet": "deconvnet", "guided": "guided backpropagation", "plain": "gradient"}
_STRONGEST = 9
_SIDE, _LEAST = 120, 8


@dataclass(frozen=True)
class Projections:
    """Units of one layer, each one's strongest activation projected back.

    Attributes:
        model, layer: their names.
        rule: how ReLUs were crossed, one of `rectifiers.RULES`.
        image: uint8 (H, W, 3), the part of the picture that the network saw.
        units: int64 (n,).
        activations: float32 (n,), each unit's largest value.
        places: int64 (n, 2), the row and column where it is.
        maps: float32 (n, H', W', C), the projections at the network's input.
    """

    model: str
    layer: str
    rule: str
    image: np.ndarray = field(repr=False)
    units: np.ndarray
    activations: np.ndarray
    places: np.ndarray
    maps: np.ndarray = field(repr=False)

    @property
    def row(self) -> Row:
        """Over each other what the unit saw and its projection, cut to where that is not zero."""
        tiles = [
            Tile(
                over_each_other(self.image, each),
                [f"unit {unit}", f"activation {activation:.3g}"],
            )
            for each, unit, activation in zip(self.maps, self.units, self.activations, strict=True)
        ]
        return Row(tiles, f"layer {self.layer}", f"{len(tiles)} units", (2 * _SIDE + 4, _SIDE))

    def save_data(self, path: str | Path) -> Path:
        """Write the projections (.npz or .safetensors) and return the path."""
        return save_arrays(
            path,
            image=self.image,
            units=self.units,
            activations=self.activations,
            places=self.places,
            maps=self.maps,
        )


def project(
    model: ImageModel,
    image: Images,
    layer: str,
    units: Sequence[int] | None = None,
    rule: str = "deconvnet",
    *,
    context: Mapping[str, Any] | None = None,
) -> Projections:
    """Project units' strongest activations of an image back to its pixels.

    Args:
        model: what is looked into; it is left as it is.
        image: one, in any form `as_images` takes.
        layer: as in `module.named_modules()`.
        units: of the layer; the nine most active of those that answer at all if left out.
        rule: "deconvnet", "guided" or "plain".
        context: see `ImageModel.context_of`.

    Raises:
        InputError: if the layer, a unit or the rule does not exist, the layer does not depend on
            the image, or the rule is not defined for the network's activations.
    """
    if rule not in RULES:
        raise unknown("rule", rule, RULES)
    pictures = as_images(image)
    inputs = model.inputs(pictures)[:1].detach().clone().requires_grad_(True)
    units_of = UnitReader.of(model, inputs, [layer], model.context_of(1, context))
    found, rectifier = _forward(model, inputs, layer, rule, context)
    maps = units_of(layer, found)[0].detach()
    strongest, places = maps.flatten(1).max(dim=1)
    if units is None:
        order = strongest.argsort(descending=True)
        active = order[strongest[order] > 0] if bool((strongest > 0).any()) else order
        units = active[:_STRONGEST].tolist()
    for unit in units:
        check_unit(layer, unit, len(maps))
    chosen = torch.tensor(list(units))
    projected = []
    with rectifier.crossing(rule):
        for unit in chosen.tolist():
            start = torch.zeros_like(found)
            row, column = divmod(int(places[unit]), maps.shape[2])
            units_of(layer, start)[0, unit, row, column] = strongest[unit]
            (gradient,) = torch.autograd.grad(found, inputs, start, retain_graph=True)
            projected.append(gradient[0].permute(1, 2, 0).float().cpu().numpy())
    rows, columns = (places[chosen] // maps.shape[2]), (places[chosen] % maps.shape[2])
    return Projections(
        model.name,
        layer,
        rule,
        seen_part(model, pictures[0]),
        chosen.numpy(),
        strongest[chosen].float().cpu().numpy(),
        torch.stack([rows, columns], dim=1).cpu().numpy(),
        np.stack(projected),
    )


def _forward(
    model: ImageModel,
    inputs: Tensor,
    layer: str,
    rule: str,
    context: Mapping[str, Any] | None,
) -> tuple[Tensor, Rectifier]:
    """The layer's output, and what chooses the rule on the way back from it."""
    kept: list[Tensor] = []

    def keep(_: str, __: Any, ___: Any, output: Tensor) -> Tensor:
        kept.append(output)
        return output.clone()

    replica, rectifier = replicate(model.module), Rectifier()
    watch(replica, keep, {layer})
    with torch.enable_grad(), rectifier:
        model.run(replica, inputs, model.context_of(1, context))
    if not kept[0].requires_grad:
        raise InputError(f"layer {layer!r} does not depend on the image; name another")
    rectifier.check(rule, model.name, kept[:1], is_scripted(replica))
    return kept[0], rectifier


def projection_sheet(
    model: ImageModel,
    image: Images,
    layers: Sequence[str],
    rule: str = "deconvnet",
    units: Sequence[int] | None = None,
    *,
    context: Mapping[str, Any] | None = None,
) -> tuple[Image.Image, list[Projections]]:
    """A page with a row of projections for one layer after the other, and what is on it.

    Args:
        layers: from the image to the top.
        model, image, rule, units, context: as for `project`.

    Raises:
        InputError: as for `project`, or if no layer is named.
    """
    if not layers:
        raise InputError("no layer given; name at least one")
    found = [project(model, image, layer, units, rule, context=context) for layer in layers]
    lines = [
        f"{NAMES[rule]} of each unit's strongest activation, everything else set to zero; "
        "under what the unit saw; middle grey is 0, each projection on its own scale",
    ]
    rows = [
        single(found[0].image, "the image"),
        *(each.row for each in found),
    ]
    return sheet(f"What units of {model.name} answer to", lines, rows), found


def save_projections(picture: Image.Image, path: str | Path) -> Path:
    """Write a page and return its path."""
    return save_picture(picture, path)


def over_each_other(image: np.ndarray, projection: np.ndarray) -> np.ndarray:
    """Part of an image and, under it, the projection there, uint8 (2 · side + 4, side, 3).

    Args:
        image: uint8 (h, w, 3), what the network saw.
        projection: float32 (H, W, C), at the size of the network's input.
    """
    top, left, height, width = reached(projection)
    rows, columns = image.shape[0] / projection.shape[0], image.shape[1] / projection.shape[1]
    part = image[
        round(top * rows) : max(round((top + height) * rows), round(top * rows) + 1),
        round(left * columns) : max(round((left + width) * columns), round(left * columns) + 1),
    ]
    drawn = as_picture(projection[top : top + height, left : left + width])
    gap = np.full((4, _SIDE, 3), 255, np.uint8)
    return np.concatenate(
        [resize_picture(part, _SIDE, _SIDE), gap, resize_picture(drawn, _SIDE, _SIDE)]
    )


def reached(projection: np.ndarray) -> tuple[int, int, int, int]:
    """Top, left, height and width of the square in which a projection (H, W, C) is not zero."""
    rows, columns = (np.flatnonzero(projection.any(axis=axes)) for axes in ((1, 2), (0, 2)))
    most = min(projection.shape[:2])
    if not len(rows):
        return 0, 0, *projection.shape[:2]
    side = min(max(np.ptp(rows) + 1, np.ptp(columns) + 1, _LEAST), most)
    top, left = (
        int(np.clip((places[0] + places[-1] + 1 - side) // 2, 0, length - side))
        for places, length in ((rows, projection.shape[0]), (columns, projection.shape[1]))
    )
    return top, left, int(side), int(side)


def as_picture(projection: np.ndarray) -> np.ndarray:
    """A projection (H, W, C) as colours round middle grey, its 99.9% quantile at full strength;
    uint8 (H, W, 3)."""
    colours = projection if projection.shape[-1] == 3 else projection.sum(axis=-1, keepdims=True)
    most = float(np.quantile(np.abs(colours), 0.999)) or 1.0
    picture = ((colours / most + 1) * 127.5).clip(0, 255).round().astype(np.uint8)
    return np.broadcast_to(picture, (*picture.shape[:2], 3)).copy()
