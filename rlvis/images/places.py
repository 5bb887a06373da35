"""Where on an image the cells of a map look, and maps drawn there.

A map has a value for each cell of a grid. A cell looks at a place of the image, in most networks at
one, whose neighbours are the places of the neighbouring cells. Stretching the grid over the image
puts them right where windows are padded evenly; it does not where they are not padded, as in the
usual network of reinforcement learning, nor where an image was turned, cropped or moved on the way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Any

import numpy as np

from rlvis.images.preprocess import Share


@dataclass(frozen=True)
class Side:
    """Where cells look along one side of an image, in shares of it: 0 is one edge, 1 the other.

    Attributes:
        cells: for each cell the middle of what it looks at; several where it looks at several
            places, as where an image and its mirror image are seen together, and none where it
            looks nowhere or everywhere.
        pitch: how far neighbouring cells are apart.
        reach: how far from its middle a cell looks to either side, where that is known; a pitch
            where it is less.
    """

    cells: tuple[tuple[float, ...], ...]
    pitch: float
    reach: float = 0.0

    @classmethod
    def stretched(cls, count: int) -> "Side":
        """Cells that divide the side evenly."""
        return cls(tuple(((each + 0.5) / count,) for each in range(count)), 1 / count)

    @property
    def is_stretched(self) -> bool:
        """Whether the cells divide the side evenly."""
        return self == Side.stretched(len(self.cells))

    def weights(self, pixels: int, start: float = 0.0, length: float = 1.0) -> np.ndarray:
        """How much each pixel shows of each cell, float32 (pixels, cells).

        Between the middles of two cells the weights go linearly from one to the other. Beyond the
        last one they stay for half a pitch, then fade out as far as that cell looks: 0 is what no
        cell sees. A pixel at which several cells look shows their mean.

        Args:
            pixels: how many there are.
            start: where the first pixel begins.
            length: what all of them cover; less than nothing where they run the other way.
        """
        middles = start + (np.arange(pixels) + 0.5) * (length / pixels)
        return self.weights_at(middles, abs(length) / pixels)

    def weights_at(self, middles: np.ndarray, width: float = 0.0) -> np.ndarray:
        """The same for any places of the side.

        Args:
            middles: of the places, (n,).
            width: of a place.
        """
        near = max(self.pitch, width)
        weights = np.zeros((len(middles), len(self.cells)))
        distances = np.full(weights.shape, inf)
        for cell, places in enumerate(self.cells):
            for place in places:
                off = np.abs(middles - place)
                weights[:, cell] += np.maximum(0, 1 - off / near)
                distances[:, cell] = np.minimum(distances[:, cell], off)
        nearest = distances.min(axis=1, keepdims=True)
        weights = np.where(nearest < near, weights, distances <= nearest)
        weights /= weights.sum(axis=1, keepdims=True)
        reach = max(self.reach, near)
        seen = np.clip((reach - nearest) / (reach - near / 2), 0, 1)
        return (weights * seen).astype(np.float32)


@dataclass(frozen=True)
class Places:
    """Where the cells of a map look.

    Attributes:
        rows: of the grid, from the top of the image to its bottom.
        columns: from its left to its right.
    """

    rows: Side
    columns: Side

    @classmethod
    def stretched(cls, grid: Sequence[int]) -> "Places":
        """A grid (h, w) that divides the image evenly."""
        return cls(Side.stretched(grid[0]), Side.stretched(grid[1]))

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w)."""
        return len(self.rows.cells), len(self.columns.cells)

    @property
    def is_stretched(self) -> bool:
        """Whether the grid divides the image evenly."""
        return self.rows.is_stretched and self.columns.is_stretched

    @property
    def several(self) -> bool:
        """Whether a cell looks at several places."""
        return any(len(each) > 1 for side in (self.rows, self.columns) for each in side.cells)

    def of(self, other: "Places") -> tuple[np.ndarray, np.ndarray]:
        """What brings a map of other places, (h', w'), to these, rows (h, h') and columns (w, w').

        What a cell shows is what the other cells show where it looks.
        """
        return _brought(self.rows, other.rows), _brought(self.columns, other.columns)

    def record(self) -> dict[str, Any]:
        """The places as JSON holds them; `from_record` reads them."""
        return {
            name: {
                "cells": [list(each) for each in side.cells],
                "pitch": side.pitch,
                "reach": side.reach,
            }
            for name, side in (("rows", self.rows), ("columns", self.columns))
        }

    @classmethod
    def from_record(cls, record: Any) -> "Places":
        """The places that were recorded.

        Raises:
            ValueError: if it is no record of places.
        """
        try:
            return cls(*(_side(record[name]) for name in ("rows", "columns")))
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"no places: {record!r:.60}") from error


def alike(one: Places, other: Places) -> bool:
    """Whether the cells of both are as far apart, within 2%."""
    pairs = (one.rows, other.rows), (one.columns, other.columns)
    return all(abs(first.pitch - second.pitch) <= 0.02 * first.pitch for first, second in pairs)


def apart(one: Places, other: Places) -> float:
    """How far the same cells are apart at most, in pitches of the first; inf if not alike."""
    return max(_sides_apart(one.rows, other.rows), _sides_apart(one.columns, other.columns))


def _sides_apart(one: Side, other: Side) -> float:
    pairs = list(zip(one.cells, other.cells, strict=True))
    if any(len(first) != 1 or len(second) != 1 for first, second in pairs):
        return inf
    return max(abs(first[0] - second[0]) for first, second in pairs) / one.pitch


def _brought(side: Side, other: Side) -> np.ndarray:
    rows = [other.weights_at(np.array(each)).mean(axis=0) if each else None for each in side.cells]
    nothing = np.zeros(len(other.cells), np.float32)
    return np.stack([nothing if row is None else row for row in rows])


def _side(record: Any) -> Side:
    cells, pitch, reach = record["cells"], record["pitch"], record["reach"]
    numbers = [pitch, reach, *(each for cell in cells for each in cell)]
    if any(isinstance(each, bool) or not isinstance(each, (int, float)) for each in numbers):
        raise TypeError("places are numbers")
    if not cells or not 0 < pitch <= 1 or reach < 0 or not np.isfinite(numbers).all():
        raise ValueError("places of no cells, or beyond the image")
    return Side(tuple(tuple(map(float, each)) for each in cells), float(pitch), float(reach))


def draw_at(
    maps: np.ndarray, places: Places, size: tuple[int, int], shares: tuple[Share, Share]
) -> np.ndarray:
    """Maps float32 (…, h, w) drawn where their cells look, float32 (…, H, W).

    They are 0 beyond the network's input.

    Args:
        maps: of any cells.
        places: of the cells in the network's input.
        size: (H, W) in pixels.
        shares: of the input's height and width that are drawn; see `Window.shares`.
    """
    rows = _within(places.rows, size[0], *shares[0])
    columns = _within(places.columns, size[1], *shares[1])
    with np.errstate(invalid="ignore"):  # of maps that hold infinity, which say so
        return np.matmul(np.matmul(rows, maps), columns.T)


@lru_cache(maxsize=64)
def _within(side: Side, pixels: int, start: float, length: float) -> np.ndarray:
    """The weights of pixels, 0 of those that lie beyond the side."""
    middles = start + (np.arange(pixels) + 0.5) * (length / pixels)
    seen = (middles > 0) & (middles < 1)
    return side.weights(pixels, start, length) * seen[:, None].astype(np.float32)
