"""How far convolution, pooling and resizing reach: rules for `Extent`s."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from rlvis.instrument.dependence.extents import NOTHING, Call, Extent, continued, full, rule

_FAINTEST = 1e-6
"""A pixel that resizing gives a smaller weight than this is not counted."""


@rule("convolution", "_convolution", "cudnn_convolution", "mkldnn_convolution")
def _convolved(call: Call) -> Sequence[Extent]:
    """Every input channel of a group, within the kernel's window."""
    given, weight = call.arguments["input"], call.arguments["weight"]
    if given.ndim != 4:
        return [call.whole]
    groups = call.arguments.get("groups", 1)
    outputs = call.outputs[0].shape[1]
    extent = tuple(_of_groups(each, groups) for each in _spatial(call.of("input"), given))
    options = {name: _pair(call.arguments[name]) for name in ("stride", "padding", "dilation")}
    kernel = tuple(weight.shape[-2:])
    if call.arguments.get("transposed", False):
        more = _pair(call.arguments["output_padding"])
        reached = [_spread(each, kernel, more=more, **options) for each in extent]
    else:
        reached = [_slid(each, kernel, **options, looking=call.looking) for each in extent]
    return [
        tuple(
            each if each.shape[1] == 1 else each.repeat_interleave(outputs // groups, dim=1)
            for each in reached
        )
    ]


@rule("max_pool2d_with_indices", "avg_pool2d", "max_pool2d")
def _pooled(call: Call) -> Sequence[Extent]:
    arguments = call.arguments
    kernel = _pair(arguments["kernel_size"])
    stride = _pair(arguments.get("stride") or kernel)
    padding, dilation = (_pair(arguments.get(name, default)) for name, default in _POOLING)
    ceil = bool(arguments.get("ceil_mode", False))
    extent = _spatial(call.of("self"), arguments["self"])
    if call.looking:
        around = _around(call, kernel, stride, padding, dilation)
        extent, padding, ceil = tuple(continued(each, around) for each in extent), (0, 0), False
    return [tuple(F.max_pool2d(each, kernel, stride, padding, dilation, ceil) for each in extent)]


def _around(call: Call, kernel: Any, stride: Any, padding: Any, dilation: Any) -> list[int]:
    """How many more columns and rows whole windows of a pooling take, as `continued` has them."""
    given, found = call.arguments["self"].shape, call.outputs[0].shape
    around = []
    for axis in (1, 0):
        reach = (found[axis - 2] - 1) * stride[axis] + dilation[axis] * (kernel[axis] - 1) + 1
        around += [padding[axis], reach - given[axis - 2] - padding[axis]]
    return around


_POOLING = (("padding", 0), ("dilation", 1))


@rule("_adaptive_avg_pool2d", "adaptive_max_pool2d", "adaptive_avg_pool2d")
def _pooled_to_size(call: Call) -> Sequence[Extent]:
    size = tuple(call.arguments["output_size"])
    extent = _spatial(call.of("self"), call.arguments["self"])
    return [tuple(F.adaptive_max_pool2d(each, size) for each in extent)]


@rule("upsample_nearest2d", "_upsample_nearest_exact2d", "upsample_bilinear2d")
@rule("upsample_bicubic2d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa")
def _resized(call: Call) -> Sequence[Extent]:
    """Every pixel with a weight, which is found by resizing images of a single one."""
    name = "self" if "self" in call.arguments else "input"
    given = call.arguments[name]
    rows, columns = (_neighbours(call, name, axis, given.shape[2 + axis]) for axis in (0, 1))
    return [
        tuple(
            each[:, :, rows].amax(3)[..., columns].amax(-1)
            for each in _spatial(call.of(name), given)
        )
    ]


@rule("grid_sampler", "grid_sampler_2d", "cudnn_grid_sampler")
def _sampled(call: Call) -> Sequence[Extent]:
    """The pixels round each place of a grid that the image has no part in."""
    given, grid = call.arguments["input"], call.arguments["grid"]
    if call.extent(grid) is not None or given.ndim != 4:
        return [call.whole]
    aligned = bool(call.arguments.get("align_corners", False))
    sides = torch.tensor([given.shape[-1], given.shape[-2]])
    places = grid.float().cpu()
    places = (places + 1) / 2 * (sides - 1) if aligned else ((places + 1) * sides - 1) / 2
    outside = ((places <= -1) | (places >= sides)).any(dim=-1)[:, None]
    found = []
    for each in _spatial(call.of("input"), given):
        corners = [
            each[:, :, rows, columns]
            for rows in _pixels(places[0, ..., 1], each.shape[2])
            for columns in _pixels(places[0, ..., 0], each.shape[3])
        ]
        found.append(torch.stack(corners).amax(0).masked_fill(outside, NOTHING))
    return [tuple(found)]


def _pixels(places: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """The pixels before and behind places along a side."""
    before = places.floor().long()
    return before.clamp(0, length - 1), (before + 1).clamp(0, length - 1)


def _neighbours(call: Call, name: str, axis: int, length: int) -> Tensor:
    """The places along an axis that each place after resizing depends on, int64 (after, most).

    The other axis is two pixels long: torch resizes images of a single column wrongly.
    """
    pixels = torch.eye(length)[:, :, None].expand(-1, -1, 2)
    arguments = {**call.arguments, name: (pixels if axis == 0 else pixels.mT)[None]}
    if arguments["output_size"] is not None:
        after = call.outputs[0].shape[2 + axis]
        arguments["output_size"] = [after, 2] if axis == 0 else [2, after]
    resized = call.operation(**arguments)[0]
    weights = resized.abs().amax(2 - axis).T > _FAINTEST
    first = weights.int().argmax(dim=1)
    last = length - 1 - weights.flip(1).int().argmax(dim=1)
    steps = torch.arange(int((last - first).max()) + 1)
    return torch.minimum(first[:, None] + steps, last[:, None])


def _spatial(extent: Extent, tensor: Tensor) -> Extent:
    """The extent with its two last axes as long as the tensor's."""
    return tuple(
        full((each,), [*each.shape[:-2], *tensor.shape[-2:]])[0].contiguous() for each in extent
    )


def _of_groups(bounds: Tensor, groups: int) -> Tensor:
    """Bounds (1, C, h, w) of channels as those of the groups of a convolution, (1, groups, h, w).

    They are (1, 1, h, w) where all are the same.
    """
    if bounds.shape[1] == 1:
        return bounds
    return bounds.unflatten(1, (groups, -1)).amax(2)


def _slid(
    bounds: Tensor,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    after: Any = (0, 0),
    looking: bool = False,
) -> Tensor:
    """The maximum within windows.

    Around is nothing, on the far side `after` rows and columns more of it; or the image goes on.
    """
    down, right = padding
    around = (right, right + after[1], down, down + after[0])
    padded = continued(bounds, around) if looking else F.pad(bounds, around, value=NOTHING)
    return F.max_pool2d(padded, kernel, stride, 0, dilation)


def _spread(
    bounds: Tensor, kernel: Any, stride: Any, padding: Any, dilation: Any, more: Any
) -> Tensor:
    """What a transposed convolution reaches: windows over places put `stride` apart."""
    height, width = bounds.shape[-2:]
    apart = torch.full(
        (*bounds.shape[:2], (height - 1) * stride[0] + 1, (width - 1) * stride[1] + 1), NOTHING
    )
    apart[..., :: stride[0], :: stride[1]] = bounds
    margin = tuple(
        gap * (side - 1) - cut for side, gap, cut in zip(kernel, dilation, padding, strict=True)
    )
    return _slid(apart, kernel, (1, 1), margin, dilation, more)


def _pair(value: Any) -> tuple[int, int]:
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    return (values[0], values[-1])
