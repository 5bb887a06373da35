"""Layer names: finding the last spatial one, and naming the closest where one does not exist."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from rlvis.errors import InputError, unknown
from rlvis.instrument.autograd_graph import Edge, edge_of, edges_behind
from rlvis.instrument.feature_layout import FeatureLayout, LayoutProbe, dependency_mask
from rlvis.instrument.token_order import in_order
from rlvis.models.image_model import ImageModel
from rlvis.models.replica import is_scripted, replicate
from rlvis.models.targets import Target

_PASSIVE = (nn.Dropout, nn.Dropout2d, nn.Flatten, nn.Identity, nn.Softmax)


def is_pooling(module: nn.Module) -> bool:
    """Whether a module only pools its input."""
    return "Pool" in type(module).__name__


def watch(
    module: nn.Module,
    visit: Callable[[str, nn.Module, Any, Any], Any],
    names: set[str] | None = None,
) -> list[RemovableHandle]:
    """Call `visit(name, module, inputs, output)` whenever a named submodule has run.

    A submodule with several names is visited under each that is asked for, else under its first.

    Returns:
        The hooks that do it.
    """
    return [
        submodule.register_forward_hook(
            lambda this, inputs, output, name=name: visit(name, this, inputs, output)
        )
        for name, submodule in module.named_modules(remove_duplicate=names is None)
        if names is None or name in names
    ]


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
    memory_format = model.memory_format(replicate(model.module), inputs, context)
    image = inputs[:1].detach().clone(memory_format=memory_format).requires_grad_(True)

    def run(visit: Callable[[str, nn.Module, Any, Any], Any]) -> tuple[LayoutProbe, list]:
        replica = replicate(model.module)
        surroundings = LayoutProbe(replica, image)
        watch(replica, visit)
        with torch.enable_grad():
            scores = model.run(replica, image, {key: each[:1] for key, each in context.items()})
            any_taken = replace(scores, taken=scores.logits.detach().argmax(dim=1))
            return surroundings, [[target(any_taken) for target in targets], [scores.logits]]

    found = _Found()
    with torch.autograd.graph.saved_tensors_hooks(_forget, _forget):
        surroundings, to_read = run(found.visit)  # a graph without values
    tokens: dict[str, Tensor] = {}
    for place, read in enumerate(to_read):
        for name, shape in found.behind(read) if read else ():
            with suppress(InputError):
                layout = surroundings.layout_of(name, shape)
                if prod(layout.grid) == 1:
                    continue
                if layout.tokens and not tokens:
                    _, again = run(lambda name, _, __, output: tokens.update({name: output}))
                if not layout.tokens:
                    return name
                placed = in_order(model, inputs, context, name, layout)
                if _is_read(again[place], tokens[name], placed):
                    return name
    if not all(each.requires_grad for each in to_read[-1]):
        raise InputError(
            f"no gradient passes from the scores of {model.name} to its image, as where its "
            "forward uses detach; leave that out, or use occlusion or rise"
        )
    raise InputError(
        f"{model.name} has no spatial layer"
        + (" that can be seen, for it is scripted" if is_scripted(model.module) else "")
        + "; class activation maps need a CNN or a transformer whose patches a convolution makes; "
        "use saliency or occlusion"
    )


def _forget(_: Any) -> Any:
    return None


class _Found:
    """The layers of one pass that compute a map or tokens, in their order."""

    def __init__(self) -> None:
        self._layers: list[tuple[str, torch.Size, Edge]] = []
        self._passed: Tensor | None = None

    def visit(self, name: str, module: nn.Module, _: Any, output: Any) -> None:
        if not isinstance(output, Tensor) or output.ndim not in (3, 4):
            return
        passive = isinstance(module, _PASSIVE) or any(
            each in type(module).__name__ for each in ("Pool", "Pad")
        )
        if passive or (isinstance(module, nn.Linear) and output.ndim == 3):
            self._passed = output
        elif name and output is not self._passed:
            self._layers.append((name, output.shape, edge_of(output)))

    def behind(self, read: Sequence[Tensor]) -> Iterator[tuple[str, torch.Size]]:
        """Name and shape of those that all that is read depends on, the last first."""
        edges = set.intersection(*map(edges_behind, read))
        for name, shape, edge in reversed(self._layers):
            if edge in edges:
                yield name, shape


def _is_read(read: Sequence[Tensor], output: Tensor, layout: FeatureLayout) -> bool:
    """Whether all that is read depends on the map in a layer's tokens."""
    return all(bool(layout.map(dependency_mask(each, output)).any()) for each in read)


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
