"""Where a layer's output keeps its map: channels first, channels last, or in a row of tokens."""

from dataclasses import dataclass
from math import nan, prod

import torch
from torch import Tensor


@dataclass(frozen=True)
class FeatureLayout:
    """Where a layer's output keeps its map.

    Attributes:
        grid: (h, w).
        channel_axis: 1 or -1.
        tokens: whether the places lie in a row, after the prefix.
        prefix: how many tokens of no place come first.
        order: int64 (h·w,), the token at each place, row by row; None where they lie so themselves.
        transposed: whether its columns come before its rows.
    """

    grid: tuple[int, int]
    channel_axis: int = 1
    tokens: bool = False
    prefix: int = 0
    order: Tensor | None = None
    transposed: bool = False

    @property
    def count(self) -> int:
        """Of tokens."""
        return self.prefix + prod(self.grid)

    def map(self, output: Tensor) -> Tensor:
        """The map (N, C, h, w) within an output of the layer, or within a gradient at it."""
        if self.tokens:
            placed = output[:, self.prefix :] if self.order is None else output[:, self.order]
            return placed.mT.unflatten(-1, self.grid)
        placed = output if self.channel_axis == 1 else output.movedim(-1, 1)
        return placed.mT if self.transposed else placed


def dependency_mask(outputs: Tensor, source: Tensor) -> Tensor:
    """Which entries of `source` the outputs depend on, a boolean tensor of its shape.

    A gradient that starts as NaN ends as NaN wherever there is a way to go, and stays 0 where
    there is none. Weights that are zero do not hide a way, as they would from a plain gradient.
    """
    (gradient,) = torch.autograd.grad(
        outputs, source, torch.full_like(outputs, nan), retain_graph=True, allow_unused=True
    )
    return torch.zeros_like(source, dtype=torch.bool) if gradient is None else gradient.isnan()
