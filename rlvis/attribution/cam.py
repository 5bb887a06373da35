"""Class activation maps: channels of one layer, weighted and summed."""

import torch
from torch import Tensor

from rlvis.attribution.registry import method
from rlvis.evidence import Evidence, Need

_LAYER = (Need("layer"),)


def weighted_sum(weights: Tensor, evidence: Evidence) -> Tensor:
    """Σ_k w_k A_k: weights (N, T, C) of the layer's channels give maps (N, T, h, w)."""
    return torch.einsum("ntc,nchw->nthw", weights, evidence.activations[:, 0])


@method("cam", reference="Zhou et al. 2016, eq. 1-2", reads_layer=True, signed=True)
def cam(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, h, w) whose sum is the score less the head's bias."""
    places = evidence.activations[0, 0, 0].numel()
    return weighted_sum(evidence.head_weights, evidence) / places


@method("grad-cam", reference="Selvaraju et al. 2017, eq. 1-2", needs=_LAYER, reads_layer=True)
def grad_cam(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, h, w): channels weighted by their mean gradient, positive part."""
    return weighted_sum(evidence.gradients.mean(dim=(-2, -1)), evidence).relu()


@method(
    "grad-cam++",
    reference="Chattopadhyay et al. 2018, eq. 5 and 19",
    needs=_LAYER,
    reads_layer=True,
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
