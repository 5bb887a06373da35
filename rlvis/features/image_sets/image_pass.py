"""One pass over an image set that tells how far it is, can be stopped and be gone on with."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rlvis.features.image_sets.batches import Batch, BatchReader
from rlvis.features.image_sets.image_set import ImageSet
from rlvis.models.image_model import ImageModel
from rlvis.progress import OnProgress, reporter
from rlvis.resumable import Arrays, ResumableWork

_NUMBERS, _ERRORS = "skipped/numbers", "skipped/errors"


class ImagePass:
    """A pass over an image set: images are counted, and the work is kept.

    Args:
        task: what is done, in a word.
        reading: the images and the network; where work is gone on with, it starts after the images
            that are done.
        path: the file that keeps unfinished work, None for none.
        resume: go on from that file.
        on_progress: called after each batch; see `rlvis.progress`.
        settings: what other work must have in common with it, besides model and images.

    Attributes:
        kept: the arrays of work that is gone on with, empty for work from the start.

    Raises:
        InputError: as `ResumableWork`.
    """

    def __init__(
        self,
        task: str,
        reading: BatchReader,
        path: str | Path | None,
        resume: bool,
        on_progress: OnProgress | None,
        **settings: Any,
    ) -> None:
        self._reading = reading
        common = {}
        if path is not None:
            common = {
                "model": f"{reading.model.name} {fingerprint(reading.model)}",
                "images": f"{len(reading.images)} of {reading.images.name}",
                "batch_size": reading.batch_size,
            }
        self._work = ResumableWork(
            task,
            "images",
            len(reading.images),
            common | settings,
            path,
            resume,
            reporter(on_progress),
        )
        self.kept: Mapping[str, np.ndarray] = self._work.kept
        reading.start = self._work.done
        if self.kept:
            numbers, errors = self._work.kept.pop(_NUMBERS), self._work.kept.pop(_ERRORS)
            reading.skipped.update(zip(numbers.tolist(), errors.tolist(), strict=True))

    def after(self, batch: Batch, state: Callable[[], Arrays]) -> None:
        """Tell that a batch is done.

        Args:
            batch: the batch.
            state: gives the arrays that the work can go on from.

        Raises:
            Stopped: if `on_progress` raised KeyboardInterrupt before the end.
        """
        done = self._reading.following(batch.indices)
        self._work.advance(done, lambda: {**state(), **self._skipped(done)})

    def finish(self, state: Callable[[], Arrays] | None = None) -> None:
        """Remove the file of unfinished work, or keep there what is finished.

        Args:
            state: gives the arrays to keep, for what comes after this pass.
        """
        if state is None:
            self._work.remove()
        else:
            self._work.done = len(self._reading.images)
            self._work.keep({**state(), **self._skipped(self._work.done)})

    def _skipped(self, done: int) -> dict[str, np.ndarray]:
        """What could not be read of the images that are done; reading is ahead of them."""
        before = {number: error for number, error in self._reading.skipped.items() if number < done}
        return {
            _NUMBERS: np.array(list(before), np.int64),
            _ERRORS: np.array(list(before.values()), np.str_),
        }


def fingerprint(model: ImageModel) -> str:
    """A few letters that differ when a model's name or any of its weights does."""
    digest = hashlib.sha256(model.name.encode())
    for name, tensor in model.module.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def skipped_line(images: ImageSet, skipped: Mapping[int, str]) -> str:
    """How many images could not be read, and which; empty if none."""
    if not skipped:
        return ""
    named = ", ".join(images.title(number) for number in list(skipped)[:8])
    more = ", …" if len(skipped) > 8 else ""
    return f"{len(skipped)} of {len(images)} images could not be read: {named}{more}"
