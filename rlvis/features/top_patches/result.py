"""The patches of a whole image set that excite each unit most, cut out along receptive fields."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from rlvis.display.page import save_picture
from rlvis.errors import InputError
from rlvis.features.activations.scan import ActivationScan, TopK
from rlvis.features.activations.units import check_layers, of_layer
from rlvis.features.image_sets.checkpoint import describe, load_state, save_state, stopped
from rlvis.features.image_sets.image_set import BatchReader, ImageSet
from rlvis.features.receptive_field.tracing import ReceptiveField, Sources
from rlvis.files import save_arrays
from rlvis.interrupt import Stopped, interruptible
from rlvis.models.image_model import ImageModel
from rlvis.options import MANY, check_whole

_SAVE_EVERY = 30.0


@dataclass(frozen=True)
class LayerPatches:
    """The strongest patches of every unit of a layer, the strongest first.

    Attributes:
        receptive_field: of all its places.
        values: float32 (U, k), the activations; -inf where fewer images could be read.
        images: int64 (U, k), the numbers of the images, -1 where there are fewer.
        places: int64 (U, k, 2), y and x in the layer's map.
        boxes: int64 (U, k, 4), the receptive fields in the pictures as they were given: top, left,
            bottom, right in pixels, the last two exclusive, cut at the border.
        centres: int64 (U, k, 2), y and x of the pixel in these pictures that the middle of the
            place lies on when the map is laid over the network's input.
    """

    receptive_field: ReceptiveField
    values: np.ndarray = field(repr=False)
    images: np.ndarray = field(repr=False)
    places: np.ndarray = field(repr=False)
    boxes: np.ndarray = field(repr=False)
    centres: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class Patches:
    """The strongest patches of several layers.

    Attributes:
        model: its name.
        images: the set that they are from.
        layers: by name.
        per_image: how many patches of one image a unit may have.
        skipped: the errors of images that could not be read, by number.
    """

    model: str
    images: ImageSet = field(repr=False)
    layers: dict[str, LayerPatches] = field(repr=False)
    per_image: int
    skipped: dict[int, str]

    def picture(
        self,
        layer: str | None = None,
        units: Sequence[int] | None = None,
        *,
        whole: bool = False,
        most: int = 12,
    ) -> Image.Image:
        """A page of patches, a row per unit; see `rlvis.features.top_patches.pages.page`."""
        from rlvis.features.top_patches.pages import page

        return page(self, self.layer(layer), units, whole=whole, most=most)

    def save(
        self,
        path: str | Path,
        layer: str | None = None,
        units: Sequence[int] | None = None,
        *,
        whole: bool = False,
        most: int = 12,
    ) -> Path:
        """Write the page of a layer as a picture and return its path."""
        return save_picture(self.picture(layer, units, whole=whole, most=most), path)

    def layer(self, name: str | None = None) -> LayerPatches:
        """The patches of a layer, the last one if left out.

        Raises:
            InputError: if it is not among `layers`.
        """
        return of_layer(self.layers, name)

    def save_data(self, path: str | Path) -> Path:
        """Write all layers' arrays, and the titles of the images in them, and return the path.

        Args:
            path: ends in .npz or .safetensors.
        """
        names = ("values", "images", "places", "boxes", "centres")
        arrays = {
            f"{layer}/{name}": getattr(found, name)
            for layer, found in self.layers.items()
            for name in names
        }
        shown = np.unique(np.concatenate([each.images.ravel() for each in self.layers.values()]))
        shown = shown[shown >= 0]
        titles = np.array([self.images.title(int(number)) for number in shown])
        return save_arrays(path, image_numbers=shown, image_titles=titles, **arrays)


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
    on_batch: Callable[[int], None] | None = None,
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
        on_batch: called with the number of images done after every batch.

    Raises:
        InputError: if there are fewer images than patches asked for, a layer does not exist or has
            no units, no image can be read, or `state` holds other work.
        Stopped: after Ctrl-C, at the end of a batch.
    """
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
    if resume and state is None:
        raise InputError("to resume, name the file in which the unfinished work is")
    check_layers(model, layers)
    reading = BatchReader(images, model, batch_size)
    scan = ActivationScan(reading, layers, k, per_image)
    work = _Work(scan, Path(state) if state else None)
    if resume:
        work.load_state()
    with interruptible() as asked_to_stop:
        for seen in scan:
            done = reading.following(seen.batch.indices)
            if on_batch:
                on_batch(done)
            work.keep(done, asked_to_stop())
    work.finish()
    return collected(scan)


