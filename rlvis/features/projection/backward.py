"""A unit's activation of one image back to pixels: deconvnet, guided backpropagation, gradient.

Zeiler & Fergus (2014, section 2.1) keep one activation of a layer, set all others to zero, and go
back down: through the recorded switches of max pooling, a ReLU on what is reconstructed, and the
transposed filters. Going back through pooling and convolutions is what a backward pass does, and
the ReLU is one of the rules of `rectifiers`; so one forward pass serves all units and rules.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from rlvis.display.numbers import written
from rlvis.display.page import Page
from rlvis.display.shown import Shown
from rlvis.display.tiles import Row, Tile, fitted, image_row
from rlvis.errors import InputError, unknown
from rlvis.features.activations.units import UnitReader, check_unit
from rlvis.features.projection.figure import NAMES, SIDE, over_each_other
from rlvis.images.loading import Images, as_images
from rlvis.instrument.relu_rules import RULES, Rectifier
from rlvis.instrument.watching import watch
from rlvis.models.image_model import ImageModel, require_image_model
from rlvis.models.pixels import seen_part
from rlvis.models.replica import is_scripted, replicate
from rlvis.results import Result, Results, Table, by_name

_STRONGEST = 9


@dataclass(frozen=True, repr=False, eq=False)
class Projections(Result):
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
    image: np.ndarray
    units: np.ndarray
    activations: np.ndarray
    places: np.ndarray
    maps: np.ndarray

    @property
    def row(self) -> Row:
        """Over each other what the unit saw and its projection, cut to where that is not zero."""
        tiles = [
            Tile(
                over_each_other(self.image, each),
                Shown(
                    model=self.model,
                    layer=self.layer,
                    unit=int(unit),
                    values={"activation": written(activation)},
                ),
            )
            for each, unit, activation in zip(self.maps, self.units, self.activations, strict=True)
        ]
        return Row(
            tiles,
            f"layer {self.layer}",
            f"{len(tiles)} units",
            fitted((2 * SIDE + 4, SIDE), 204, 100),
        )

    def page(self) -> Page:
        """The image, and the projections of this layer."""
        return _page([self])

    def arrays(self) -> dict[str, np.ndarray]:
        """The image, the units and their projections."""
        return {
            "image": self.image,
            "units": self.units,
            "activations": self.activations,
            "places": self.places,
            "maps": self.maps,
        }

    def table(self) -> Table:
        """A row for each unit: its largest activation, and where that is in the layer's map."""
        return {
            "layer": [self.layer] * len(self.units),
            "unit": self.units,
            "activation": self.activations,
            "y": self.places[:, 0],
            "x": self.places[:, 1],
        }

    @property
    def summary(self) -> str:
        """The rule, the layer and how many units."""
        return f"{NAMES[self.rule]} of {self.model}, layer {self.layer}, {len(self.units)} units"


class LayerProjections(Results[Projections]):
    """Projections of one image by layer."""

    def page(self) -> Page:
        """The image, and a row of projections for each layer."""
        return _page(list(self.values()))


def _page(found: Sequence[Projections]) -> Page:
    first = found[0]
    lines = [
        f"{NAMES[first.rule]} of each unit's strongest activation, everything else set to zero; "
        "under what the unit saw; middle grey is 0, each projection on its own scale",
    ]
    row = image_row(first.image, [each.row for each in found])
    return Page(f"What units of {first.model} answer to", lines, [row])


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
    require_image_model(model)
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
    if not units:
        raise InputError("no unit given; name at least one, or leave the units out")
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


def project_layers(
    model: ImageModel,
    image: Images,
    layers: Sequence[str],
    rule: str = "deconvnet",
    units: Sequence[int] | None = None,
    *,
    context: Mapping[str, Any] | None = None,
) -> LayerProjections:
    """Projections of one image for one layer after the other.

    Args:
        layers: from the image to the top.
        model: as for `project`.
        image: as for `project`.
        rule: as for `project`.
        units: as for `project`.
        context: as for `project`.

    Raises:
        InputError: as for `project`, or if no layer is named.
    """
    require_image_model(model)
    if not layers:
        raise InputError("no layer given; name at least one")
    found = [project(model, image, layer, units, rule, context=context) for layer in layers]
    return LayerProjections(by_name(found, layers))


def projection_sheet(*asked: Any, **options: Any) -> tuple[Image.Image, list[Projections]]:
    """The page of `project_layers` as a picture, and what is on it; what it takes is the same."""
    found = project_layers(*asked, **options)
    return found.picture(), list(found.values())
