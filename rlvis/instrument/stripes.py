"""Which stripes of an image move which cells of a layer: a network asked where its cells look.

The trace knows windows, not weights: a network trained with padding on one side alone, or one that
covers part of its image, looks elsewhere than in the middle of its windows. So noise is given to
the network, then the same noise with one stripe of it exchanged after the other, and what changes
in each cell is where it looks. No gradient is needed. The noise is fixed, and on the scale of the
network's inputs: the answer depends on the network alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
import torch
from torch import Tensor

Ask = Callable[[Tensor], Tensor]
"""Gives a layer's output for inputs (n, C, H, W)."""

SEEN = 0.1
"""A cell looks at a stripe that does more than this of what the most effective one does."""

_AT_ONCE = 8
_LEAST = 12
"""So many stripes are exchanged along each side at least."""


@dataclass(frozen=True)
class Response:
    """What stripes along one side of an image move; axes are numbered behind that of the images.

    Attributes:
        middles: of the stripes, in pixels, float (S,).
        moved: for each axis of the layer's output but that of the images the squared change of what
            lies at each of its places, float (S, places).
    """

    middles: np.ndarray
    moved: tuple[np.ndarray, ...]

    @property
    def width(self) -> float:
        """Of a stripe."""
        return float(self.middles[-1] - self.middles[0]) / max(1, len(self.middles) - 1) or 1.0

    def profiles(self, axis: int) -> np.ndarray:
        """How far each stripe moves each cell along an axis of the output, its most 1: (S, cells).

        What all stripes do to a cell is taken away.
        """
        totals = self.moved[axis] - self.moved[axis].min(axis=0)
        most = totals.max(axis=0)
        return np.divide(totals, most, out=np.zeros_like(totals), where=most > 0)

    def centres(self, axis: int) -> np.ndarray:
        """The middle of the stripes that move each cell, in pixels (cells,); NaN where none does.

        Weighted by the square of their effect: the far ends of wide windows do not count.
        """
        weights = self.profiles(axis) ** 2
        total = weights.sum(axis=0)
        sums = (weights * self.middles[:, None]).sum(axis=0)
        return np.divide(sums, total, out=np.full(len(total), np.nan), where=total > 0)

    def places(self, cell: np.ndarray) -> tuple[float, ...]:
        """The middles in pixels of the places that move a cell, by its profile (S,).

        A place is a run of stripes that do more than `SEEN` of what the most effective does, or
        whose neighbours do.
        """
        smooth = np.convolve(cell, [1 / 3, 1 / 3, 1 / 3], mode="same")
        found, stripes = [], range(len(cell))
        for high, run in groupby(stripes, lambda stripe: bool(smooth[stripe] > SEEN)):
            if high:
                of = list(run)
                found.append(float(self.middles[of].mean()))
        return tuple(found)


def respond(
    ask: Ask, low: Tensor, high: Tensor, stripes: tuple[int, int], images: int
) -> tuple[Response, Response]:
    """What horizontal stripes and what vertical ones move.

    Args:
        ask: the network.
        low: the input of a black image, (1, C, H, W).
        high: that of a white one.
        stripes: how many, from top to bottom and from left to right, if the image has so many
            pixels.
        images: how many images of noise are asked about.
    """
    generator = torch.Generator().manual_seed(0)
    found = []
    for axis in (2, 3):
        length = low.shape[axis]
        count = min(max(stripes[axis - 2], _LEAST), length)
        edges = np.round(np.linspace(0, length, count + 1)).astype(int)
        moved: list[np.ndarray] = []
        for _ in range(images):
            noise, other = (
                low + (high - low) * torch.rand(low.shape, generator=generator).to(low)
                for _ in range(2)
            )
            more = _moved(ask, noise, _exchanged(noise, other, edges, axis))
            moved = [one + two for one, two in zip(moved, more, strict=True)] if moved else more
        widths = np.diff(edges)[:, None]
        middles = (edges[:-1] + edges[1:] - 1) / 2
        found.append(Response(middles, tuple(each / widths for each in moved)))
    return found[0], found[1]


def _exchanged(one: Tensor, other: Tensor, edges: np.ndarray, axis: int) -> Iterator[Tensor]:
    """An image (1, C, H, W), each time with another of its stripes from the other image."""
    for start, end in pairwise(edges):
        changed = one.clone()
        changed.narrow(axis, start, end - start).copy_(other.narrow(axis, start, end - start))
        yield changed


def _moved(ask: Ask, one: Tensor, changed: Iterator[Tensor]) -> list[np.ndarray]:
    images, found = list(changed), list[list[Tensor]]()
    with torch.no_grad():
        before = ask(one).double()
        for start in range(0, len(images), _AT_ONCE):
            after = ask(torch.cat(images[start : start + _AT_ONCE])).double()
            change = (after - before).square()
            axes = range(1, change.ndim)
            found.append([change.sum([each for each in axes if each != axis]) for axis in axes])
    return [torch.cat(each).cpu().numpy() for each in zip(*found, strict=True)]
