"""Which tensors of a forward pass a result depends on, read from the graph that autograd kept.

The graph is only walked: no gradient is computed, and one that happens to be zero hides nothing.
"""

from typing import Any

from torch import Tensor

Edge = tuple[Any, int]
"""A node of the graph and which of its outputs."""


def edges_behind(result: Tensor) -> set[Edge]:
    """All that a result was computed from, itself included."""
    seen: set[Edge] = set()
    waiting = [edge_of(result)]
    while waiting:
        edge = waiting.pop()
        if edge[0] is not None and edge not in seen:
            seen.add(edge)
            waiting.extend(edge[0].next_functions)
    return seen


def depends(behind: set[Edge], source: Tensor) -> bool:
    """Whether a source, a leaf or not, is among what `edges_behind` found."""
    if source.grad_fn is not None:
        return edge_of(source) in behind
    return any(getattr(node, "variable", None) is source for node, _ in behind)


def edge_of(tensor: Tensor) -> Edge:
    """Where the graph has a tensor that was computed."""
    return tensor.grad_fn, tensor.output_nr
