"""The receptive field: which pixels each place of a layer's map depends on, exactly.

It is traced through the graph of one forward pass (see `pixel_dependence`): branches,
dilation, padding and residual connections need no formula of their own. Units of one layer may
differ, as behind a concatenation of branches. Rows and columns are followed apart, which is exact
because windows are rectangles, and fields are cut at the border of the image: padding is no pixel.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlvis.errors import InputError
from rlvis.features.activations.units import UnitReader, check_layers
from rlvis.images.places import Places, Side
from rlvis.images.preprocess import Window
from rlvis.instrument.cell_places import LayerRun, trace_layers
from rlvis.instrument.dependence.extents import Extent, full
from rlvis.instrument.dependence.tracer import Dependence
from rlvis.instrument.feature_layout import FeatureLayout
from rlvis.instrument.network_trace import trace_of
from rlvis.models.image_model import ImageModel, require_image_model


@dataclass(frozen=True)
class Geometry:
    """The numbers of textbooks, (vertical, horizontal), in pixels of the network's input.

    They are those of places whose field lies within the image, not cut by its border: give a large
    enough image. Where there is no such place, `size` is the largest field there is, and the others
    are None.

    Attributes:
        size: of the field.
        stride: how far the fields of neighbouring places are apart.
        offset: the middle of the field of place (0, 0), as if there were no border.
    """

    size: tuple[int, int]
    stride: tuple[float | None, float | None]
    offset: tuple[float | None, float | None]


@dataclass(frozen=True)
class ReceptiveField:
    """The receptive fields of all places of a layer.

    Attributes:
        layer: its name.
        image: height and width of the network's input.
        units: how many.
        grid: height and width of the layer's map.
        runs: how often the layer runs in a forward pass; the fields are those of the last time.
        maps: reads the maps of its units out of its output.
        middles: int64 (h, w, 2), y and x of the pixel of the network's input that is the middle of
            what each place looks at: of the first where it looks at several, of an even division
            where it looks nowhere.
    """

    layer: str
    image: tuple[int, int]
    units: int
    grid: tuple[int, int]
    runs: int
    maps: UnitReader = field(repr=False)
    middles: np.ndarray = field(repr=False)
    _bounds: tuple[np.ndarray, ...] = field(repr=False)

    def boxes(self, units: Any, rows: Any, columns: Any) -> np.ndarray:
        """The fields of places, int64 (…, 4): top, left, bottom, right, the last two exclusive.

        Args:
            units: numbers or int arrays (…) of the units and places.
            rows: numbers or int arrays (…) of the units and places.
            columns: numbers or int arrays (…) of the units and places.

        Returns:
            In pixels of the network's input; all 0 for a place that no pixel changes.
        """
        top, bottom, left, right = (
            np.broadcast_to(each, (self.units, *self.grid))[units, rows, columns]
            for each in self._bounds
        )
        boxes = np.stack([top, left, bottom + 1, right + 1], axis=-1)
        return np.where((bottom < top)[..., None], 0, boxes)

    def geometry(self, unit: int = 0) -> Geometry:
        """Size, stride and offset of a unit's fields within the image."""
        rows, columns = np.indices(self.grid)
        boxes = self.boxes(unit, rows, columns)
        middle = self.grid[0] // 2, self.grid[1] // 2
        lines = (boxes[:, middle[1], 0::2], boxes[middle[0], :, 1::2])
        parts = [_along(line, length) for line, length in zip(lines, self.image, strict=True)]
        size, stride, offset = zip(*parts, strict=True)
        return Geometry(size, stride, offset)


