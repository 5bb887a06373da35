"""Activations and gradients of one pass, computed once, shared by all methods.

For N images and T targets: one forward pass, and one backward pass per target and rectifier rule,
however many methods read from it. Methods only combine what is here.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from rlvis.attribution.caveats import caveat
from rlvis.attribution.changed_images import (
    Answers,
    ChangedImages,
    check_differentiable,
    differentiable_replica,
    independent,
)
from rlvis.attribution.layer_runs import LayerRuns
from rlvis.attribution.pooled_head import (
    LinearRun,
    head_matrix,
    is_pooled_linearly,
    pooled_layer,
    score_jacobian,
)
from rlvis.attribution.remembered import Remembered
from rlvis.errors import InputError, Notice
from rlvis.images.places import Places
from rlvis.instrument.attention_maps import Attentions, by_head
from rlvis.instrument.feature_layout import dependency_mask
from rlvis.instrument.network_trace import trace_of
from rlvis.instrument.relu_rules import Rectifier
from rlvis.instrument.watching import watch
from rlvis.models.image_model import ImageModel
from rlvis.models.replica import draws_at_random, is_scripted
from rlvis.models.scores import Scores
from rlvis.models.targets import OF_SCORES, Target


@dataclass(frozen=True)
class GradientRequest:
    """A gradient that a method reads: of the targets, at a place in the network, by a rule."""

    at: Literal["layer", "input", "attention"]
    rule: str = "plain"


class Evidence:
    """What one forward pass and its backward passes say about a batch of images.

    A layer may run several times in a pass; see `layer_runs`.

    Args:
        model: the model under inspection; it is left as it is.
        inputs: the network's input, float (N, C, H, W).
        targets: T targets.
        layer: the layer whose activations methods read, or None.
        attention: whether methods read a transformer's attention.
        needs: the gradients methods will ask for, so that one backward pass yields them together.
        context: what the network takes besides, (N, …) each; see `ImageModel.context_of`.
        taken: the action that was taken on each image, int64 (N,), if that is known.
        remembered: what the model has said of images under masks; nothing if left out.

    Raises:
        InputError: if the layer gives no map (see `tokens`), a target does not depend on it, a
            rectifier rule is asked of a network without rectifiers, or attention of one without.
        NonFiniteError: if the network's output is not finite.
    """

    def __init__(
        self,
        model: ImageModel,
        inputs: Tensor,
        targets: Sequence[Target],
        *,
        layer: str | None = None,
        attention: bool = False,
        needs: Iterable[GradientRequest] = (),
        context: Mapping[str, Tensor] | None = None,
        taken: Tensor | None = None,
        remembered: Remembered | None = None,
    ) -> None:
        self.layer = layer
        self._model = model
        self._targets = targets
        self._context = context or {}
        replica, hooks = differentiable_replica(model), list[RemovableHandle]()
        memory_format = model.memory_format(replica, inputs, self._context)
        self.inputs = inputs.detach().clone(memory_format=memory_format)
        self._remembered = Remembered() if remembered is None else remembered
        self._needs = frozenset(needs)
        self._rules_to_come = {need.rule for need in self._needs}
        self._gradients: dict[str, dict[str, list[list[Tensor]]]] = {}
        self._linear: list[LinearRun] = []
        self._rectifier = Rectifier()
        self._attention = Attentions()

        if layer is not None or attention:
            self._trace = trace_of(model, self.inputs, self._context, replica)
        if layer is not None:
            self._runs = LayerRuns(model, layer, self._trace)
            heads = {name for name, part in replica.named_modules() if isinstance(part, nn.Linear)}
            hooks = watch(replica, self._capture, heads | {layer})
        rules = {need.rule for need in self._needs} - {"plain"}
        several = layer is not None and self._runs.several
        at_input = any(need.at == "input" for need in self._needs)
        self.inputs.requires_grad_(attention or at_input or several)
        with torch.set_grad_enabled(attention or layer is not None or bool(self._needs)):
            with (
                self._rectifier if rules else nullcontext(),
                self._attention if attention else nullcontext(),
            ):  # the network may change its input in place
                scores = model.run(replica, self.inputs.clone(), self._context)
                self.scores = replace(scores, taken=taken)
            for hook in hooks:  # which hold this: what it holds is freed as soon as it is
                hook.remove()
            self._columns = [target(self.scores) for target in targets]
        if self._needs:
            check_differentiable(model, self._columns)
        for rule in sorted(rules):
            self._rectifier.check(rule, model.name, self._columns, is_scripted(replica))
        if layer is not None:
            self._runs.assign(targets, self._columns)
        if attention:
            self._attention.keep_behind(self._columns)
            count = self._attention.check(model.name, len(self.inputs))
            self._patches = self._trace.tokens(count, self._attention.share)

    def _capture(self, name: str, module: nn.Module, inputs: Any, output: Any) -> Tensor | None:
        if isinstance(module, nn.Linear) and inputs:
            self._linear.append((module, inputs[0].detach(), output))
        if name != self.layer:
            return None
        return self._runs.capture(output, self.inputs.requires_grad)

    @property
    def frames(self) -> int:
        """How many frames are stacked in the channels of the input."""
        return self._model.frames or 1

    @property
    def target_scores(self) -> Tensor:
        """The targets' values, float (N, T)."""
        return torch.stack(self._columns, dim=1).detach()

    @property
    def target_names(self) -> list[list[str]]:
        """N lists of T names."""
        columns = [target.labels(self.scores) for target in self._targets]
        return [list(row) for row in zip(*columns, strict=True)]

    @property
    def unit(self) -> str:
        """Of the targets: "logit" and the like, "score" where they differ."""
        units = set(self.units)
        return units.pop() if len(units) == 1 else "score"

    @property
    def units(self) -> tuple[str, ...]:
        """Of each target; that of scores goes by their kind."""
        return tuple(target.unit_for(self.scores.kind) for target in self._targets)

    @property
    def linear(self) -> tuple[bool, ...]:
        """Of each target whether it is a sum of multiples of the network's outputs."""
        return tuple(target.unit in (OF_SCORES, "value") for target in self._targets)

    @property
    def activations(self) -> Tensor:
        """The layer's output with an axis for the targets, float (N, 1 or T, C, h, w).

        It is 1 where all of them depend on the same run of the layer.
        """
        return self._runs.activations()

    @property
    def gradients(self) -> Tensor:
        """The targets' gradients at the layer, float (N, T, C, h, w)."""
        by_target = self._gradient(GradientRequest("layer"))
        return torch.stack([self._runs.gradient(*each) for each in enumerate(by_target)], dim=1)

    def input_gradients(self, rule: str = "plain") -> Tensor:
        """The targets' gradients at the input, float (N, T, C, H, W), by a rectifier rule."""
        by_target = self._gradient(GradientRequest("input", rule))
        return torch.stack([each.contiguous() for (each,) in by_target], dim=1)

    @property
    def attentions(self) -> list[Tensor]:
        """Each layer's attention, float (N, heads, L, L): how far tokens attend to tokens."""
        return [by_head(each.detach(), len(self.inputs)) for each in self._attention.maps]

    @property
    def attention_gradients(self) -> list[Tensor]:
        """The targets' gradients at each layer's attention, float (N, T, heads, L, L)."""
        by_layer = zip(*self._gradient(GradientRequest("attention")), strict=True)
        images = len(self.inputs)
        return [torch.stack([by_head(each, images) for each in rows], dim=1) for rows in by_layer]

    def patches(self, relevance: Tensor) -> Tensor:
        """What the patches are to the tokens that the scores are read from.

        These are all that the targets depend on behind the last attention: the class token where
        there is one, the patches themselves where their mean is taken.

        Args:
            relevance: (N, T, L, L), of each token for each other, those read in rows.

        Returns:
            The mean of the rows of the tokens that are read, (N, T, h, w).
        """
        last = dependency_mask(torch.stack(self._columns, dim=1), self._attention.maps[-1])
        read = by_head(last, len(self.inputs)).any(dim=-1).any(dim=1).to(relevance)
        row = torch.einsum("nl,ntlk->ntk", read / read.sum(dim=1, keepdim=True), relevance)
        return self._patches.layout.map(row.mT).contiguous()

    @property
    def views(self) -> int:
        """How many parallel runs of the layer are explained one after the other."""
        return self._runs.views if self.layer is not None else 1

    @contextmanager
    def view(self, number: int) -> Iterator[None]:
        """Within it the layer is looked at where it ran in parallel for that time."""
        self._runs.view = number
        try:
            yield
        finally:
            self._runs.view = 0

    def places_of(self, drawn_at: str) -> tuple[Places, ...]:
        """Where the cells of each target's maps look on the input, () where they divide it evenly.

        Args:
            drawn_at: "input", "layer" or "attention", whose cells they are.
        """
        if drawn_at == "input":
            return ()
        if drawn_at == "layer":
            places = self._runs.places
        else:
            places = [self._patches.places] * len(self._targets)
        return () if all(each.is_stretched for each in places) else tuple(places)

    def put(self, maps: Tensor) -> Tensor:
        """See `LayerRuns.put`."""
        return self._runs.put(maps)

    def on_input(self, maps: Tensor, target: int) -> Tensor:
        """Maps (…, h, w) of a target where their cells look on the input, float (…, H, W)."""
        return self._runs.on_input(maps, target, (self.inputs.shape[-2], self.inputs.shape[-1]))

    def _gradient(self, need: GradientRequest) -> list[list[Tensor]]:
        """For each target its gradients, one for each thing that stands at that place."""
        if need.rule not in self._gradients:
            self._gradients[need.rule] = self._backward(need)
        return self._gradients[need.rule][need.at]

    def _backward(self, need: GradientRequest) -> dict[str, list[list[Tensor]]]:
        """One backward pass per target, to every place that `needs` names for this rule."""
        assert need in self._needs, f"the method did not declare that it reads {need}"
        places = sorted({each.at for each in self._needs if each.rule == need.rule})
        self._rules_to_come.remove(need.rule)
        rows: dict[str, list[list[Tensor]]] = {at: [] for at in places}
        with self._rectifier.crossing(need.rule):
            for number in range(len(self._columns)):
                later = number + 1 < len(self._columns)
                keep = later or bool(self._rules_to_come or self._attention.maps)
                for at, gradients in self._backward_from(number, places, keep).items():
                    rows[at].append(gradients)
        return rows

    def _backward_from(
        self, number: int, places: Sequence[str], keep: bool
    ) -> dict[str, list[Tensor]]:
        """One target's gradients at places."""
        target, column = self._targets[number], self._columns[number]
        sources = [(at, source) for at in places for source in self._sources(at, number)]
        gradients: Sequence[Tensor | None] = [None] * len(sources)
        if column.requires_grad:
            given = [source for _, source in sources]
            gradients = torch.autograd.grad(
                column.sum(), given, retain_graph=keep, allow_unused=True
            )
        found: dict[str, list[Tensor]] = {at: [] for at in places}
        for (at, _), gradient in zip(sources, gradients, strict=True):
            if gradient is None:
                raise self._unread(at, target)
            found[at].append(gradient)
        if "layer" in found:
            self._check_read(number, found["layer"])
        return found

    def _check_read(self, number: int, gradients: Sequence[Tensor]) -> None:
        """Whether a target depends on the map in a layer's tokens.

        Raises:
            InputError: if only on its class token.
        """
        if gradients[0].ndim != 3 or bool(self._runs.gradient(number, gradients).any()):
            return
        if all(bool(each.any()) for each in gradients):
            raise InputError(
                f"the target {self._targets[number].name!r} depends on layer {self.layer!r} "
                "through its class token only; name an earlier layer, or none"
            )

    def _unread(self, at: str, target: Target) -> InputError:
        where = {"layer": f"layer {self.layer!r}", "input": "the image"}.get(at, "the attention")
        return independent(target, where)

    def _sources(self, at: str, number: int) -> list[Tensor]:
        """Where a target's gradient is read."""
        if at == "layer":
            return self._runs.read_by(number)
        return [self.inputs] if at == "input" else self._attention.maps

    def caveat(self, one_weight: bool) -> str:
        """What is to be known of a method's maps of the layer; see `caveats.caveat`."""
        return caveat(one_weight, self._model, self.inputs, self._context, self.layer)

    @cached_property
    def score_jacobian(self) -> dict[str, Tensor]:
        """How each target depends on the scores themselves, without the network.

        "logits": float (N, T, K) and, for an actor-critic, "value": float (N, T, 1).
        """
        return score_jacobian(self._targets, self.scores)

    def head_weights(self) -> Tensor:
        """The weight of each channel's mean in each target, float (N, T, C).

        Exists where the scores are a linear function of the globally averaged activations; the
        weights are then the derivative of the target by the scores times that function's matrix.

        Raises:
            InputError: if the network has no such head.
        """
        pooled = self.activations.mean(dim=(-2, -1)).expand(-1, len(self._targets), -1)
        weights = torch.zeros_like(pooled)
        for name, jacobian in self.score_jacobian.items():
            for number in range(len(self._targets)):
                if bool(jacobian[:, number].any()):
                    head = self._head(name, pooled[:, number])
                    if head is None:
                        return self._linear_weights()
                    weights[:, number] += jacobian[:, number].to(head) @ head
        return weights

    def _head(self, name: str, pooled: Tensor) -> Tensor | None:
        """The matrix (K, C) of the linear layer that maps `pooled` to the logits or the value."""
        scores = self.scores.logits if name == "logits" else self.scores.value
        assert scores is not None
        return head_matrix(self._linear, pooled, scores.detach().reshape(len(pooled), -1))

    def _linear_weights(self) -> Tensor:
        """As `head_weights`, by the targets' gradients, which are the same at every place."""
        call = self._model, self.inputs, self._context
        for run in set(self._runs.in_view):
            if not is_pooled_linearly(*call, self.layer or "", run, self._runs.layout(run)):
                pooled = pooled_layer(*call, self._trace)
                raise InputError(
                    f"plain CAM needs global average pooling of {self.layer!r} and one linear "
                    f"layer before the scores of {self._model.name}; use grad-cam"
                    + (f", or name layer {pooled!r}, which has them" if pooled else "")
                )
        found = []
        for number, column in enumerate(self._columns):
            gradients = torch.autograd.grad(
                column.sum(), self._runs.read_by(number), retain_graph=True
            )
            found.append(self._runs.gradient(number, gradients).sum(dim=(-2, -1)))
        return torch.stack(found, dim=1)

    @cached_property
    def changed(self) -> ChangedImages:
        """What the model says of changed versions of the images."""
        if draws_at_random(differentiable_replica(self._model)):
            warnings.warn(
                f"{self._model.name} draws random numbers whenever it runs, as dropout does that "
                "knows of no eval mode: maps made of changed images hold its noise, too",
                Notice,
                stacklevel=2,
            )
        return ChangedImages(
            self._model,
            self.inputs.detach(),
            self._targets,
            self.scores,
            self._context,
            self._remembered,
        )

    def under(self, masks: Tensor, covers: Tensor) -> Iterator[Answers]:
        """See `ChangedImages.under`."""
        return self.changed.under(masks, covers)

    def rescore(self, inputs: Tensor, image: int) -> tuple[Scores, Tensor]:
        """See `ChangedImages.rescore`."""
        return self.changed.rescore(inputs, image)

    def summed_gradients(self, versions: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
        """See `ChangedImages.summed_gradients`."""
        return self.changed.summed_gradients(versions)

    def ablated(self) -> Tensor:
        """The targets' values with each channel of the layer set to zero, float (N, C, T).

        Of a layer that runs several times only the run in view is silenced.
        """
        units, runs = self.activations.shape[2], self._runs.in_view
        values = self.target_scores[:, None].repeat(1, units, 1)
        for run in set(runs):
            own = [number for number, each in enumerate(runs) if each == run]
            silenced = self.changed.without_channels(
                self.layer or "", run, units, self._runs.layout(run).channel_axis
            )
            values[:, :, own] = silenced[:, :, own]
        return values
