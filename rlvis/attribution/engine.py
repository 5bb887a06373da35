"""`explain`: images, a model, methods and targets in; explanations out."""

from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor

from rlvis.attribution.evidence import Evidence
from rlvis.attribution.explanation import Explanation, concatenate
from rlvis.attribution.registry import METHODS, Method, get_method
from rlvis.errors import InputError
from rlvis.images.depth import Levels, check_window, windows_used
from rlvis.images.loading import Images, as_images
from rlvis.images.preprocess import Preprocess, Window
from rlvis.instrument.layers import resolve_layer
from rlvis.models.image_model import ImageModel
from rlvis.models.targets import TargetLike, as_targets


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
) -> dict[str, Explanation]: ...


def explain(
    model: ImageModel,
    image: Images,
    method: str | Method | Sequence[str | Method] = "grad-cam",
    target: TargetLike | Sequence[TargetLike] | None = None,
    *,
    layer: str | None = None,
    context: Mapping[str, Any] | None = None,
    taken: np.ndarray | None = None,
    window: Levels | None = None,
    batch_size: int = 64,
    **options: Any,
) -> Explanation | dict[str, Explanation]:
    """Explain scores of a model on one or many images.

    Args:
        model: what to inspect; nothing on it changes, and several threads may explain it at once.
        image: a path, a PIL image, a uint8 array (H, W, C) or (N, H, W, C), a uint8 tensor
            (N, C, H, W), a list of these of one size, or the network's float input (N, C, H, W).
        method: one of `rlvis.METHODS` by name, options after a colon ("occlusion:patch=8"), or
            several, which then share one forward pass and one backward pass per target.
        target: a label, its index, a target from `rlvis.models.targets`, a callable on `Scores`, or
            several. Left out: every action of a policy, the highest score of a classifier.
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
        An `Explanation`, or for a sequence of methods a dict of them by method name.

    Raises:
        InputError: if a method, option, target, layer or image is wrong; see the message.
        NonFiniteError: if the network's output is not finite.
    """
    several = not isinstance(method, (str, Method))
    given = [method] if isinstance(method, (str, Method)) else method
    chosen = [get_method(each) for each in given]
    if not chosen:
        raise InputError("no method given; there are: " + ", ".join(METHODS))
    if options:
        if several:
            raise InputError("options belong to one method; write them as 'occlusion:patch=8'")
        chosen = [chosen[0].configured(**options)]
    targets = as_targets(target, model)
    with torch.inference_mode(False):
        with windows_used() as levels:
            pictures, seen, inputs = _prepare(model, image, window)
        if window is not None and not levels:
            raise InputError("the picture has 8 bits, of which all are seen; leave window out")
        known_actions = None if taken is None else _actions(taken, len(inputs), model)
        known = model.context_of(len(inputs), context)
        if any(each.reads_layer for each in chosen):
            layer = resolve_layer(model, inputs, layer, known, targets)
        else:
            layer = None
        needs = {need for each in chosen for need in each.needs}
        batches = []
        for start in range(0, len(inputs), batch_size):
            part = slice(start, start + batch_size)
            around = {name: entry[part] for name, entry in known.items()}
            evidence = Evidence(
                model,
                inputs[part],
                targets,
                layer=layer,
                attention=any(each.reads_attention for each in chosen),
                needs=needs,
                context=around,
                taken=None if known_actions is None else known_actions[part],
            )
            shown = pictures[part], seen, tuple(levels)
            batches.append(_explain_batch(model, chosen, evidence, *shown))
    explained = {
        str(each): concatenate([batch[index] for batch in batches])
        if len(batches) > 1
        else batches[0][index]
        for index, each in enumerate(chosen)
    }
    return explained if several else next(iter(explained.values()))


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


def _prepare(
    model: ImageModel, image: Images, levels: Levels | None
) -> tuple[np.ndarray, Window, Tensor]:
    """The pictures to show (N, H, W, C), the part seen of them, and the network's input."""
    if levels is not None:
        check_window(levels)
    if isinstance(image, Tensor) and image.is_floating_point():
        inputs = model.inputs(image)
        low, high = inputs.amin((1, 2, 3), keepdim=True), inputs.amax((1, 2, 3), keepdim=True)
        pixels = (inputs - low).div_((high - low).clamp(min=1e-12)).mul_(255).to(torch.uint8)
        window = Window(0, 0, *pixels.shape[-2:])
    else:
        pixels = as_images(image, levels)
        inputs = model.inputs(pixels)
        height, width = pixels.shape[-2:]
        window = Window(0, 0, height, width)
        if isinstance(model.preprocess, Preprocess):
            window = model.preprocess.window(height, width)
    return pixels.permute(0, 2, 3, 1).cpu().numpy(), window, inputs


def _explain_batch(
    model: ImageModel,
    methods: Sequence[Method],
    evidence: Evidence,
    pictures: np.ndarray,
    window: Window,
    levels: tuple[Levels, ...],
) -> list[Explanation]:
    scores, value = evidence.scores, evidence.scores.value
    same = pictures.shape[-1] == evidence.inputs.shape[1]
    return [
        Explanation(
            images=pictures,
            maps=_array(_unmasked(each(evidence), evidence.target_scores)),
            window=window,
            scores=_array(evidence.target_scores),
            targets=evidence.target_names,
            logits=_array(scores.logits),
            labels=model.labels,
            distribution=model.distribution,
            value=_array(value) if value is not None else None,
            method=str(each),
            signed=each.signed,
            model=model.name,
            layer=evidence.layer if each.reads_layer else None,
            frames=evidence.frames if same else 1,
            frame=each.frame,
            one_sided=each.one_sided,
            unit=each.unit.format(score=evidence.unit),
            units=tuple(each.unit.format(score=unit) for unit in evidence.units),
            score_units=evidence.units,
            adds_up=tuple(each.adds_up and linear for linear in evidence.linear),
            levels=levels,
            epsilon=torch.finfo(scores.logits.dtype).eps,
        )
        for each in methods
    ]


def _unmasked(maps: Tensor, scores: Tensor) -> Tensor:
    """The maps, empty where the score is that of a masked label: nothing can change it."""
    return maps.masked_fill(scores.isneginf()[:, :, None, None], 0)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().float().cpu().numpy()
