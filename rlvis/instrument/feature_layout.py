"""Where a layer's output keeps its map: channels first, channels last, or in a row of tokens.

    (N, C, h, w)      convolutional networks; ConvNeXt between its blocks
    (N, h, w, C)      Swin; ConvNeXt within its blocks
    (N, P + h·w, C)   vision transformers: P tokens of no place (class, distillation, registers),
                      then one per place, row by row; `token_order` asks whether they are

The shape alone does not say which it is, so it is read from the layers around: a convolution works
on channels first, a `Linear` on the last axis, a layer normalisation on the axis as long as it is.
A map is channels last where layers have only worked so on tensors of its shape. The grid of tokens
is that of the convolution that made them: the finest one of the same forward pass that fits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan, prod
from typing import Any

import torch
from torch import Tensor, nn

from rlvis.errors import InputError

MOST_PREFIX_TOKENS = 16


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


class LayoutProbe:
    """What the layers of one forward pass work on: it tells the layout of an output among them.

    Args:
        replica: the network, a private copy; it is given hooks.
        inputs: its input (N, C, H, W).

    Attributes:
        hooks: those that the network was given.
    """

    def __init__(self, replica: nn.Module, inputs: Tensor) -> None:
        self._count, self._image = len(inputs), tuple(inputs.shape[-2:])
        self._first: set[tuple[int, ...]] = set()
        self._last: set[tuple[int, ...]] = set()
        self._grids: set[tuple[int, int]] = set()
        self.hooks = [
            module.register_forward_hook(self._visit)
            for module in replica.modules()
            if isinstance(module, (nn.Conv2d, nn.Linear)) or hasattr(module, "normalized_shape")
        ]

    def _visit(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        for tensor in (*inputs[:1], output):
            if not isinstance(tensor, Tensor) or tensor.ndim != 4:
                continue
            if isinstance(module, nn.Conv2d):
                first, last = True, False
            elif isinstance(module, nn.Linear):
                first, last = False, True
            else:
                length = (prod(module.normalized_shape),)  # type: ignore[arg-type]
                first, last = (length == tensor.shape[axis : axis + 1] for axis in (1, 3))
            if first and not last:
                self._first.add(tuple(tensor.shape))
            elif last and not first:
                self._last.add(tuple(tensor.shape))
        if isinstance(module, nn.Conv2d) and len(output) == self._count:
            self._grids.add((output.shape[-2], output.shape[-1]))

    def layout(self, name: str, output: Any) -> FeatureLayout:
        """The layout of the output of the layer of that name.

        Raises:
            InputError: if it is no map, or holds one in an order that cannot be told.
        """
        if not isinstance(output, Tensor):
            raise InputError(
                f"layer {name!r} gives {type(output).__name__}, not a map (N, C, h, w); "
                "name a convolution, or a block's normalisation"
            )
        return self.layout_of(name, output.shape)

    def layout_of(self, name: str, shape: Sequence[int]) -> FeatureLayout:
        """As `layout`, of an output of that shape."""
        shape = tuple(shape)
        if len(shape) == 3 and shape[0] == self._count:
            return self.tokens(f"layer {name!r}", shape[1])
        if len(shape) != 4 or shape[0] != self._count:
            raise InputError(
                f"layer {name!r} gives {shape}, not a map (N, C, h, w) or tokens (N, T, C); "
                "name a convolution, or a block's normalisation"
            )
        if shape not in self._last:
            return FeatureLayout((shape[2], shape[3]))
        if shape in self._first:
            raise InputError(
                f"layer {name!r} gives {shape}, where either axis may be the channels, for other "
                "layers take it both ways; name another layer"
            )
        rows, columns = shape[1:3]
        height, width = self._image
        if abs(rows * width - columns * height) > max(height, width):
            raise InputError(
                f"layer {name!r} gives {shape}, which is no map of a {width}×{height} image; "
                "name another layer"
            )
        return FeatureLayout((rows, columns), channel_axis=-1)

    def tokens(self, where: str, count: int) -> FeatureLayout:
        """The layout of a row of `count` tokens.

        Args:
            where: what errors call the place that has them.
            count: how many.

        Raises:
            InputError: if no convolution of the network has made a grid that fits.
        """
        fitting = [grid for grid in self._grids if 1 < prod(grid) <= count]
        grid = max(fitting, key=prod, default=(0, 0))
        prefix = count - prod(grid)
        if not fitting or prefix > MOST_PREFIX_TOKENS:
            raise InputError(
                f"the {count} tokens of {where} lie on no grid that a convolution of the network "
                "made; name a layer with a map, or use saliency"
            )
        return FeatureLayout(grid, channel_axis=-1, tokens=True, prefix=prefix)


def dependency_mask(outputs: Tensor, source: Tensor) -> Tensor:
    """Which entries of `source` the outputs depend on, a boolean tensor of its shape.

    A gradient that starts as NaN ends as NaN wherever there is a way to go, and stays 0 where
    there is none. Weights that are zero do not hide a way, as they would from a plain gradient.
    """
    (gradient,) = torch.autograd.grad(
        outputs, source, torch.full_like(outputs, nan), retain_graph=True, allow_unused=True
    )
    return torch.zeros_like(source, dtype=torch.bool) if gradient is None else gradient.isnan()