def receptive_fields(
    model: ImageModel,
    inputs: Tensor,
    layers: Sequence[str],
    context: Mapping[str, Any] | None = None,
) -> dict[str, ReceptiveField]:
    """The receptive fields of layers, from one forward pass on one image.

    Args:
        model: a classifier or policy.
        inputs: the network's input, float (N, C, H, W); the fields depend on its size, not on what
            it shows, unless the network decides by what it sees.
        layers: as in `module.named_modules()`.
        context: of these images, where the model has any.

    Raises:
        InputError: if a layer does not exist, does not run, or has no units.
    """
    require_image_model(model)
    check_layers(model, layers)
    given = {name: each[:1] for name, each in (context or {}).items()}
    maps = UnitReader.of(model, inputs, layers, given)
    traced = trace_layers(model, inputs, given, looking=False).runs
    size = (inputs.shape[-2], inputs.shape[-1])
    found = {}
    for layer in layers:
        last = traced[layer][-1]
        units, *grid = maps(layer, torch.empty(last.shape)).shape[1:]
        bounds = _bounds(_of_map(last, maps.layout(layer)), size)
        runs = len(traced[layer])
        middles = _middles(_places(model, inputs, given, layer, grid), size)
        found[layer] = ReceptiveField(
            layer, size, units, (grid[0], grid[1]), runs, maps, middles, bounds
        )
    return found


def _places(
    model: ImageModel, inputs: Tensor, context: Mapping[str, Tensor], layer: str, grid: list[int]
) -> Places:
    """Where the cells of a layer's map look; an even division where it gives none."""
    try:
        found = trace_of(model, inputs, context).cells(model, layer).places
    except InputError:
        return Places.stretched(grid)
    return found if list(found.grid) == grid else Places.stretched(grid)


def _middles(places: Places, image: tuple[int, int]) -> np.ndarray:
    """The pixels that cells look at, int64 (h, w, 2)."""
    sides = []
    for side, length in zip((places.rows, places.columns), image, strict=True):
        evenly = Side.stretched(len(side.cells)).cells
        shares = [(cell or even)[0] for cell, even in zip(side.cells, evenly, strict=True)]
        sides.append((np.array(shares) * length).astype(np.int64).clip(0, length - 1))
    return np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1)


def _of_map(run: LayerRun, layout: FeatureLayout | None) -> Extent | None:
    """The extent of a layer's output as that of its map, four axes each."""
    if run.extent is None or layout is None:
        return run.extent and tuple(each[..., None, None] for each in run.extent)
    if not layout.tokens:
        return tuple(map(layout.map, run.extent))
    return tuple(layout.map(each) for each in full(run.extent, run.shape))


class Sources:
    """From boxes in the network's input to boxes in the pictures that it was made from.

    The model's own preprocessing is traced, whatever it is, so that the pixels that resizing mixes
    in are counted.

    Args:
        model: whose preprocessing brings pictures to the network's input.
    """

    def __init__(self, model: ImageModel) -> None:
        self._model = model
        self._known: dict[tuple[int, ...], list[np.ndarray] | None] = {}

    def boxes(self, boxes: np.ndarray, picture: tuple[int, int, int]) -> np.ndarray:
        """Boxes in a picture.

        Args:
            boxes: int (…, 4) in the network's input: top, left, bottom, right, the last two
                exclusive.
            picture: its height, width and channels.

        Returns:
            int64 (…, 4).
        """
        if picture not in self._known:
            self._known[picture] = self._trace(picture)
        lines = self._known[picture]
        if lines is None:
            return np.broadcast_to([0, 0, picture[0], picture[1]], boxes.shape).copy()
        window = self._model.window((picture[2], *picture[:2]))
        boxes = _upright(boxes, window, (len(lines[0]), len(lines[2])))
        top, bottom, left, right = lines
        first, last = boxes[..., :2], np.maximum(boxes[..., 2:] - 1, 0)
        found = [
            top[first[..., 0]],
            left[first[..., 1]],
            bottom[last[..., 0]] + 1,
            right[last[..., 1]] + 1,
        ]
        empty = (boxes[..., 2] <= boxes[..., 0])[..., None]
        return np.where(empty, 0, np.stack(found, axis=-1))

    def _trace(self, picture: tuple[int, int, int]) -> list[np.ndarray] | None:
        """What of the picture each row and column of the input depends on, if that is known.

        By row, from the one that lies highest in the picture: the first row of the picture that it
        or a later one depends on, and the last one that it or an earlier one does; the same of
        columns.
        """
        height, width, channels = picture
        window = self._model.window((channels, height, width))
        with torch.inference_mode():
            image = torch.zeros(1, channels, height, width, dtype=torch.uint8)
            image = image.to(self._model.device)
            tracing = Dependence(image)
            with tracing:
                prepared = self._model.preprocess(image)
            extent = tracing.extent(prepared)
        if extent is None:
            return _by_window(window, picture, prepared.shape)
        bounds = _bounds(extent, (height, width))
        top, bottom, left, right = (
            np.broadcast_to(each, (len(each), *prepared.shape[-2:]))[
                :, :: -1 if window.flipped_rows else 1, :: -1 if window.flipped_columns else 1
            ]
            for each in bounds
        )
        return [
            np.minimum.accumulate(top.min(axis=(0, 2))[::-1])[::-1],
            np.maximum.accumulate(bottom.max(axis=(0, 2))),
            np.minimum.accumulate(left.min(axis=(0, 1))[::-1])[::-1],
            np.maximum.accumulate(right.max(axis=(0, 1))),
        ]


