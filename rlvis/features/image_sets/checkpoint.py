"""Work on an image set that is put aside in a file, to be taken up again."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rlvis.errors import InputError
from rlvis.features.image_sets.image_set import ImageSet
from rlvis.files import read_arrays, save_arrays
from rlvis.models.image_model import ImageModel


def fingerprint(model: ImageModel) -> str:
    """A few letters that differ when a model's name or any of its weights does."""
    digest = hashlib.sha256(model.name.encode())
    for name, tensor in model.module.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def describe(model: ImageModel, images: ImageSet, **settings: Any) -> dict[str, Any]:
    """What work must have in common to be gone on with, by name, as JSON holds it."""
    named = {
        "model": f"{model.name} {fingerprint(model)}",
        "images": f"{len(images)} of {images.name}",
        **settings,
    }
    plain: dict[str, Any] = json.loads(json.dumps(named))
    return plain


def save_state(
    path: Path,
    work: Mapping[str, Any],
    following: int,
    skipped: Mapping[int, str],
    arrays: Mapping[str, np.ndarray],
) -> None:
    """Write unfinished work (.npz), whole or not at all.

    Args:
        path: the file.
        work: see `describe`.
        following: the number of the image, or of the step, that comes next.
        skipped: the errors of images before it.
        arrays: the results so far.

    Raises:
        InputError: if the file cannot be written.
    """
    before = {number: error for number, error in skipped.items() if number < following}
    header = json.dumps({"work": work, "following": following, "skipped": before})
    save_arrays(path, header=np.array(header), **arrays)


def load_state(
    path: Path, work: Mapping[str, Any]
) -> tuple[int, dict[int, str], dict[str, np.ndarray]]:
    """What `save_state` wrote: the number of what comes next, what was skipped, the results so far.

    Raises:
        InputError: if there is no such file, or it holds other work.
    """
    if not os.path.exists(path):
        raise InputError(f"{path} holds no unfinished work; start without resume")
    try:
        arrays = read_arrays(path)
        header = json.loads(str(arrays.pop("header")))
        before, following, skipped = (header[key] for key in ("work", "following", "skipped"))
        skipped = {int(number): str(error) for number, error in skipped.items()}
        if not isinstance(before, dict) or not isinstance(following, int):
            raise ValueError("no unfinished work")
    except (InputError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(
            f"{path} cannot be read as unfinished work; start without resume"
        ) from None
    for name, value in work.items():
        was = before.get(name)
        if was != value:
            raise InputError(
                f"{path} was made with {name} {was}, not {value}; start without resume"
            )
    return following, skipped, arrays


def stopped(done: int, total: int, what: str, path: Path | None) -> str:
    """The line that says how far work got that was stopped, and how to go on.

    Args:
        done, total: how many.
        what: are counted.
        path: the file that keeps the work, None where nothing does.
    """
    how = f"; {path} keeps the work, --resume (resume=True) goes on with it" if path else ""
    return f"stopped after {done} of {total} {what}{how}"
