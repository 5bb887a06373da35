"""What a layer makes of each image of a set: one vector, its code."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from rlvis.errors import InputError
from rlvis.features.activations.units import unit_activations
from rlvis.features.image_sets.checkpoint import describe, load_state, save_state, stopped
from rlvis.features.image_sets.image_set import BatchReader, ImageSet
from rlvis.files import save_arrays
from rlvis.instrument.layers import watch
from rlvis.interrupt import Stopped, interruptible
from rlvis.models.image_model import ImageModel
from rlvis.models.replica import replicate
from rlvis.options import MANY, check_whole

Pool = Literal["mean", "max", "flatten"]
POOLS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda maps: maps.mean(dim=(-2, -1)),
    "max": lambda maps: maps.amax(dim=(-2, -1)),
    "flatten": lambda maps: maps.flatten(1),
}


@dataclass(frozen=True)
class Codes:
    """The codes of images.

    Attributes:
        model, layer, images: names of what they are of.
        pool: how maps became vectors.
        indices: int64 (N,), of the images in their set.
        values: float32 (N, F).
        skipped: errors of the images that could not be read, by number.
    """

    model: str
    layer: str
    images: str
    pool: str
    indices: np.ndarray = field(repr=False)
    values: np.ndarray = field(repr=False)
    skipped: dict[int, str] = field(default_factory=dict, repr=False)

    def save(self, path: str | Path) -> Path:
        """Write them (.npz or .safetensors) and return the path."""
        return save_arrays(path, indices=self.indices, values=self.values)


def codes(
    model: ImageModel,
    images: ImageSet,
    layer: str | None = None,
    *,
    pool: Pool = "mean",
    batch_size: int = 64,
    state: str | Path | None = None,
    resume: bool = False,
    on_batch: Callable[[int], None] | None = None,
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
        state: a file (.npz) in which the codes are kept when the work is stopped, and whole at its
            end, so that what comes after it need not do it again.
        resume: go on from that file.
        on_batch: called with the number of images done after every batch.

    Raises:
        InputError: if the layer does not exist or has no units, no image could be read, or `state`
            holds other work.
        Stopped: after Ctrl-C, at the end of a batch.
    """
    check_whole("batch_size", batch_size, 1, MANY)
    if pool not in POOLS:
        raise InputError(f"no way {pool!r} to pool maps; choose {', '.join(POOLS)}")
    if resume and state is None:
        raise InputError("to resume, name the file in which the unfinished work is")
    path, named = Path(state) if state else None, layer or "input of the last linear layer"
    work = describe(model, images, layer=named, pool=pool, batch_size=batch_size) if path else {}
    reading = BatchReader(images, model, batch_size)
    indices, values = list[np.ndarray](), list[np.ndarray]()
    if resume and path is not None:
        reading.start, skipped, arrays = load_state(path, work)
        reading.skipped.update(skipped)
        indices.append(arrays["indices"])
        values.append(arrays["values"])

    def keep(done: int) -> None:
        if path is not None:
            arrays = {"indices": np.concatenate(indices), "values": np.concatenate(values)}
            save_state(path, work, done, reading.skipped, arrays)

    found = _before_head(reading) if layer is None else _of_layer(reading, layer, POOLS[pool])
    with interruptible() as asked_to_stop:
        for numbers, part in found:
            indices.append(numbers)
            values.append(part.float().cpu().numpy())
            done = reading.following(numbers)
            if on_batch:
                on_batch(done)
            if asked_to_stop() and done < len(images):
                keep(done)
                raise Stopped(stopped(done, len(images), "images", path))
    if not values:
        raise InputError(f"none of the {len(images)} images of {images.name} could be read")
    keep(len(images))
    return Codes(
        model.name,
        named,
        images.name,
        pool,
        np.concatenate(indices),
        np.concatenate(values),
        dict(sorted(reading.skipped.items())),
    )


def _of_layer(
    reading: BatchReader, layer: str, pool: Callable[[Tensor], Tensor]
) -> Iterator[tuple[np.ndarray, Tensor]]:
    for observed in unit_activations(reading, [layer]):
        yield observed.batch.indices, pool(observed.activations[layer])


def _before_head(reading: BatchReader) -> Iterator[tuple[np.ndarray, Tensor]]:
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
        yield batch.indices, made[-1]
