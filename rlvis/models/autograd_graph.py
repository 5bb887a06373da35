"""Which tensors of a forward pass a result depends on, read from the graph that autograd kept.

The graph is only walked: no gradient is computed, and one that happens to be zero hides nothing.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

Edge = tuple[Any, int]
"""A node of the graph and which of its outputs."""


def edges_behind(*results: Tensor, without: Sequence[Edge] = ()) -> set[Edge]:
    """All that results were computed from, themselves included, on ways that leave edges out."""
    seen: set[Edge] = set(without)
    waiting = [edge_of(each) for each in results]
    while waiting:
        edge = waiting.pop()
        if edge[0] is not None and edge not in seen:
            seen.add(edge)
            waiting.extend(edge[0].next_functions)
    return seen.difference(without)


def depends(behind: set[Edge], source: Tensor) -> bool:
    """Whether a source, a leaf or not, is among what `edges_behind` found."""
    if source.grad_fn is not None:
        return edge_of(source) in behind
    return any(getattr(node, "variable", None) is source for node, _ in behind)


def steps_behind(*results: Tensor) -> set[str]:
    """The names of all that results were computed by, such as "ConvolutionBackward0"."""
    return {node.name() for node, _ in edges_behind(*results)}


def edge_of(tensor: Tensor) -> Edge:
    """Where the graph has a tensor that was computed."""
    return tensor.grad_fn, tensor.output_nr
