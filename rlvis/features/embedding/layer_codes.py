"""What a layer makes of each image of a set: one vector, its code."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from rlvis.deprecation import DONE, renamed_parameters
from rlvis.display.numbers import written
from rlvis.display.page import Page
from rlvis.display.shown import Shown
from rlvis.display.tiles import Row, Tile, greys, largest
from rlvis.errors import InputError
from rlvis.features.activations.units import unit_activations
from rlvis.features.image_sets.batches import Batch, BatchReader
from rlvis.features.image_sets.image_pass import ImagePass
from rlvis.features.image_sets.image_set import ImageSet
from rlvis.instrument.watching import watch
from rlvis.models.image_model import ImageModel, require_image_model
from rlvis.models.replica import replicate
from rlvis.options import MANY, check_whole
from rlvis.progress import OnProgress
from rlvis.results import Result, Table

_MOST_DRAWN = 512

Pool = Literal["mean", "max", "flatten"]
POOLS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda maps: maps.mean(dim=(-2, -1)),
    "max": lambda maps: maps.amax(dim=(-2, -1)),
    "flatten": lambda maps: maps.flatten(1),
}


@dataclass(frozen=True, repr=False, eq=False)
class Codes(Result):
    """The codes of images.

    Attributes:
        model, layer, images: names of what they are of.
        pool: how maps became vectors.
        indices: int64 (N,), of the images in their set.
        values: float32 (N, F).
        skipped: errors of the images that could not be read, by number.
        image_set: the images, None where they are not known.
    """

    model: str
    layer: str
    images: str
    pool: str
    indices: np.ndarray
    values: np.ndarray
    skipped: dict[int, str] = field(default_factory=dict)
    image_set: ImageSet | None = None

    def page(self) -> Page:
        """The codes as a picture, an image in each row and a number in each column."""
        drawn = self.values[:: -(-len(self.values) // _MOST_DRAWN)]
        most, signed = largest(drawn), bool((drawn < 0).any())
        silent = int((self.values == 0).all(axis=0).sum())
        lines = [
            f"{self.values.shape[1]} numbers for each of {len(self.values)} images; "
            f"{silent} of them are 0 for all",
            f"white is {written(most)}, "
            + ("middle grey 0, black the opposite" if signed else "black 0"),
        ]
        height, width = drawn.shape
        cell = max(1, min(8, 640 // height)), max(1, min(24, 1224 // width))
        picture = greys(drawn, most, signed).repeat(cell[0], axis=0).repeat(cell[1], axis=1)
        note = f"a row per image{f', {height} of them evenly drawn' * (height < len(self.values))}"
        row = Row([Tile(picture, Shown())], "codes", note, picture.shape, grows=False)
        title = f"Codes of {self.images} in {self.model}, {self.layer}"
        return Page(title, lines, [row])

    def arrays(self) -> dict[str, np.ndarray]:
        """The codes and the numbers of their images."""
        return {"indices": self.indices, "values": self.values}

    def table(self) -> Table:
        """A row for each image: its number, and its code."""
        columns = {f"code_{number}": each for number, each in enumerate(self.values.T)}
        return {"image": self.indices, **columns}

    @property
    def summary(self) -> str:
        """The layer, the images and the codes' length."""
        count, length = self.values.shape
        return f"{self.model}, {self.layer}, {count} images of {self.images}, {length} numbers each"


@renamed_parameters(on_batch=DONE)
def codes(
    model: ImageModel,
    images: ImageSet,
    layer: str | None = None,
    *,
    pool: Pool = "mean",
    batch_size: int = 64,
    state: str | Path | None = None,
    resume: bool = False,
    on_progress: OnProgress | None = None,
) -> Codes:
    """The codes of all images of a set.

    Args:
        model: whose codes.
        images: the set.
        layer: as in `module.named_modules()`; the input of the last linear layer, what scores are
            made from, if left out.
        pool: how a map of the layer becomes a vector: the mean over its places, their maximum, or
            all of them.
        batch_size: how many images go through the network at once.
        state: a file (.npz) in which the codes are kept every half minute, when the work is
            stopped, and whole at its end, so that what comes after it need not do it again.
        resume: go on from that file.
        on_progress: called after every batch; see `rlvis.progress`.

    Raises:
        InputError: if the layer does not exist or has no units, no image could be read, or `state`
            holds other work.
        Stopped: if `on_progress` raised KeyboardInterrupt.
    """
    require_image_model(model)
    check_whole("batch_size", batch_size, 1, MANY)
    if pool not in POOLS:
        raise InputError(f"no way {pool!r} to pool maps; choose {', '.join(POOLS)}")
    named = layer or "input of the last linear layer"
    reading = BatchReader(images, model, batch_size)
    work = ImagePass("codes", reading, state, resume, on_progress, layer=named, pool=pool)
    indices = [work.kept["indices"]] if work.kept else []
    values = [work.kept["values"]] if work.kept else []

    def so_far() -> dict[str, np.ndarray]:
        return {"indices": np.concatenate(indices), "values": np.concatenate(values)}

    found = _before_head(reading) if layer is None else _of_layer(reading, layer, POOLS[pool])
    for batch, part in found:
        indices.append(batch.indices)
        values.append(part.float().cpu().numpy())
        work.after(batch, so_far)
    if not values:
        raise InputError(f"none of the {len(images)} images of {images.name} could be read")
    work.finish(so_far)
    skipped = dict(sorted(reading.skipped.items()))
    return Codes(
        model.name, named, images.name, pool, **so_far(), skipped=skipped, image_set=images
    )


def _of_layer(
    reading: BatchReader, layer: str, pool: Callable[[Tensor], Tensor]
) -> Iterator[tuple[Batch, Tensor]]:
    for observed in unit_activations(reading, [layer]):
        yield observed.batch, pool(observed.activations[layer])


def _before_head(reading: BatchReader) -> Iterator[tuple[Batch, Tensor]]:
    """What the linear layer that makes the scores is given."""
    model, seen = reading.model, list[tuple[Tensor, Tensor]]()

    def keep(_: str, __: nn.Module, inputs: Any, output: Any) -> None:
        if inputs and inputs[0].ndim == 2:
            seen.append((inputs[0], output))

    replica = replicate(model.module)
    linear = {name for name, part in replica.named_modules() if isinstance(part, nn.Linear)}
    watch(replica, keep, linear)
    for batch in reading:
        seen.clear()
        with torch.no_grad():
            scores = model.run(replica, batch.inputs, batch.context)
        made = [given for given, output in seen if output.shape == scores.logits.shape]
        if not made:
            raise InputError(f"{model.name} has no linear layer before its scores; name a layer")
        yield batch, made[-1]
