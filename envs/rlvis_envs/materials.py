"""What surfaces and objects may look like: textures and colours by name."""

import math
from collections.abc import Sequence

from rlvis_envs.miniworld import COLORS as MINIWORLD_COLORS

Triple = tuple[float, float, float]

FLOORS = (
    "floor_tiles_bw_1",
    "asphalt_1",
    "cardboard_1",
    "concrete_1",
    "grass_1",
    "marble_1",
    "marble_2",
    "rock_1",
    "wood_1",
    "wood_2",
    "wood_planks_1",
)
WALLS = (
    "concrete_1",
    "brick_wall_1",
    "cardboard_2",
    "cinder_blocks_1",
    "concrete_2",
    "concrete_3",
    "concrete_4",
    "drywall_1",
    "marble_1",
    "stucco_1",
    "wood_planks_1",
)
CEILINGS = (
    "concrete_tiles_1",
    "ceiling_tile_noborder_1",
    "ceiling_tiles_1",
    "drywall_1",
    "stucco_1",
    None,
)
SKY = "sky"
"""What a ceiling of None is called by those who choose one by name."""

SURFACES: dict[str, tuple[str, ...]] = {
    "floor": FLOORS,
    "wall": WALLS,
    "ceiling": tuple(name or SKY for name in CEILINGS),
}
COLORS: dict[str, Triple] = {
    name: (float(rgb[0]), float(rgb[1]), float(rgb[2])) for name, rgb in MINIWORLD_COLORS.items()
}
OTHER_COLORS = tuple(rgb for name, rgb in COLORS.items() if name != "red")


def as_color(colour: str | Sequence[float]) -> Triple:
    """Return red, green and blue in [0, 1] of a colour's name or of three numbers.

    Raises:
        ValueError: Neither a name in `COLORS` nor three numbers from 0 to 1.
    """
    if isinstance(colour, str) and colour in COLORS:
        return COLORS[colour]
    try:
        red, green, blue = map(float, () if isinstance(colour, str) else colour)
    except (TypeError, ValueError):
        red = green = blue = math.nan
    if all(0 <= each <= 1 for each in (red, green, blue)):
        return red, green, blue
    names = ", ".join(map(repr, COLORS))
    raise ValueError(f"colour={colour!r} must be one of {names}, or three numbers from 0 to 1")


def color_name(color: Triple) -> str:
    """Return the name of the colour in `COLORS` nearest to this one."""

    def distance(name: str) -> float:
        return sum((a - b) ** 2 for a, b in zip(COLORS[name], color, strict=True))

    return min(COLORS, key=distance)
