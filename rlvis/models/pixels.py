"""Between a network's input and pixels on the scale on which black is 0 and white is 1."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from rlvis.errors import InputError
from rlvis.images.frames import latest
from rlvis.images.preprocess import Preprocess
from rlvis.models.image_model import ImageModel
from rlvis.models.policy import Policy


@dataclass(frozen=True)
class PixelScale:
    """How a network's preprocessing scales values, channel by channel.

    Attributes:
        black: the input (1, C, H, W) of a black image.
        span: that of a white one less that.
    """

    black: Tensor
    span: Tensor

    @classmethod
    def of(cls, model: ImageModel, images: Tensor) -> "PixelScale":
        """That of a model for images like these, uint8 (N, C, H, W)."""
        black, white = (
            model.inputs(torch.full_like(images[:1], level)).float() for level in (0, 255)
        )
        return cls(black, white - black)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the input."""
        channels, height, width = self.black.shape[1:]
        return channels, height, width

    def unit(self, inputs: Tensor) -> Tensor:
        """Pixels 0..1 of the network's input, 0 where it is the same whatever the picture."""
        scaled = (inputs.float() - self.black) / self.span
        return scaled.masked_fill(self.span == 0, 0).clamp(0, 1)

    def inputs(self, unit: Tensor) -> Tensor:
        """The network's input of pixels, which may have another size where the scale has none."""
        if unit.shape[-2:] != self.black.shape[-2:]:
            corner = (..., slice(0, 1), slice(0, 1))
            return unit * self.span[corner] + self.black[corner]
        return unit * self.span + self.black


def input_shape(model: ImageModel, size: tuple[int, int] | None = None) -> tuple[int, int, int]:
    """(C, H, W) of the pictures a model is given.

    Args:
        model: a policy that knows its observations, or a model with a `Preprocess` of some size.
        size: (H, W), where it is another or not known.

    Raises:
        InputError: if the size is not known.
    """
    observed = model.observation_shape if isinstance(model, Policy) else None
    channels = observed[2] if observed else image_channels(model)
    known = observed[:2] if observed else None
    if known is None and isinstance(model.preprocess, Preprocess):
        known = model.preprocess.size
    if size is None and known is None:
        raise InputError(f"the input size of {model.name} is not known; give it as size=(H, W)")
    height, width = size or known or (0, 0)
    return channels, height, width


def image_channels(model: ImageModel) -> int:
    """What a model's first convolution reads, 3 where it cannot be told."""
    return channels_read(model.module)


def channels_read(module: nn.Module) -> int:
    """How many channels the first convolution of a module reads, 3 where it cannot be told."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            return part.in_channels
    for parameter in module.parameters():
        if parameter.ndim == 4:
            return int(parameter.shape[1])
    return 3


def seen_part(model: ImageModel, picture: Tensor) -> np.ndarray:
    """The part of a picture that a network sees, of stacked frames the latest.

    Args:
        model: whose preprocessing cuts it.
        picture: uint8 (C, H, W).

    Returns:
        uint8 (h, w, 3), as it lies in the picture.
    """
    shown = picture.permute(1, 2, 0).cpu().numpy()
    channels, height, width = picture.shape
    part = model.window((channels, height, width), picture).inside(height, width)
    return latest(shown[part], model.frames)


def as_picture(unit: np.ndarray) -> np.ndarray:
    """An image (C, H, W) in 0..1 as a picture, uint8 (H, W, 3); of stacked frames the latest."""
    return latest((unit.transpose(1, 2, 0) * 255).round().clip(0, 255).astype(np.uint8))
