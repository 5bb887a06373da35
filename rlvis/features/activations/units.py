"""What the units of layers do: maps of units out of a layer's output, and those of an image set.

A unit is a channel of a map, wherever the layer keeps its channels (see
`rlvis.instrument.feature_layout`), or an entry of a vector.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from rlvis.errors import InputError, unknown
from rlvis.features.image_sets.batches import Batch, BatchReader
from rlvis.images.loading import Images
from rlvis.images.places import Places
from rlvis.instrument.feature_layout import FeatureLayout
from rlvis.instrument.network_trace import NetworkTrace, trace_of
from rlvis.instrument.watching import watch
from rlvis.models.image_model import ImageModel
from rlvis.models.replica import replicate
from rlvis.models.scores import Scores

Of = TypeVar("Of")


@dataclass(frozen=True)
class UnitActivations:
    """A batch and what the network made of it.

    Attributes:
        batch: the images.
        scores: the network's.
        activations: by layer, float (n, units, h, w); of vectors (n, units, 1, 1).
    """

    batch: Batch
    scores: Scores
    activations: dict[str, Tensor]


class UnitReader:
    """Layers' outputs as maps of their units.

    Args:
        model: whose layers they are.
        trace: of the model for images like these.
        layers: as in `module.named_modules()`.

    Attributes:
        counts: how many units each layer has.

    Raises:
        InputError: if a layer does not exist, did not run or has no units.
    """

    def __init__(self, model: ImageModel, trace: NetworkTrace, layers: Sequence[str]) -> None:
        check_layers(model, layers)
        shapes = {name: trace.runs_of(name)[-1].shape for name in layers}
        self._layouts: dict[str, FeatureLayout | None] = {
            name: None if len(shape) == 2 else _layout(model, trace, name, shape)
            for name, shape in shapes.items()
        }
        self.counts = {
            name: self(name, torch.empty(shape)).shape[1] for name, shape in shapes.items()
        }

    @classmethod
    def of(
        cls,
        model: ImageModel,
        inputs: Tensor,
        layers: Sequence[str],
        context: Mapping[str, Tensor] | None = None,
    ) -> "UnitReader":
        """Those of a model's layers for inputs like these.

        Args:
            model: the model; it is left as it is.
            inputs: float (N, C, H, W), of which the first is taken.
            layers: as in `module.named_modules()`.
            context: of these inputs; see `ImageModel.context_of`.

        Raises:
            InputError: if a layer does not exist, did not run or has no units.
        """
        check_layers(model, layers)
        return cls(model, trace_of(model, inputs, context or {}), layers)

    def __call__(self, layer: str, output: Tensor) -> Tensor:
        """A layer's output, or a gradient at it, as maps (n, units, h, w) that share its memory."""
        layout = self._layouts[layer]
        return output[..., None, None] if layout is None else layout.map(output)

    def layout(self, layer: str) -> FeatureLayout | None:
        """Where a layer keeps its map; None where it gives a vector."""
        return self._layouts[layer]


def _layout(
    model: ImageModel, trace: NetworkTrace, layer: str, shape: Sequence[int]
) -> FeatureLayout:
    """Where a layer keeps its map; its units come first where no axis looks at places."""
    try:
        return trace.layout(model, layer)
    except InputError:
        if len(shape) != 4:
            raise
        return FeatureLayout((shape[2], shape[3]))


def unit_activations(reading: BatchReader, layers: Sequence[str]) -> Iterator[UnitActivations]:
    """The activations of layers for one batch after the other, without gradient.

    Raises:
        InputError: if a layer does not exist, does not run or has no units.
    """
    model = reading.model
    check_layers(model, layers)
    seen: dict[str, Tensor] = {}
    units: UnitReader | None = None

    def keep(name: str, _: nn.Module, __: Any, output: Any) -> None:
        assert units is not None
        seen[name] = units(name, output).clone()  # what follows may change it in place

    replica = replicate(model.module)
    watch(replica, keep, set(layers))
    for batch in reading:
        units = units or UnitReader.of(model, batch.inputs, layers, batch.context)
        with torch.no_grad():
            scores = model.run(replica, batch.inputs, batch.context)
        yield UnitActivations(batch, scores, dict(seen))


def activations_of(
    model: ImageModel, image: Images, layer: str, context: Mapping[str, Any] | None = None
) -> Tensor:
    """The maps (units, h, w) of a layer for one image, without gradient.

    Raises:
        InputError: if the layer does not exist, did not run or has no units.
    """
    return located_activations(model, image, layer, context)[0]


def located_activations(
    model: ImageModel, image: Images, layer: str, context: Mapping[str, Any] | None = None
) -> tuple[Tensor, Places | None]:
    """The same, and where in the network's input their cells look, None where that is unknown.

    Raises:
        InputError: see `activations_of`.
    """
    inputs = model.inputs(image)[:1]
    known = model.context_of(1, context)
    units = UnitReader.of(model, inputs, [layer], known)
    kept: list[Tensor] = []
    replica = replicate(model.module)
    watch(replica, lambda name, _, __, output: kept.append(units(name, output).clone()), {layer})
    with torch.no_grad():
        model.run(replica, inputs, known)
    try:
        return kept[-1][0], trace_of(model, inputs, known).cells(model, layer).places
    except InputError:
        return kept[-1][0], None


def of_layer(layers: Mapping[str, Of], name: str | None = None) -> Of:
    """What is known of a layer, of the last one if left out.

    Raises:
        InputError: if nothing is.
    """
    name = list(layers)[-1] if name is None else name
    if name not in layers:
        raise unknown("layer", name, layers)
    return layers[name]


def check_layers(model: ImageModel, layers: Sequence[str]) -> None:
    """Whether layers exist.

    Raises:
        InputError: if not; the closest names are offered.
    """
    names = [name for name, _ in model.module.named_modules() if name]
    for layer in layers:
        if layer not in names:
            raise unknown("layer", layer, names)


def check_unit(layer: str, unit: int, count: int) -> None:
    """Whether a layer of so many units has one of that number.

    Raises:
        InputError: if not.
    """
    if not 0 <= unit < count:
        raise InputError(f"layer {layer} has units 0 to {count - 1}, no {unit}")
