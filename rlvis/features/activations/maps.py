"""The activation maps of a whole layer for one image."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlvis.display.numbers import NOT_A_NUMBER, written
from rlvis.display.page import Page
from rlvis.display.shown import Shown
from rlvis.display.tiles import Row, Tile, fitted, greys, image_row, largest
from rlvis.features.activations.units import activations_of
from rlvis.images.loading import Images, as_images
from rlvis.models.image_model import ImageModel, require_image_model
from rlvis.models.pixels import seen_part
from rlvis.results import Result, Table


@dataclass(frozen=True, repr=False, eq=False)
class ActivationMaps(Result):
    """What every unit of a layer answers to one image.

    Attributes:
        model, layer: their names.
        image: uint8 (H, W, 3), the part of the picture that the network saw.
        maps: float32 (U, h, w).
    """

    model: str
    layer: str
    image: np.ndarray
    maps: np.ndarray

    def page(self) -> Page:
        """The image and the maps of all units, on one scale for the layer."""
        most = largest(self.maps)
        signed = bool((self.maps < 0).any())
        silent = int((np.abs(self.maps).max(axis=(1, 2)) == 0).sum())
        lines = [
            f"{len(self.maps)} units, maps {self.maps.shape[2]}×{self.maps.shape[1]}; "
            + ("middle grey is 0, black the opposite of white, " if signed else "black is 0, ")
            + f"white {written(most)}, one scale for the layer; {silent} silent on this image"
        ]
        tiles = [
            Tile(
                greys(each, most, signed),
                Shown(
                    model=self.model,
                    layer=self.layer,
                    unit=unit,
                    notes=[] if np.isfinite(each).all() else [NOT_A_NUMBER],
                ),
            )
            for unit, each in enumerate(self.maps)
        ]
        row = Row(tiles, "its activation maps", tile=fitted(self.maps.shape[1:], 72, 150))
        title = f"Activations of {self.model}, layer {self.layer}"
        return Page(title, lines, [image_row(self.image, [row])])

    def arrays(self) -> dict[str, np.ndarray]:
        """The image and the maps."""
        return {"image": self.image, "maps": self.maps}

    def table(self) -> Table:
        """A row for each unit: its least, mean and largest activation, and where the largest is."""
        flat = self.maps.reshape(len(self.maps), -1)
        y, x = np.divmod(flat.argmax(axis=1), self.maps.shape[2])
        return {
            "unit": np.arange(len(flat)),
            "min": flat.min(axis=1),
            "mean": flat.mean(axis=1),
            "max": flat.max(axis=1),
            "y": y,
            "x": x,
        }

    @property
    def summary(self) -> str:
        """Layer and shape."""
        units, height, width = self.maps.shape
        return f"{self.model}, layer {self.layer}, {units} maps {width}×{height}"


def activation_maps(
    model: ImageModel,
    image: Images,
    layer: str,
    context: Mapping[str, Any] | None = None,
) -> ActivationMaps:
    """The activations of all units of a layer for one image.

    Raises:
        InputError: if the layer does not exist, did not run or has no units.
    """
    require_image_model(model)
    pictures = as_images(image)
    maps = activations_of(model, pictures, layer, context)
    return ActivationMaps(
        model.name, layer, seen_part(model, pictures[0]), maps.float().cpu().numpy()
    )
