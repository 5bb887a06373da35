"""The one object to inspect: a network that takes an image and gives named scores.

A policy is an image classifier whose classes are its actions; an actor-critic gives a value
besides. Every tool is written for `ImageModel`, and `Policy` only adds how an action is drawn.

What scores depend on besides the image is its *context*: the other entries of a Dict observation,
the state of a recurrent network. Tools hold it as it was while they ask about the image.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from copy import copy
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from rlvis.errors import InputError, NonFiniteError, unknown
from rlvis.images.loading import Images, as_images
from rlvis.images.preprocess import Preprocess, Window
from rlvis.images.window_search import find_window
from rlvis.models.habits import Habits, find_habits, in_format
from rlvis.models.kept_gradients import GradientsKept
from rlvis.models.norm_gradients import order_norm_gradients
from rlvis.models.own_config import own_labels
from rlvis.models.replica import forward_pass, replicate, settings_of
from rlvis.models.score_detection import find_kind
from rlvis.models.score_kinds import ScoreKind, kind_named
from rlvis.models.scores import Scores, read_output
from rlvis.models.shape_errors import as_input_error


class ImageModel:
    """A module, the way images are brought to it, and the names of its scores.

    Args:
        module: maps a float tensor (N, C, H, W), and its context by keyword, to scores; see
            `read_output` for the forms.
        labels: one name per score, all different; those of the module's own `config.id2label` when
            left out.
        preprocess: maps uint8 images (N, C, H, W) in a tensor to the module's input. A `Preprocess`
            or any callable of that form (the transforms of torchvision's weights are).
        name: what pictures call it; the module's class name when left out.
        layer: the layer class activation maps are made from, as in `module.named_modules()`; the
            last spatial layer when left out.
        context: the shapes, without the axis of the images, of the tensors that the module takes by
            keyword besides the image.
        memory: the same for those that it also gives back, for the next step of an episode; they
            start from zero.
        frames: how many frames are stacked in the channels of an image, the latest last; one when
            left out.
        scores: what the scores are: "logits", "log-probabilities", "probabilities",
            "independent-logits", "independent-probabilities", "q-values" or "numbers", see
            `rlvis.models.score_kinds`; found out from what the module gives when left out.

    Attributes:
        kind: of the scores; None where it is found out when the network is first asked.
        source: how it was loaded, attributes of a `rlvis.ModelSource` by name; empty where it was
            made by hand.

    Raises:
        InputError: if labels repeat or are missing, there is no such kind of scores, or a weight is
            NaN, infinite or on the device meta.
    """

    def __init__(
        self,
        module: nn.Module,
        labels: Sequence[str] | Mapping[int, str] | None = None,
        preprocess: Callable[[Tensor], Tensor] | None = None,
        *,
        name: str | None = None,
        layer: str | None = None,
        context: Mapping[str, tuple[int, ...]] | None = None,
        memory: Mapping[str, tuple[int, ...]] | None = None,
        frames: int | None = None,
        scores: str | None = None,
    ) -> None:
        self.module = module
        self.labels = _names(own_labels(module) if labels is None else labels)
        self.kind: ScoreKind | None = (
            None if scores is None else kind_named(scores, len(self.labels))
        )
        self.preprocess = preprocess if preprocess is not None else Preprocess()
        self.name = name or type(module).__name__
        self.layer = layer
        self.context, self.memory = dict(context or {}), dict(memory or {})
        self.frames = frames
        self.source: dict[str, Any] = {}
        self._windows: dict[Any, tuple[Any, Window]] = {}
        if len(set(self.labels)) != len(self.labels):
            repeated = next(each for each in self.labels if self.labels.count(each) > 1)
            raise InputError(f"the label {repeated!r} is given twice; labels must differ")
        for weight, tensor in chain(module.named_parameters(), module.named_buffers()):
            if is_lazy(tensor):
                raise InputError(
                    f"the weight {weight!r} of {self.name} has no size yet; "
                    "let the network run once before"
                )
            if tensor.is_inference():
                raise InputError(
                    f"the weight {weight!r} of {self.name} was made inside torch.inference_mode(), "
                    "and gives no gradient; make the network outside of it"
                )
            if tensor.is_meta:
                raise InputError(
                    f"the weight {weight!r} of {self.name} lies on the device meta, empty; "
                    "load its weights first"
                )
            infinite = tensor.isinf() if isinstance(tensor, nn.Parameter) else tensor.new_zeros(1)
            if tensor.is_floating_point() and bool(tensor.isnan().any() or infinite.any()):
                raise NonFiniteError(
                    f"the weight {weight!r} of {self.name} holds NaN or infinity; load another file"
                )

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return _first_tensor(self.module).device

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type of the weights."""
        return _first_tensor(self.module).dtype

    def inputs(self, images: Images) -> Tensor:
        """The network's input (N, C, H, W) for images in any form `as_images` takes.

        A float tensor (N, C, H, W) is taken as the network's input already.
        """
        if isinstance(images, Tensor) and images.is_floating_point():
            prepared = images
        else:
            prepared = self.preprocess(as_images(images).to(self.device))
        return in_format(prepared.to(device=self.device, dtype=self.dtype), torch.contiguous_format)

    def window(self, picture: tuple[int, int, int], pixels: Tensor | None = None) -> Window:
        """The part of pictures of a size that reaches the network, found once for each size.

        Args:
            picture: (C, H, W). Where a preprocessing of another kind than `Preprocess` hides which
                part that is, it is the whole picture, with `known=False`.
            pixels: uint8 (C, H, W), the first picture of that size, which the window must hold for.
        """
        if isinstance(self.preprocess, Preprocess):
            return self.preprocess.window(*picture[1:])
        key = id(self.preprocess), picture
        if key not in self._windows:
            self._windows[key] = self.preprocess, find_window(self.inputs, picture, pixels)
        return self._windows[key][1]

    def memory_format(
        self, replica: nn.Module, inputs: Tensor, context: Mapping[str, Tensor]
    ) -> torch.memory_format:
        """How inputs (N, C, H, W) should lie in memory: channels last where the network takes that.

        Args:
            replica: of the module as it is now.
            inputs: some of its inputs.
            context: what it takes besides, (N, …) each.
        """
        return self._habits(replica, inputs, context).memory_format

    def takes_batches(
        self, inputs: Tensor, context: Mapping[str, Tensor], replica: nn.Module | None = None
    ) -> bool:
        """Whether the network says the same of an image alone and beside others.

        Else `run` asks about one after the other, and hooks see that many passes.

        Args:
            inputs: some of its inputs, (N, C, H, W).
            context: what it takes besides, (N, …) each.
            replica: of the module as it is now, where there is one.
        """
        return self._habits(replica or replicate(self.module), inputs, context).takes_batches

    def _kind(self, replica: nn.Module, inputs: Tensor, context: Mapping[str, Tensor]) -> ScoreKind:
        """The kind of its scores, said or found out."""
        if self.kind is not None:
            return self.kind
        ask = partial(self._ask, context)
        return find_kind(self.module, settings_of(replica), inputs[:1], ask)

    def _habits(self, replica: nn.Module, inputs: Tensor, context: Mapping[str, Tensor]) -> Habits:
        ask = partial(self._ask, context)
        return find_habits(self.module, settings_of(replica), inputs[:1], ask)

    def _ask(self, context: Mapping[str, Tensor], images: Tensor) -> Tensor:
        """What a new replica gives for inputs in the context of the first."""
        known = {
            name: each[:1].expand(len(images), *each.shape[1:]) for name, each in context.items()
        }
        return self._answer(replicate(self.module), images, known).logits

    def context_of(self, images: int, given: Mapping[str, Any] | None = None) -> dict[str, Tensor]:
        """The context of so many images as the module takes it, (images, …) each.

        Args:
            images: how many.
            given: arrays or tensors by name; memory that is left out is zero.

        Raises:
            InputError: if a name is missing or unknown, or a shape is wrong.
        """
        given, expected = given or {}, {**self.context, **self.memory}
        for name in given:
            if name not in expected:
                raise unknown("context", name, expected)
        prepared = {}
        for name, shape in expected.items():
            if name not in given and name in self.context:
                raise InputError(
                    f"{self.name} takes {name!r} besides the image; give it in `context`"
                )
            entry = torch.as_tensor(given.get(name, torch.zeros(images, *shape)))
            if entry.shape != (images, *shape):
                raise InputError(
                    f"the context {name} of {images} images is {tuple(entry.shape)}; "
                    f"expected {(images, *shape)}"
                )
            dtype = self.dtype if entry.is_floating_point() else entry.dtype
            prepared[name] = entry.to(device=self.device, dtype=dtype)
        return prepared

    def blank_context(self, images: int) -> dict[str, Tensor]:
        """The context of so many images that nobody has seen: zeros."""
        zeros = {name: torch.zeros(images, *shape) for name, shape in self.context.items()}
        return self.context_of(images, zeros)

    def run(self, module: nn.Module, inputs: Tensor, context: Mapping[str, Tensor]) -> Scores:
        """The scores that a replica of the module gives to inputs and their context.

        Where gradients are recorded one passes to what asks for it, also through parts that the
        module runs without. The inputs stay as they are there; else the module may change them.
        A network that takes no batches is asked about one image after the other.
        """
        kind = self._kind(module, inputs, context)
        if len(inputs) > 1 and not self.takes_batches(inputs, context, module):
            rows = [slice(place, place + 1) for place in range(len(inputs))]
            contexts = ({name: each[row] for name, each in context.items()} for row in rows)
            each_alone = zip(rows, contexts, strict=True)
            return Scores.joined([self.run(module, inputs[row], own) for row, own in each_alone])
        if not torch.is_grad_enabled():
            return replace(self._answer(module, inputs, context), kind=kind)
        stops = self._habits(module, inputs, context).stops_gradients
        with GradientsKept() if stops else nullcontext():
            scores = self._answer(module, inputs.clone(), context)
        outputs = scores.logits, scores.value, scores.log_std
        order_norm_gradients([each for each in outputs if each is not None])
        return replace(scores, kind=kind)

    def _answer(self, replica: nn.Module, inputs: Tensor, context: Mapping[str, Tensor]) -> Scores:
        with (
            as_input_error(self.name, self.module, self.preprocess, inputs),
            forward_pass(replica, inputs),
        ):
            output = replica(inputs, **context)
        scores = read_output(output, self.labels, len(inputs))
        if scores.value is None:
            return scores
        place = scores.value.data_ptr()
        is_weight = any(weight.data_ptr() == place for weight in replica.parameters())
        return replace(scores, value=None) if is_weight else scores

    def with_changes(self, **attributes: Any) -> Self:
        """A copy with other attributes (`preprocess=…`, `name=…`); the module is shared."""
        twin = copy(self)
        for name, value in attributes.items():
            if not hasattr(self, name):
                raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
            setattr(twin, name, value)
        return twin

    def with_labels(self, labels: Sequence[str]) -> Self:
        """A copy whose scores have other names.

        Raises:
            InputError: if these are not one for each score, all different.
        """
        names = tuple(map(str, labels))
        if len(names) != len(self.labels) or len(set(names)) != len(names) or not all(names):
            raise InputError(
                f"the labels {', '.join(names)[:160]} are not {len(self.labels)} different names; "
                f"give one for each score of {self.name}"
            )
        return self.with_changes(labels=names)

    def with_scores(self, kind: str) -> Self:
        """A copy whose scores are of that kind; see `scores` of `ImageModel`.

        Raises:
            InputError: if there is no such kind.
        """
        return self.with_changes(kind=kind_named(kind, len(self.labels)))

    def scores(self, images: Images, context: Mapping[str, Any] | None = None) -> Scores:
        """Scores of images, as in eval mode, without gradient; the module stays as it is.

        Args:
            images: in any form that `inputs` takes.
            context: arrays or tensors (N, …) by name, for a model that has context.
        """
        with torch.no_grad():
            inputs = self.inputs(images)
            known = self.context_of(len(inputs), context)
            replica = replicate(self.module)
            inputs = in_format(inputs, self.memory_format(replica, inputs, known))
            return self.run(replica, inputs, known)


def _names(labels: Any) -> tuple[str, ...]:
    """Labels as they may be given: a sequence, or a mapping from 0, 1, … to each.

    Raises:
        InputError: if they are neither.

    Returns:
        The names, of those that there are several times each with its number: "crane (517)".
    """
    if isinstance(labels, Mapping) and set(labels) == set(range(len(labels))):
        labels = [labels[number] for number in range(len(labels))]
    if labels is None:
        raise InputError(
            "the network's config does not name its scores; give labels, one name for each score"
        )
    if isinstance(labels, (str, Mapping)) or not isinstance(labels, Iterable):
        raise InputError(
            f"labels are names, one for each score, such as ['cat', 'dog'], not {labels!r:.80}"
        )
    names = [str(label) for label in labels]
    counts = Counter(names)
    return tuple(
        f"{name} ({number})" if counts[name] > 1 else name for number, name in enumerate(names)
    )


def require_image_model(model: object) -> None:
    """Whether tools can look into an object.

    Raises:
        InputError: if it is no `ImageModel`, as a module alone is not.
    """
    if isinstance(model, ImageModel):
        return
    kind = type(model).__name__
    if isinstance(model, nn.Module):
        raise InputError(
            f"{kind} is a module alone; give rlvis.ImageModel(module, labels, preprocess), which "
            "also knows the names of its scores and how images are brought to it"
        )
    raise InputError(
        f"cannot look into {kind}; give an rlvis.ImageModel or rlvis.Policy, or load one with "
        "rlvis.load_model(...)"
    )


def _first_tensor(module: nn.Module) -> Tensor:
    for tensor in chain(module.parameters(), module.buffers()):
        if tensor.is_floating_point():
            return tensor
    return torch.empty(0)
