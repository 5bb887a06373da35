"""Which units of layers never fire, which always, and which tell what class, in one pass."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from rlvis.deprecation import DONE, renamed_parameters
from rlvis.features.activations.units import check_layers
from rlvis.features.image_sets.batches import BatchReader
from rlvis.features.image_sets.classes import Classes, classes_of
from rlvis.features.image_sets.image_pass import ImagePass
from rlvis.features.image_sets.image_set import ImageSet
from rlvis.features.selectivity.layer_selectivity import MOST_CLASSES, Confusion, LayerSelectivity
from rlvis.features.selectivity.result import Selectivity
from rlvis.features.top_patches.result import Patches
from rlvis.features.top_patches.scan import ActivationScan, ScanResult
from rlvis.features.top_patches.search import collected
from rlvis.models.image_model import ImageModel, require_image_model
from rlvis.options import MANY, check_real, check_whole
from rlvis.progress import OnProgress


@renamed_parameters(on_batch=DONE)
def units(
    model: ImageModel,
    images: ImageSet,
    layers: Sequence[str],
    k: int = 9,
    *,
    by: Sequence[str] = (),
    threshold: float | None = None,
    batch_size: int = 64,
    state: str | Path | None = None,
    resume: bool = False,
    on_progress: OnProgress | None = None,
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
        batch_size: as for `patches`.
        state: as for `patches`.
        resume: as for `patches`.
        on_progress: as for `patches`.

    Raises:
        InputError: if a layer does not exist or has no units, no image can be read, there are not
            two classes, or `state` holds other work.
        Stopped: if `on_progress` raised KeyboardInterrupt.
    """
    require_image_model(model)
    check_layers(model, layers)
    check_whole("the number of patches", k, 1, MANY)
    check_whole("batch_size", batch_size, 1, MANY)
    if threshold is not None:
        check_real("threshold", threshold, -1e30, 1e30)
    reading = BatchReader(images, model, batch_size)
    most = min(k, len(images))
    settings = {"layers": list(layers), "k": most}
    work = ImagePass("units", reading, state, resume, on_progress, **settings)
    scan = ActivationScan(reading, layers, most, 1, work.kept)
    columns = _ScanColumns(layers, work.kept)
    for seen in scan:
        columns.add(seen)
        work.after(seen.batch, lambda: {**scan.state(), **columns.state()})
    work.finish()
    read, said = columns.column("numbers"), columns.column("predictions")
    classes = classes_of(images, read, by, said, model.labels)
    found = {
        layer: _layer(
            layer,
            columns.column(f"{layer}/peaks"),
            bool((columns.column(f"{layer}/least") >= 0).all()),
            threshold,
            classes,
        )
        for layer in layers
    }
    predictions = Confusion.of(classes, said, model.labels)
    exemplars = _exemplars(reading, found, read)
    return Selectivity(model.name, read, classes, predictions, found, collected(scan), exemplars)


class _ScanColumns:
    """What is kept of every image of a scan, in columns with a part for each batch."""

    def __init__(self, layers: Sequence[str], kept: Mapping[str, np.ndarray]) -> None:
        names = [f"{layer}/{column}" for layer in layers for column in ("peaks", "least")]
        self._parts: dict[str, list[np.ndarray]] = {
            name: [kept[name]] if kept else [] for name in ("numbers", "predictions", *names)
        }

    def add(self, seen: ScanResult) -> None:
        """Take in what a batch gave."""
        self._parts["numbers"].append(seen.batch.indices)
        self._parts["predictions"].append(seen.scores.logits.argmax(dim=1).cpu().numpy())
        for layer, peaks in seen.peaks.items():
            self._parts[f"{layer}/peaks"].append(peaks.float().cpu().numpy())
            self._parts[f"{layer}/least"].append(seen.least[layer].float().cpu().numpy()[None])

    def column(self, name: str) -> np.ndarray:
        """A column, (N, …)."""
        return np.concatenate(self._parts[name])

    def state(self) -> dict[str, np.ndarray]:
        """All columns."""
        return {name: self.column(name) for name in self._parts}


def _exemplars(
    reading: BatchReader, layers: Mapping[str, LayerSelectivity], read: np.ndarray
) -> Patches:
    """The patches of all units of the images that classes' best units answer to most.

    Args:
        reading: of all images.
        layers: the statistics, by layer.
        read: int64 (N,), the numbers of the images that these are of.
    """
    members = [each.strongest_members[:MOST_CLASSES] for each in layers.values()]
    numbers = read[np.unique(np.concatenate(members))].tolist()
    scan = ActivationScan(replace(reading, start=0, only=numbers), list(layers), len(numbers), 1)
    for _ in scan:
        pass
    return collected(scan)


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
