"""What the units of several layers do on a whole image set: one pass, a batch at a time.

A unit is a channel of a map, or an entry of a vector.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rlvis.errors import InputError, unknown
from rlvis.features.image_set import Batch, Reading
from rlvis.layers import watch
from rlvis.model import ImageModel, Scores
from rlvis.replica import replicate


@dataclass(frozen=True)
class Observed:
    """A batch and what the network made of it.

    Attributes:
        batch: the images.
        scores: the network's.
        activations: by layer, float (n, units, h, w); of vectors (n, units, 1, 1).
    """

    batch: Batch
    scores: Scores
    activations: dict[str, Tensor]


def observe(reading: Reading, layers: Sequence[str]) -> Iterator[Observed]:
    """The activations of layers for one batch after the other, without gradient.

    Raises:
        InputError: if a layer does not exist or has no units.
    """
    model = reading.model
    check_layers(model, layers)
    seen: dict[str, Tensor] = {}

    def keep(name: str, _: nn.Module, __: Any, output: Any) -> None:
        seen[name] = as_units(name, output)

    replica = replicate(model.module)
    watch(replica, keep, set(layers))
    for batch in reading:
        with torch.no_grad():
            scores = model.run(replica, batch.inputs, batch.context)
        missing = [name for name in layers if name not in seen]
        if missing:
            raise InputError(f"layer {missing[0]!r} did not run in the forward pass; name another")
        yield Observed(batch, scores, dict(seen))


def check_layers(model: ImageModel, layers: Sequence[str]) -> None:
    """Whether layers exist.

    Raises:
        InputError: if not; the closest names are offered.
    """
    names = [name for name, _ in model.module.named_modules() if name]
    for layer in layers:
        if layer not in names:
            raise unknown("layer", layer, names)


def as_units(layer: str, output: Any) -> Tensor:
    """A layer's output as maps of its units, (n, units, h, w); a copy, should it change in place.

    Raises:
        InputError: if it has no units.
    """
    return units_of(layer, output).clone()


def units_of(layer: str, output: Any) -> Tensor:
    """The same, sharing the output's memory.

    Raises:
        InputError: if it has no units.
    """
    if isinstance(output, Tensor) and output.ndim in (2, 4) and output.is_floating_point():
        maps = output if output.ndim == 4 else output[..., None, None]
        return maps.detach()
    shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
    raise InputError(
        f"layer {layer!r} gives {shape}, no units; name one that gives (N, C, h, w) or (N, C)"
    )
