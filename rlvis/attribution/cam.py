"""Class activation maps: channels of one layer, weighted and summed."""

import torch
from torch import Tensor

from rlvis.attribution.registry import method
from rlvis.evidence import Evidence, Need

_LAYER = (Need("layer"),)


@method("cam", reference="Zhou et al. 2016, eq. 1-2", reads_layer=True, signed=True)
def cam(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, h, w) whose sum is the score less the head's bias."""
    places = evidence.activations[0, 0, 0].numel()
    weights = evidence.head_weights[..., None, None]
    return (weights * evidence.activations).sum(dim=2) / places


@method("grad-cam", reference="Selvaraju et al. 2017, eq. 1-2", needs=_LAYER, reads_layer=True)
def grad_cam(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, h, w): channels weighted by their mean gradient, positive part."""
    weights = evidence.gradients.mean(dim=(-2, -1), keepdim=True)
    return (weights * evidence.activations).sum(dim=2).relu()


@method(
    "grad-cam++",
    reference="Chattopadhyay et al. 2018, eq. 5 and 19",
    needs=_LAYER,
    reads_layer=True,
)
def grad_cam_plus_plus(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, h, w): each place's positive gradient counts by its share alpha.

    With Y = exp(S) the higher derivatives are powers of the gradient g of the score S, so that
    alpha = g² / (2 g² + ΣA g³) = 1 / (2 + g ΣA), and 0 where g is 0: no epsilon is needed, which
    would swamp small gradients.
    """
    g = evidence.gradients
    summed = evidence.activations.sum(dim=(-2, -1), keepdim=True)
    denominator = 2 + g * summed
    alpha = torch.where((g != 0) & (denominator != 0), 1 / denominator, 0)
    weights = (alpha * g.relu()).sum(dim=(-2, -1), keepdim=True)
    return (weights * evidence.activations).sum(dim=2).relu()


@method("hires-cam", reference="Draelos & Carin 2020, eq. 4", needs=_LAYER, reads_layer=True)
def hires_cam(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, h, w): each place weighted by its own gradient, positive part."""
    return (evidence.gradients * evidence.activations).sum(dim=2).relu()


@method("layer-cam", reference="Jiang et al. 2021, eq. 5-7", needs=_LAYER, reads_layer=True)
def layer_cam(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, h, w): each place weighted by its own positive gradient."""
    return (evidence.gradients.relu() * evidence.activations).sum(dim=2).relu()


@method("xgrad-cam", reference="Fu et al. 2020, eq. 8", needs=_LAYER, reads_layer=True)
def xgrad_cam(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, h, w): channels weighted by their gradient, averaged by activation."""
    a, g = evidence.activations, evidence.gradients
    total = a.sum(dim=(-2, -1), keepdim=True)
    share = torch.where(total != 0, a / total, 0)
    weights = (share * g).sum(dim=(-2, -1), keepdim=True)
    return (weights * a).sum(dim=2).relu()


@method("eigen-cam", reference="Muhammad & Yeasin 2020, eq. 2-3", reads_layer=True)
def eigen_cam(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, h, w): activations along their principal direction, whatever the target.

    The direction's sign is chosen so that the map's sum is positive.
    """
    a = evidence.activations[:, 0]
    places = a.flatten(-2).mT.double()
    _, _, directions = torch.linalg.svd(places, full_matrices=False)
    projected = (places @ directions[:, 0, :, None])[..., 0]
    projected = projected * torch.where(projected.sum(dim=1, keepdim=True) < 0, -1.0, 1.0)
    heat = projected.relu().to(a.dtype).unflatten(-1, a.shape[-2:])
    return heat[:, None].expand(-1, evidence.target_scores.shape[1], -1, -1)
