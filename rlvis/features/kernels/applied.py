"""What a kernel does to an image: a classical one by its name, or one that was learned."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rlvis.display.numbers import written
from rlvis.display.page import Page
from rlvis.display.shown import Shown
from rlvis.display.tiles import Row, Tile, fitted, greys, largest
from rlvis.errors import InputError, unknown
from rlvis.features.activations.units import check_unit
from rlvis.features.kernels.weights import filters
from rlvis.images.frames import latest
from rlvis.images.loading import Images, as_images
from rlvis.models.image_model import ImageModel
from rlvis.models.pixels import seen_part
from rlvis.results import Result

CLASSICAL: dict[str, np.ndarray] = {
    "blur": np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32) / 16,
    "edge": np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], np.float32),
    "sharpen": np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], np.float32),
}


@dataclass(frozen=True, repr=False, eq=False)
class Filtered(Result):
    """What a kernel does to an image.

    Attributes:
        image: uint8 (H, W, 3); for a learned kernel the part that the network saw.
        kernel: float32 (kh, kw), or (C, kh, kw) for a learned one.
        name: of the kernel.
        result: float32 (H, W) or (H, W, 3), on the image's scale 0..255 for a classical kernel,
            in the layer's units for a learned one.
    """

    image: np.ndarray
    kernel: np.ndarray
    name: str
    result: np.ndarray

    def page(self) -> Page:
        """Input, kernel and result side by side."""
        most = largest(self.result)
        if self.result.ndim == 3:
            result = self.result.clip(0, 255).round().astype(np.uint8)
            lines = ["result on the image's own scale, cut at black and white"]
        else:
            signed = bool(self.result.min() < 0)
            result = greys(self.result, most, signed)
            lines = [
                f"result: white is {written(most)}, "
                + ("black the opposite, middle grey 0" if signed else "black 0")
            ]
        if self.kernel.ndim == 2 and self.kernel.size <= 25:
            rows = (" ".join(written(each, 4) for each in row) for row in self.kernel)
            lines.insert(0, "kernel, row by row: " + " | ".join(rows))
        colours = self.kernel.ndim == 3 and len(self.kernel) == 3
        kernel = (
            self.kernel.transpose(1, 2, 0)
            if colours
            else self.kernel.reshape(-1, *self.kernel.shape[-2:]).sum(axis=0)
        )
        heaviest = largest(kernel)
        tiles = [
            Tile(self.image, Shown("input")),
            Tile(
                greys(kernel, heaviest, True),
                Shown(
                    f"kernel {self.name}",
                    notes=[f"middle grey is 0, white and black ±{written(heaviest)}"],
                ),
            ),
            Tile(result, Shown("result")),
        ]
        size = fitted(result.shape, 390, 390)
        return Page(f"What the kernel {self.name} does", lines, [Row(tiles, tile=size)])

    def arrays(self) -> dict[str, np.ndarray]:
        """Image, kernel and result."""
        return {"image": self.image, "kernel": self.kernel, "result": self.result}

    @property
    def summary(self) -> str:
        """The kernel and the size of the result."""
        height, width = self.result.shape[:2]
        return f"kernel {self.name}, result {width}×{height}"


def apply_kernel(
    image: Images, kernel: str | np.ndarray, model: ImageModel | None = None
) -> Filtered:
    """A kernel's answer at every place of an image.

    A classical kernel is applied to each colour, the image's border repeated. A learned one reads
    the network's input, scaled as the network has it, without stride, bias and what follows.

    Args:
        image: one, in any form `as_images` takes.
        kernel: "blur", "edge" or "sharpen" (`CLASSICAL`), an array (kh, kw), or a unit of one of
            the model's first convolutions as "layer:unit".
        model: has that layer.

    Raises:
        InputError: if there is no such kernel, it has other than two axes or is not finite, or it
            does not read images.
    """
    pictures = as_images(image)[:1]
    if isinstance(kernel, np.ndarray):
        if kernel.ndim != 2 or not kernel.size or not np.isfinite(kernel).all():
            raise InputError(f"no kernel of shape {kernel.shape}; give finite numbers (kh, kw)")
        return _classical(pictures, kernel.astype(np.float32), "given")
    if kernel in CLASSICAL:
        return _classical(pictures, CLASSICAL[kernel], kernel)
    layer, colon, unit = kernel.rpartition(":")
    if not colon or model is None or not unit.isdigit():
        raise unknown("kernel", kernel, [*CLASSICAL, "layer:unit"])
    weights = filters(model, layer).weights
    check_unit(layer, int(unit), len(weights))
    inputs = model.inputs(pictures).float().cpu()
    learned = torch.from_numpy(weights[int(unit)])
    if inputs.shape[1] != len(learned):
        raise InputError(
            f"layer {layer} reads {len(learned)} channels, not the image's {inputs.shape[1]}; "
            "name a layer that reads the image"
        )
    result = _correlated(inputs, learned[None])
    seen = seen_part(model, pictures[0])
    return Filtered(seen, weights[int(unit)], kernel, result[0, 0].numpy())


def _classical(pictures: Tensor, kernel: np.ndarray, name: str) -> Filtered:
    rgb = latest(pictures[0].permute(1, 2, 0).numpy())
    planes = torch.from_numpy(rgb.transpose(2, 0, 1).astype(np.float32))[:, None]
    result = _correlated(planes, torch.from_numpy(kernel)[None, None])
    return Filtered(rgb, kernel, name, result[:, 0].permute(1, 2, 0).numpy())


def _correlated(planes: Tensor, kernel: Tensor) -> Tensor:
    """Cross-correlation of the same size, borders repeated; kernels (1, C, kh, kw)."""
    kernel = kernel if kernel.ndim == 4 else kernel[None]
    height, width = kernel.shape[-2:]
    around = ((width - 1) // 2, width // 2, (height - 1) // 2, height // 2)
    return F.conv2d(F.pad(planes, around, mode="replicate"), kernel)
