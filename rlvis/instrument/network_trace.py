"""What is known of a network's layers for images of a size: traced once, and asked where in doubt.

The trace says where cells look by their windows (`cell_places`). Where that is not where the grid,
stretched over the image, would put them, the network is asked which of the two is nearer
(`stripes`): strides and padding on one side alone move the windows of padded networks by up to half
a cell, and training moves back what is seen in them. Where the network says neither, its own answer
counts.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from math import prod
from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from rlvis.errors import InputError
from rlvis.images.places import Places, apart
from rlvis.instrument.asking import Asking
from rlvis.instrument.cell_places import CellMap, LayerRun, trace_layers
from rlvis.instrument.feature_layout import FeatureLayout
from rlvis.models.image_model import ImageModel
from rlvis.models.replica import replicate, settings_of

_SAME = 1 / 8
"""Places that differ by so much of a pitch are the same."""

_MOST_SIZES = 8


class NetworkTrace:
    """The layers of a network, as they run on images of a size.

    Args:
        model: the model; it is left as it is.
        inputs: float (N, C, H, W), of which the first is taken.
        context: of these inputs.

    Attributes:
        runs: by layer, one for each time that it runs.
    """

    def __init__(self, model: ImageModel, inputs: Tensor, context: Mapping[str, Tensor]) -> None:
        traced = trace_layers(model, inputs, context)
        self.runs, self._failure = traced.runs, traced.failure
        self._sequences = traced.sequences
        self._shape = inputs.shape[1:]
        self._context = {name: each[:1].clone() for name, each in context.items()}
        self._cells: dict[tuple[str, int], CellMap | None] = {}

    def cells(self, model: ImageModel, layer: str, run: int = -1) -> CellMap:
        """The map in a layer's output, and where its cells look.

        Args:
            model: that was traced.
            layer: as in `module.named_modules()`.
            run: which of its runs in a pass.

        Raises:
            InputError: if the layer gives no map, or where its cells look cannot be found.
        """
        found = self.runs_of(layer)[run]
        if not found.shape:
            raise InputError(
                f"layer {layer!r} gives {found.kind}, not a map (N, C, h, w); "
                "name a convolution, or a block's normalisation"
            )
        written = "(N" + "".join(f", {each}" for each in found.shape[1:]) + ")"
        if len(found.shape) not in (3, 4) or found.shape[0] != 1:
            raise InputError(
                f"layer {layer!r} gives {written}, not a map (N, C, h, w) or tokens (N, T, C); "
                "name a convolution, or a block's normalisation"
            )
        key = layer, run % len(self.runs[layer])
        if key not in self._cells:
            self._cells[key] = self._located(model, *key)
        cells = self._cells[key]
        if cells is None:
            raise InputError(
                f"layer {layer!r} gives {written}, in which no rows and columns of the image are "
                "found; name another layer, or use saliency"
            )
        return cells

    def runs_of(self, layer: str) -> list[LayerRun]:
        """The runs of a layer, at least one.

        Raises:
            InputError: if it does not run.
        """
        if layer in self.runs:
            return self.runs[layer]
        raise self._failure or InputError(
            f"layer {layer!r} did not run in the forward pass; name another"
        )

    def layout(self, model: ImageModel, layer: str, run: int = -1) -> FeatureLayout:
        """Where a map lies in a layer's output; see `cells`."""
        traced = self.runs_of(layer)[run].cells
        return (traced or self.cells(model, layer, run)).layout

    def is_map(self, layer: str, run: int = -1) -> bool:
        """Whether the trace finds a map of more than one cell in a layer's output."""
        cells = self.runs[layer][run].cells
        return cells is not None and prod(cells.layout.grid) > 1

    def finds_map(self, model: ImageModel, layer: str) -> bool:
        """Whether the network, asked, finds one where the trace does not tell."""
        try:
            return prod(self.cells(model, layer).layout.grid) > 1
        except InputError:
            return False

    def tokens(self, count: int, share: float) -> CellMap:
        """The map in the tokens that attend to each other.

        Args:
            count: how many tokens.
            share: how far in the pass, 0 to 1: a transformer may run several times.

        Raises:
            InputError: if none does.
        """
        rows = [each for each in self._sequences if each.shape[1] == count]
        cells = [each.cells for each in rows if each.cells and each.cells.layout.tokens]
        if not cells:
            raise InputError(
                f"the {count} tokens of the attention are not one for each place of the image; "
                "use grad-cam, or saliency"
            )
        return cells[int(share * len(cells))]

    def _located(self, model: ImageModel, layer: str, run: int) -> CellMap | None:
        traced = self.runs[layer][run].cells
        if traced is not None:
            even = Places.stretched(traced.layout.grid)
            if apart(traced.places, even) <= _SAME:
                return replace(traced, places=even)
        asking = Asking(model, self._shape, self._context, layer, run)
        if traced is None:
            return asking.find(self.runs[layer][run].shape)
        return replace(traced, places=asking.choose(traced))


_TRACES: WeakKeyDictionary[nn.Module, tuple[list[Any], dict[Any, NetworkTrace]]] = (
    WeakKeyDictionary()
)


def trace_of(
    model: ImageModel,
    inputs: Tensor,
    context: Mapping[str, Tensor],
    replica: nn.Module | None = None,
) -> NetworkTrace:
    """The trace of a model for inputs of a size, made once while its weights stay as they are.

    Args:
        model: the model; it is left as it is.
        inputs: float (N, C, H, W), of which the first is taken.
        context: of these inputs.
        replica: of the model's module as it is now, where there is one.
    """
    settings = [settings_of(replica or replicate(model.module)), _versions(model.module)]
    known = _TRACES.get(model.module)
    if known is None or known[0] != settings:
        known = _TRACES[model.module] = settings, {}
    traces, key = known[1], (tuple(inputs.shape[1:]), inputs.dtype)
    if key not in traces:
        if len(traces) >= _MOST_SIZES:
            traces.pop(next(iter(traces)))
        traces[key] = NetworkTrace(model, inputs, context)
    return traces[key]


def _versions(module: nn.Module) -> list[tuple[int, int]]:
    """Where weights lie and how often they were written to."""
    return [
        (each.data_ptr(), each._version) for each in chain(module.parameters(), module.buffers())
    ]
