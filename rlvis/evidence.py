"""Activations and gradients of one pass, computed once, shared by all methods.

For N images and T targets: one forward pass, and one backward pass per target and rectifier rule,
however many methods read from it. Methods only combine what is here.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor, nn

from rlvis.actions import ActionDistribution
from rlvis.attentions import Attentions, by_head
from rlvis.errors import InputError
from rlvis.layers import watch
from rlvis.model import ImageModel, Scores
from rlvis.rectifiers import Rectifier
from rlvis.replica import replicate
from rlvis.subpixel import use_subpixel_gradients
from rlvis.targets import Target
from rlvis.tokens import Layout, Surroundings, reach


@dataclass(frozen=True)
class Need:
    """A gradient that a method reads: of the targets, at a place in the network, by a rule."""

    at: Literal["layer", "input", "attention"]
    rule: str = "plain"


class Evidence:
    """What one forward pass and its backward passes say about a batch of images.

    Args:
        model: the model under inspection; it is left as it is.
        inputs: the network's input, float (N, C, H, W).
        targets: T targets.
        layer: the layer whose activations methods read, or None.
        attention: whether methods read a transformer's attention.
        needs: the gradients methods will ask for, so that one backward pass yields them together.
        context: what the network takes besides, (N, …) each; see `ImageModel.context_of`.

    Raises:
        InputError: if the layer gives no map (see `tokens`), a rectifier rule is asked of a network
            without rectifiers, or attention of one without.
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
        needs: Iterable[Need] = (),
        context: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.layer = layer
        self.inputs = inputs.detach().clone(memory_format=torch.channels_last)
        self._model = model
        self._targets = targets
        self._context = context or {}
        self._needs = frozenset(needs)
        self._rules_to_come = {need.rule for need in self._needs}
        self._gradients: dict[str, dict[str, list[Tensor]]] = {}
        self._activations: Tensor | None = None
        self._layout: Layout | None = None
        self._linear: list[tuple[nn.Linear, Tensor, Tensor]] = []
        self._rectifier = Rectifier()
        self._attention = Attentions()

        replica = self._replica()
        if layer is not None:
            heads = {name for name, part in replica.named_modules() if isinstance(part, nn.Linear)}
            watch(replica, self._capture, heads | {layer})
        if layer is not None or attention:
            surroundings = Surroundings(replica, self.inputs)
        rules = {need.rule for need in self._needs} - {"plain"}
        self.inputs.requires_grad_(attention or any(need.at == "input" for need in self._needs))
        with torch.set_grad_enabled(attention or bool(self._needs)):
            with (
                self._rectifier if rules else nullcontext(),
                self._attention if attention else nullcontext(),
            ):  # the network may change its input in place
                self.scores = model.run(replica, self.inputs.clone(), self._context)
            self._target_scores = torch.stack([target(self.scores) for target in targets], dim=1)
        for rule in sorted(rules):
            self._rectifier.check(rule, model.name)
        if layer is not None:
            if self._activations is None:
                raise InputError(f"layer {layer!r} did not run in the forward pass; name another")
            self._layout = surroundings.layout(layer, self._activations)
        if attention:
            count = self._attention.check(model.name, len(self.inputs))
            self._patches = surroundings.tokens("the attention", count)

    def _replica(self) -> nn.Module:
        replica = replicate(self._model.module)
        use_subpixel_gradients(replica)
        return replica

    def _capture(self, name: str, module: nn.Module, inputs: Any, output: Any) -> Tensor | None:
        if isinstance(module, nn.Linear) and inputs:
            self._linear.append((module, inputs[0].detach(), output))
        if name != self.layer:
            return None
        if isinstance(output, Tensor) and not output.requires_grad:
            # The graph need not reach further back than to here.
            output = output.detach().requires_grad_(torch.is_grad_enabled())
        self._activations = output
        # An in-place operation that follows changes the clone.
        return output.clone() if isinstance(output, Tensor) else None

    @property
    def distribution(self) -> ActionDistribution:
        """What the scores make up."""
        return self._model.distribution

    @property
    def frames(self) -> int:
        """How many frames are stacked in the channels of the input."""
        return self._model.frames or 1

    @property
    def target_scores(self) -> Tensor:
        """The targets' values, float (N, T)."""
        return self._target_scores.detach()

    @property
    def target_names(self) -> list[list[str]]:
        """N lists of T names."""
        columns = [target.labels(self.scores) for target in self._targets]
        return [list(row) for row in zip(*columns, strict=True)]

    @property
    def activations(self) -> Tensor:
        """The layer's output with an axis for the targets, float (N, 1, C, h, w)."""
        (source,) = self._sources("layer")
        return self._shaped("layer", source.detach())[:, None]

    @property
    def gradients(self) -> Tensor:
        """The targets' gradients at the layer, float (N, T, C, h, w)."""
        return self._gradient(Need("layer"))[0]

    def input_gradients(self, rule: str = "plain") -> Tensor:
        """The targets' gradients at the input, float (N, T, C, H, W), by a rectifier rule."""
        return self._gradient(Need("input", rule))[0]

    @property
    def attentions(self) -> list[Tensor]:
        """Each layer's attention, float (N, heads, L, L): how far tokens attend to tokens."""
        return [self._shaped("attention", each.detach()) for each in self._sources("attention")]

    @property
    def attention_gradients(self) -> list[Tensor]:
        """The targets' gradients at each layer's attention, float (N, T, heads, L, L)."""
        return self._gradient(Need("attention"))

    def patches(self, relevance: Tensor) -> Tensor:
        """What the patches are to the tokens that the scores are read from.

        These are all that the targets depend on behind the last attention: the class token where
        there is one, the patches themselves where their mean is taken.

        Args:
            relevance: (N, T, L, L), of each token for each other, those read in rows.

        Returns:
            The mean of the rows of the tokens that are read, (N, T, h, w).
        """
        last = reach(self._target_scores, self._sources("attention")[-1])
        read = self._shaped("attention", last).any(dim=-1).any(dim=1).to(relevance)
        row = torch.einsum("nl,ntlk->ntk", read / read.sum(dim=1, keepdim=True), relevance)
        return self._patches.map(row.mT).contiguous()

    def _gradient(self, need: Need) -> list[Tensor]:
        if need.rule not in self._gradients:
            self._gradients[need.rule] = self._backward(need)
        return self._gradients[need.rule][need.at]

    def _backward(self, need: Need) -> dict[str, list[Tensor]]:
        """One backward pass per target, to every place that `needs` names for this rule."""
        assert need in self._needs, f"the method did not declare that it reads {need}"
        places = sorted({each.at for each in self._needs if each.rule == need.rule})
        sources = [(at, source) for at in places for source in self._sources(at)]
        self._rules_to_come.remove(need.rule)
        columns = self._target_scores.unbind(dim=1)
        passes = []
        with self._rectifier.crossing(need.rule):
            for place, column in enumerate(columns, start=1):
                keep = place < len(columns) or bool(self._rules_to_come or self._attention.maps)
                passes.append(
                    torch.autograd.grad(
                        column.sum(),
                        [source for _, source in sources],
                        retain_graph=keep,
                        allow_unused=True,
                    )
                    if column.requires_grad
                    else [None] * len(sources)
                )
        collected: dict[str, list[Tensor]] = {at: [] for at in places}
        for (at, _), gradients in zip(sources, zip(*passes, strict=True), strict=True):
            shaped = [
                self._checked(at, target, gradient)
                for target, gradient in zip(self._targets, gradients, strict=True)
            ]
            collected[at].append(torch.stack(shaped, dim=1))
        return collected

    def _checked(self, at: str, target: Target, gradient: Tensor | None) -> Tensor:
        """A target's gradient in the shape that methods read, if the target depends on the place.

        Raises:
            InputError: if it does not.
        """
        where = {"layer": f"layer {self.layer!r}", "input": "the image"}.get(at, "the attention")
        if gradient is None:
            raise InputError(f"the target {target.name!r} does not depend on {where}")
        shaped = self._shaped(at, gradient).contiguous()
        if at == "layer" and not bool(shaped.any()) and bool(gradient.any()):
            raise InputError(
                f"the target {target.name!r} depends on {where} through its class token only; name "
                "an earlier layer, or none"
            )
        return shaped

    def _sources(self, at: str) -> list[Tensor]:
        sources = {
            "input": [self.inputs],
            "layer": [] if self._activations is None else [self._activations],
            "attention": self._attention.maps,
        }[at]
        assert sources, f"the method did not declare that it reads {at}"
        return sources

    def _shaped(self, at: str, tensor: Tensor) -> Tensor:
        """A place's values, or gradients at them, in the shape that methods read."""
        if at == "layer" and self._layout is not None:
            return self._layout.map(tensor)
        if at == "attention":
            return by_head(tensor, len(self.inputs))
        return tensor

    @cached_property
    def slopes(self) -> dict[str, Tensor]:
        """How each target depends on the scores themselves, without the network.

        "logits": float (N, T, K) and, for an actor-critic, "value": float (N, T, 1).
        """
        outputs = {"logits": self.scores.logits, "value": self.scores.value}
        leaves = {
            name: tensor.detach().requires_grad_(True)
            for name, tensor in outputs.items()
            if tensor is not None
        }
        scores = Scores(leaves["logits"], leaves.get("value"), self.scores.labels)
        rows: dict[str, list[Tensor]] = {name: [] for name in leaves}
        for target in self._targets:
            with torch.enable_grad():
                found = torch.autograd.grad(
                    target(scores).sum(), list(leaves.values()), allow_unused=True
                )
            for (name, leaf), slope in zip(leaves.items(), found, strict=True):
                slope = torch.zeros_like(leaf) if slope is None else slope
                rows[name].append(slope.reshape(len(leaf), -1))
        return {name: torch.stack(each, dim=1) for name, each in rows.items()}

    @cached_property
    def head_weights(self) -> Tensor:
        """The weight of each channel's mean in each target, float (N, T, C).

        Exists where the scores are a linear layer of the globally averaged activations; the
        weights are then the derivative of the target by the scores times that layer's matrix.

        Raises:
            InputError: if the network has no such head.
        """
        pooled = self.activations[:, 0].mean(dim=(-2, -1))
        weights = pooled.new_zeros(len(pooled), len(self._targets), pooled.shape[1])
        for name, slope in self.slopes.items():
            if bool((slope != 0).any()):
                scores = self.scores.logits if name == "logits" else self.scores.value
                assert scores is not None
                scores = scores.detach().reshape(len(pooled), -1)
                weights = weights + slope @ self._head(name, scores, pooled)
        return weights

    def _head(self, name: str, scores: Tensor, pooled: Tensor) -> Tensor:
        """The matrix (K, C) of the linear layer that maps `pooled` to `scores`."""
        for linear, features, output in reversed(self._linear):
            same_scores = output.shape == scores.shape and torch.equal(output.detach(), scores)
            if same_scores and features.shape == pooled.shape:
                tolerance = max(1e-4, 4 * torch.finfo(pooled.dtype).eps) * features.abs().amax()
                if bool(((features - pooled).abs() <= tolerance).all()):
                    return linear.weight.detach()
        raise InputError(
            f"plain CAM needs global average pooling of {self.layer!r} and one linear layer before "
            f"the {name} of {self._model.name}; use grad-cam"
        )

    @cached_property
    def _plain_replica(self) -> nn.Module:
        return self._replica()

    def rescore(self, inputs: Tensor, image: int) -> tuple[Scores, Tensor]:
        """Scores and targets of changed versions (M, C, H, W) of one image.

        Computed without gradient. The targets keep the labels they have for the image as it was.

        Returns:
            The scores of the M images, and the targets' values, float (M, T).
        """
        reference = self.scores.of_image(image).repeat(len(inputs))
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        context = {
            name: entry[image].expand(len(inputs), *entry.shape[1:])
            for name, entry in self._context.items()
        }
        with torch.no_grad():
            scores = self._model.run(self._plain_replica, inputs, context)
            targets = [target(scores, reference) for target in self._targets]
            return scores, torch.stack(targets, dim=1)

    def ablated(self) -> Tensor:
        """The targets' values with each channel of the layer set to zero, float (N, C, T).

        Computed without gradient, for several channels at once.
        """
        replica = replicate(self._model.module)
        count = len(self.inputs)
        silent = torch.arange(0)

        def silence(name: str, module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            versions = output.clone().unflatten(0, (len(silent), -1))
            by_channel = versions.movedim(axis, 2) if axis == -1 else versions
            by_channel[torch.arange(len(silent)), :, silent] = 0
            return versions.flatten(0, 1)

        assert self._layout is not None, "the method did not declare that it reads a layer"
        axis = self._layout.channel_axis
        watch(replica, silence, {self.layer or ""})
        values = []
        with torch.no_grad():
            for silent in torch.arange(self.activations.shape[2]).split(at_once(self.inputs)):
                inputs = self.inputs.repeat(len(silent), 1, 1, 1)
                inputs = inputs.contiguous(memory_format=torch.channels_last)
                scores = self._model.run(replica, inputs, self._repeated(len(silent)))
                reference = self.scores.repeat(len(silent))
                columns = [target(scores, reference) for target in self._targets]
                values.append(torch.stack(columns, dim=1).unflatten(0, (len(silent), count)))
        return torch.cat(values).transpose(0, 1)

    def _repeated(self, count: int) -> dict[str, Tensor]:
        """The context of the batch, so many times over."""
        return {
            name: entry.repeat(count, *[1] * (entry.ndim - 1))
            for name, entry in self._context.items()
        }

    def gradients_at(self, versions: Tensor) -> Tensor:
        """The targets' gradients at S other versions of the N images, all in one pass.

        The targets keep the labels they have for the images as they were.

        Args:
            versions: float (S, N, C, H, W).

        Returns:
            Float (S, N, T, C, H, W).
        """
        inputs = versions.detach().flatten(0, 1).contiguous(memory_format=torch.channels_last)
        inputs.requires_grad_(True)
        with torch.enable_grad():
            context = self._repeated(len(versions))
            scores = self._model.run(self._plain_replica, inputs.clone(), context)
            reference = self.scores.repeat(len(versions))
            columns = [target(scores, reference) for target in self._targets]
        passes = [
            torch.autograd.grad(column.sum(), inputs, retain_graph=place < len(columns))
            for place, column in enumerate(columns, start=1)
        ]
        gradients = torch.stack([gradient for (gradient,) in passes], dim=1)
        return gradients.unflatten(0, versions.shape[:2])


def at_once(images: Tensor, backward: bool = False) -> int:
    """How many versions of `images` go through a network at once: more are not faster.

    The activations of as many fit into the caches, which is what a CPU's time depends on; a
    backward pass keeps them all.
    """
    return max(1, (2**18 if backward else 2**19) // images.numel())
