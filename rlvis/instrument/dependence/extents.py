"""How far the elements of a tensor reach: which rows and columns of an image they depend on.

Beside each tensor go four others, the first and the last row and column of the image that its
elements depend on, kept as (-top, bottom, -left, right): what depends on two things reaches as far
as the farther, so that everything below is a maximum, and -inf is what depends on nothing.

    elementwise           the maximum over the operands
    moving (view, cat, …) the same movement of the bounds
    sums, means, norms    the maximum over what is added
    windows               the maximum over the window (`rlvis.instrument.dependence.windows`)
    all others            the whole image: never too small

Two questions are asked so. Which pixels *can change* an element: the bounds are those of the image,
and never too small. And where an element *looks* (`Call.looking`): then the image goes on beyond
its border, so that padding does not shift the middle of a window; and of what comes together at an
element the narrower counts where the wider contains it: a skip connection beside attention, a map
beside its gate.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

Extent = tuple[Tensor, ...]
"""Four float32 tensors, -top, bottom, -left, right; each of the shape of the tensor they belong to,
with 1 for axes along which nothing varies."""

NOTHING = float("-inf")


@dataclass(frozen=True)
class Call:
    """An operation that was run.

    Attributes:
        operation: ATen's.
        arguments: by the names of its schema.
        outputs: the tensors that it gave.
        extent: gives that of a tensor, None where it does not depend on the image.
        whole: the extent of the whole image, of shape () each.
        looking: whether it is asked where elements look, not what can change them.
    """

    operation: Any
    arguments: dict[str, Any]
    outputs: list[Tensor]
    extent: Callable[[Tensor], Extent | None]
    whole: Extent
    looking: bool = False

    def of(self, name: str) -> Extent:
        """The extent of the argument of that name."""
        tensor = self.arguments[name]
        known = self.extent(tensor)
        return known or tuple(torch.full([1] * tensor.ndim, NOTHING) for _ in self.whole)


Rule = Callable[[Call], Sequence[Extent]]
RULES: dict[str, Rule] = {}
"""By the name of an operation: the extents of its outputs, or one for all of them."""


def rule(*operations: str) -> Callable[[Rule], Rule]:
    """Say how the outputs of operations depend on their inputs."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(operations, function))
        return function

    return register


def joined(extents: Sequence[Extent]) -> Extent:
    """What depends on all of these."""
    first, *others = extents
    for each in others:
        first = tuple(map(torch.maximum, first, each))
    return first


def full(extent: Extent, shape: Sequence[int]) -> Extent:
    """The extent of a tensor, with all axes as long as the tensor's."""
    return tuple(each.expand(*shape) for each in extent)


def unknown(call: Call) -> Sequence[Extent]:
    """Any element may depend on all that is given."""
    return [call.whole]


@rule("hardswish", "hardswish_", "native_dropout", "_to_copy", "_prelu_kernel")
def elementwise(call: Call) -> Sequence[Extent]:
    """Each element depends on those at its place in all tensors that are given."""
    given = [each for each in tree_leaves(call.arguments) if isinstance(each, Tensor)]
    extents = [each for each in map(call.extent, given) if each is not None]
    return [reduce(narrowed, extents) if call.looking else joined(extents)]


def narrowed(one: Extent, other: Extent) -> Extent:
    """Where elements look of which each is made of two: the narrower where one contains the other.

    They are joined where neither does. What depends on nothing does not count.
    """
    within = [_within(*pair) & (pair[0][0] > NOTHING) for pair in ((one, other), (other, one))]
    return tuple(
        torch.where(within[0], first, torch.where(within[1], second, torch.maximum(first, second)))
        for first, second in zip(one, other, strict=True)
    )


def _within(inner: Extent, outer: Extent) -> Tensor:
    return reduce(torch.logical_and, map(torch.le, inner, outer))


@rule("zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like")
@rule("new_zeros", "new_ones", "new_empty", "new_full", "zero_")
def _made(call: Call) -> Sequence[Extent]:
    return [tuple(torch.full_like(each, NOTHING) for each in call.whole)]


@rule("copy_")
def _copied(call: Call) -> Sequence[Extent]:
    return [call.of("src")]