@dataclass
class _Work:
    """Unfinished work and the file that keeps it."""

    scan: ActivationScan
    path: Path | None

    def __post_init__(self) -> None:
        reading = self.scan.reading
        self._total, self._saved = len(reading.images), time.monotonic()
        self._what = describe(
            reading.model,
            reading.images,
            layers=self.scan.layers,
            k=self.scan.most,
            per_image=self.scan.per_image,
            batch_size=reading.batch_size,
        )

    def load_state(self) -> None:
        assert self.path is not None
        reading, scan = self.scan.reading, self.scan
        reading.start, skipped, arrays = load_state(self.path, self._what)
        reading.skipped.update(skipped)
        for layer in scan.layers:
            state = {
                name.removeprefix(f"{layer}/"): each
                for name, each in arrays.items()
                if name.startswith(f"{layer}/")
            }
            scan.strongest[layer] = TopK.of(state, scan.per_image, reading.model.device)

    def keep(self, done: int, stop: bool) -> None:
        """Write what was found so far, where it is time to."""
        if done == self._total:
            return
        if self.path and (stop or time.monotonic() - self._saved > _SAVE_EVERY):
            arrays = {
                f"{layer}/{name}": each
                for layer, strongest in self.scan.strongest.items()
                for name, each in strongest.state().items()
            }
            save_state(self.path, self._what, done, self.scan.reading.skipped, arrays)
            self._saved = time.monotonic()
        if stop:
            raise Stopped(stopped(done, self._total, "images", self.path))

    def finish(self) -> None:
        if self.path:
            self.path.unlink(missing_ok=True)


def collected(scan: ActivationScan) -> Patches:
    """The patches that a finished survey found."""
    reading = scan.reading
    sources = Sources(reading.model)
    layers = {
        layer: _located(scan.fields[layer], scan.strongest[layer], sources) for layer in scan.layers
    }
    skipped = dict(sorted(reading.skipped.items()))
    return Patches(reading.model.name, reading.images, layers, scan.per_image, skipped)


def _located(field: ReceptiveField, strongest: TopK, sources: Sources) -> LayerPatches:
    """The answers with their places in maps and pictures."""
    state = strongest.state()
    places = np.stack(np.divmod(state["places"], field.grid[1]), axis=-1)
    units = np.arange(field.units)[:, None]
    within = field.boxes(units, places[..., 0], places[..., 1])
    middles = ((places + 0.5) * field.image / field.grid).astype(np.int64)
    pixels = np.concatenate([middles, middles + 1], axis=-1)
    boxes, centres = np.zeros_like(within), np.zeros_like(places)
    known = state["images"] >= 0
    for shape in np.unique(state["shapes"][known], axis=0):
        here = known & (state["shapes"] == shape).all(axis=-1)
        boxes[here] = sources.boxes(within[here], tuple(shape.tolist()))
        around = sources.boxes(pixels[here], tuple(shape.tolist()))
        centres[here] = (around[:, :2] + around[:, 2:]) // 2
    return LayerPatches(field, state["values"], state["images"], places, boxes, centres)


def skipped_line(images: ImageSet, skipped: Mapping[int, str]) -> str:
    """How many images could not be read, and which; empty if none."""
    if not skipped:
        return ""
    named = ", ".join(images.title(number) for number in list(skipped)[:8])
    more = ", …" if len(skipped) > 8 else ""
    return f"{len(skipped)} of {len(images)} images could not be read: {named}{more}"
