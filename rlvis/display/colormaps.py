"""Colour maps by name: what colour heat has, and how much of the picture beneath shows through.

Where there is no heat the picture is unchanged; from there to the strongest heat the colours become
more opaque. A map that only tells how much runs through all colours of a sequential one and the
upper half of a diverging one. A signed map runs through all colours of either, and nothing is in
their middle: of the diverging ones that is where the colours part.
"""

from functools import lru_cache

import numpy as np

from rlvis.errors import unknown
from rlvis.options import check_real

HEAT, AMBER_BLUE = "heat", "amber-blue"
"""What maps that only tell how much, and signed ones, are drawn in where nothing else is asked."""

MOST_OPAQUE = 0.85
"""How opaque the strongest heat is where nothing else is asked."""

_SEQUENTIAL = {
    HEAT: "1f0c48 550f6d 88226a ba3655 e35933 f98c0a f9c932 fcffa4",
    "turbo": "30123b 4040a2 466be3 4294ff 28bceb 18ddc2 32f298 6dfe62 a4fc3c "
    "cdec34 eecf3a fdac34 fb7e21 eb500e d02f05 a91601 7a0403",
    "viridis": "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c "
    "1fa088 28ae80 3fbc73 5ec962 84d44b addc30 d8e219 fde725",
    "magma": "000004 0a0822 1d1147 36106b 51127c 6a1c81 832681 9c2e7f b73779 "
    "d0416f e75263 f56b5c fc8961 fea772 fec488 fde2a3 fcfdbf",
}
_DIVERGING = {AMBER_BLUE: "2878ff ffb800", "red-blue": "2166ac b2182b"}
COLORMAPS = (*_SEQUENTIAL, *_DIVERGING)


def check_colormap(name: str | None, opacity: float = MOST_OPAQUE) -> None:
    """Whether there is such a colour map, and pictures can show through it so.

    Raises:
        InputError: if not.
    """
    if name is not None and name not in COLORMAPS:
        raise unknown("colour map", name, COLORMAPS)
    check_real("opacity", opacity, 0, 1)


@lru_cache(maxsize=32)
def colour_table(name: str | None, signed: bool, opacity: float = MOST_OPAQUE) -> np.ndarray:
    """What is seen where heat of a level lies over a grey: uint32 (256 levels * 256 greys,).

    The bytes of an entry are red, green, blue and nothing, so that one look-up gives a pixel.

    Args:
        name: of `COLORMAPS`; left out, `AMBER_BLUE` for signed heat and `HEAT` for other.
        signed: whether the levels are those of heat -1..1, or 0..1.
        opacity: of the strongest heat, 0..1.

    Raises:
        InputError: if there is no such colour map.
    """
    check_colormap(name, opacity)
    name = name or (AMBER_BLUE if signed else HEAT)
    heat = np.linspace(-1, 1, 256) if signed else np.linspace(0, 1, 256)
    place = (heat + 1) / 2 if signed or name in _DIVERGING else heat
    ramp = np.abs(heat) if signed else np.clip(heat / 0.5, 0, 1)
    return _over_greys(_colours(name, place), opacity * ramp**0.8)


def sequential(name: str, place: np.ndarray) -> np.ndarray:
    """The colours at places 0..1 of a colour map, uint8 (n, 3)."""
    return np.round(_colours(name, place)).astype(np.uint8)


def _colours(name: str, place: np.ndarray) -> np.ndarray:
    """The colours at places 0..1 of a colour map, float (n, 3)."""
    written = (_SEQUENTIAL | _DIVERGING)[name].split()
    anchors = np.array([list(bytes.fromhex(each)) for each in written], float)
    if name in _DIVERGING:
        return anchors[(place >= 0.5).astype(int)]
    at = np.linspace(0, 1, len(anchors))
    return np.stack([np.interp(place, at, channel) for channel in anchors.T], axis=1)


def _over_greys(colour: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    grey = np.arange(256)[None, :, None]
    opacity = opacity[:, None, None]
    seen = np.zeros((256, 256, 4), np.uint8)
    seen[..., :3] = np.round(colour[:, None] * opacity + grey * (1 - opacity))
    return seen.view(np.uint32).reshape(-1)
