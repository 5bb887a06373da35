"""The linear layer that makes scores of globally pooled channels, found by what it was given."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

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
