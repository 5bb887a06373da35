"""The strongest patches of several layers: their pages, their numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rlvis.display.page import Page
from rlvis.features.activations.units import check_unit, of_layer
from rlvis.features.image_sets.image_pass import skipped_line
from rlvis.features.image_sets.image_set import ImageSet
from rlvis.features.top_patches.layer_patches import (
    LayerPatches,
    field_line,
    unit_rows,
)
from rlvis.results import Result, Table

_PLACES = ("y", "x", "top", "left", "bottom", "right")


@dataclass(frozen=True, repr=False, eq=False)
class Patches(Result):
    """The strongest patches of several layers.

    Attributes:
        model: its name.
        images: the set that they are from.
        layers: by name.
        per_image: how many patches of one image a unit may have.
        skipped: the errors of images that could not be read, by number.
    """

    model: str
    images: ImageSet
    layers: dict[str, LayerPatches]
    per_image: int
    skipped: dict[int, str]

    def layer(self, name: str | None = None) -> LayerPatches:
        """The patches of a layer, the last one if left out.

        Raises:
            InputError: if it is not among `layers`.
        """
        return of_layer(self.layers, name)

    def page(
        self,
        layer: str | None = None,
        units: Sequence[int] | None = None,
        *,
        whole: bool = False,
        most: int = 12,
    ) -> Page:
        """A row of patches per unit of a layer, each with its activation and its image.

        Args:
            layer: the last one if left out.
            units: which ones, in this order; left out, those with the strongest activations.
            whole: show the images with the patches drawn on them, in place of the patches alone.
            most: how many units, where they are not named.

        Raises:
            InputError: if there is no such layer or unit.
        """
        found = self.layer(layer)
        field = found.receptive_field
        for unit in units or ():
            check_unit(field.layer, unit, field.units)
        chosen = np.argsort(-found.values[:, 0], kind="stable")[:most] if units is None else units
        which = "those with the strongest activations" if units is None else "as asked for"
        lines = [
            f"{len(chosen)} of {field.units} units, {which}; of each the {found.values.shape[1]} "
            f"strongest patches among {len(self.images) - len(self.skipped)} images of "
            f"{self.images.name}, at most {self.per_image} of one image; the number is the unit's "
            "activation there, as the network computes it",
            field_line(found, whole),
            skipped_line(self.images, self.skipped),
        ]
        return Page(
            f"Strongest patches of {self.model}, layer {field.layer}",
            [line for line in lines if line],
            unit_rows(self.images, found, list(map(int, chosen)), whole=whole),
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """All layers' arrays, "layer/array", and the titles of the images in them."""
        names = ("values", "images", "places", "boxes", "centres")
        shown = self._shown
        return {
            "image_numbers": shown,
            "image_titles": np.array([self.images.title(int(number)) for number in shown]),
            **{
                f"{layer}/{name}": getattr(found, name)
                for layer, found in self.layers.items()
                for name in names
            },
        }

    def table(self) -> Table:
        """A row for each patch, its place in the map and its box in the picture."""
        titles = {int(number): self.images.title(int(number)) for number in self._shown}
        columns = ("layer", "unit", "rank", "activation", "image", "title", *_PLACES)
        rows = [
            (layer, unit, rank, found.values[unit, rank], number, titles[number], *places)
            for layer, found in self.layers.items()
            for unit, rank in np.argwhere(found.images >= 0).tolist()
            for number in (int(found.images[unit, rank]),)
            for places in ((*found.places[unit, rank], *found.boxes[unit, rank]),)
        ]
        return {name: [row[place] for row in rows] for place, name in enumerate(columns)}

    @property
    def _shown(self) -> np.ndarray:
        """Int64: the numbers of the images that any patch is of."""
        shown = np.unique(np.concatenate([each.images.ravel() for each in self.layers.values()]))
        return shown[shown >= 0]

    @property
    def summary(self) -> str:
        """The model, its layers and the images."""
        layers = ", ".join(self.layers)
        return f"{self.model}, {layers}, {len(self.images)} images of {self.images.name}"
