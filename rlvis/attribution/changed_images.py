"""What a model says of changed versions of images: covered, blurred, mixed, with channels silenced.

The targets keep the labels that they have for the images as they were.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from rlvis.attribution.remembered import Remembered
from rlvis.errors import InputError
from rlvis.instrument.strided_conv import use_subpixel_gradients
from rlvis.instrument.watching import watch
from rlvis.models.autograd_graph import steps_behind
from rlvis.models.habits import in_format
from rlvis.models.image_model import ImageModel
from rlvis.models.replica import cuts_gradients, replicate
from rlvis.models.scores import Scores
from rlvis.models.targets import Target

_CACHED = {False: 2**20, True: 2**18}
"""Values of images whose activations fit into a CPU's caches, without and with a backward pass."""

_ACTIVATIONS = {False: 64, True: 512}
"""Bytes of activations that a byte of an image takes at most, without and with a backward pass."""

_MOST = 1024

_SCORES = 2**22
"""So many scores of images under masks are held at once."""


@dataclass(frozen=True)
class Answers:
    """What a model says of n images, each changed in M ways: R = n·M, those of an image together.

    Attributes:
        images: int64 (R,), which of the batch each is.
        before: the scores (R, K) of the image as it was.
        after: those of the changed one.
        old: the targets' values before, float (R, T).
        new: after.
    """

    images: Tensor
    before: Scores
    after: Scores
    old: Tensor
    new: Tensor


