"""The layers of a model: their shapes, and which of them class activation maps can be made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rlvis.attribution.explainer import Explainer
from rlvis.attribution.pooled_head import evenly_read
from rlvis.errors import InputError
from rlvis.images.loading import Images
from rlvis.instrument.layers import WHOLE, LayerSearch
from rlvis.instrument.network_trace import NetworkTrace, trace_of
from rlvis.instrument.watching import watch
from rlvis.models.image_model import ImageModel, require_image_model
from rlvis.models.pixels import input_shape
from rlvis.models.replica import replicate

_USUAL_SIZE = 224, 224


@dataclass(frozen=True)
class LayerInfo:
    """A layer of a network.

    Attributes:
        name: as in `module.named_modules()`.
        kind: the name of its class.
        shape: of its output for one image, () where that is no tensor; of its last run where it
            runs several times.
        parameters: how many numbers it has learned, those of the layers in it included.
        grid: (h, w) of the map in its output, which the methods that read a layer need; None where
            there is none.
        usual: whether it is taken where none is named.
        exact: whether `cam` can read it, which needs global pooling and one linear layer behind it.
        reason: what speaks for or against it where none is named; "" of an output that is no
            tensor, or where nothing can be found.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    grid: tuple[int, int] | None
    usual: bool = False
    exact: bool = False
    reason: str = ""


def list_layers(model: ImageModel, image: Images | None = None) -> list[LayerInfo]:
    """The layers that run for an image, in the order in which they have run.

    Args:
        model: what is looked into; nothing on it changes.
        image: an image; noise of the size that the model takes (224×224 where it takes any) if
            left out.

    Raises:
        InputError: if the network does not take the image.
    """
    require_image_model(model)
    inputs = model.inputs(_noise(model) if image is None else image)[:1]
    context = model.context_of(
        1, {name: torch.ones(1, *each) for name, each in model.context.items()}
    )
    outputs: dict[str, tuple[nn.Module, Any]] = {}

    def visit(name: str, module: nn.Module, _: Any, output: Any) -> None:
        outputs.pop(name, None)
        outputs[name] = module, output

    replica = replicate(model.module)
    watch(replica, visit)
    with torch.no_grad():
        model.run(replica, inputs, context)
    trace = trace_of(model, inputs, context)
    usual, reasons = _usual(model, inputs, context)
    even = evenly_read(model, inputs, context, trace)
    grids = {name: _grid(model, trace, name, reasons.get(name, "")) for name in outputs if name}
    return [
        LayerInfo(
            name,
            type(module).__name__,
            tuple(output.shape) if isinstance(output, Tensor) else (),
            sum(each.numel() for each in module.parameters()),
            grids[name],
            usual=name == usual,
            exact=grids[name] is not None
            and even.get(name, False)
            and grids[name] == grids.get(usual or "")
            and _is_exact(model, inputs, context, name),
            reason=reasons.get(name, ""),
        )
        for name, (module, output) in outputs.items()
        if name
    ]


def _usual(
    model: ImageModel, inputs: Tensor, context: Mapping[str, Tensor]
) -> tuple[str | None, dict[str, str]]:
    """The layer that is taken where none is named, and what speaks for or against each."""
    try:
        search = LayerSearch(model, inputs, context, ())
        reasons = {each.name: each.reason for each in search.reasons()}
        return model.layer or search.choose()[0], reasons
    except InputError:
        return model.layer, {}


def _noise(model: ImageModel) -> Tensor:
    try:
        shape = input_shape(model)
    except InputError:
        shape = input_shape(model, _USUAL_SIZE)
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (1, *shape), dtype=torch.uint8, generator=generator)


def _grid(model: ImageModel, trace: NetworkTrace, name: str, reason: str) -> tuple[int, int] | None:
    """(h, w) of the map in a layer's output, if there is one of more than one place."""
    traced = trace.runs[name][-1].cells
    if trace.is_map(name) and traced is not None:
        return traced.layout.grid
    return trace.cells(model, name).layout.grid if reason == WHOLE else None


def _is_exact(model: ImageModel, inputs: Tensor, context: dict[str, Tensor], layer: str) -> bool:
    try:
        explainer = Explainer.of(model, ["cam"], 0, layer=layer)
        next(explainer.explain([explainer.prepare(inputs)], context))
    except InputError:
        return False
    return True
