"""`explain`: images, a model, methods and targets in; explanations out.

`explain_each` is the same for as many images as there are, one after the other.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np

from rlvis.attribution.explainer import Explainer, Prepared
from rlvis.attribution.explanation import Explanation, Explanations
from rlvis.attribution.mixed_sizes import ExplanationList, MixedExplanations
from rlvis.attribution.registry import Method
from rlvis.errors import InputError
from rlvis.images.depth import Levels
from rlvis.images.loading import Images
from rlvis.models.image_model import ImageModel
from rlvis.models.targets import TargetLike

Methods = str | Method | Sequence[str | Method]
USUAL_METHOD = "grad-cam"


@overload
def explain(
    model: ImageModel,
    image: Images,
    *,
    methods: Sequence[str | Method],
    target: TargetLike | Sequence[TargetLike] | None = ...,
    layer: str | None = ...,
    context: Mapping[str, Any] | None = ...,
    taken: np.ndarray | None = ...,
    window: Levels | None = ...,
    batch_size: int = ...,
) -> Explanations: ...


@overload
def explain(  # type: ignore[overload-overlap]  # a string is a sequence of strings, too
    model: ImageModel,
    image: Images,
    method: str | Method = ...,
    target: TargetLike | Sequence[TargetLike] | None = ...,
    *,
    layer: str | None = ...,
    context: Mapping[str, Any] | None = ...,
    taken: np.ndarray | None = ...,
    window: Levels | None = ...,
    batch_size: int = ...,
    **options: Any,
) -> Explanation: ...


@overload
def explain(
    model: ImageModel,
    image: Images,
    method: Sequence[str | Method],
    target: TargetLike | Sequence[TargetLike] | None = ...,
    *,
    layer: str | None = ...,
    context: Mapping[str, Any] | None = ...,
    taken: np.ndarray | None = ...,
    window: Levels | None = ...,
    batch_size: int = ...,
) -> Explanations: ...


def explain(
    model: ImageModel,
    image: Images,
    method: Methods | None = None,
    target: TargetLike | Sequence[TargetLike] | None = None,
    *,
    methods: Methods | None = None,
    layer: str | None = None,
    context: Mapping[str, Any] | None = None,
    taken: np.ndarray | None = None,
    window: Levels | None = None,
    batch_size: int = 64,
    **options: Any,
) -> Any:
    """Explain scores of a model on one or many images.

    Args:
        model: what to inspect; nothing on it changes, and several threads may explain it at once.
        image: a path, a PIL image, a uint8 array (H, W, C) or (N, H, W, C), a uint8 tensor
            (N, C, H, W), a list of these of any sizes, or the network's float input (N, C, H, W).
        method: one of `rlvis.METHODS` by name, options after a colon ("occlusion:patch=8"), or
            several, which then share one forward pass and one backward pass per target; grad-cam
            when left out.
        target: a label, its index, a target from `rlvis.models.targets`, a callable on `Scores`, or
            several. Left out: every action of a policy, the highest score of a classifier.
        methods: another spelling of `method`, as `rlvis.record` has it.
        layer: for the methods that read one; the last spatial layer that the targets depend on
            when left out. Where it runs several times, its last run on the way to each target.
        context: what the model takes besides the images, arrays (N, …) by name; it is held as it is
            while the images are asked about.
        taken: which action was taken on each image, int (N,), for the target "chosen".
        window: the values that become black and white in pictures of more than 8 bits; found and
            told (`Notice`) when left out, see `rlvis.images.depth`.
        batch_size: how many images go through the network at once.
        options: options of a single method, e.g. `patch=8` for occlusion.

    Returns:
        An `Explanation`, or for a sequence of methods `Explanations`, a dict of them by name. Of
        images of different sizes an `ExplanationList`, which has one for each, or a dict of these.

    Raises:
        InputError: if a method, option, target, layer or image is wrong; see the message.
        NonFiniteError: if the network's output is not finite.
    """
    chosen, several = choose_methods(method, methods)
    explainer = Explainer.of(
        model, chosen, target, layer=layer, window=window, batch_size=batch_size
    )
    if options:
        if several:
            raise InputError("options belong to one method; write them as 'occlusion:patch=8'")
        explainer = explainer.configured(**options)
    items = _prepared(explainer, image)
    by_method = list(zip(*explainer.explain(items, context, taken), strict=True))
    names = list(map(str, explainer.methods))
    if len(items) > 1:
        lists = [ExplanationList(parts) for parts in by_method]
        return MixedExplanations(zip(names, lists, strict=True)) if several else lists[0]
    found = [parts[0] for parts in by_method]
    return Explanations(zip(names, found, strict=True)) if several else found[0]


def _prepared(explainer: Explainer, image: Images) -> list[Prepared]:
    """Images of one size as one item, images of several sizes as one item each."""
    if not isinstance(image, Sequence) or isinstance(image, str) or not image:
        return [explainer.prepare(image)]
    items = [explainer.prepare(each) for each in image]
    sizes = {item.pictures.shape[1:] for item in items}
    return [Prepared.together(items)] if len(sizes) == 1 else items


def explain_each(
    model: ImageModel,
    images: Iterable[Images],
    method: Methods | None = None,
    target: TargetLike | Sequence[TargetLike] | None = None,
    *,
    methods: Methods | None = None,
    layer: str | None = None,
    window: Levels | None = None,
    batch_size: int = 16,
    on_error: Callable[[int, InputError], None] | None = None,
) -> Iterator[Any]:
    """Explain images one after the other, however many there are, in constant memory.

    They may have any sizes; those that reach the network in one size go through it together.

    Args:
        model: see `explain`.
        method: see `explain`.
        target: see `explain`.
        methods: see `explain`.
        layer: see `explain`.
        window: see `explain`.
        images: paths, pictures, arrays, or batches of them as a data loader gives them.
        batch_size: how many of them are read, and go through the network, at once.
        on_error: told the number of an image that cannot be explained, and why, before anything is
            given of later ones; it is left out. Where there is none, the error is raised.

    Yields:
        For each of `images` what `explain` returns for it.

    Raises:
        InputError: as for `explain`.
    """
    chosen, several = choose_methods(method, methods)
    explainer = Explainer.of(
        model, chosen, target, layer=layer, window=window, batch_size=batch_size
    )
    for parts in explainer.stream(images, on_error):
        names = map(str, explainer.methods)
        yield Explanations(zip(names, parts, strict=True)) if several else parts[0]


def choose_methods(
    method: Methods | None, methods: Methods | None
) -> tuple[Sequence[str | Method], bool]:
    """The methods given in either spelling, and whether they were given as several.

    Raises:
        InputError: if given in both.
    """
    if method is not None and methods is not None:
        raise InputError("method and methods are one parameter; give one of them")
    given = method if methods is None else methods
    given = USUAL_METHOD if given is None else given
    if isinstance(given, (str, Method)):
        return [given], False
    return given, True
