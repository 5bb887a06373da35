"""Cubes with exact masks, put over pictures: known objects where nobody knows what is in them."""

import math

import numpy as np
from PIL import Image, ImageDraw

from rlvis.display.theme import Colour
from rlvis.errors import InputError

COLOURS = {
    "red": (214, 40, 40),
    "green": (40, 160, 70),
    "blue": (45, 85, 200),
    "yellow": (230, 200, 40),
    "purple": (140, 60, 170),
}
_FINE, _LEAST = 4, 4
_SHADES = (1.0, 0.78, 0.55)
_SIZES = (0.16, 0.36)
"""The least and the greatest width, in shares of the shorter side."""


def draw_cube(
    side: int, colour: tuple[int, int, int], turn: float
) -> tuple[np.ndarray, np.ndarray]:
    """A shaded cube seen from above, with smooth edges.

    Args:
        side: of the square that it fills, in pixels.
        colour: of its lightest face.
        turn: how it is turned, in radians.

    Returns:
        Its colours, uint8 (side, side, 3), and the share of each pixel that it covers, float
        (side, side).
    """
    size = side * _FINE
    picture = Image.new("RGBA", (size, size))
    pen = ImageDraw.Draw(picture)
    angles = [turn + quarter * math.pi / 2 for quarter in range(4)]
    across, flat, height = 0.48 * size, 0.24 * size, 0.5 * size
    low = [(size / 2 + across * math.cos(a), 0.74 * size + flat * math.sin(a)) for a in angles]
    high = [(x, y - height) for x, y in low]
    walls = sorted(range(4), key=lambda each: low[each][1] + low[(each + 1) % 4][1])
    for shade, wall in zip(_SHADES[2:0:-1], walls[2:], strict=True):
        one, other = wall, (wall + 1) % 4
        pen.polygon([low[one], low[other], high[other], high[one]], _shaded(colour, shade))
    pen.polygon(high, _shaded(colour, _SHADES[0]))
    reduced = np.asarray(picture.resize((side, side), Image.Resampling.BOX), float)
    cover = reduced[..., 3:] / 255
    colours = np.divide(reduced[..., :3], cover, out=np.zeros((side, side, 3)), where=cover > 0)
    return colours.clip(0, 255).round().astype(np.uint8), cover[..., 0]


def place_cube(
    image: np.ndarray, lot: np.random.Generator, within: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, str]:
    """An image with a cube somewhere in it.

    Args:
        image: uint8 (H, W, 3).
        lot: draws its place, size, colour and turn.
        within: the part of the width, from 0 to 1, that it stands in.

    Returns:
        The image with it, its exact mask, bool (H, W), and its colour's name.

    Raises:
        InputError: if there is no room for one.
    """
    height, width = image.shape[:2]
    room = int((within[1] - within[0]) * width)
    if min(room, height) < _LEAST:
        raise InputError(
            f"images of {width} × {height} pixels have no room for cubes of {_LEAST} × {_LEAST} "
            "side by side; let the model see larger ones"
        )
    side = int(min(height, width) * lot.uniform(*_SIZES))
    side = max(_LEAST, min(side, room, height))
    top = int(lot.integers(height - side + 1))
    left = int(within[0] * width) + int(lot.integers(room - side + 1))
    name = str(lot.choice(list(COLOURS)))
    colours, cover = draw_cube(side, COLOURS[name], float(lot.uniform(0, math.pi / 2)))
    found, mask = image.copy(), np.zeros((height, width), bool)
    part = found[top : top + side, left : left + side]
    part[:] = (part * (1 - cover[..., None]) + colours * cover[..., None]).round().astype(np.uint8)
    mask[top : top + side, left : left + side] = cover > 0
    return found, mask, name


def _shaded(colour: Colour, shade: float) -> tuple[int, int, int, int]:
    red, green, blue = (round(shade * each) for each in colour)
    return red, green, blue, 255
