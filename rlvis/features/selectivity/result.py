"""What the units of several layers tell apart: a report of each, and its numbers."""

from dataclasses import dataclass

import numpy as np

from rlvis.display.page import Page
from rlvis.features.activations.units import of_layer
from rlvis.features.image_sets.classes import Classes
from rlvis.features.selectivity import report
from rlvis.features.selectivity.layer_selectivity import Confusion, LayerSelectivity
from rlvis.features.top_patches.result import Patches
from rlvis.results import Result, Table

_COLUMNS = ("firing", "class_firing", "means", "selectivity", "preferred", "area", "roc_auc")


@dataclass(frozen=True, repr=False, eq=False)
class Selectivity(Result):
    """What the units of several layers tell apart.

    Attributes:
        model: its name.
        numbers: int64 (N,), of the images that could be read.
        classes: that the images belong to.
        predictions: what the network says of them.
        layers: the statistics, by layer.
        patches: the strongest patches of the same units, and the images.
        exemplars: patches of the images that each class' best unit answers to most.
    """

    model: str
    numbers: np.ndarray
    classes: Classes
    predictions: Confusion
    layers: dict[str, LayerSelectivity]
    patches: Patches
    exemplars: Patches

    def layer(self, name: str | None = None) -> LayerSelectivity:
        """The statistics of a layer, the last one if left out.

        Raises:
            InputError: if it is not among `layers`.
        """
        return of_layer(self.layers, name)

    @property
    def says(self) -> tuple[str, ...]:
        """The labels that the network gives to any image."""
        return self.predictions.says

    @property
    def confusion(self) -> np.ndarray:
        """Int64 (C, K), how many images of a class the network gives each of these labels."""
        return self.predictions.counts

    def page(self, layer: str | None = None, *, most: int = 12) -> Page:
        """The report of a layer.

        Args:
            layer: the last one if left out.
            most: how many units, those that tell their class best.

        Raises:
            InputError: if there is no such layer.
        """
        return report.page(
            self.layer(layer), self.predictions, self.patches, self.exemplars, self.numbers, most
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """The statistics of all layers, "layer/column", and the answers."""
        return {
            "images": self.numbers,
            "labels": self.classes.labels,
            "classes": np.array(self.classes.names),
            "says": np.array(self.says),
            "confusion": self.confusion,
            **{
                f"{name}/{column}": getattr(units, column)
                for name, units in self.layers.items()
                for column in (*_COLUMNS, "mutual_information", "sharing", "peak_activations")
            },
        }

    def table(self) -> Table:
        """A row for each unit."""
        rows = [
            (
                name,
                unit,
                self.classes.names[units.preferred[unit]],
                units.area[unit],
                units.selectivity[unit],
                units.mutual_information[unit],
                units.firing[unit],
                units.class_firing[unit, units.preferred[unit]],
            )
            for name, units in self.layers.items()
            for unit in range(len(units.firing))
        ]
        names = (
            "layer",
            "unit",
            "class",
            "area",
            "selectivity",
            "bits",
            "fires",
            "fires_for_class",
        )
        return {name: [row[place] for row in rows] for place, name in enumerate(names)}

    @property
    def summary(self) -> str:
        """The model, its layers, the images and the classes."""
        layers, count = ", ".join(self.layers), len(self.classes.names)
        return f"{self.model}, {layers}, {len(self.numbers)} images of {count} classes"
