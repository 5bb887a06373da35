"""What a layer makes of each image of a set: one vector, its code."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from rlvis.errors import InputError
from rlvis.features.activations import observe
from rlvis.features.image_set import ImageSet, Reading
from rlvis.files import save_arrays
from rlvis.layers import watch
from rlvis.model import ImageModel
from rlvis.replica import replicate

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
    on_batch: Callable[[], None] | None = None,
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
        on_batch: called after every batch.

    Raises:
        InputError: if the layer does not exist or has no units, or no image could be read.
    """
    if pool not in POOLS:
        raise InputError(f"no way {pool!r} to pool maps; choose {', '.join(POOLS)}")
    reading = Reading(images, model, batch_size)
    found = _before_head(reading) if layer is None else _of_layer(reading, layer, POOLS[pool])
    indices, values = [], []
    for numbers, part in found:
        indices.append(numbers)
        values.append(part.float().cpu().numpy())
        if on_batch:
            on_batch()
    if not values:
        raise InputError(f"none of the {len(images)} images of {images.name} could be read")
    return Codes(
        model.name,
        layer or "input of the last linear layer",
        images.name,
        pool,
        np.concatenate(indices),
        np.concatenate(values),
        reading.skipped,
    )


def _of_layer(
    reading: Reading, layer: str, pool: Callable[[Tensor], Tensor]
) -> Iterator[tuple[np.ndarray, Tensor]]:
    for observed in observe(reading, [layer]):
        yield observed.batch.indices, pool(observed.activations[layer])


def _before_head(reading: Reading) -> Iterator[tuple[np.ndarray, Tensor]]:
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
