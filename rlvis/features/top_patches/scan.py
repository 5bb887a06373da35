"""One pass over an image set that keeps what excites each unit of several layers most.

Memory does not grow with the number of images: of every unit only the strongest activations stay.
Maps are read where they are made, without a copy, when their layer runs for the last time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rlvis.errors import InputError
from rlvis.features.image_sets.batches import Batch, BatchReader
from rlvis.features.receptive_field.tracing import ReceptiveField, receptive_fields
from rlvis.instrument.watching import watch
from rlvis.models.replica import replicate
from rlvis.models.scores import Scores


class TopK:
    """The strongest activations of every unit of a layer so far.

    Args:
        units: how many there are.
        most: how many activations to keep of each.
        per_image: how many places of one image may be among them.
        device: where the layer computes.

    Attributes:
        values: float32 (U, k), falling; -inf where there are fewer.
        images: int64 (U, k), -1 where there are fewer.
        places: int64 (U, k), y · w + x in a map of width w.
        shapes: int64 (U, k, 3), of the pictures.
    """

    def __init__(self, units: int, most: int, per_image: int, device: torch.device) -> None:
        self.per_image = per_image
        self.values = torch.full((units, most), -torch.inf, device=device)
        self.images = torch.full((units, most), -1, device=device)
        self.places = torch.zeros((units, most), dtype=torch.int64, device=device)
        self.shapes = torch.zeros((units, most, 3), dtype=torch.int64, device=device)

    def add(self, maps: Tensor, peaks: Tensor, batch: Batch) -> None:
        """Take the maps of a batch in, float (n, U, h, w), whose maxima are `peaks`, (n, U).

        Only maps that reach beyond the least of the kept activations are looked at; of equal ones
        the earlier image stays.
        """
        image, unit = (peaks > self.values[:, -1]).nonzero(as_tuple=True)
        if not len(image):
            return
        each = min(self.per_image, maps[0, 0].numel())
        values, places = maps[image, unit].flatten(1).float().topk(each)
        units, count = self.values.shape[0], len(maps)
        fresh = self.values.new_full((units, count, each), -torch.inf)
        where = self.places.new_zeros(units, count, each)
        fresh[unit, image], where[unit, image] = values, places
        indices, shapes = (
            torch.from_numpy(part).to(fresh.device).repeat_interleave(each, dim=0)
            for part in (batch.indices, batch.shapes)
        )
        ranked, order = torch.cat([self.values, fresh.flatten(1)], dim=1).sort(
            dim=1, descending=True, stable=True
        )
        order = order[:, : self.values.shape[1]]
        self.values = ranked[:, : self.values.shape[1]]
        self.images = _chosen(self.images, indices.expand(units, -1), order)
        self.places = _chosen(self.places, where.flatten(1), order)
        self.shapes = _chosen(self.shapes, shapes.expand(units, -1, -1), order)

    def state(self) -> dict[str, np.ndarray]:
        """The activations as arrays."""
        return {name: getattr(self, name).cpu().numpy() for name in _STATE}

    @classmethod
    def of(cls, state: Mapping[str, np.ndarray], per_image: int, device: torch.device) -> "TopK":
        """Go on from what `state` gave."""
        units, most = state["values"].shape
        strongest = cls(units, most, per_image, device)
        for name in _STATE:
            setattr(strongest, name, torch.from_numpy(state[name]).to(device))
        return strongest


_STATE = ("values", "images", "places", "shapes")


@dataclass(frozen=True)
class ScanResult:
    """A batch and what the units made of it.

    Attributes:
        batch: the images.
        scores: the network's.
        peaks: by layer, float (n, U): the maximum of each unit's map.
        least: by layer, the least activation of all units, ().
    """

    batch: Batch
    scores: Scores
    peaks: dict[str, Tensor]
    least: dict[str, Tensor]


class ActivationScan:
    """What excites each unit of several layers most.

    Args:
        reading: the images and the network.
        layers: as in `module.named_modules()`.
        most: how many activations to keep of each unit.
        per_image: how many places of one image may be among them.
        state: what `state` gave of a scan that is gone on with.

    Attributes:
        fields: the receptive fields, by layer, once the first batch has been read.
        strongest: by layer, once the first batch has been read.

    Raises:
        InputError: if no layer is named.
    """

    def __init__(
        self,
        reading: BatchReader,
        layers: Sequence[str],
        most: int,
        per_image: int,
        state: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        if not layers:
            raise InputError("no layer named; name at least one")
        self.reading, self.layers = reading, list(layers)
        self.most, self.per_image = most, per_image
        self.fields: dict[str, ReceptiveField] = {}
        self.strongest: dict[str, TopK] = {}
        if state:
            for layer in self.layers:
                kept = {name: state[f"{layer}/{name}"] for name in _STATE}
                self.strongest[layer] = TopK.of(kept, per_image, reading.model.device)

    def state(self) -> dict[str, np.ndarray]:
        """What is needed to go on with it, as arrays."""
        return {
            f"{layer}/{name}": array
            for layer, strongest in self.strongest.items()
            for name, array in strongest.state().items()
        }

    def __iter__(self) -> Iterator[ScanResult]:
        """Run the network on one batch after the other, without gradient.

        Raises:
            InputError: if a layer does not exist, does not run or has no units, images come to the
                network in different sizes, or none can be read.
        """
        model = self.reading.model
        replica = replicate(model.module)
        watch(replica, self._visit, set(self.layers))
        for batch in self.reading:
            self._begin(batch)
            with torch.no_grad():
                scores = model.run(replica, batch.inputs, batch.context)
            yield ScanResult(batch, scores, dict(self._peaks), dict(self._least))
        if self.strongest and not self.fields:  # gone on with, and nothing could be read since
            self._begin(next(iter(BatchReader(self.reading.images, model, 1))))
        if not self.strongest:
            errors = list(self.reading.skipped.values())
            raise InputError(f"none of {len(errors)} images can be read; the first: {errors[0]}")

    def _begin(self, batch: Batch) -> None:
        """Get ready for a batch; the first one shows how large the layers are."""
        self._batch, self._runs = batch, dict.fromkeys(self.layers, 0)
        self._peaks: dict[str, Tensor] = {}
        self._least: dict[str, Tensor] = {}
        if not self.fields:
            model = self.reading.model
            self.fields = receptive_fields(model, batch.inputs, self.layers, batch.context)
        for layer, field in self.fields.items():
            if tuple(batch.inputs.shape[-2:]) != field.image:
                height, width = field.image
                raise InputError(
                    f"the images differ in size (not all are {width}×{height}) and "
                    f"{self.reading.model.name} does not resize them; give it a Preprocess with "
                    "a size"
                )
            if layer not in self.strongest:
                self.strongest[layer] = TopK(
                    field.units, self.most, self.per_image, batch.inputs.device
                )

    def _visit(self, layer: str, _: nn.Module, __: Any, output: Any) -> None:
        self._runs[layer] += 1
        if self._runs[layer] < self.fields[layer].runs:
            return
        maps = self.fields[layer].maps(layer, output).detach()
        self._peaks[layer] = maps.amax(dim=(2, 3))
        self._least[layer] = maps.amin()
        self.strongest[layer].add(maps, self._peaks[layer], self._batch)


def _chosen(kept: Tensor, fresh: Tensor, order: Tensor) -> Tensor:
    """The entries (U, k, …) of kept (U, k, …) and fresh (U, n, …) ones in this order (U, k)."""
    both = torch.cat([kept, fresh], dim=1)
    return both[torch.arange(len(both), device=both.device)[:, None], order]
