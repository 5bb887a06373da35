"""What is asked of a model, put to it a batch at a time."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from rlvis.attribution.evidence import Evidence
from rlvis.attribution.explanation import Explanation
from rlvis.attribution.registry import METHODS, Method, get_method
from rlvis.attribution.remembered import Remembered
from rlvis.errors import InputError, Notice
from rlvis.images.depth import Levels, check_window, windows_used
from rlvis.images.loading import Images, Size, as_images, reductions
from rlvis.images.preprocess import Window
from rlvis.instrument.layers import resolve_layer
from rlvis.models.image_model import ImageModel, require_image_model
from rlvis.models.targets import Target, TargetLike, as_targets

Item = TypeVar("Item")


@dataclass(frozen=True)
class Prepared:
    """Images of one size, as they are shown and as the network takes them.

    Attributes:
        pictures: uint8 (N, H, W, C).
        window: the part of them that the network sees.
        inputs: float (N, C, h, w).
        levels: what of pictures of more than 8 bits became black and white.
        reduced: width and height of those that were larger in their files.
    """

    pictures: np.ndarray
    window: Window
    inputs: Tensor
    levels: tuple[Levels, ...]
    reduced: tuple[Size, ...] = ()

    def __len__(self) -> int:
        return len(self.pictures)

    @classmethod
    def together(cls, items: "Sequence[Prepared]") -> "Prepared":
        """Those of several items of one size."""
        if len(items) == 1:
            return items[0]
        return cls(
            np.concatenate([item.pictures for item in items]),
            items[0].window,
            torch.cat([item.inputs for item in items]),
            tuple(dict.fromkeys(levels for item in items for levels in item.levels)),
            tuple(dict.fromkeys(size for item in items for size in item.reduced)),
        )


@dataclass(frozen=True)
class Explainer:
    """Methods and targets to explain images by.

    Attributes:
        model: what is inspected.
        methods: at least one.
        targets: T targets.
        layer: that of methods that read one; found for each size of input when None.
        window: the values that become black and white in pictures of more than 8 bits.
        batch_size: how many images go through the network at once.
        remembered: what the model, which then stays as it is, has said of images under masks.
    """

    model: ImageModel
    methods: Sequence[Method]
    targets: Sequence[Target]
    layer: str | None = None
    window: Levels | None = None
    batch_size: int = 64
    remembered: Remembered | None = None
    _layers: dict[tuple[int, ...], str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        model: ImageModel,
        methods: Sequence[str | Method],
        target: TargetLike | Sequence[TargetLike] | None = None,
        **how: Any,
    ) -> "Explainer":
        """From what a user may write; see `explain`.

        Raises:
            InputError: if a method, option or target does not exist, or there is no method.
        """
        require_image_model(model)
        if not methods:
            raise InputError("no method given; there are: " + ", ".join(METHODS))
        return cls(model, [get_method(each) for each in methods], as_targets(target, model), **how)

    def configured(self, **options: Any) -> "Explainer":
        """The same, its methods with other options.

        Raises:
            InputError: if one has no such option.
        """
        return replace(self, methods=[each.configured(**options) for each in self.methods])

    def prepare(self, image: Images) -> Prepared:
        """Images of one size, or a network's float input, brought to the network.

        Raises:
            InputError: if they are no images, differ in size, or the window does nothing.
        """
        if self.window is not None:
            check_window(self.window)
        given = image if isinstance(image, Tensor) and image.is_floating_point() else None
        with torch.inference_mode(False), windows_used() as levels, reductions() as reduced:
            if given is not None and given.ndim != 4:
                raise InputError(
                    f"a network's input is a float tensor (N, C, H, W), not {tuple(given.shape)}; "
                    "give pictures as integers"
                )
            if given is not None:
                inputs = self.model.inputs(given)
                pixels = _stretched(inputs)
            else:
                pixels = as_images(image, self.window)
                inputs = self.model.inputs(pixels)
        if self.window is not None and not levels:
            raise InputError("the picture has 8 bits, of which all are seen; leave window out")
        height, width = pixels.shape[-2:]
        seen = Window(0, 0, height, width)
        if given is None:
            seen = self.model.window(
                (pixels.shape[1], height, width), pixels[0] if len(pixels) else None
            )
            if not seen.known:
                warnings.warn(
                    f"which part of a {width}×{height} picture the preprocessing of "
                    f"{self.model.name} brings to the network cannot be found; maps are stretched "
                    "over all of it (a rlvis.Preprocess is known)",
                    Notice,
                    stacklevel=2,
                )
        pictures = pixels.permute(0, 2, 3, 1).cpu().numpy()
        return Prepared(pictures, seen, inputs, tuple(levels), tuple(reduced))

    def explain(
        self,
        items: Sequence[Prepared],
        context: Mapping[str, Any] | None = None,
        taken: np.ndarray | None = None,
    ) -> Iterator[list[Explanation]]:
        """For each item in turn an explanation by each method.

        Items whose inputs have one size go through the network together.

        Args:
            items: of N images in all.
            context: what the model takes besides, (N, …) each by name.
            taken: the action taken on each image, int (N,).

        Raises:
            InputError: see `rlvis.explain`.
        """
        count = sum(map(len, items))
        known = self.model.context_of(count, context)
        actions = None if taken is None else _actions(taken, count, self.model)
        start = 0
        for _, group in groupby(items, lambda item: item.inputs.shape[1:]):
            together = list(group)
            part = slice(start, start := start + sum(map(len, together)))
            yield from self._of_one_shape(
                together,
                {name: entry[part] for name, entry in known.items()},
                None if actions is None else actions[part],
            )

    def stream(
        self, images: Iterable[Images], on_error: Callable[[int, InputError], None] | None = None
    ) -> Iterator[list[Explanation]]:
        """As `explain`, for as many items as there are; see `rlvis.explain_each`."""
        for batch in _chunks(enumerate(images), self.batch_size):
            readable: list[tuple[int, Prepared]] = []
            for number, image in batch:
                with _told(number, on_error):
                    readable.append((number, self.prepare(image)))
            try:
                found = list(self.explain([item for _, item in readable]))
            except InputError:
                if on_error is None:
                    raise
                found = []
                for number, item in readable:  # one of them is to blame
                    with _told(number, on_error):
                        found += self.explain([item])
            yield from found

    def _of_one_shape(
        self, items: Sequence[Prepared], context: Mapping[str, Tensor], taken: Tensor | None
    ) -> Iterator[list[Explanation]]:
        inputs = torch.cat([item.inputs for item in items]) if len(items) > 1 else items[0].inputs
        with torch.inference_mode(False):
            layer = self._layer_for(inputs, context)
            together = len(inputs) == 1 or self.model.takes_batches(inputs, context)
            answers = [
                self._ask(
                    inputs[part],
                    layer,
                    {name: entry[part] for name, entry in context.items()},
                    None if taken is None else taken[part],
                )
                for part in _slices(len(inputs), self.batch_size if together else 1)
            ]
        joined = [_joined(each) for each in zip(*answers, strict=True)]
        start = 0
        for item in items:
            part = slice(start, start := start + len(item))
            yield [self._explanation(answer, item, part) for answer in joined]

    def _layer_for(self, inputs: Tensor, context: Mapping[str, Tensor]) -> str | None:
        if not any(each.reads_layer for each in self.methods):
            return None
        shape = tuple(inputs.shape[1:])
        if shape not in self._layers:
            self._layers[shape] = resolve_layer(
                self.model, inputs, self.layer, context, self.targets
            )
        return self._layers[shape]

    def _ask(
        self,
        inputs: Tensor,
        layer: str | None,
        context: Mapping[str, Tensor],
        taken: Tensor | None,
    ) -> list["_Answer"]:
        """What each method says of a batch."""
        evidence = Evidence(
            self.model,
            inputs,
            self.targets,
            layer=layer,
            attention=any(each.reads_attention for each in self.methods),
            needs={need for each in self.methods for need in each.needs},
            context=context,
            taken=taken,
            remembered=self.remembered,
        )
        return [_Answer.of(each, evidence) for each in self.methods]

    def _explanation(self, answer: "_Answer", item: Prepared, part: slice) -> Explanation:
        """That of some images, out of what a method says of more."""
        same = item.pictures.shape[-1] == item.inputs.shape[1]
        per_image = {name: each[part] for name, each in answer.per_image.items()}
        return Explanation(
            images=item.pictures,
            window=item.window,
            levels=item.levels,
            reduced=item.reduced,
            labels=self.model.labels,
            model=self.model.name,
            frames=answer.frames if same else 1,
            **{"value": None, **per_image},
            **answer.for_all,
        )


@dataclass(frozen=True)
class _Answer:
    """What a method says of a batch: attributes of an `Explanation`.

    Attributes:
        per_image: those with an entry per image.
        for_all: the others.
        frames: how many frames the network's input stacks.
    """

    per_image: dict[str, Any]
    for_all: dict[str, Any]
    frames: int

    @classmethod
    def of(cls, method: Method, evidence: Evidence) -> "_Answer":
        scores, value = evidence.scores, evidence.scores.value
        per_image = {
            "maps": _array(_unmasked(_maps(method, evidence), evidence.target_scores)),
            "scores": _array(evidence.target_scores),
            "targets": evidence.target_names,
            "logits": _array(scores.logits),
            **({} if value is None else {"value": _array(value)}),
        }
        for_all = {
            "method": str(method),
            "signed": method.signed,
            "layer": evidence.layer if method.reads_layer else None,
            "frame": method.frame,
            "one_sided": method.one_sided,
            "unit": method.unit.format(score=evidence.unit),
            "units": tuple(method.unit.format(score=unit) for unit in evidence.units),
            "score_units": evidence.units,
            "kind": scores.kind,
            "adds_up": tuple(
                method.adds_up and linear and evidence.views == 1 for linear in evidence.linear
            ),
            "epsilon": torch.finfo(scores.logits.dtype).eps,
            "places": evidence.places_of(method.drawn_at),
            "caveat": evidence.caveat(method.one_weight),
        }
        return cls(per_image, for_all, evidence.frames)


def _maps(method: Method, evidence: Evidence) -> Tensor:
    """What a method says of a batch, the maps of parallel runs of a layer added."""
    if not method.reads_layer:
        return method(evidence)
    maps = []
    for number in range(evidence.views):
        with evidence.view(number):
            own = method(evidence)
            maps.append(evidence.put(own) if method.drawn_at == "layer" else own)
    return sum(maps[1:], start=maps[0])


def _joined(parts: Sequence[_Answer]) -> _Answer:
    """What a method says of all images of several batches."""
    if len(parts) == 1:
        return parts[0]
    per_image = {
        name: [row for part in parts for row in part.per_image[name]]
        if isinstance(each, list)
        else np.concatenate([part.per_image[name] for part in parts])
        for name, each in parts[0].per_image.items()
    }
    return _Answer(per_image, parts[0].for_all, parts[0].frames)


@contextmanager
def _told(number: int, on_error: Callable[[int, InputError], None] | None) -> Iterator[None]:
    """What is wrong with an image is told, or raised where nobody listens."""
    try:
        yield
    except InputError as error:
        if on_error is None:
            raise
        on_error(number, error)


def _chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    return iter(lambda: list(islice(iterator, size)), [])


def _slices(count: int, size: int) -> Iterable[slice]:
    return (slice(start, start + size) for start in range(0, count, size))


def _stretched(inputs: Tensor) -> Tensor:
    """A network's inputs as pictures to show, uint8: each from its least to its greatest value."""
    low, high = inputs.amin((1, 2, 3), keepdim=True), inputs.amax((1, 2, 3), keepdim=True)
    return (inputs - low).div_((high - low).clamp(min=1e-12)).mul_(255).to(torch.uint8)


def _actions(taken: np.ndarray, count: int, model: ImageModel) -> Tensor:
    """The actions taken, int64 (N,)."""
    actions = torch.as_tensor(np.asarray(taken), dtype=torch.int64)
    labels = len(model.labels)
    if actions.shape != (count,) or bool(((actions < 0) | (actions >= labels)).any()):
        raise InputError(
            f"taken holds {tuple(actions.shape)} for {count} images and {labels} actions; give the "
            "index of an action for each image"
        )
    return actions.to(model.device)


def _unmasked(maps: Tensor, scores: Tensor) -> Tensor:
    """The maps, empty where the score is that of a masked label: nothing can change it."""
    return maps.masked_fill(scores.isneginf()[:, :, None, None], 0)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().float().cpu().numpy()
