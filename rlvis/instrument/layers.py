"""Which layer class activation maps are made from where none is named.

It is the last one through which all of the score passes: with it cut, the score depends on the
image no more. What decides are the graph of one pass and the numbers in it, not what modules are
called: gates, branches beside a skip connection and what comes before tokens are merged do not
qualify; nor does what only passes on or pools what an earlier layer computed. Where no layer
qualifies, the last one that the scores depend on is taken, and a `Notice` says so.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from rlvis.errors import InputError, Notice, unknown
from rlvis.instrument.feature_layout import FeatureLayout, dependency_mask
from rlvis.instrument.network_trace import trace_of
from rlvis.instrument.watching import VmappedTensor, watch
from rlvis.models.autograd_graph import Edge, edge_of, edges_behind
from rlvis.models.image_model import ImageModel
from rlvis.models.replica import is_scripted, replicate
from rlvis.models.targets import Target

WHOLE = "all of the score passes through it"
_NO_MAP = "no map of more than one place"


@dataclass(frozen=True)
class LayerReason:
    """What speaks for or against a layer.

    Attributes:
        name: as in `module.named_modules()`.
        reason: why it is taken or not.
        qualifies: whether all of the score passes through a map that it computes.
        read: whether the scores depend on its map at all.
    """

    name: str
    reason: str
    qualifies: bool = False
    read: bool = False


@dataclass
class _Layer:
    """What one pass shows of a layer.

    Attributes:
        edges: where the graph has its outputs.
        passive: why its output is no map of its own, "" if it is one.
    """

    edges: list[Edge] = field(default_factory=list)
    passive: str = ""


class LayerSearch:
    """The layers of a model in the light of one pass on one image.

    Args:
        model: the model; it is left as it is.
        inputs: float (N, C, H, W), of which the first is taken.
        context: of these inputs.
        targets: what is explained; the scores if there are none.

    Raises:
        InputError: if no gradient passes from the scores to the image.
    """

    def __init__(
        self,
        model: ImageModel,
        inputs: Tensor,
        context: Mapping[str, Tensor],
        targets: Sequence[Target],
    ) -> None:
        self._model = model
        self._trace = trace_of(model, inputs, context)
        self._inputs = inputs[:1]
        self._context = {name: each[:1] for name, each in context.items()}
        self._targets = targets
        self._layers: dict[str, _Layer] = {}
        self._passive: dict[Edge, str] = {}
        self._values: tuple[dict[str, list[Tensor]], list[Tensor]] | None = None
        with torch.autograd.graph.saved_tensors_hooks(_forget, _forget):  # a graph without values
            self._image, self._columns = self._run(self._visit)
        if not all(each.requires_grad for each in self._columns):
            raise InputError(
                f"no gradient passes from the scores of {model.name} to its image, as where its "
                "forward uses detach; leave that out, or use occlusion or rise"
            )
        self._behind = set.intersection(*(edges_behind(each) for each in self._columns))

    def reasons(self) -> Iterator[LayerReason]:
        """What speaks for or against each layer, the last first."""
        for name in reversed(self._layers):
            yield self._reason(name)

    def choose(self) -> tuple[str, bool]:
        """The layer to take, and whether all of the score passes through it.

        Raises:
            InputError: if the scores depend on no map.
        """
        nearest = None
        for each in self.reasons():
            if each.qualifies:
                return each.name, True
            nearest = nearest or (each.name if each.read else None)
        if nearest is not None:
            return nearest, False
        within = ""
        if is_scripted(self._model.module):
            within = " that can be seen, for it is scripted"
        elif any(
            run.kind == VmappedTensor.__name__ for runs in self._trace.runs.values() for run in runs
        ):
            within = " that can be seen, for its layers run within torch.func.vmap"
        raise InputError(
            f"{self._model.name} has no spatial layer{within}; class activation maps need a layer "
            "whose cells look at places of the image; use saliency or occlusion"
        )

    def _reason(self, name: str) -> LayerReason:
        layer, runs = self._layers[name], range(len(self._trace.runs[name]))
        if not self._behind.intersection(layer.edges):
            return LayerReason(name, "the scores do not depend on it")
        traced = any(self._trace.is_map(name, run) for run in runs)
        if not traced and len(self._trace.runs[name][-1].shape) != 4:
            return LayerReason(name, _NO_MAP)
        if layer.passive:
            return LayerReason(name, layer.passive)
        if not self._is_read(name):
            return LayerReason(name, "the scores depend on its class token alone")
        if self._passes_beside(layer.edges):
            return LayerReason(name, "part of the score passes beside it", read=traced)
        if not traced and not self._trace.finds_map(self._model, name):
            return LayerReason(name, _NO_MAP)
        return LayerReason(name, WHOLE, True, True)

    def _run(self, visit: Any) -> tuple[Tensor, list[Tensor]]:
        """One pass: the image, and what is explained of it."""
        replica = replicate(self._model.module)
        format_ = self._model.memory_format(replica, self._inputs, self._context)
        image = self._inputs.detach().clone(memory_format=format_).requires_grad_(True)
        hooks = watch(replica, visit, {name for name, _ in replica.named_modules() if name})
        with torch.enable_grad():
            scores = self._model.run(replica, image, self._context)
            any_taken = replace(scores, taken=scores.logits.detach().argmax(dim=1))
            columns = [target(any_taken) for target in self._targets]
            columns = [each for each in columns if each.requires_grad] or [scores.logits]
        for hook in hooks:
            hook.remove()
        return image, columns

    def _visit(self, name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        if not isinstance(output, Tensor):
            return
        layer = self._layers.pop(name, None) or _Layer()
        self._layers[name] = layer  # in the order of the last runs
        layer.edges.append(edge_of(output))
        given = inputs[0] if inputs else None
        if isinstance(given, Tensor):
            own = _passive(module, given, output)
            layer.passive = own or self._passive.get(edge_of(output), "")
            self._passive.setdefault(edge_of(output), own)

    def _passes_beside(self, edges: Sequence[Edge]) -> bool:
        """Whether the image reaches what is explained without passing a layer."""
        return any(
            getattr(node, "variable", None) is self._image
            for node, _ in edges_behind(*self._columns, without=edges)
        )

    def _again(self) -> tuple[dict[str, list[Tensor]], list[Tensor]]:
        """The outputs of layers, and what is explained, with a graph of values."""
        if self._values is None:
            outputs: dict[str, list[Tensor]] = {}

            def keep(name: str, _: Any, __: Any, output: Any) -> None:
                if isinstance(output, Tensor):
                    outputs.setdefault(name, []).append(output)

            self._values = outputs, self._run(keep)[1]
        return self._values

    def _maps(self, name: str) -> list[tuple[Tensor, FeatureLayout]]:
        """A layer's outputs that are maps, and where these lie."""
        runs = zip(self._again()[0][name], self._trace.runs[name], strict=True)
        return [(output, run.cells.layout) for output, run in runs if run.cells is not None]

    def _is_read(self, name: str) -> bool:
        """Whether all that is explained depends on the map in a layer's tokens."""
        runs = self._trace.runs[name]
        if not any(run.cells is not None and run.cells.layout.prefix for run in runs):
            return True
        return any(
            all(bool(layout.map(dependency_mask(each, output)).any()) for each in self._again()[1])
            for output, layout in self._maps(name)
        )


