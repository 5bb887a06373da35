"""Where the cells of a network's layers look, traced through one forward pass.

A cell's windows are followed back through the operations to the image (`dependence.tracer`), which
says at once where in a layer's output a map lies and where on the image each of its cells looks:

    (N, C, h, w)      convolutional networks
    (N, h, w, C)      Swin, ConvNeXt within its blocks, filters in frequency space
    (N, P + h·w, C)   vision transformers: P tokens of no place (class, distillation, registers),
                      then one for each place, in whatever order

Rows and columns are the axes along which places differ. Nothing is read from the kinds of modules.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlvis.errors import InputError
from rlvis.images.places import Places, Side
from rlvis.instrument.dependence.extents import Extent
from rlvis.instrument.dependence.tracer import Dependence
from rlvis.instrument.feature_layout import FeatureLayout
from rlvis.instrument.watching import watch
from rlvis.models.image_model import ImageModel
from rlvis.models.replica import replicate

_ALIKE = 0.5
"""Cells of a row may look at heights that differ by so much of the distance to the next row."""


@dataclass(frozen=True)
class CellMap:
    """A map in a layer's output.

    Attributes:
        layout: where it lies.
        places: where its cells look.
    """

    layout: FeatureLayout
    places: Places


@dataclass(frozen=True)
class LayerRun:
    """One run of a layer in a forward pass on one image.

    Attributes:
        kind: the name of its output's type.
        shape: of the output, () where it is no tensor.
        extent: where the output's elements look; None where they do not depend on the image.
        size: (H, W) of the image.
    """

    kind: str
    shape: tuple[int, ...]
    extent: Extent | None
    size: tuple[int, int]

    @cached_property
    def cells(self) -> CellMap | None:
        """The map in the output; None where there is none, or where the trace does not tell."""
        return None if self.extent is None else read_cells(self.extent, self.shape, self.size)


@dataclass(frozen=True)
class TracedPass:
    """All runs of all layers in one forward pass on one image.

    Attributes:
        runs: by layer, as in `module.named_modules()`.
        sequences: the rows of tokens that modules took or gave, alone or before other things.
        failure: what ended the pass, as where what follows a layer takes no image of this size.
    """

    runs: dict[str, list[LayerRun]]
    sequences: list[LayerRun]
    failure: InputError | None = None


def trace_layers(
    model: ImageModel, inputs: Tensor, context: Mapping[str, Tensor], looking: bool = True
) -> TracedPass:
    """Trace one forward pass on one image.

    Args:
        model: the model; it is left as it is.
        inputs: float (N, C, H, W), of which the first is taken.
        context: of these inputs.
        looking: whether it is asked where cells look, not what can change them; see
            `dependence.extents`.
    """
    replica, runs = replicate(model.module), dict[str, list[LayerRun]]()
    sequences, failure = list[LayerRun](), None
    with torch.inference_mode():
        image = inputs[:1].detach().clone()
        tracing = Dependence(image, looking)
        size = image.shape[-2], image.shape[-1]

        def visit(name: str, _: Any, inputs: Any, output: Any) -> None:
            given = inputs[0] if inputs else None
            first = output[0] if isinstance(output, tuple) and output else output
            sequences.extend(
                _sequence(each, tracing.extent(each), size)
                for each in (given, first)
                if isinstance(each, Tensor) and each.ndim == 3
            )
            kind, shape, extent = type(output).__name__, tuple[int, ...](), None
            if isinstance(output, Tensor):
                shape, extent = tuple(output.shape), tracing.extent(output)
            runs.setdefault(name, []).append(LayerRun(kind, shape, extent, size))

        watch(replica, visit, {name for name, _ in replica.named_modules(remove_duplicate=False)})
        try:
            with tracing:
                model.run(replica, image, {name: each[:1] for name, each in context.items()})
        except InputError as error:
            failure = error
    return TracedPass(runs, sequences, failure)


def _sequence(tokens: Tensor, extent: Extent | None, size: tuple[int, int]) -> LayerRun:
    """Tokens (1, L, C) of one image, or (L, 1, C)."""
    if tokens.shape[0] != 1 == tokens.shape[1]:
        tokens = tokens.transpose(0, 1)
        extent = extent and tuple(each.transpose(0, 1) for each in extent)
    return LayerRun("Tensor", tuple(tokens.shape), extent, size)


def read_cells(extent: Extent, shape: Sequence[int], size: tuple[int, int]) -> CellMap | None:
    """The map in a layer's output, by where each of its elements looks.

    Args:
        extent: of the output, for one image.
        shape: of the output.
        size: (H, W) of the image.
    """
    if len(shape) not in (3, 4) or shape[0] != 1:
        return None
    top, bottom, left, right = (each[0] for each in extent)
    middles = [
        torch.where(each.isfinite(), each, torch.nan)
        for each in ((bottom - top) / 2, (right - left) / 2)
    ]
    reaches = [
        _reach(each, length)
        for each, length in zip((bottom + top, right + left), size, strict=True)
    ]
    if len(shape) == 4:
        return _in_a_grid(middles, reaches, shape[1:], size)
    tokens = [each.expand(shape[1], -1).amax(1) for each in (bottom + top, right + left)]
    spans = torch.stack(tokens)
    narrow = spans <= spans.nanmedian(dim=1, keepdim=True).values + 1
    return _in_a_row([each.expand(shape[1], -1) for each in middles], reaches, narrow, size)


def _reach(spans: Tensor, length: int) -> float:
    """How far most elements look from their middle, a share of a side; 1 where that is no less.

    Args:
        spans: from the first pixel that each looks at to the last.
        length: of the side in pixels.
    """
    known = spans[spans.isfinite()]
    return min(1.0, (float(known.median()) + 1) / 2 / length) if len(known) else 1.0


def _in_a_grid(
    middles: Sequence[Tensor],
    reaches: Sequence[float],
    shape: Sequence[int],
    size: tuple[int, int],
) -> CellMap | None:
    """A map of which rows and columns are axes of their own.

    Args:
        middles: (a, b, c) each, 1 for axes along which nothing varies.
        reaches: of cells, along the rows and along the columns.
        shape: of the output behind the axis of images.
        size: (H, W) of the image.
    """
    rows, columns = (_axis(each) for each in middles)
    rows = _single(shape, columns) if rows is None else rows
    columns = _single(shape, rows) if columns is None else columns
    if rows is None or columns is None or rows == columns or {rows, columns} == {0, 2}:
        return None
    channels = 3 - rows - columns
    sides = []
    for middle, reach, axis, length in zip(middles, reaches, (rows, columns), size, strict=True):
        side = _side(middle.movedim(axis, 0).flatten(1), reach, length)
        if side is None:
            return None
        sides.append(side)
    grid = len(sides[0].cells), len(sides[1].cells)
    layout = FeatureLayout(grid, channel_axis=1 if channels == 0 else -1, transposed=rows > columns)
    return CellMap(layout, Places(*sides))


def _in_a_row(
    middles: Sequence[Tensor], reaches: Sequence[float], narrow: Tensor, size: tuple[int, int]
) -> CellMap | None:
    """A map whose cells lie in a row of tokens.

    Args:
        middles: (tokens, channels) each.
        reaches: of cells, along the rows and along the columns.
        narrow: bool (2, tokens), whether tokens see no more than most do: others are of no place.
        size: (H, W) of the image.
    """
    if any(int(np.argmax(_spreads(each))) != 0 for each in middles):
        return None
    tokens = torch.stack([each.nanmean(dim=1) for each in middles], dim=1)
    placed = (tokens.isfinite().all(dim=1) & narrow.all(dim=0)).nonzero()[:, 0]
    if not len(placed):
        return None
    ranks, sides = [], []
    for values, reach, length in zip(tokens[placed].unbind(1), reaches, size, strict=True):
        levels, rank = _levels(values)
        ranks.append(rank)
        side = _side(levels[:, None], reach, length)
        if side is None:
            return None
        sides.append(side)
    grid = len(sides[0].cells), len(sides[1].cells)
    number = ranks[0] * grid[1] + ranks[1]
    if prod(grid) != len(placed) or len(number.unique()) != len(placed):
        return None
    order = placed[number.argsort()]
    prefix = len(tokens) - len(placed)
    usual = torch.arange(prefix, len(tokens))
    layout = FeatureLayout(
        grid,
        channel_axis=-1,
        tokens=True,
        prefix=prefix,
        order=None if torch.equal(order, usual) else order,
    )
    return CellMap(layout, Places(*sides))


def _axis(middles: Tensor) -> int | None:
    """The axis along which places differ most, None where they do not."""
    spreads = _spreads(middles)
    most = int(np.argmax(spreads))
    return most if spreads[most] else None


def _single(shape: Sequence[int], other: int | None) -> int | None:
    """The axis of a single row or column beside the axis of the others, None if there is none."""
    beside = [axis for axis in (1, 2, 0) if axis != other and shape[axis] == 1]
    return beside[0] if beside and other is not None else None


def _spreads(middles: Tensor) -> list[float]:
    """How far places differ along each axis, the others averaged; 0 where they do not."""
    found = []
    for axis in range(middles.ndim):
        means = middles.movedim(axis, 0).flatten(1).nanmean(dim=1)
        means = means[means.isfinite()]
        found.append(float(means.max() - means.min()) if len(means) else 0.0)
    return found


def _levels(values: Tensor) -> tuple[Tensor, Tensor]:
    """The different ones among values (L,), in order, and which of them each is."""
    rounded, rank = (values * 64).round().unique(return_inverse=True)
    return rounded / 64, rank


def _side(lines: Tensor, reach: float, length: int) -> Side | None:
    """Where lines of cells look along a side; None where the cells of a line do not agree.

    Args:
        lines: the middles of the cells of each line in pixels, (lines, cells).
        reach: of a cell, a share of the side.
        length: of the side in pixels.
    """
    means = lines.nanmean(dim=1)
    if not bool(means.isfinite().all()):
        return None
    steps = means.diff().abs()
    pitch = float(steps.median()) if len(steps) else float(length)
    apart = (lines - means[:, None]).abs().nan_to_num(nan=0)
    if not 0 < pitch <= length or bool((apart > _ALIKE * pitch).any()):
        return None
    cells = tuple(((float(each) + 0.5) / length,) for each in means)
    return Side(cells, pitch / length, reach)
