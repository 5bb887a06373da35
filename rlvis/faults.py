"""What a network says when it is given an input it was not made for, in one line.

Only faults that the input or the user's handling of the weights explains are retold; the others,
and so the errors in a network's own code, pass with their traceback.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlvis.errors import InputError
from rlvis.preprocess import Preprocess

if TYPE_CHECKING:
    from rlvis.model import ImageModel


@contextmanager
def retold(model: "ImageModel", inputs: Tensor) -> Iterator[None]:
    """Within this context the network runs on inputs (N, C, H, W).

    Raises:
        InputError: in place of a fault about shapes, where it is not known that the network takes
            inputs of this size; or of any fault, where its weights lie on several devices.
    """
    try:
        yield
    except (RuntimeError, AssertionError) as error:
        reason = (
            _scattered(model)
            or _of_fixed_batch(model, inputs, error)
            or _of_other_shape(model, inputs, error)
        )
        if reason is None:
            raise
        raise InputError(reason) from error


def _scattered(model: "ImageModel") -> str | None:
    tensors = chain(model.module.parameters(), model.module.buffers())
    devices = sorted({str(tensor.device) for tensor in tensors})
    if len(devices) <= 1:
        return None
    return (
        f"the weights of {model.name} lie on {' and '.join(devices)}; "
        "put the module on one device with module.to(device)"
    )


def _of_fixed_batch(model: "ImageModel", inputs: Tensor, error: Exception) -> str | None:
    if not re.search(r"(size\(\)|shape)\[0\]", str(error)):
        return None
    return (
        f"{model.name} was exported for another number of images at once than {len(inputs)}; "
        "export it with a dynamic first dimension"
    )


def _of_other_shape(model: "ImageModel", inputs: Tensor, error: Exception) -> str | None:
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return None
    if isinstance(error, RuntimeError) and not re.search(r"shape|\bsizes?\b|channels", said):
        return None
    channels, height, width = inputs.shape[1:]
    size = model.preprocess.size if isinstance(model.preprocess, Preprocess) else None
    if size == (height, width) and f"got {channels} channels" not in said:
        return None
    hint = f"its preprocessing makes {size[1]}×{size[0]}" if size else "see Preprocess(size=…)"
    return (
        f"{model.name} takes no input of {channels} channels and {width}×{height} pixels; {hint} "
        f"({said[:160]})"
    )
