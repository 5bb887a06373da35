"""What the units of a layer tell apart: which never fire, which always, which for what class.

A unit's answer to an image is the maximum of its map. It fires where that is above the layer's
threshold: 0 for a rectified layer, one that is never negative; for others the mean answer of the
layer. The answers of all units to all images are kept, 4 bytes each, so that all numbers are exact.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from rlvis.features.activations.scan import ActivationScan
from rlvis.features.activations.units import check_layers, of_layer
from rlvis.features.image_sets.checkpoint import stopped
from rlvis.features.image_sets.classes import Classes, classes_of
from rlvis.features.image_sets.image_set import BatchReader, ImageSet
from rlvis.features.selectivity import statistics
from rlvis.features.top_patches.result import Patches, collected
from rlvis.files import save_arrays, writing
from rlvis.interrupt import Stopped, interruptible
from rlvis.models.image_model import ImageModel
from rlvis.options import MANY, check_real, check_whole

ALWAYS = 0.99
"""A unit that fires for this share of the images fires for everything."""
SELECTIVE = 0.9
"""A unit with this area under the ROC curve for a class is selective for it."""
PAGES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".html": "HTML"}


@dataclass(frozen=True)
class LayerSelectivity:
    """Statistics of the units of a layer.

    Attributes:
        layer: its name.
        peak_activations: float32 (N, U), the maximum of each unit's map for each image.
        rectified: whether no activation is negative.
        threshold: above which a unit fires.
        classes: of the images.
    """

    layer: str
    peak_activations: np.ndarray = field(repr=False)
    rectified: bool
    threshold: float
    classes: Classes = field(repr=False)

    @cached_property
    def firing(self) -> np.ndarray:
        """Float64 (U,): the share of the images for which a unit fires."""
        return np.asarray((self.peak_activations > self.threshold).mean(axis=0))

    @cached_property
    def class_firing(self) -> np.ndarray:
        """Float64 (U, C): the same by class."""
        return statistics.class_means(self.peak_activations > self.threshold, self.classes.members)

    @cached_property
    def means(self) -> np.ndarray:
        """Float64 (U, C): how far above the threshold the answers to a class are in the mean."""
        above = np.maximum(self.peak_activations - np.float32(self.threshold), 0)
        return statistics.class_means(above, self.classes.members)

    @cached_property
    def selectivity(self) -> np.ndarray:
        """Float64 (U,): class selectivity of `means`, 0..1 (Morcos et al. 2018)."""
        return statistics.selectivity(self.means)

    @cached_property
    def preferred(self) -> np.ndarray:
        """Int64 (U,): the class with the highest mean answer."""
        return self.means.argmax(axis=1)

    @cached_property
    def roc_auc(self) -> np.ndarray:
        """Float64 (U, C): the area under the ROC curve for each class against the rest."""
        known = self.classes.labels >= 0
        return statistics.roc_auc(self.peak_activations[known], self.classes.members[:, known])

    @cached_property
    def area(self) -> np.ndarray:
        """Float64 (U,): the area under the ROC curve for the preferred class."""
        return self.roc_auc[np.arange(len(self.roc_auc)), self.preferred]

    @cached_property
    def mutual_information(self) -> np.ndarray:
        """Float64 (U,): the mutual information of a unit's answer, in four steps of as many images,
        and the class, in bits."""
        known = self.classes.labels >= 0
        steps = statistics.quantised(self.peak_activations[known])
        return statistics.mutual_information(steps, self.classes.members[:, known])

    @cached_property
    def sharing(self) -> np.ndarray:
        """Float64 (C, C): how far two classes excite the same units, -1..1."""
        return statistics.sharing(self.means, self.peak_activations.std(axis=0))

    @property
    def never(self) -> np.ndarray:
        """Int64: the units that fire for no image."""
        return np.flatnonzero(self.firing == 0)

    @property
    def always(self) -> np.ndarray:
        """Int64: the units that fire for at least the share `ALWAYS` of the images."""
        return np.flatnonzero(self.firing >= ALWAYS)

    @property
    def selective(self) -> np.ndarray:
        """Int64: the units that tell their class with an area of `SELECTIVE`, the best first."""
        ranked = self.ranked
        return ranked[self.area[ranked] >= SELECTIVE]

    @property
    def ranked(self) -> np.ndarray:
        """Int64 (U,): all units, those that tell their class best first."""
        return np.lexsort((-self.selectivity, -self.area))

    @property
    def unserved(self) -> np.ndarray:
        """Int64: the classes that no unit is selective for."""
        return np.flatnonzero(self.roc_auc.max(axis=0) < SELECTIVE)

    def pairs(self) -> list[tuple[int, int]]:
        """All pairs of classes, those that share their units most first."""
        first, second = np.triu_indices(len(self.classes.names), 1)
        order = np.argsort(-self.sharing[first, second], kind="stable")
        return list(zip(first[order].tolist(), second[order].tolist(), strict=True))


@dataclass(frozen=True)
class Selectivity:
    """What the units of several layers tell apart.

    Attributes:
        model: its name.
        numbers: int64 (N,), of the images that could be read.
        classes: that the images belong to.
        says: the labels that the network gives to any image.
        confusion: int64 (C, K), how many images of a class it gives each of them.
        layers: the statistics, by layer.
        patches: the strongest patches of the same units, and the images.
    """

    model: str
    numbers: np.ndarray = field(repr=False)
    classes: Classes
    says: tuple[str, ...]
    confusion: np.ndarray = field(repr=False)
    layers: dict[str, LayerSelectivity] = field(repr=False)
    patches: Patches = field(repr=False)

    def layer(self, name: str | None = None) -> LayerSelectivity:
        """The statistics of a layer, the last one if left out.

        Raises:
            InputError: if it is not among `layers`.
        """
        return of_layer(self.layers, name)

    @property
    def agreed(self) -> bool:
        """Whether the network gives every image its class, as a policy does whose classes are the
        actions that it prefers."""
        known = min(len(self.classes.names), len(self.says))
        diagonal = np.trace(self.confusion[:known, :known]) == self.confusion.sum()
        return bool(diagonal) and self.classes.names[:known] == self.says[:known]

    def confused(self, one: int, other: int) -> tuple[float, float] | None:
        """The shares of the images of one class that the network takes for the other, and the other
        way round; None where the network has no such labels."""
        names = self.classes.names[one], self.classes.names[other]
        if not set(names) <= set(self.says):
            return None
        columns = [self.says.index(name) for name in names]
        shares = self.confusion / self.confusion.sum(axis=1, keepdims=True)
        return float(shares[one, columns[1]]), float(shares[other, columns[0]])

    def picture(self, layer: str | None = None, *, most: int = 12) -> Image.Image:
        """The report of a layer as a page; see `rlvis.features.selectivity.report`."""
        from rlvis.features.selectivity.report import page

        return page(self, self.layer(layer), most)

    def save(self, path: str | Path, layer: str | None = None, *, most: int = 12) -> Path:
        """Write the report of a layer as a picture or as an HTML page in one file.

        Args:
            path: ends in .png, .jpg, .webp or .html.
            layer: the last one if left out.
            most: how many units, those that tell their class best.

        Raises:
            InputError: if the ending is none of these, or the file cannot be written.
        """
        from rlvis.display.page import picture_bytes
        from rlvis.features.selectivity.html import html

        path = Path(path)
        with writing(path, PAGES) as (temporary, kind):
            if kind == "HTML":
                temporary.write_text(html(self, self.layer(layer), most), encoding="utf-8")
            else:
                temporary.write_bytes(picture_bytes(self.picture(layer, most=most), kind))
        return path

    def save_data(self, path: str | Path) -> Path:
        """Write the statistics of all layers, a column each, and the answers; return the path.

        Args:
            path: ends in .npz or .safetensors.
        """
        columns = ("firing", "class_firing", "means", "selectivity", "preferred", "area", "roc_auc")
        arrays = {
            f"{name}/{column}": getattr(units, column)
            for name, units in self.layers.items()
            for column in (*columns, "mutual_information", "sharing", "peak_activations")
        }
        return save_arrays(
            path,
            images=self.numbers,
            labels=self.classes.labels,
            classes=np.array(self.classes.names),
            says=np.array(self.says),
            confusion=self.confusion,
            **arrays,
        )


def units(
    model: ImageModel,
    images: ImageSet,
    layers: Sequence[str],
    k: int = 9,
    *,
    by: Sequence[str] = (),
    threshold: float | None = None,
    batch_size: int = 64,
    on_batch: Callable[[int], None] | None = None,
) -> Selectivity:
    """Ask what the units of layers tell apart, and keep their strongest patches, in one pass.

    Args:
        model: a classifier or policy.
        images: the set.
        layers: as in `module.named_modules()`.
        k: how many patches to keep of each unit.
        by: columns of the metadata that are to be their classes; see
            `rlvis.features.image_sets.classes.classes_of`. Their labels if left out.
        threshold: above which a unit fires; left out, 0 for a layer that is never negative and the
            mean answer for others.
        batch_size: how many images go through the network at once.
        on_batch: called with the number of images done after every batch.

    Raises:
        InputError: if a layer does not exist or has no units, no image can be read, or there are
            not two classes.
        Stopped: after Ctrl-C.
    """
    check_layers(model, layers)
    check_whole("the number of patches", k, 1, MANY)
    check_whole("batch_size", batch_size, 1, MANY)
    if threshold is not None:
        check_real("threshold", threshold, -1e30, 1e30)
    reading = BatchReader(images, model, batch_size)
    scan = ActivationScan(reading, layers, min(k, len(images)), 1)
    numbers, predictions = [], []
    peak_activations: dict[str, list[np.ndarray]] = {layer: [] for layer in layers}
    least = dict.fromkeys(layers, np.inf)
    with interruptible() as asked_to_stop:
        for seen in scan:
            numbers.append(seen.batch.indices)
            predictions.append(seen.scores.logits.argmax(dim=1).cpu().numpy())
            for layer in layers:
                peak_activations[layer].append(seen.peaks[layer].float().cpu().numpy())
                least[layer] = min(least[layer], float(seen.least[layer]))
            done = reading.following(seen.batch.indices)
            if on_batch:
                on_batch(done)
            if asked_to_stop():
                raise Stopped(stopped(done, len(images), "images", None))
    read, said = np.concatenate(numbers), np.concatenate(predictions)
    classes = classes_of(images, read, by, said, model.labels)
    found = {
        layer: _layer(
            layer, np.concatenate(peak_activations[layer]), least[layer] >= 0, threshold, classes
        )
        for layer in layers
    }
    given, confusion = _confusion(classes, said, model.labels)
    return Selectivity(model.name, read, classes, given, confusion, found, collected(scan))


def _layer(
    layer: str,
    peak_activations: np.ndarray,
    rectified: bool,
    threshold: float | None,
    classes: Classes,
) -> LayerSelectivity:
    usual = 0.0 if rectified else float(peak_activations.mean(dtype=np.float64))
    return LayerSelectivity(
        layer, peak_activations, rectified, usual if threshold is None else threshold, classes
    )


def _confusion(
    classes: Classes, said: np.ndarray, labels: Sequence[str]
) -> tuple[tuple[str, ...], np.ndarray]:
    """The labels that matter, those of classes first, and how often each class got each."""
    known = [name for name in classes.names if name in labels]
    others = [labels[index] for index in np.unique(said) if labels[index] not in known]
    says = [*known, *others]
    columns = [labels.index(name) for name in says]
    found = classes.members.astype(np.int64) @ (said[:, None] == columns)
    return tuple(says), found
