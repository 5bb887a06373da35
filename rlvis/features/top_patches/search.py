"""The patches of a whole image set that excite each unit most, cut out along receptive fields."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rlvis.deprecation import DONE, renamed_parameters
from rlvis.errors import InputError
from rlvis.features.activations.units import check_layers
from rlvis.features.image_sets.batches import BatchReader
from rlvis.features.image_sets.image_pass import ImagePass
from rlvis.features.image_sets.image_set import ImageSet
from rlvis.features.receptive_field.tracing import ReceptiveField, Sources
from rlvis.features.top_patches.layer_patches import LayerPatches
from rlvis.features.top_patches.result import Patches
from rlvis.features.top_patches.scan import ActivationScan, TopK
from rlvis.models.image_model import ImageModel, require_image_model
from rlvis.options import MANY, check_whole
from rlvis.progress import OnProgress


@renamed_parameters(on_batch=DONE)
def patches(
    model: ImageModel,
    images: ImageSet,
    layers: Sequence[str],
    k: int = 9,
    *,
    per_image: int = 1,
    batch_size: int = 64,
    state: str | Path | None = None,
    resume: bool = False,
    on_progress: OnProgress | None = None,
) -> Patches:
    """Run a whole image set through a network and find the patches that excite each unit most.

    All units of all layers in one pass. Memory does not grow with the number of images.

    Args:
        model: a classifier or policy.
        images: the set.
        layers: as in `module.named_modules()`.
        k: how many patches of each unit.
        per_image: how many of them may be from one image; they are its highest places.
        batch_size: how many images go through the network at once.
        state: a file (.npz) in which unfinished work is kept, every half minute and when stopped;
            it is removed at the end.
        resume: go on from that file; the result is the same as of one run.
        on_progress: called after every batch; see `rlvis.progress`.

    Raises:
        InputError: if there are fewer images than patches asked for, a layer does not exist or has
            no units, no image can be read, or `state` holds other work.
        Stopped: if `on_progress` raised KeyboardInterrupt.
    """
    require_image_model(model)
    for name, number in (
        ("the number of patches", k),
        ("per_image", per_image),
        ("batch_size", batch_size),
    ):
        check_whole(name, number, 1, MANY)
    if k > len(images) * per_image:
        raise InputError(
            f"{k} patches from different images asked for, but {images.name} holds {len(images)}; "
            f"ask for at most {len(images) * per_image}, or allow more of each image"
        )
    check_layers(model, layers)
    reading = BatchReader(images, model, batch_size)
    settings = {"layers": list(layers), "k": k, "per_image": per_image}
    work = ImagePass("patches", reading, state, resume, on_progress, **settings)
    scan = ActivationScan(reading, layers, k, per_image, work.kept)
    for seen in scan:
        work.after(seen.batch, scan.state)
    work.finish()
    return collected(scan)


def collected(scan: ActivationScan) -> Patches:
    """The patches that a finished scan found."""
    reading = scan.reading
    sources = Sources(reading.model)
    layers = {
        layer: _located(scan.fields[layer], scan.strongest[layer], sources) for layer in scan.layers
    }
    skipped = dict(sorted(reading.skipped.items()))
    return Patches(reading.model.name, reading.images, layers, scan.per_image, skipped)


def _located(field: ReceptiveField, strongest: TopK, sources: Sources) -> LayerPatches:
    """The activations with their places in maps and pictures."""
    state = strongest.state()
    places = np.stack(np.divmod(state["places"], field.grid[1]), axis=-1)
    units = np.arange(field.units)[:, None]
    within = field.boxes(units, places[..., 0], places[..., 1])
    middles = field.middles[places[..., 0], places[..., 1]]
    pixels = np.concatenate([middles, middles + 1], axis=-1)
    boxes, centres = np.zeros_like(within), np.zeros_like(places)
    known = state["images"] >= 0
    for shape in np.unique(state["shapes"][known], axis=0):
        here = known & (state["shapes"] == shape).all(axis=-1)
        boxes[here] = sources.boxes(within[here], tuple(shape.tolist()))
        around = sources.boxes(pixels[here], tuple(shape.tolist()))
        centres[here] = (around[:, :2] + around[:, 2:]) // 2
    return LayerPatches(field, state["values"], state["images"], places, boxes, centres)
