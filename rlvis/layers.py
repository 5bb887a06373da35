"""Layer names: finding the last spatial one, and naming the closest where one does not exist."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from rlvis.dependence import depends, edges_behind
from rlvis.errors import InputError, unknown
from rlvis.model import ImageModel
from rlvis.replica import replicate
from rlvis.targets import Target
from rlvis.tokens import Layout, Surroundings, reach

_PASSIVE = (nn.Dropout, nn.Dropout2d, nn.Flatten, nn.Identity, nn.Softmax)


def is_pooling(module: nn.Module) -> bool:
    """Whether a module only pools its input."""
    return "Pool" in type(module).__name__


def watch(
    module: nn.Module,
    visit: Callable[[str, nn.Module, Any, Any], Any],
    names: set[str] | None = None,
) -> None:
    """Call `visit(name, module, inputs, output)` whenever a named submodule has run.

    A submodule with several names is visited under each that is asked for, else under its first.
    """
    for name, submodule in module.named_modules(remove_duplicate=names is None):
        if names is None or name in names:
            submodule.register_forward_hook(
                lambda this, inputs, output, name=name: visit(name, this, inputs, output)
            )


def last_spatial_layer(
    model: ImageModel,
    inputs: Tensor,
    context: Mapping[str, Tensor],
    targets: Sequence[Target] = (),
) -> str:
    """The name of the last layer that computes a map with more than one place.

    Found by one forward pass. Pooling, dropout and the like are passed over, so that the map is
    the finest one that the classifier's head is built on. Only maps count that all targets, or else
    the scores, depend on. Of tokens these must be the image's places: behind the last attention of
    a transformer that is read through its class token they are not, so that its layer is the last
    block's first normalisation.

    Raises:
        InputError: if there is none, as in a network without convolutions.
    """
    replica = replicate(model.module)
    image = inputs[:1].detach().clone().requires_grad_(True)
    surroundings = Surroundings(replica, image)
    found: list[tuple[str, Tensor]] = []
    passive: set[int] = set()

    def visit(name: str, module: nn.Module, _: Any, output: Any) -> None:
        if not isinstance(output, Tensor) or output.ndim not in (3, 4):
            return
        kept.append(output)
        per_token = isinstance(module, nn.Linear) and output.ndim == 3
        padding = "Pad" in type(module).__name__
        if is_pooling(module) or padding or isinstance(module, _PASSIVE) or per_token:
            passive.add(id(output))
        elif name and id(output) not in passive:
            found.append((name, output))

    kept: list[Tensor] = []
    watch(replica, visit)
    with torch.enable_grad():
        first = {name: entry[:1] for name, entry in context.items()}
        scores = model.run(replica, image, first)
        columns = [target(scores) for target in targets]
    for read in (columns, [scores.logits]):
        behind = [edges_behind(each) for each in read]
        for name, output in reversed(found):
            if read and all(depends(each, output) for each in behind):
                with suppress(InputError):
                    layout = surroundings.layout(name, output)
                    if prod(layout.grid) > 1 and _is_read(read, output, layout):
                        return name
    raise InputError(
        f"{model.name} has no spatial layer; class activation maps need a CNN or a transformer "
        "whose patches a convolution makes"
    )


def _is_read(read: Sequence[Tensor], output: Tensor, layout: Layout) -> bool:
    """Whether all that is read depends on the map in a layer's tokens."""
    return not layout.tokens or all(bool(layout.map(reach(each, output)).any()) for each in read)


def resolve_layer(
    model: ImageModel,
    inputs: Tensor,
    layer: str | None,
    context: Mapping[str, Tensor] | None = None,
    targets: Sequence[Target] = (),
) -> str:
    """The layer asked for, else the model's own, else the last spatial one that targets depend on.

    It is found anew each time: which one it is may depend on the size of the images.

    Raises:
        InputError: if there is no layer of that name; the closest ones are offered.
    """
    layer = layer if layer is not None else model.layer
    if layer is None:
        return last_spatial_layer(model, inputs, context or {}, targets)
    try:
        model.module.get_submodule(layer or " ")
    except AttributeError:
        names = [name for name, _ in model.module.named_modules() if name]
        raise unknown("layer", layer, names) from None
    return layer
