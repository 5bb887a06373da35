"""Where the cells of a layer look, by what the network answers; see `stripes`."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlvis.errors import NonFiniteError
from rlvis.images.places import Places, Side, alike, apart
from rlvis.instrument.cell_places import CellMap
from rlvis.instrument.feature_layout import FeatureLayout
from rlvis.instrument.stripes import SEEN, Response, respond
from rlvis.instrument.watching import watch
from rlvis.models.image_model import ImageModel
from rlvis.models.replica import replicate

_FITS = 0.5
"""Places fit where they are off by no more than that share of a pitch and of a stripe."""
_MUCH = 0.5
"""What is likelier is kept unless the other is off by less than this of what it is."""
_PADDED = 0.51
"""Cells of an evenly padded network are off by no more pitches than that."""
_NARROW = 1 / 3
"""A profile tells a place where its squares add up to no more than that share of the stripes."""
_MOST_PLACES = 3
"""A cell that more places move looks everywhere."""
_MOST_STRIPES, _MOST_IMAGES = 32, 4


class Asking:
    """A network asked where the cells of a layer look.

    Args:
        model: the model; it is left as it is.
        shape: (C, H, W) of its inputs.
        context: of the image asked about, (1, …) each.
        layer: as in `module.named_modules()`.
        run: which of its runs in a pass.
    """

    def __init__(
        self,
        model: ImageModel,
        shape: Sequence[int],
        context: Mapping[str, Tensor],
        layer: str,
        run: int,
    ) -> None:
        self._model, self._shape, self._run = model, tuple(shape), run
        self._context = context
        self._outputs: list[Any] = []
        self._replica = replicate(model.module)
        watch(self._replica, lambda _, __, ___, output: self._outputs.append(output), {layer})

    def choose(self, traced: CellMap) -> Places:
        """The traced places or those of the stretched grid, whichever fits the answers.

        Where the grids have the same pitch and are apart by no more than half of it, as in evenly
        padded networks, the stretched one is likelier: training moves back there what is seen. Else
        the traced one is, as where nothing is padded. The answers themselves count where neither
        fits; where there is no answer, what is likelier.
        """
        layout, even = traced.layout, Places.stretched(traced.layout.grid)
        padded = alike(traced.places, even) and apart(traced.places, even) <= _PADDED
        likelier, other = (even, traced.places) if padded else (traced.places, even)
        responses = self._respond(layout, [2 * each for each in layout.grid], 1)
        if not all(_tells(each, axis) for axis, each in enumerate(responses, 1)):
            return likelier
        errors = [self._error(each, responses) for each in (likelier, other)]
        nearer = other if errors[1] < _MUCH * errors[0] else likelier
        return nearer if min(errors) <= 1 else self._measured(layout)

    def find(self, shape: Sequence[int]) -> CellMap | None:
        """The map in an output of which the trace knows none, None where there is none.

        Args:
            shape: of the output for one image.
        """
        if len(shape) != 4:
            return None
        responses = self._respond(None, [_MOST_STRIPES] * 2, 1)
        rows, columns = (_moving_axis(each) for each in responses)
        if rows is None or columns is None or abs(rows - columns) != 1:
            return None
        layout = FeatureLayout(
            (shape[1 + rows], shape[1 + columns]),
            channel_axis=1 if min(rows, columns) == 1 else -1,
            transposed=rows > columns,
        )
        return CellMap(layout, self.choose(CellMap(layout, Places.stretched(layout.grid))))

    def _respond(
        self, layout: FeatureLayout | None, stripes: Sequence[int], images: int
    ) -> tuple[Response, Response]:
        """What stripes move of the layer's map, axes (C, h, w); of its output as it is if None."""
        low, high = self._range()
        rows, columns = (min(each, _MOST_STRIPES) for each in stripes)

        def ask(inputs: Tensor) -> Tensor:
            together = self._model.takes_batches(inputs, self._context, self._replica)
            found = []
            for part in [inputs] if together else inputs.split(1):
                self._outputs.clear()
                context = {
                    name: each.expand(len(part), *each.shape[1:])
                    for name, each in self._context.items()
                }
                with suppress(NonFiniteError):  # scores of noise, which nobody reads
                    self._model.run(self._replica, part, context)
                output: Tensor = self._outputs[self._run]
                found.append(output if layout is None else layout.map(output))
            return torch.cat(found)

        return respond(ask, low, high, (rows, columns), images)

    def _range(self) -> tuple[Tensor, Tensor]:
        """The inputs of a black image and a white one."""
        model, (_, height, width) = self._model, self._shape
        unit = torch.zeros(1, *self._shape, device=model.device, dtype=model.dtype)
        picture = torch.zeros(1, self._shape[0], height, width, dtype=torch.uint8)
        try:
            low, high = (model.inputs(picture + level) for level in (0, 255))
        except Exception:  # a preprocessing of the user's own, made for other pictures
            return unit, unit + 1
        if low.shape != unit.shape or not bool((low < high).all()):
            return unit, unit + 1
        return low, high

    def _error(self, places: Places, responses: Sequence[Response]) -> float:
        """How far places are from the answers, 1 where they still fit."""
        worst = 0.0
        sides = zip((places.rows, places.columns), responses, self._shape[1:], strict=True)
        for axis, (side, response, length) in enumerate(sides, 1):
            centres = response.centres(axis)
            expected = np.array([each[0] for each in side.cells]) * length - 0.5
            off = np.sqrt(np.mean((centres - expected)[_most_telling(centres)] ** 2))
            worst = max(worst, float(off / (_FITS * (side.pitch * length + response.width))))
        return worst

    def _measured(self, layout: FeatureLayout) -> Places:
        """Where the answers put each cell."""
        responses = self._respond(layout, [_MOST_STRIPES] * 2, _MOST_IMAGES)
        rows, columns = (
            _side(response, axis, length)
            for axis, (response, length) in enumerate(
                zip(responses, self._shape[1:], strict=True), 1
            )
        )
        return Places(rows, columns)


