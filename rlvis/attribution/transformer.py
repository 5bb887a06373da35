"""Attention followed through the layers of a transformer, from the scores back to the patches."""

import torch
from torch import Tensor

from rlvis.attribution.evidence import Evidence, GradientRequest
from rlvis.attribution.registry import method


@method(
    "attention-rollout",
    reference="Abnar & Zuidema 2020, eq. 1",
    reads_attention=True,
    unit="share of the attention",
)
def attention_rollout(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, h, w): how far the tokens that are read attend to each patch.

    With the attention A of a layer averaged over its heads, and half of each token coming from
    itself by the residual connection, Â = ½ A + ½ I with rows that sum to 1, the tokens of the last
    layer are made of those of the first as Â_L … Â_2 Â_1. Whatever the target.
    """
    rollout = identity = _identity(evidence)
    for attention in evidence.attentions:
        mixed = attention.mean(dim=1).to(identity) + identity
        rollout = mixed / mixed.sum(dim=-1, keepdim=True) @ rollout
    targets = evidence.target_scores.shape[1]
    return evidence.patches(rollout[:, None]).expand(-1, targets, -1, -1)


@method(
    "attention-relevance",
    reference="Chefer et al. 2021, eq. 5-6",
    needs=[GradientRequest("attention")],
    reads_attention=True,
    one_sided=True,
    unit="relevance",
)
def attention_relevance(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, h, w): attention that speaks for the target, followed to each patch.

    With Ā = mean over the heads of (∇A ⊙ A)⁺, the relevance of the tokens for each other, at first
    R = I, becomes R + Ā R layer by layer. Followed here is what it is beside I, which says nothing
    of the patches: R - I becomes (R - I) + Ā (R - I) + Ā.
    """
    gained = torch.zeros_like(_identity(evidence))
    for attention, gradient in zip(evidence.attentions, evidence.attention_gradients, strict=True):
        relevant = (gradient * attention[:, None]).relu().mean(dim=2).to(gained)
        gained = gained + relevant @ gained + relevant
    return evidence.patches(gained)


def _identity(evidence: Evidence) -> Tensor:
    """(L, L), at least float32: half precision would lose what little each layer adds."""
    attention = evidence.attentions[0]
    precise = torch.promote_types(attention.dtype, torch.float32)
    return torch.eye(attention.shape[-1], dtype=precise, device=attention.device)
