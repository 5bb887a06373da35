"""What maps must do whatever the world is like: depend on the question, and on the weights.

Also deletion and insertion of pixels, where what stands behind the parts of an image is known.
"""

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from rlvis.attribution.explainer import Explainer
from rlvis.attribution.remembered import Remembered
from rlvis.errors import InputError
from rlvis.evaluation.estimates import NOTHING, Estimate, estimate, mean
from rlvis.evaluation.parts import Parts, losses
from rlvis.evaluation.situations import Pictures
from rlvis.models.image_model import ImageModel
from rlvis.models.targets import Target, TargetLike

STEPS = (0.02, 0.05, 0.1, 0.2)
"""The shares of an image's pixels that are exchanged."""
LEVELS = (1 / 3, 2 / 3, 1.0)
"""The shares of the weights that are drawn anew, from the top down."""


def deletion_and_insertion(
    pictures: Pictures,
    maps: np.ndarray,
    parts: Parts,
    target: Target,
    chosen: np.ndarray,
) -> tuple[Estimate, Estimate]:
    """How soon the score goes with the hottest pixels, and comes with them.

    The hottest pixels are exchanged for the image without any of its parts, drawn by the world; the
    score that is lost, as a share of what is lost without the parts, is averaged over `STEPS`. For
    insertion they are put into that image instead, and what comes back is averaged. Both are 1
    where a fiftieth of the pixels carries all, and about the mean of `STEPS`, 0.09, for a random
    order (after Petsiuk et al. 2018, whose background is black or blurred).

    Args:
        pictures: the images, and what the model says of them.
        maps: float (N, H, W).
        parts: of the images.
        target: the score.
        chosen: int (D,), the images that are asked.
    """
    deleted: list[np.ndarray] = []
    inserted: list[np.ndarray] = []
    grounds, kept = [], []
    for place in chosen.tolist():
        ground, gone = parts.background(place)
        if not gone.any() or not maps[place].any():
            continue
        order = np.argsort(-np.abs(maps[place]).ravel(), kind="stable")
        image = parts.images[place]
        flat = image.shape[0] * image.shape[1], -1
        for step in STEPS:
            first = order[: max(1, round(step * len(order)))]
            for start, other, images in ((image, ground, deleted), (ground, image, inserted)):
                changed = start.copy()
                changed.reshape(flat)[first] = other.reshape(flat)[first]
                images.append(changed)
        grounds.append(ground)
        kept.append(place)
    if not kept:
        return NOTHING, NOTHING
    of = np.array(kept)
    whole = pictures.logits[of], pictures.values[of]
    lost = losses(pictures.model, [target], whole, pictures.scores(np.stack(grounds), of))[:, 0]
    sums = []
    for images in (deleted, inserted):
        each = np.repeat(of, len(STEPS))
        again = tuple(np.repeat(part, len(STEPS), axis=0) for part in whole)
        answers = pictures.scores(np.stack(images), each)
        sums.append(losses(pictures.model, [target], (again[0], again[1]), answers)[:, 0])
    away = np.sign(lost) * sums[0].reshape(len(of), -1).mean(axis=1)
    back = np.abs(lost) - np.sign(lost) * sums[1].reshape(len(of), -1).mean(axis=1)
    size, groups = np.abs(lost), parts.groups[of]

    def ratio(totals: np.ndarray) -> np.ndarray:
        return totals[..., 0] / totals[..., 1]

    deletion = estimate(ratio, np.stack([away, size], axis=1), groups)
    return deletion, estimate(ratio, np.stack([back, size], axis=1), groups)


def sensitivity(maps: Sequence[np.ndarray], groups: np.ndarray) -> Estimate:
    """How much maps of different targets differ: 1 - |r|, the mean over pairs of targets.

    Args:
        maps: of each target, float (N, h, w).
        groups: int (N,).
    """
    if len(maps) < 2:
        return NOTHING
    standard = [_standard(each) for each in maps]
    found = [
        np.clip(1 - np.abs((one * other).sum(axis=1)), 0, 1)
        for place, one in enumerate(standard)
        for other in standard[place + 1 :]
    ]
    return mean(np.mean(found, axis=0), groups, (0.0, 1.0))


def randomised(model: ImageModel, share: float, seed: int = 0) -> ImageModel:
    """The same model with a share of its weights drawn anew, from the one defined last down.

    The entries of each weight are shuffled, so that their sizes stay (after the cascading
    randomisation of Adebayo et al. 2018).
    """
    changed = model.with_changes(module=copy.deepcopy(model.module))
    lot = torch.Generator().manual_seed(seed)
    weights = [each for each in changed.module.parameters() if each.ndim > 1]
    with torch.no_grad():
        for weight in weights[len(weights) - round(share * len(weights)) :]:
            order = torch.randperm(weight.numel(), generator=lot)
            weight.copy_(weight.flatten()[order.to(weight.device)].reshape(weight.shape))
    return changed


def maps_by(
    model: ImageModel,
    method: str,
    targets: Sequence[TargetLike],
    images: np.ndarray,
    context: Mapping[str, np.ndarray],
    remembered: Remembered,
) -> list[np.ndarray]:
    """A method's maps of each target, float (N, H, W).

    Args:
        model: the model.
        method: by name, options after a colon.
        targets: at least one.
        images: uint8 (N, H, W, C).
        context: (N, …), what the model knows besides.
        remembered: what the model has said of images under masks.

    Raises:
        InputError: if the method cannot explain all of them.
    """
    explainer = Explainer.of(model, [method], targets, remembered=remembered)
    [[why]] = explainer.explain([explainer.prepare(images)], context)
    return list(why.heatmaps.swapaxes(0, 1))


def likeness_when_randomised(
    models: Sequence[ImageModel],
    method: str,
    target: TargetLike,
    images: np.ndarray,
    context: Mapping[str, np.ndarray],
    maps: np.ndarray,
    groups: np.ndarray,
    remembered: Remembered,
) -> list[Estimate]:
    """How alike maps are to those of randomised networks: |r|, 1 where the weights do not matter.

    Args:
        models: the network with more and more weights drawn anew.
        method: the method.
        target: the score that is explained.
        images: uint8 (N, H, W, C).
        context: (N, …), what the models know besides.
        maps: float (N, H, W), those of the network as it is.
        groups: int (N,).
        remembered: what the models have said of images under masks.

    Returns:
        The mean likeness for each model; NaN where a method refuses one.
    """
    own = _standard(np.abs(maps))
    known = (own != 0).any(axis=1)
    found = []
    for model in models:
        try:
            drawn = maps_by(model, method, [target], images, context, remembered)[0]
        except InputError:
            return [NOTHING] * len(models)
        others = _standard(np.abs(drawn))
        alike = np.abs((own * others).sum(axis=1))[known]
        found.append(mean(alike, groups[known], (0.0, 1.0)))
    return found


def _standard(maps: np.ndarray) -> np.ndarray:
    """Maps (N, H * W) of mean 0 and length 1, so that products are correlations; or zeros."""
    flat = maps.reshape(len(maps), -1).astype(np.float64)
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.divide(flat, length, out=np.zeros_like(flat), where=length > 1e-12)