class ChangedImages:
    """A model asked of changed versions of images.

    Args:
        model: the model; it is left as it is.
        inputs: the images as they were, float (N, C, H, W).
        targets: T targets.
        scores: of the images as they were.
        context: what the network takes besides, (N, …) each.
        remembered: what the model has said so far of images under masks.
    """

    def __init__(
        self,
        model: ImageModel,
        inputs: Tensor,
        targets: Sequence[Target],
        scores: Scores,
        context: Mapping[str, Tensor],
        remembered: Remembered,
    ) -> None:
        self._model, self._inputs, self._targets = model, inputs, targets
        self._scores, self._context, self._remembered = scores, context, remembered
        self._replica = differentiable_replica(model)
        self._format = model.memory_format(self._replica, inputs, context)

    def under(self, masks: Tensor, covers: Tensor) -> Iterator[Answers]:
        """What the model says, without gradient, of every image under every mask.

        Args:
            masks: float (M, H, W), 1 where the cover replaces the image.
            covers: broadcastable to (N, C, H, W).

        Yields:
            The answers of some images after the other, so that few scores are held at once.
        """
        covers = covers.expand_as(self._inputs)
        scores = self._scores.logits
        every = torch.arange(len(scores), device=scores.device)
        with torch.no_grad():
            old = torch.stack([target(self._scores) for target in self._targets], dim=1)
        for images in every.split(max(1, _SCORES // (len(masks) * scores.shape[1]))):
            context = {name: entry[images] for name, entry in self._context.items()}
            asked = self._inputs[images], covers[images], masks
            after = self._remembered.answer(
                self._model, [*asked, *context.values()], partial(self._masked, *asked, context)
            )
            rows = images.repeat_interleave(len(masks))
            before = self._scores.rows(rows)
            new = torch.stack([target(after, before) for target in self._targets], dim=1)
            yield Answers(rows, before, after, old[rows], new)

    def _masked(
        self, images: Tensor, covers: Tensor, masks: Tensor, context: Mapping[str, Tensor]
    ) -> Scores:
        """The scores of n images under M masks, (n·M, K)."""
        found: list[list[Scores]] = [[] for _ in images]
        channels_last = [each.movedim(1, -1).contiguous() for each in (images, covers)]
        for part in masks.split(at_once(images[0])):
            wide = part[..., None].repeat(1, 1, 1, images.shape[1])  # mixed as they lie in memory
            for place, (image, cover) in enumerate(zip(*channels_last, strict=True)):
                mixed = torch.lerp(image, cover.expand_as(image), wide).movedim(-1, 1)
                own = {name: entry[place] for name, entry in context.items()}
                found[place].append(self._asked(mixed, own))
        return Scores.joined([part for parts in found for part in parts])

    def _asked(self, inputs: Tensor, context: Mapping[str, Tensor]) -> Scores:
        """The scores of versions of one image, each in the same context."""
        every = {name: entry.expand(len(inputs), *entry.shape) for name, entry in context.items()}
        with torch.no_grad():
            return self._model.run(self._replica, in_format(inputs, self._format), every)

    def rescore(self, inputs: Tensor, image: int) -> tuple[Scores, Tensor]:
        """Scores and targets of changed versions (M, C, H, W) of one image, without gradient.

        Returns:
            The scores of the M images, and the targets' values, float (M, T).
        """
        own = {name: entry[image] for name, entry in self._context.items()}
        scores = self._asked(inputs, own)
        reference = self._scores.rows(scores.logits.new_full((len(inputs),), image).long())
        with torch.no_grad():
            return scores, torch.stack([each(scores, reference) for each in self._targets], dim=1)

    def summed_gradients(self, versions: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
        """The targets' gradients at other versions of the images, weighted and summed.

        Args:
            versions: the N images S times over, float (S, N, C, H, W), and the weights (S,); each
                such pair goes through the network in one pass.

        Returns:
            Float (N, T, C, H, W).

        Raises:
            InputError: if the model passes no gradient on, or a target does not depend on the
                image.
        """
        count, channels, height, width = self._inputs.shape
        total = self._inputs.new_zeros(len(self._targets), count, height, width, channels)
        total = total.movedim(-1, 2)  # as the gradients lie in memory
        for images, weights in versions:
            inputs = in_format(images.detach().flatten(0, 1), self._format)
            inputs.requires_grad_(True)
            with torch.enable_grad():
                repeated = self._repeated(len(images))
                scores = self._model.run(self._replica, inputs, repeated)
                reference = self._scores_of_all(len(images))
                columns = [target(scores, reference) for target in self._targets]
            check_differentiable(self._model, columns)
            for number, (target, column) in enumerate(zip(self._targets, columns, strict=True)):
                gradient = None
                if column.requires_grad:
                    (gradient,) = torch.autograd.grad(
                        column,
                        inputs,
                        weights.repeat_interleave(count).to(column),
                        retain_graph=number + 1 < len(columns),
                        allow_unused=True,
                    )
                if gradient is None:
                    raise independent(target, "the image")
                for part in gradient.split(count):
                    total[number] += part
        return total.transpose(0, 1)

    def without_channels(self, layer: str, run: int, channels: int, axis: int) -> Tensor:
        """The targets' values with each channel of a layer set to zero, float (N, C, T).

        Computed without gradient, for several channels at once.

        Args:
            layer: its name.
            run: which of its runs in a pass is silenced.
            channels: how many it has.
            axis: of the channels in its output, 1 or -1.
        """
        replica = replicate(self._model.module)
        silent, runs = torch.arange(0), 0

        def silence(name: str, module: nn.Module, inputs: Any, output: Tensor) -> Tensor | None:
            nonlocal runs
            runs += 1
            if runs != run + 1:
                return None
            versions = output.clone().unflatten(0, (len(silent), -1))
            by_channel = versions.movedim(axis, 2) if axis == -1 else versions
            by_channel[torch.arange(len(silent)), :, silent] = 0
            return versions.flatten(0, 1)

        watch(replica, silence, {layer})
        values = []
        with torch.no_grad():
            together = self._model.takes_batches(self._inputs, self._context, replica)
            for silent in torch.arange(channels).split(at_once(self._inputs) if together else 1):
                runs = 0
                inputs = in_format(self._inputs.repeat(len(silent), 1, 1, 1), self._format)
                scores = self._model.run(replica, inputs, self._repeated(len(silent)))
                reference = self._scores_of_all(len(silent))
                columns = [target(scores, reference) for target in self._targets]
                values.append(torch.stack(columns, dim=1).unflatten(0, (len(silent), -1)))
        return torch.cat(values).transpose(0, 1)

    def _scores_of_all(self, count: int) -> Scores:
        """Those of the batch as it was, so many times over."""
        every = torch.arange(len(self._inputs), device=self._inputs.device)
        return self._scores.rows(every.repeat(count))

    def _repeated(self, count: int) -> dict[str, Tensor]:
        """The context of the batch, so many times over."""
        return {
            name: entry.repeat(count, *[1] * (entry.ndim - 1))
            for name, entry in self._context.items()
        }


def differentiable_replica(model: ImageModel) -> nn.Module:
    """A replica of a model whose backward pass is as exact as its forward pass."""
    replica = replicate(model.module)
    use_subpixel_gradients(replica)
    return replica


def check_differentiable(model: ImageModel, columns: Sequence[Tensor]) -> None:
    """Whether a model passes a gradient on.

    Raises:
        InputError: if not.
    """
    if cuts_gradients(model.module):  # and what goes through it would be left out
        raise InputError(
            f"{model.name} is scripted with torch.no_grad() in it, through which no gradient goes; "
            "script it without, or use occlusion, rise or eigen-cam"
        )
    steps = steps_behind(*columns)
    if any("CheckpointFunction" in each for each in steps):
        raise InputError(
            f"{model.name} checkpoints activations with use_reentrant=True, through which PyTorch "
            "gives no gradient of an image; use use_reentrant=False, or switch it off"
        )
    if any("NotImplemented" in each for each in steps):  # and their part would be left out
        raise InputError(
            f"{model.name} has quantised or other parts that pass no gradient on, which "
            "this method needs; use occlusion, rise or eigen-cam"
        )


def independent(target: Target, where: str) -> InputError:
    """The error for a target that does not depend on a place in the network."""
    return InputError(
        f"the target {target.name!r} does not depend on {where}, or not by a gradient"
    )


def at_once(images: Tensor, backward: bool = False) -> int:
    """How many versions of `images` go through a network at once.

    On a CPU as many as have activations that fit into its caches: more are not faster. On a GPU as
    many as half of its free memory holds for the networks in use, 1024 at most.

    Args:
        images: one version of them.
        backward: whether a backward pass follows, which keeps all activations.
    """
    if images.device.type != "cuda":
        return max(1, _CACHED[backward] // images.numel())
    free, _ = torch.cuda.mem_get_info(images.device)
    each = images.numel() * images.element_size() * _ACTIVATIONS[backward]
    return int(min(max(1, free // 2 // each), _MOST))