def _upright(boxes: np.ndarray, window: Window, size: tuple[int, int]) -> np.ndarray:
    """Boxes in an input of that size as it were if it lay like the picture."""
    if not window.flipped_rows and not window.flipped_columns:
        return boxes
    turned = boxes.copy()
    for axis, flipped in enumerate((window.flipped_rows, window.flipped_columns)):
        if flipped:
            turned[..., axis] = size[axis] - boxes[..., axis + 2]
            turned[..., axis + 2] = size[axis] - boxes[..., axis]
    return np.where((boxes[..., 2] <= boxes[..., 0])[..., None], boxes, turned)


def _by_window(
    window: Window, picture: tuple[int, int, int], prepared: Sequence[int]
) -> list[np.ndarray] | None:
    """What rows and columns of the input depend on where only the window is known.

    A row may mix in its neighbours, as resizing does.
    """
    if not window.known:
        return None
    lines = []
    sides = ((window.top, window.height), (window.left, window.width))
    for (start, length), pixels, count in zip(sides, picture[:2], prepared[-2:], strict=True):
        scale = length / count
        margin = max(1.0, scale)
        first = np.floor(start + scale * np.arange(count) - margin)
        last = np.ceil(start + scale * np.arange(1, count + 1) + margin) - 1
        lines += [each.clip(0, pixels - 1).astype(int) for each in (first, last)]
    return lines


def _bounds(extent: Extent | None, image: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """First row, last row, first column, last column, int64 (units or 1, h or 1, w or 1) each."""
    shape = (1, 1, 1)
    if extent is None:
        return tuple(np.full(shape, each) for each in (0, -1, 0, -1))
    signs = (-1, 1, -1, 1)
    return tuple(
        (sign * each).nan_to_num(posinf=max(image), neginf=-1).long().numpy()[0]
        for sign, each in zip(signs, extent, strict=True)
    )


def _along(boxes: np.ndarray, length: int) -> tuple[int, float | None, float | None]:
    """Size, stride and offset of fields along a line, int (places, 2): first and end."""
    size = int((boxes[:, 1] - boxes[:, 0]).max())
    inside = np.flatnonzero((boxes[:, 0] > 0) & (boxes[:, 1] < length))
    if len(inside) < 2:
        return size, None, None
    size = int((boxes[inside, 1] - boxes[inside, 0]).max())
    first, last = inside[0], inside[-1]
    stride = float(boxes[last, 0] - boxes[first, 0]) / float(last - first)
    return size, stride, float(boxes[first].sum() - 1) / 2 - stride * float(first)
