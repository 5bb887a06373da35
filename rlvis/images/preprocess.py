"""From the uint8 picture to the network's input, and where in the picture that input came from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from rlvis.errors import InputError

_LUMINANCE = (0.299, 0.587, 0.114)


Share = tuple[float, float]
"""Of a length: where a part of it begins, and how long that is; negative if it runs backwards."""


@dataclass(frozen=True)
class Window:
    """The part of a picture that the network's whole input stands for, in pixels.

    Where the network sees bars around the picture the window reaches beyond it.

    Attributes:
        top, left, height, width: of the part.
        flipped_rows, flipped_columns: whether the input has its bottom on top, its right on the
            left.
        known: whether it is known; if not, it is the whole picture.
    """

    top: int
    left: int
    height: int
    width: int
    flipped_rows: bool = False
    flipped_columns: bool = False
    known: bool = True

    def inside(self, height: int, width: int) -> tuple[slice, slice]:
        """The rows and columns of a picture of that size that are seen."""
        return (
            slice(max(0, self.top), max(0, min(height, self.top + self.height))),
            slice(max(0, self.left), max(0, min(width, self.left + self.width))),
        )

    def is_crop(self, height: int, width: int) -> bool:
        """Whether the whole input is a part of a picture of that size, as it lies there."""
        rows, columns = self.inside(height, width)
        whole = (rows.stop - rows.start, columns.stop - columns.start) == (self.height, self.width)
        return whole and not self.flipped_rows and not self.flipped_columns

    def shares(self, rows: slice, columns: slice) -> tuple[Share, Share]:
        """What rows and columns of the picture are of the input's height and width.

        They may begin before it and end behind it.
        """
        return (
            _share(rows, self.top, self.height, self.flipped_rows),
            _share(columns, self.left, self.width, self.flipped_columns),
        )


def _share(part: slice, start: int, length: int, flipped: bool) -> Share:
    begin, covered = (part.start - start) / length, (part.stop - part.start) / length
    return (1 - begin, -covered) if flipped else (begin, covered)


@dataclass(frozen=True)
class Preprocess:
    """Luminance, centre crop, antialiased resize, scale to 0..1, normalise.

    Attributes:
        size: (H, W) of the network's input; None leaves the size as it is.
        crop: the share of the largest centred rectangle of the input's shape that is kept
            (0.875 for the usual "resize to 256, crop 224").
        mean, std: per channel on the 0..1 scale; the input is (x / 255 - mean) / std.
        resample: how pixels are resized, "bilinear" or "bicubic".
        squash: keep the same share of both sides instead, whatever that does to the proportions.
        grey: keep the luminance of colours alone (ITU-R 601), for networks of one channel.
    """

    size: tuple[int, int] | None = None
    crop: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    resample: Literal["bilinear", "bicubic"] = "bilinear"
    squash: bool = False
    grey: bool = False

    def __post_init__(self) -> None:
        if self.size is None:
            return
        sides = self.size if isinstance(self.size, Sequence) else ()
        if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
            raise InputError(f"the size {self.size!r} is none; give (height, width) in pixels")
        object.__setattr__(self, "size", tuple(sides))

    def window(self, height: int, width: int) -> Window:
        """The part of a picture of that size that ends up in the network's input."""
        if self.size is None:
            return Window(0, 0, height, width)
        vertical, horizontal = height / self.size[0], width / self.size[1]
        if not self.squash:
            vertical = horizontal = min(vertical, horizontal)
        rows = max(1, round(self.crop * vertical * self.size[0]))
        columns = max(1, round(self.crop * horizontal * self.size[1]))
        return Window((height - rows) // 2, (width - columns) // 2, rows, columns)

    def __call__(self, images: Tensor) -> Tensor:
        """Float32 input (N, C, h, w) from uint8 images (N, C, H, W)."""
        pixels = images.float() / 255
        if self.grey and pixels.shape[1] == 3:
            pixels = torch.einsum("nchw,c->nhw", pixels, pixels.new_tensor(_LUMINANCE))[:, None]
        if self.size is not None:
            seen = self.window(*images.shape[-2:])
            pixels = pixels[
                ..., seen.top : seen.top + seen.height, seen.left : seen.left + seen.width
            ]
            if pixels.shape[-2:] != self.size:
                pixels = F.interpolate(pixels, self.size, mode=self.resample, antialias=True)
                pixels = pixels.clamp(0, 1)  # a bicubic curve swings past the colours it joins
        if self.mean == (0.0,) and self.std == (1.0,):
            return pixels
        mean = torch.tensor(self.mean, device=pixels.device).view(-1, 1, 1)
        std = torch.tensor(self.std, device=pixels.device).view(-1, 1, 1)
        return (pixels - mean) / std
