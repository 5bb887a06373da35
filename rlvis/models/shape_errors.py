"""What a network says when it is given an input it was not made for, in one line.

Only faults that the input or the user's handling of the weights explains are retold; the others,
and so the errors in a network's own code, pass with their traceback.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from rlvis.errors import InputError
from rlvis.images.preprocess import Preprocess

_USE_SIZE = "give its size with Preprocess(size=…), --input-size"
_USE_GREY = "give it luminance with Preprocess(grey=True), --grey"


@contextmanager
def as_input_error(name: str, module: nn.Module, preprocess: Any, inputs: Tensor) -> Iterator[None]:
    """Within this context a network runs on inputs (N, C, H, W).

    Args:
        name: what errors call the network.
        module: the network.
        preprocess: what made the inputs; a `Preprocess` knows the size that it makes.
        inputs: what the network is given.

    Raises:
        InputError: in place of a fault about shapes, where it is not known that the network takes
            inputs of this size; or of any fault, where its weights lie on several devices.
    """
    try:
        yield
    except (RuntimeError, AssertionError) as error:
        reason = (
            _scattered(name, module)
            or _of_fixed_batch(name, inputs, error)
            or _of_other_shape(name, preprocess, inputs, error)
        )
        if reason is None:
            raise
        raise InputError(reason) from error


def _scattered(name: str, module: nn.Module) -> str | None:
    tensors = chain(module.parameters(), module.buffers())
    devices = sorted({str(tensor.device) for tensor in tensors})
    if len(devices) <= 1:
        return None
    return (
        f"the weights of {name} lie on {' and '.join(devices)}; "
        "put the module on one device with module.to(device)"
    )


def _of_fixed_batch(name: str, inputs: Tensor, error: Exception) -> str | None:
    if not re.search(r"(size\(\)|shape)\[0\]", str(error)):
        return None
    return (
        f"{name} was exported for another number of images at once than {len(inputs)}; "
        "export it with a dynamic first dimension"
    )


def _of_other_shape(name: str, preprocess: Any, inputs: Tensor, error: Exception) -> str | None:
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return None
    if "view size is not compatible" in said:  # the network's own
        return None
    if isinstance(error, RuntimeError) and not re.search(r"shape|\bsizes?\b|channels", said):
        return None
    channels, height, width = inputs.shape[1:]
    size = preprocess.size if isinstance(preprocess, Preprocess) else None
    if size == (height, width) and f"got {channels} channels" not in said:
        return None
    hint = f"its preprocessing makes {size[1]}×{size[0]}" if size else _USE_SIZE
    if channels == 3 and _channels_expected(error) == 1:
        hint = _USE_GREY
    if channels > 4 and _channels_expected(error) == height:
        hint = "its axes are (height, width, channels); transpose an array (channels, …)"
    return (
        f"{name} takes no input of {channels} channels and {width}×{height} pixels; {hint} "
        f"({said[:160]})"
    )


def _channels_expected(error: Exception) -> int | None:
    """How many channels a convolution says that it expects, None where it does not say."""
    said = re.search(r"to have (\d+) channels?, but got", str(error))
    return int(said[1]) if said else None
