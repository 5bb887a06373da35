"""From globally pooled channels to the targets: the linear layer between, and what is behind it."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from rlvis.models.image_model import Scores
from rlvis.models.targets import Target

LinearRun = tuple[nn.Linear, Tensor, Tensor]
"""A linear layer, what it was given, and what it gave."""


def head_matrix(runs: Sequence[LinearRun], pooled: Tensor, scores: Tensor) -> Tensor | None:
    """The matrix (K, C) of the last linear layer that maps pooled channels to scores, if any does.

    Args:
        runs: the linear layers in the order in which they ran.
        pooled: float (N, C), the means of a layer's channels.
        scores: float (N, K); a mask may have been laid over some of them.
    """
    free = scores.isfinite()
    for linear, features, output in reversed(runs):
        same_scores = output.shape == scores.shape and torch.equal(
            output.detach().to(scores)[free], scores[free]
        )
        if same_scores and features.shape == pooled.shape:
            tolerance = max(1e-4, 4 * torch.finfo(pooled.dtype).eps) * features.abs().amax()
            if bool(((features - pooled).abs() <= tolerance).all()):
                return linear.weight.detach()
    return None


def score_jacobian(targets: Sequence[Target], scores: Scores) -> dict[str, Tensor]:
    """How targets depend on the scores themselves, without the network.

    Args:
        targets: T targets.
        scores: of N images.

    Returns:
        "logits": float (N, T, K) and, for an actor-critic, "value": float (N, T, 1).
    """
    outputs = {"logits": scores.logits, "value": scores.value}
    leaves = {
        name: tensor.detach().requires_grad_(True)
        for name, tensor in outputs.items()
        if tensor is not None
    }
    free = replace(scores, logits=leaves["logits"], value=leaves.get("value"))
    rows: dict[str, list[Tensor]] = {name: [] for name in leaves}
    for target in targets:
        with torch.enable_grad():
            found = torch.autograd.grad(
                target(free).sum(), list(leaves.values()), allow_unused=True
            )
        for (name, leaf), jacobian in zip(leaves.items(), found, strict=True):
            jacobian = torch.zeros_like(leaf) if jacobian is None else jacobian
            rows[name].append(jacobian.reshape(len(leaf), -1))
    return {name: torch.stack(each, dim=1) for name, each in rows.items()}