def _tells(response: Response, axis: int) -> bool:
    """Whether few enough stripes move the cells along an axis."""
    profiles = response.profiles(axis)
    moved = profiles.max(axis=0) > 0
    return bool(moved.any()) and float((profiles[:, moved] ** 2).mean()) <= _NARROW


def _most_telling(centres: np.ndarray) -> np.ndarray:
    """Which cells answers are compared by: the middle half, whose windows no border cuts.

    All that answer if none of these does, as where only a corner of the image is seen.
    """
    cells, known = np.arange(len(centres)), np.isfinite(centres)
    middle = (cells >= len(cells) // 4) & (cells < len(cells) - len(cells) // 4) & known
    return middle if middle.any() else known


def _moving_axis(response: Response) -> int | None:
    """The axis along which what moves cells goes from one side of the image to the other."""
    found = []
    for axis in range(3):
        centres = response.centres(axis)
        known = np.isfinite(centres)
        if known.sum() < 2 or not _tells(response, axis):
            found.append(0.0)
            continue
        order = np.corrcoef(np.arange(len(centres))[known], centres[known])[0, 1]
        found.append(abs(order) * float(np.ptp(centres[known])))
    best = int(np.argmax(found))
    return best if np.isfinite(found[best]) and found[best] > response.width else None


def _side(response: Response, axis: int, length: int) -> Side:
    profiles = response.profiles(axis)
    cells = [response.places(each) for each in profiles.T]
    cells = [each if len(each) <= _MOST_PLACES else () for each in cells]
    widths = [
        (profiles[:, cell] > SEEN).sum() * response.width / len(each) / 2
        for cell, each in enumerate(cells)
        if each
    ]
    firsts = [each[0] for each in cells if each]
    steps = np.abs(np.diff(firsts))
    pitch = max(
        float(np.median(steps)) if len(steps) else 0.0,
        float(np.median(widths)) if widths else response.width,
        1.0,
    )
    return Side(
        tuple(tuple((place + 0.5) / length for place in each) for each in cells),
        min(1.0, pitch / length),
    )
