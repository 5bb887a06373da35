"""The figure of Zeiler & Fergus (2014, figure 2): what excites a unit most, and what of it."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from rlvis.display.page import Row, Tile, sheet
from rlvis.features.projection.backward import NAMES, over_each_other, project
from rlvis.features.top_patches.result import LayerPatches, Patches
from rlvis.models.image_model import ImageModel

_MOST_UNITS = 5


def strongest_projections(
    model: ImageModel, found: Patches, units: Sequence[int] = (), rule: str = "deconvnet"
) -> Image.Image:
    """A page: layer after layer, units with their strongest patches, the projection under each.

    Args:
        model: that the patches were found for.
        found: with at most one patch per image.
        units: of each layer; the five with the strongest activations if left out.
        rule: as for `project`.

    Raises:
        InputError: if a unit does not exist, or the rule is not defined for the network.
    """
    rows = [
        row
        for layer, patches in found.layers.items()
        for row in _rows(model, found, layer, patches, units, rule)
    ]
    lines = [
        f"the images of {found.images.name} that excite each unit most, cut to what the unit saw; "
        f"under each the {NAMES[rule]} of that one activation",
        "middle grey is 0, each projection on its own scale; the numbers are activations",
    ]
    return sheet(f"What units of {model.name} answer to", lines, rows)


def _rows(
    model: ImageModel,
    found: Patches,
    layer: str,
    patches: LayerPatches,
    units: Sequence[int],
    rule: str,
) -> list[Row]:
    chosen = list(units) or np.argsort(-patches.values[:, 0])[:_MOST_UNITS].tolist()
    rows = []
    for unit in chosen:
        numbers = patches.images[unit][patches.images[unit] >= 0].tolist()
        tiles = [_tile(model, found, layer, int(unit), number, rule) for number in numbers]
        rows.append(Row(tiles, f"{layer}, unit {unit}", tile=(244, 120)))
    return rows


def _tile(model: ImageModel, found: Patches, layer: str, unit: int, number: int, rule: str) -> Tile:
    context = found.images.context([number])
    picture = found.images.picture(number)
    projected = project(model, picture, layer, [unit], rule, context=context)
    drawn = over_each_other(projected.image, projected.maps[0])
    return Tile(drawn, [f"{projected.activations[0]:.3g}", found.images.title(number)])
