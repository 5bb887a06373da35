"""The layers of a model: their shapes, and which of them class activation maps can be made from."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rlvis.attribution.explainer import Explainer
from rlvis.errors import InputError
from rlvis.images.loading import Images
from rlvis.instrument.feature_layout import LayoutProbe
from rlvis.instrument.layers import resolve_layer
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
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    grid: tuple[int, int] | None
    usual: bool = False
    exact: bool = False


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
    probe = LayoutProbe(replica, inputs)
    watch(replica, visit)
    with torch.no_grad():
        model.run(replica, inputs, context)
    usual = None
    with suppress(InputError):
        usual = resolve_layer(model, inputs, None, context)
    grids = {
        name: _grid(probe, name, output, inputs.shape[-2:]) for name, (_, output) in outputs.items()
    }
    return [
        LayerInfo(
            name,
            type(module).__name__,
            tuple(output.shape) if isinstance(output, Tensor) else (),
            sum(each.numel() for each in module.parameters()),
            grids[name],
            usual=name == usual,
            exact=grids[name] is not None
            and grids[name] == grids.get(usual or "")
            and _is_exact(model, inputs, context, name),
        )
        for name, (module, output) in outputs.items()
        if name
    ]


def _noise(model: ImageModel) -> Tensor:
    try:
        shape = input_shape(model)
    except InputError:
        shape = input_shape(model, _USUAL_SIZE)
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (1, *shape), dtype=torch.uint8, generator=generator)


def _grid(
    probe: LayoutProbe, name: str, output: Any, image: Sequence[int]
) -> tuple[int, int] | None:
    """(h, w) of the map in an output, if there is one.

    A map has more than one place and the image's proportions: other tensors of four axes, such as
    the heads of attention, are none.
    """
    with suppress(InputError):
        rows, columns = probe.layout(name, output).grid
        height, width = image
        alike = abs(rows * width - columns * height) <= max(height, width)
        return (rows, columns) if rows * columns > 1 and alike else None
    return None


def _is_exact(model: ImageModel, inputs: Tensor, context: dict[str, Tensor], layer: str) -> bool:
    try:
        explainer = Explainer.of(model, ["cam"], 0, layer=layer)
        next(explainer.explain([explainer.prepare(inputs)], context))
    except InputError:
        return False
    return True
