"""Batches of an image set as a network takes them, read ahead while the network works."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from rlvis.errors import InputError
from rlvis.features.image_sets.image_set import ImageSet
from rlvis.models.image_model import ImageModel

_AHEAD = 2


@dataclass(frozen=True)
class Batch:
    """Some images as a network takes them.

    Attributes:
        indices: of the images in their set, int64 (n,).
        inputs: float (n, C, H, W).
        context: see `ImageModel.context_of`.
        shapes: height, width and channels of the pictures they were made from, int64 (n, 3).
    """

    indices: np.ndarray
    inputs: Tensor
    context: dict[str, Tensor]
    shapes: np.ndarray

    def part(self, which: slice) -> "Batch":
        """Some of its images."""
        context = {name: each[which] for name, each in self.context.items()}
        return Batch(self.indices[which], self.inputs[which], context, self.shapes[which])


@dataclass
class BatchReader:
    """Batches of an image set for a model, read ahead while the network works.

    Attributes:
        images: the set.
        model: whose preprocessing brings images to one size.
        batch_size: how many images go through the network at once.
        start: the number of the first image.
        only: the numbers of the images to read; all from `start` on if left out.
        skipped: the errors of the images that could not be read, by number.
    """

    images: ImageSet
    model: ImageModel
    batch_size: int = 64
    start: int = 0
    only: Sequence[int] | None = None
    skipped: dict[int, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Batch]:
        numbers = range(self.start, len(self.images)) if self.only is None else self.only
        parts = [
            numbers[place : place + self.batch_size]
            for place in range(0, len(numbers), self.batch_size)
        ]
        waiting: deque[Future[Batch | None]] = deque()
        with ThreadPoolExecutor(_AHEAD) as pool:
            for part in parts:
                waiting.append(pool.submit(self._read, part))
                if len(waiting) > _AHEAD:
                    yield from self._ready(waiting)
            while waiting:
                yield from self._ready(waiting)

    def following(self, indices: np.ndarray) -> int:
        """The number of the image after a batch (n,), some images of which may be passed over."""
        place = (int(indices[-1]) - self.start) // self.batch_size + 1
        return min(len(self.images), self.start + place * self.batch_size)

    def _ready(self, waiting: "deque[Future[Batch | None]]") -> Iterator[Batch]:
        batch = waiting.popleft().result()
        if batch is None:
            return
        if len(batch.inputs) == 1 or self.model.takes_batches(batch.inputs, batch.context):
            yield batch
            return
        self.batch_size = 1
        for place in range(len(batch.inputs)):
            yield batch.part(slice(place, place + 1))

    def _read(self, part: Sequence[int]) -> Batch | None:
        """A batch of those images that can be read."""
        kept, inputs, shapes = [], [], []
        for index in part:
            try:
                picture = self.images.picture(index)
                inputs.append(self.model.inputs(picture[None]))
            except InputError as error:
                self.skipped[index] = str(error)
            else:
                kept.append(index)
                shapes.append(picture.shape)
        if not kept:
            return None
        context = self.model.context_of(len(kept), self.images.context(kept))
        together = torch.cat(_of_one_size(inputs, self.model))
        return Batch(np.array(kept), together, context, np.array(shapes))


def _of_one_size(inputs: list[Tensor], model: ImageModel) -> list[Tensor]:
    sizes = {tuple(each.shape[1:]) for each in inputs}
    if len(sizes) > 1:
        shown = ", ".join(f"{width}×{height}" for _, height, width in sorted(sizes)[:3])
        raise InputError(
            f"the images differ in size ({shown}) and {model.name} does not resize them; "
            "give it a Preprocess with a size"
        )
    return inputs
