"""How images are brought to a network that does not say it itself.

imagenet    the shorter side to 8/7 of the size, the middle of that, colours less ImageNet's mean
            over its deviation: as networks of torchvision and many others are trained
unit        to the size, in 0..1
levels      to the size, in 0..255, for networks that divide by 255 themselves
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from rlvis.errors import InputError, Notice, unknown
from rlvis.images.preprocess import Preprocess
from rlvis.models.pixels import channels_read
from rlvis.named_objects import import_named, is_named

Preprocessing = Callable[[Tensor], Tensor]

PREPROCESSINGS = {
    "imagenet": Preprocess(
        (224, 224), crop=0.875, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    ),
    "unit": Preprocess(),
    "levels": Preprocess(std=(1 / 255,)),
}


def choose_preprocess(
    module: nn.Module,
    name: str,
    chosen: str | Preprocessing | None,
    usual: Preprocessing | None,
    size: tuple[int, int] | None,
    grey: bool,
) -> Preprocessing:
    """The way to a module's input.

    Args:
        module: a network whose first convolution reads one channel is given luminance.
        name: what it is called.
        chosen: one of `PREPROCESSINGS`, "package.module:function", or a function on uint8 images
            (N, C, H, W); `usual` if left out.
        usual: what is known to fit; left out, "unit" is taken, and told (`Notice`).
        size: (H, W) of the input, if it is another.
        grey: whether the luminance of colours is taken alone.

    Raises:
        InputError: if there is no such preprocessing, or it does not do what else is asked for.
    """
    if chosen is None and usual is None:
        warnings.warn(
            f"pictures reach {name} as numbers 0..1; where it was trained otherwise, say how with "
            "--preprocess (imagenet, unit, levels or package.module:function)",
            Notice,
            stacklevel=2,
        )
    found = read_preprocess(chosen) if chosen is not None else usual or PREPROCESSINGS["unit"]
    grey = grey or (isinstance(found, Preprocess) and channels_read(module) == 1)
    if not isinstance(found, Preprocess):
        if size or grey:
            raise InputError(
                f"a preprocessing of your own makes size and colours itself; leave "
                f"{'--input-size' if size else '--grey'} out"
            )
        return found
    if grey and len(found.mean) > 1:
        raise InputError(
            f"{name} takes one channel, and this preprocessing is for three; choose "
            "--preprocess unit or levels"
        )
    return replace(found, size=size or found.size, grey=grey or found.grey)


def read_preprocess(written: str | Preprocessing) -> Preprocessing:
    """A preprocessing by name.

    Raises:
        InputError: if there is none of that name, or what is named cannot be called.
    """
    found: Any = written
    if isinstance(written, str):
        if not is_named(written):
            if written not in PREPROCESSINGS:
                raise unknown(
                    "preprocessing", written, [*PREPROCESSINGS, "package.module:function"]
                )
            return PREPROCESSINGS[written]
        found = import_named(written)
    if not callable(found) or isinstance(found, type):
        raise InputError(
            f"the preprocessing {written} is a {type(found).__name__}; give a function on uint8 "
            "images (N, C, H, W)"
        )
    return found


def read_size(written: str | int | Sequence[int] | None) -> tuple[int, int] | None:
    """(H, W) from "224", "60,80", a number or two.

    Raises:
        InputError: if it is none of these, or not positive.
    """
    if written is None:
        return None
    parts: Sequence[Any] = (
        written.split(",")
        if isinstance(written, str)
        else [written]
        if isinstance(written, int)
        else written
    )
    try:
        numbers = [int(each) for each in parts]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or min(numbers) < 1:
        raise InputError(f"no size {written!r}; write one number, or height,width")
    return numbers[0], numbers[-1]
