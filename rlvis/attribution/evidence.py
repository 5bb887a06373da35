"""Activations and gradients of one pass, computed once, shared by all methods.

For N images and T targets: one forward pass, and one backward pass per target and rectifier rule,
however many methods read from it. Methods only combine what is here.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from rlvis.attribution.changed_images import (
    Answers,
    ChangedImages,
    check_differentiable,
    differentiable_replica,
    independent,
)
from rlvis.attribution.pooled_head import LinearRun, head_matrix, score_jacobian
from rlvis.attribution.remembered import Remembered
from rlvis.deprecation import FormerName
from rlvis.errors import InputError, Notice
from rlvis.instrument.attention_maps import Attentions, by_head
from rlvis.instrument.autograd_graph import depends, edges_behind
from rlvis.instrument.feature_layout import FeatureLayout, LayoutProbe, dependency_mask
from rlvis.instrument.layers import watch
from rlvis.instrument.relu_rules import Rectifier
from rlvis.instrument.token_order import in_order
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

    A layer that runs several times in a pass is looked at where it ran last on the way to a target:
    of a trunk that actor and critic each run, the actor's scores and the value have one run each.

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
        self._gradients: dict[str, dict[str, list[Tensor]]] = {}
        self._runs: list[Any] = []
        self._layout: FeatureLayout | None = None
        self._linear: list[LinearRun] = []
        self._rectifier = Rectifier()
        self._attention = Attentions()

        if layer is not None:
            heads = {name for name, part in replica.named_modules() if isinstance(part, nn.Linear)}
            hooks = watch(replica, self._capture, heads | {layer})
        if layer is not None or attention:
            probe = LayoutProbe(replica, self.inputs)
            hooks += probe.hooks
        rules = {need.rule for need in self._needs} - {"plain"}
        self.inputs.requires_grad_(attention or any(need.at == "input" for need in self._needs))
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
            if not self._runs:
                within = ", or runs within a scripted part" if is_scripted(replica) else ""
                raise InputError(
                    f"layer {layer!r} did not run in the forward pass{within}; name another"
                )
            self._run_of = [
                self._last_run(*each) for each in zip(targets, self._columns, strict=True)
            ]
            read = {
                getattr(each, "shape", None): each
                for each in map(self._runs.__getitem__, self._run_of)
            }
            if len(read) > 1:
                raise InputError(
                    f"layer {layer!r} runs several times, and the targets depend on maps of "
                    f"different sizes; explain one target at a time"
                )
            layout = probe.layout(layer, *read.values())
            self._layout = in_order(model, self.inputs, self._context, layer, layout)
        if attention:
            self._attention.keep_behind(self._columns)
            count = self._attention.check(model.name, len(self.inputs))
            rows = probe.tokens("the attention", count)
            self._patches = in_order(model, self.inputs, self._context, None, rows)

    def _capture(self, name: str, module: nn.Module, inputs: Any, output: Any) -> Tensor | None:
        if isinstance(module, nn.Linear) and inputs:
            self._linear.append((module, inputs[0].detach(), output))
        if name != self.layer:
            return None
        if isinstance(output, Tensor) and not self.inputs.requires_grad:
            # The graph need not reach further back than to here.
            output = output.detach().requires_grad_(torch.is_grad_enabled())
        self._runs.append(output)
        # An in-place operation that follows changes the clone.
        return output.clone() if isinstance(output, Tensor) else None

    def _last_run(self, target: Target, column: Tensor) -> int:
        """Which run of the layer, the last one if of several, a target depends on.

        Raises:
            InputError: if on none.
        """
        behind = edges_behind(column)
        for place in reversed(range(len(self._runs))):
            run = self._runs[place]
            if not isinstance(run, Tensor) or depends(behind, run):
                return place
        raise self._unread("layer", target)

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
        runs = self._run_of if len(set(self._run_of)) > 1 else self._run_of[:1]
        maps = [self._shaped("layer", self._runs[run].detach()) for run in runs]
        return torch.stack(maps, dim=1)

    @property
    def gradients(self) -> Tensor:
        """The targets' gradients at the layer, float (N, T, C, h, w)."""
        return self._gradient(GradientRequest("layer"))[0]

    def input_gradients(self, rule: str = "plain") -> Tensor:
        """The targets' gradients at the input, float (N, T, C, H, W), by a rectifier rule."""
        return self._gradient(GradientRequest("input", rule))[0]

    @property
    def attentions(self) -> list[Tensor]:
        """Each layer's attention, float (N, heads, L, L): how far tokens attend to tokens."""
        return [self._shaped("attention", each.detach()) for each in self._attention.maps]

    @property
    def attention_gradients(self) -> list[Tensor]:
        """The targets' gradients at each layer's attention, float (N, T, heads, L, L)."""
        return self._gradient(GradientRequest("attention"))

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
        read = self._shaped("attention", last).any(dim=-1).any(dim=1).to(relevance)
        row = torch.einsum("nl,ntlk->ntk", read / read.sum(dim=1, keepdim=True), relevance)
        return self._patches.map(row.mT).contiguous()

    def _gradient(self, need: GradientRequest) -> list[Tensor]:
        if need.rule not in self._gradients:
            self._gradients[need.rule] = self._backward(need)
        return self._gradients[need.rule][need.at]

    def _backward(self, need: GradientRequest) -> dict[str, list[Tensor]]:
        """One backward pass per target, to every place that `needs` names for this rule."""
        assert need in self._needs, f"the method did not declare that it reads {need}"
        places = sorted({each.at for each in self._needs if each.rule == need.rule})
        self._rules_to_come.remove(need.rule)
        rows: dict[str, list[list[Tensor]]] = {at: [] for at in places}
        with self._rectifier.crossing(need.rule):
            for number in range(len(self._columns)):
                later = number + 1 < len(self._columns)
                found = self._backward_from(
                    number, places, later or bool(self._rules_to_come or self._attention.maps)
                )
                for at, gradients in found.items():
                    rows[at].append(gradients)
        return {
            at: [torch.stack(each, dim=1) for each in zip(*by_target, strict=True)]
            for at, by_target in rows.items()
        }

    def _backward_from(
        self, number: int, places: Sequence[str], keep: bool
    ) -> dict[str, list[Tensor]]:
        """One target's gradients at places, in the shape that methods read."""
        target, column = self._targets[number], self._columns[number]
        sources = [(at, source) for at in places for source in self._sources(at, number)]
        gradients: Sequence[Tensor | None] = [None]
        if column.requires_grad:
            given = [source for _, source in sources]
            gradients = torch.autograd.grad(
                column.sum(), given, retain_graph=keep, allow_unused=True
            )
        found: dict[str, list[Tensor]] = {at: [] for at in places}
        for (at, _), gradient in zip(sources, gradients, strict=False):
            found[at].append(self._checked(at, target, gradient))
        return found

    def _checked(self, at: str, target: Target, gradient: Tensor | None) -> Tensor:
        """A target's gradient in the shape that methods read, if the target depends on the place.

        Raises:
            InputError: if it does not.
        """
        if gradient is None:
            raise self._unread(at, target)
        shaped = self._shaped(at, gradient).contiguous()
        if at == "layer" and not bool(shaped.any()) and bool(gradient.any()):
            raise InputError(
                f"the target {target.name!r} depends on layer {self.layer!r} through its class "
                "token only; name an earlier layer, or none"
            )
        return shaped

    def _unread(self, at: str, target: Target) -> InputError:
        where = {"layer": f"layer {self.layer!r}", "input": "the image"}.get(at, "the attention")
        return independent(target, where)

    def _sources(self, at: str, number: int) -> list[Tensor]:
        """Where a target's gradient is read."""
        if at == "layer":
            return [self._runs[self._run_of[number]]]
        return [self.inputs] if at == "input" else self._attention.maps

    def _shaped(self, at: str, tensor: Tensor) -> Tensor:
        """A place's values, or gradients at them, in the shape that methods read."""
        if at == "layer" and self._layout is not None:
            return self._layout.map(tensor)
        if at == "attention":
            return by_head(tensor, len(self.inputs))
        return tensor

    @cached_property
    def score_jacobian(self) -> dict[str, Tensor]:
        """How each target depends on the scores themselves, without the network.

        "logits": float (N, T, K) and, for an actor-critic, "value": float (N, T, 1).
        """
        return score_jacobian(self._targets, self.scores)

    slopes = FormerName("score_jacobian")

    @cached_property
    def head_weights(self) -> Tensor:
        """The weight of each channel's mean in each target, float (N, T, C).

        Exists where the scores are a linear layer of the globally averaged activations; the
        weights are then the derivative of the target by the scores times that layer's matrix.

        Raises:
            InputError: if the network has no such head.
        """
        pooled = self.activations.mean(dim=(-2, -1)).expand(-1, len(self._targets), -1)
        weights = torch.zeros_like(pooled)
        for name, jacobian in self.score_jacobian.items():
            for number in range(len(self._targets)):
                if bool(jacobian[:, number].any()):
                    head = self._head(name, pooled[:, number])
                    weights[:, number] += jacobian[:, number].to(head) @ head
        return weights

    def _head(self, name: str, pooled: Tensor) -> Tensor:
        """The matrix (K, C) of the linear layer that maps `pooled` to the logits or the value."""
        scores = self.scores.logits if name == "logits" else self.scores.value
        assert scores is not None
        matrix = head_matrix(self._linear, pooled, scores.detach().reshape(len(pooled), -1))
        if matrix is None:
            raise InputError(
                f"plain CAM needs global average pooling of {self.layer!r} and one linear layer "
                f"before the {name} of {self._model.name}; use grad-cam"
            )
        return matrix

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

        Of a layer that runs several times only the run that a target depends on is silenced.
        """
        assert self._layout is not None, "the method did not declare that it reads a layer"
        units = self.activations.shape[2]
        values = self.target_scores[:, None].repeat(1, units, 1)
        for run in set(self._run_of):
            own = [number for number, each in enumerate(self._run_of) if each == run]
            silenced = self.changed.without_channels(
                self.layer or "", run, units, self._layout.channel_axis
            )
            values[:, :, own] = silenced[:, :, own]
        return values