def _passive(module: nn.Module, given: Tensor, output: Tensor) -> str:
    """Why a module's output is no map of its own, "" if it is one."""
    learned = next(module.parameters(), None) is not None
    same = output.numel() == given.numel() and torch.equal(output.flatten(), given.flatten())
    in_place = output.data_ptr() == given.data_ptr()
    if same and (in_place or (not learned and _copies(module, given))):
        return "passes on what it is given"
    maps = given.ndim == output.ndim == 4 and output.shape[1] == given.shape[1]
    if not learned and maps and output.numel() < given.numel():
        return "pools what an earlier layer computes"
    return ""


def _copies(module: nn.Module, given: Tensor) -> bool:
    """Whether a module without parts copies whatever it is given, as a pool to the same size."""
    if next(module.children(), None) is not None:
        return False
    with torch.no_grad():
        noise = torch.linspace(-1, 1, given.numel()).to(given).reshape(given.shape)
        return torch.equal(module.forward(noise), noise)


def _forget(_: Any) -> Any:
    return None


def last_spatial_layer(
    model: ImageModel,
    inputs: Tensor,
    context: Mapping[str, Tensor],
    targets: Sequence[Target] = (),
) -> str:
    """The name of the last layer through whose map all of the score passes.

    Targets that no layer has in common, as those of networks of an actor and a critic, are
    explained by the layer of the scores.

    Raises:
        InputError: if there is none, as in a network without places.
    """
    search = LayerSearch(model, inputs, context, targets)
    try:
        name, whole = search.choose()
    except InputError:
        if not targets:
            raise
        name, whole = LayerSearch(model, inputs, context, ()).choose()
    if not whole:
        warnings.warn(
            f"all of the score of {model.name} passes through no layer with a map; {name!r} is "
            "taken, whose maps show the part that passes there (`rlvis layers` shows the others)",
            Notice,
            stacklevel=2,
        )
    return name


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
