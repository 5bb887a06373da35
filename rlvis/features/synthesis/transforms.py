"""Small random moves of an image, so that what it excites does not hang on single pixels.

Lucid's moves (pad 12, jitter 8, scale 0.9 to 1.1, turn by up to 10°, jitter 4, for images of 224
pixels) put together are one affine map, so that one interpolation does them all.
"""

from math import cos, radians, sin

import torch
import torch.nn.functional as F
from torch import Tensor

_SIDE, _JITTERS, _SCALE, _ANGLE = 224, (8, 4), 0.1, 10.0
_GREY = 0.5


def moved(images: Tensor, generator: torch.Generator) -> Tensor:
    """Images (N, C, H, W) in 0..1, all moved alike; grey comes in from outside.

    Args:
        images: any size; the jitters are in proportion to it.
        generator: the random generator.
    """
    height, width = images.shape[-2:]
    draw = (torch.rand(6, generator=generator) * 2 - 1).tolist()
    scale, angle = 1 + _SCALE * draw[0], radians(_ANGLE * draw[1])
    shift = [
        2 * (first * _JITTERS[0] + second * _JITTERS[1]) / _SIDE
        for first, second in (draw[2:4], draw[4:6])
    ]
    aspect = height / width
    matrix = torch.tensor(
        [
            [cos(angle) / scale, -sin(angle) / scale * aspect, shift[0]],
            [sin(angle) / scale / aspect, cos(angle) / scale, shift[1]],
        ],
        device=images.device,
        dtype=images.dtype,
    )
    grid = F.affine_grid(matrix.expand(len(images), 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images - _GREY, grid, align_corners=False) + _GREY
