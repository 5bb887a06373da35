"""The kernels of a convolution: what they look like, and which are dead, saturated or noise."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import nn

from rlvis.display.numbers import written
from rlvis.display.page import Page
from rlvis.display.shown import Shown
from rlvis.display.tiles import Row, Tile, greys, largest
from rlvis.errors import InputError, unknown
from rlvis.features.activations.units import check_layers
from rlvis.models.image_model import ImageModel, require_image_model
from rlvis.results import Result, Table

DEAD, SATURATED = 0.01, 4.0
_MOST_CHANNELS, _MOST_ROWS, _MOST_TERMS = 24, 16, 6
_WIDTH, _SIDES = 1224, (38, 64)


@dataclass(frozen=True, repr=False, eq=False)
class Filters(Result):
    """The kernels of one convolution layer.

    Attributes:
        model, layer: their names.
        weights: float32 (U, C, kh, kw), one kernel per unit.
    """

    model: str
    layer: str
    weights: np.ndarray

    @cached_property
    def norms(self) -> np.ndarray:
        """Float32 (U,): the Euclidean norm of each kernel."""
        return np.sqrt((self.weights**2).sum(axis=(1, 2, 3)))

    @cached_property
    def means(self) -> np.ndarray:
        """Float32 (U,): the mean weight; near 0 a kernel answers to contrast, not brightness."""
        return self.weights.mean(axis=(1, 2, 3))

    @property
    def dead(self) -> np.ndarray:
        """Bool (U,): norms below `DEAD` times the layer's median; nothing gets through."""
        return self.norms < DEAD * np.median(self.norms)

    @property
    def saturated(self) -> np.ndarray:
        """Bool (U,): norms above `SATURATED` times the layer's median.

        They drown the others out (Zeiler & Fergus 2014, section 3.1).
        """
        return self.norms > SATURATED * np.median(self.norms)

    @cached_property
    def smoothness(self) -> np.ndarray:
        """Float32 (U,): correlation of neighbouring weights, -1..1; NaN for kernels of one pixel.

        It is near 0 for noise, as kernels have before they learn.
        """
        rows = (self.weights[:, :, 1:] * self.weights[:, :, :-1]).sum(axis=(1, 2, 3))
        columns = (self.weights[..., 1:] * self.weights[..., :-1]).sum(axis=(1, 2, 3))
        places = self.weights[0, 0].size
        height, width = self.weights.shape[-2:]
        pairs = (height - 1) * width + height * (width - 1)
        if not pairs:
            return np.full(len(self.weights), np.nan, np.float32)
        energy = (self.weights**2).sum(axis=(1, 2, 3)) * pairs / places
        return (rows + columns) / np.maximum(energy, np.finfo(np.float32).tiny)

    def page(self) -> Page:
        """The kernels in colour where they read colours, else by input channel."""
        units, channels, height, width = self.weights.shape
        most = largest(self.weights)
        lines = [
            f"{units} kernels {height}×{width} of {channels} channel{'s' * (channels > 1)}; middle "
            f"grey is 0, white and black ±{written(most)}, the largest weight of the layer",
            f"norm {written(self.norms.min(), 2)} to {written(self.norms.max(), 2)}, median "
            f"{written(np.median(self.norms), 2)}; {_named('dead', self.dead)}; "
            f"{_named('saturated', self.saturated)}"
            + (
                "; neighbouring weights correlate by "
                f"{np.median(self.smoothness):.2f} (median; 0 is noise)"
                if height * width > 1
                else ""
            ),
        ]
        if height == width == 1:
            rows = self._mixtures(most)
        else:
            rows = self._whole(most) if channels in (1, 3) else self._by_channel(most)
        return Page(f"Filters of {self.model}, layer {self.layer}", lines, rows)

    def _whole(self, most: float) -> list[Row]:
        """A tile per kernel."""
        side = int(np.clip(5 * self.weights.shape[-1], 48, 88))
        tiles = [
            Tile(greys(kernel.transpose(1, 2, 0).squeeze(), most, True), self._shown(unit))
            for unit, kernel in enumerate(self.weights)
        ]
        return [Row(tiles, tile=(side, side))]

    def _by_channel(self, most: float) -> list[Row]:
        """A row per kernel, the strongest first, a tile per input channel, the strongest first."""
        rows = []
        count = min(self.weights.shape[1], _MOST_CHANNELS)
        side = int(np.clip((_WIDTH + 12) // count - 12, *_SIDES))
        for unit in np.argsort(-self.norms)[:_MOST_ROWS]:
            kernel = self.weights[unit]
            strongest = np.argsort(-np.abs(kernel).sum(axis=(1, 2)))[:count]
            tiles = [
                Tile(greys(kernel[channel], most, True), self._shown(int(unit), int(channel)))
                for channel in strongest
            ]
            note = f"norm {written(self.norms[unit], 2)}; its {len(tiles)} strongest input channels"
            rows.append(Row(tiles, f"unit {unit}", note, (side, side)))
        return rows

    def _mixtures(self, most: float) -> list[Row]:
        """Kernels of one pixel mix channels: a table of the weights, the largest ones in words."""
        weights = self.weights[:, :, 0, 0]
        parts = [f"per unit, 0 to {len(weights) - 1}", f"per channel, 0 to {weights.shape[1] - 1}"]
        table = weights if len(weights) < weights.shape[1] else weights.T
        down, across = parts if table is weights else parts[::-1]
        cell = min(_WIDTH / table.shape[1], 32)
        size = max(1, round(cell * table.shape[0])), max(1, round(cell * table.shape[1]))
        note = f"a row {down}; a column {across}"
        rows = [
            Row([Tile(greys(table, most, True), Shown())], "How units mix channels", note, size)
        ]
        for unit in np.argsort(-self.norms)[:_MOST_ROWS]:
            largest = np.argsort(-np.abs(weights[unit]))[:_MOST_TERMS]
            terms = [f"{weights[unit, channel]:+.2g} × channel {channel}" for channel in largest]
            more = " …" if weights.shape[1] > len(largest) else ""
            rows.append(Row([], f"unit {unit}", "  ".join(terms) + more))
        return rows

    def _shown(self, unit: int, channel: int | None = None) -> Shown:
        states = (("dead", self.dead), ("saturated", self.saturated))
        return Shown(
            model=self.model,
            layer=self.layer,
            unit=unit,
            channel=channel,
            notes=[state for state, where in states if where[unit] and channel is None],
            headed=() if channel is None else ("unit",),
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """Weights and statistics."""
        return {"weights": self.weights, **self._statistics}

    def table(self) -> Table:
        """A row for each unit."""
        return {"unit": np.arange(len(self.weights)), **self._statistics}

    @property
    def _statistics(self) -> dict[str, np.ndarray]:
        return {
            "norm": self.norms,
            "mean": self.means,
            "smoothness": self.smoothness,
            "dead": self.dead,
            "saturated": self.saturated,
        }

    @property
    def summary(self) -> str:
        """Layer and shape."""
        units, channels, height, width = self.weights.shape
        return f"{self.model}, layer {self.layer}, {units} kernels {height}×{width} of {channels}"


def filters(model: ImageModel, layer: str | None = None) -> Filters:
    """The kernels of a convolution layer, the first one if left out.

    Raises:
        InputError: if the layer does not exist or is no convolution.
    """
    require_image_model(model)
    convolutions = {
        name: part for name, part in model.module.named_modules() if isinstance(part, nn.Conv2d)
    }
    if not convolutions:
        raise InputError(f"{model.name} has no convolution, so no filters to show")
    layer = next(iter(convolutions)) if layer is None else layer
    check_layers(model, [layer])
    if layer not in convolutions:
        raise unknown("convolution", layer, convolutions)
    return Filters(model.name, layer, convolutions[layer].weight.detach().float().cpu().numpy())


def _named(state: str, where: np.ndarray) -> str:
    """In words: "no dead", or "2 dead (4, 17)"."""
    units = np.flatnonzero(where)
    shown = ", ".join(map(str, units[:8])) + (" …" if len(units) > 8 else "")
    return f"{len(units)} {state} ({shown})" if len(units) else f"no {state}"
