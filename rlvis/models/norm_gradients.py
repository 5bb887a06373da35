"""Batch normalisation whose gradient is right wherever it lies in memory.

On CPUs PyTorch's backward pass of batch normalisation, and of instance normalisation that is made
of it, reads the gradient of one image in a wrong order where its strides are not the usual ones, as
behind `.flatten(2).transpose(1, 2)` (seen in PyTorch 2.13). So that gradient is brought into the
usual order before.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from rlvis.models.autograd_graph import edges_behind


def order_norm_gradients(results: Sequence[Tensor]) -> None:
    """Let gradients of results reach every batch normalisation in the usual order in memory."""
    for node in {node for node, _ in edges_behind(*results) if _is_batch_norm(node)}:
        node.register_prehook(_in_usual_order)


def _is_batch_norm(node: object) -> bool:
    return type(node).__name__.startswith("NativeBatchNorm")


def _in_usual_order(gradients: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
    return tuple(
        each
        if each is None or _is_usual(each)
        else each.clone(memory_format=torch.contiguous_format)
        for each in gradients
    )


def _is_usual(gradient: Tensor) -> bool:
    """Whether no axis can be mistaken for another; those of length 1 may have any stride."""
    images, *sides = gradient.shape
    return images > 1 or (gradient.stride(0) == prod(sides) and 1 not in sides)
