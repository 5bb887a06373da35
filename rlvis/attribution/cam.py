"""Class activation maps: channels of one layer, weighted and summed."""

import torch
from torch import Tensor

from rlvis.attribution.changed_images import at_once
from rlvis.attribution.evidence import Evidence, GradientRequest
from rlvis.attribution.registry import method

_LAYER = (GradientRequest("layer"),)


def weighted_sum(weights: Tensor, evidence: Evidence) -> Tensor:
    """Σ_k w_k A_k: weights (N, T, C) of the layer's channels give maps (N, T, h, w)."""
    activations = evidence.activations
    common = torch.promote_types(weights.dtype, activations.dtype)
    weights, activations = weights.to(common), activations.to(common)
    if activations.shape[1] == 1:
        return torch.einsum("ntc,nchw->nthw", weights, activations[:, 0])
    return torch.einsum("ntc,ntchw->nthw", weights, activations)


@method("cam", reference="Zhou et al. 2016, eq. 1-2", reads_layer=True, signed=True, adds_up=True)
def class_activation_map(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, h, w) whose sum is the score less the head's bias."""
    places = evidence.activations[0, 0, 0].numel()
    return weighted_sum(evidence.head_weights(), evidence) / places


@method(
    "grad-cam",
    reference="Selvaraju et al. 2017, eq. 1-2",
    needs=_LAYER,
    reads_layer=True,
    one_sided=True,
    one_weight=True,
)
def grad_cam(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, h, w): channels weighted by their mean gradient, positive part."""
    return weighted_sum(evidence.gradients.mean(dim=(-2, -1)), evidence).relu()


@method(
    "grad-cam++",
    reference="Chattopadhyay et al. 2018, eq. 5 and 19",
    needs=_LAYER,
    reads_layer=True,
    one_sided=True,
    one_weight=True,
)
def grad_cam_plus_plus(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, h, w): each place's positive gradient counts by its share alpha.

    With Y = exp(S) the higher derivatives are powers of the gradient g of the score S, so that
    alpha = g² / (2 g² + ΣA g³) = 1 / (2 + g ΣA), and 0 where that has no value: no epsilon is
    needed, which would swamp small gradients.
    """
    g = evidence.gradients
    denominator = (g * evidence.activations.sum(dim=(-2, -1), keepdim=True)).add_(2)
    shares = g.relu().div_(denominator).nan_to_num_(posinf=0, neginf=0)
    return weighted_sum(shares.sum(dim=(-2, -1)), evidence).relu()


@method(
    "hires-cam",
    reference="Draelos & Carin 2020, eq. 4",
    needs=_LAYER,
    reads_layer=True,
    one_sided=True,
)
def hires_cam(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, h, w): each place weighted by its own gradient, positive part."""
    return (evidence.gradients * evidence.activations).sum(dim=2).relu()


@method(
    "layer-cam",
    reference="Jiang et al. 2021, eq. 5-7",
    needs=_LAYER,
    reads_layer=True,
    one_sided=True,
)
def layer_cam(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, h, w): each place weighted by its own positive gradient."""
    return (evidence.gradients.relu() * evidence.activations).sum(dim=2).relu()


@method(
    "xgrad-cam",
    reference="Fu et al. 2020, eq. 8",
    needs=_LAYER,
    reads_layer=True,
    one_sided=True,
    one_weight=True,
)
def xgrad_cam(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, h, w): channels weighted by their gradient, averaged by activation."""
    a, g = evidence.activations, evidence.gradients
    total = a.sum(dim=(-2, -1))
    weights = (g * a).sum(dim=(-2, -1)).div_(total).nan_to_num_(posinf=0, neginf=0)
    return weighted_sum(weights, evidence).relu()


@method(
    "eigen-cam",
    reference="Muhammad & Yeasin 2020, eq. 2-3",
    reads_layer=True,
    one_sided=True,
    unit="activation",
)
def eigen_cam(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, h, w): activations along their principal direction, whatever the target.

    The first right singular vector v of the activations A (places × channels) gives the map A v,
    which is the first left one times its singular value: v is found from AᵀA, the map itself from
    A Aᵀ, whichever is smaller. The direction's sign is chosen so that the map's sum is positive.
    """
    a = evidence.activations.flatten(0, 1)
    places = a.flatten(-2).mT.double()
    if places.shape[2] < places.shape[1]:
        projected = (places @ torch.linalg.eigh(places.mT @ places)[1][..., -1:])[..., 0]
    else:
        strengths, patterns = torch.linalg.eigh(places @ places.mT)
        projected = patterns[..., -1] * strengths[:, -1:].clamp(min=0).sqrt()
    projected = projected * torch.where(projected.sum(dim=1, keepdim=True) < 0, -1.0, 1.0)
    heat = projected.relu().to(a.dtype).unflatten(-1, a.shape[-2:])
    by_image = heat.unflatten(0, evidence.activations.shape[:2])
    return by_image.expand(-1, evidence.target_scores.shape[1], -1, -1)


@method(
    "score-cam",
    reference="Wang et al. 2020, eq. 5-8",
    reads_layer=True,
    one_sided=True,
    one_weight=True,
    unit="activation",
)
def score_cam(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, h, w): channels weighted by the score of what they let through.

    Each channel, enlarged and scaled to 0..1, masks the image; its weight is the softmax over the
    channels of the target's value for the masked image. It costs one forward pass per channel.
    """
    images = evidence.inputs.detach().contiguous()  # mixing is faster plane by plane
    columns = [
        torch.stack(
            [
                _let_through(evidence, target, *each)
                for each in enumerate(zip(images, maps, strict=True))
            ]
        )
        for target, maps in enumerate(evidence.activations.unbind(dim=1))
    ]
    own = columns[0] if len(columns) == 1 else torch.stack(columns).diagonal(dim1=0, dim2=3)
    return weighted_sum(own.softmax(dim=1).mT, evidence).relu()


def _let_through(
    evidence: Evidence, target: int, index: int, image_and_maps: tuple[Tensor, Tensor]
) -> Tensor:
    """The targets' values (C, T) for an image (C', H, W) masked by each channel of (C, h, w)."""
    image, maps = image_and_maps
    masks = evidence.on_input(maps[:, None], target)
    low, high = masks.amin((-2, -1), keepdim=True), masks.amax((-2, -1), keepdim=True)
    masks = (masks - low).div_(high - low).nan_to_num_(posinf=0, neginf=0)
    parts = masks.to(image).split(at_once(image))
    return torch.cat([evidence.rescore(image * part, index)[1] for part in parts])


@method(
    "ablation-cam",
    reference="Desai & Ramaswamy 2020, eq. 3-4",
    reads_layer=True,
    one_sided=True,
    one_weight=True,
    unit="{score} × activation",
)
def ablation_cam(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, h, w): channels weighted by how far the score falls without them.

    The paper divides the fall by the score, which scales the map where the score is positive, and
    would turn it round where it is not, as a log-probability never is. It costs one forward pass
    per channel.
    """
    fall = evidence.target_scores[:, :, None] - evidence.ablated().mT
    return weighted_sum(fall.nan_to_num(nan=0), evidence).relu()