@rule(
    *("view", "_unsafe_view", "reshape", "permute", "transpose", "t", "expand", "alias", "detach"),
    *("squeeze", "unsqueeze", "slice", "select", "split", "split_with_sizes", "unbind", "unfold"),
    *("cat", "stack", "repeat", "flip", "roll", "index", "index_select", "diagonal", "im2col"),
    *("constant_pad_nd", "reflection_pad2d", "replication_pad2d", "lift_fresh"),
    *("pixel_shuffle", "pixel_unshuffle", "native_channel_shuffle", "channel_shuffle"),
)
def _moved(call: Call) -> Sequence[Extent]:
    """The bounds go where the elements go; what is put beside them depends on nothing."""

    def bounds(which: int) -> Callable[[Any], Any]:
        def of(argument: Any) -> Any:
            if not isinstance(argument, Tensor):
                return argument
            extent = call.extent(argument)
            if extent is not None:
                return extent[which].expand(argument.shape).contiguous()
            floating = argument.is_floating_point()
            return torch.full(argument.shape, NOTHING) if floating else argument.cpu()

        return of

    arguments = call.arguments
    moving = arguments.get("tensors", [arguments.get("self")])
    where = [each for name, each in arguments.items() if name not in ("self", "tensors")]
    places = [each for each in tree_leaves(where) if isinstance(each, Tensor)]
    if any(call.extent(each) is not None for each in places) or moving[0] is None:
        return [call.whole]
    if call.looking and "pad" in arguments:
        return [
            tuple(
                continued(each, arguments["pad"]) for each in full(call.of("self"), moving[0].shape)
            )
        ]
    if "value" in arguments:
        arguments = {**arguments, "value": NOTHING}
    results = [
        tree_leaves(call.operation(**tree_map(bounds(which), arguments))) for which in range(4)
    ]
    return list(zip(*results, strict=True))


def continued(bounds: Tensor, padding: Sequence[int]) -> Tensor:
    """Bounds with more rows and columns around, as far apart as those within usually are.

    Args:
        bounds: of all elements of a tensor.
        padding: how many before and behind, of the last axis first, as `torch.nn.functional.pad`
            takes them; fewer than none are cut off.
    """
    for pair in range(len(padding) // 2):
        axis, (before, behind) = bounds.ndim - 1 - pair, padding[2 * pair : 2 * pair + 2]
        length = bounds.shape[axis]
        lines = torch.arange(-before, length + behind)
        inside = lines.clamp(0, length - 1)
        kept = bounds.index_select(axis, inside)
        if length > 1:
            steps = (lines - inside).float().view(-1, *[1] * pair)
            apart = bounds.diff(dim=axis).nanmedian(dim=axis, keepdim=True).values
            kept = torch.where(steps == 0, kept, kept + steps * apart.nan_to_num(nan=0))
        bounds = kept
    return bounds


@rule("mean", "sum", "amax", "amin", "max", "min", "var", "std", "var_mean", "prod", "logsumexp")
@rule("linalg_vector_norm", "argmax", "argmin", "any", "all", "median", "topk", "sort", "cumsum")
@rule("_softmax", "_log_softmax", "norm")
def _reduced(call: Call) -> Sequence[Extent]:
    """Everything along the axes that are summed or compared."""
    if call.looking and "softmax" in call.operation._schema.name:
        return elementwise(call)
    whole_axis = call.operation._schema.name.removeprefix("aten::") in _ALONG
    if "other" in call.arguments:
        return elementwise(call)
    extent = call.of("self")
    axes = extent[0].ndim
    dim = call.arguments.get("dim", -1 if whole_axis else None)
    dims = list(range(axes)) if dim is None or dim == [] else dim
    dims = [dims] if isinstance(dims, int) else list(dims)
    keep = whole_axis or bool(call.arguments.get("keepdim", False))
    return [tuple(torch.amax(each, dims, keep) for each in extent)]


_ALONG = {"topk", "sort", "cumsum", "_softmax", "_log_softmax"}


@rule("native_layer_norm")
def _layer_normalised(call: Call) -> Sequence[Extent]:
    if call.looking:
        return [call.of("input")]
    axes = [-1 - each for each in range(len(call.arguments["normalized_shape"]))]
    return [tuple(each.amax(axes, keepdim=True) for each in call.of("input"))]


@rule("native_group_norm")
def _group_normalised(call: Call) -> Sequence[Extent]:
    extent = call.of("input")
    if call.looking:
        return [extent]
    return [tuple(each.amax(list(range(1, each.ndim)), keepdim=True) for each in extent)]


@rule("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training")
@rule("cudnn_batch_norm", "miopen_batch_norm", "_batch_norm_no_update")
def _batch_normalised(call: Call) -> Sequence[Extent]:
    """Statistics that were learned change nothing; those of the image itself reach over it."""
    extent = call.of("input")
    if call.looking or not call.arguments.get("training", False):
        return [extent]
    return [tuple(each.amax([0, *range(2, each.ndim)], keepdim=True) for each in extent)]


@rule("mm", "bmm", "addmm", "baddbmm")
def _multiplied(call: Call) -> Sequence[Extent]:
    """Element (i, j): row i of the left matrix and column j of the right one."""
    left, right, added = {
        "mm": ("self", "mat2", None),
        "bmm": ("self", "mat2", None),
        "addmm": ("mat1", "mat2", "self"),
        "baddbmm": ("batch1", "batch2", "self"),
    }[call.operation._schema.name.removeprefix("aten::")]
    rows = tuple(each.amax(-1, keepdim=True) for each in call.of(left))
    columns = tuple(each.amax(-2, keepdim=True) for each in call.of(right))
    return [joined([rows, columns, *([call.of(added)] if added else [])])]
