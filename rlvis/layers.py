"""Layer names: finding the last spatial one, and naming the closest where one does not exist."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from rlvis.errors import InputError, unknown
from rlvis.model import ImageModel
from rlvis.replica import replicate

_PASSIVE = (nn.Dropout, nn.Dropout2d, nn.Flatten, nn.Identity)


def is_pooling(module: nn.Module) -> bool:
    """Whether a module only pools its input."""
    return "Pool" in type(module).__name__


def watch(
    module: nn.Module,
    visit: Callable[[str, nn.Module, Any, Any], Any],
    names: set[str] | None = None,
) -> None:
    """Call `visit(name, module, inputs, output)` whenever a named submodule has run."""
    for name, submodule in module.named_modules():
        if names is None or name in names:
            submodule.register_forward_hook(
                lambda this, inputs, output, name=name: visit(name, this, inputs, output)
            )


def last_spatial_layer(model: ImageModel, inputs: Tensor) -> str:
    """The name of the last layer that computes a map (N, C, h, w) with more than one place.

    Found by one forward pass. Pooling, dropout and the like are passed over, so that the map is
    the finest one that the classifier's head is built on.

    Raises:
        InputError: if there is none, as in a network without convolutions.
    """
    replica = replicate(model.module)
    found: list[str] = []
    passive: set[int] = set()

    def visit(name: str, module: nn.Module, _: Any, output: Any) -> None:
        if not isinstance(output, Tensor) or output.ndim != 4 or output[0, 0].numel() <= 1:
            return
        if is_pooling(module) or isinstance(module, _PASSIVE):
            passive.add(id(output))
        elif name and id(output) not in passive:
            found.append(name)
        kept.append(output)

    kept: list[Tensor] = []
    watch(replica, visit)
    with torch.no_grad():
        replica(inputs[:1])
    if not found:
        raise InputError(f"{model.name} has no spatial layer; class activation maps need a CNN")
    return found[-1]


def resolve_layer(model: ImageModel, inputs: Tensor, layer: str | None) -> str:
    """The layer asked for, else the model's own, else the last spatial one.

    Raises:
        InputError: if there is no layer of that name; the closest ones are offered.
    """
    layer = layer if layer is not None else model.layer
    if layer is None:
        model.layer = last_spatial_layer(model, inputs)
        return model.layer
    try:
        model.module.get_submodule(layer or " ")
    except AttributeError:
        names = [name for name, _ in model.module.named_modules() if name]
        raise unknown("layer", layer, names) from None
    return layer
