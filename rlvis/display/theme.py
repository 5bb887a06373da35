"""Colours, type and the drawing of text, shared by panels and video frames."""

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

LABEL_COLOURS: tuple[Colour, ...] = (
    (84, 198, 224),
    (146, 208, 80),
    (232, 124, 186),
    (244, 208, 98),
    (170, 144, 240),
    (240, 134, 92),
    (72, 190, 150),
    (168, 178, 190),
    (222, 84, 84),
    (112, 132, 255),
)


@dataclass(frozen=True)
class Theme:
    """Colours of one kind of picture."""

    background: Colour
    surface: Colour
    text: Colour
    muted: Colour


DARK = Theme((16, 19, 24), (32, 37, 45), (236, 239, 244), (150, 158, 170))
LIGHT = Theme((255, 255, 255), (234, 237, 241), (24, 28, 34), (98, 106, 118))


def label_colour(index: int) -> Colour:
    """The colour of the label at that index, the same in every picture."""
    return LABEL_COLOURS[index % len(LABEL_COLOURS)]


@lru_cache(maxsize=64)
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The house's typeface at a size in pixels."""
    name = "Inter-SemiBold.otf" if bold else "Inter-Regular.otf"
    with resources.as_file(resources.files("rlvis").joinpath(f"data/fonts/{name}")) as path:
        return ImageFont.truetype(str(path), size)


@lru_cache(maxsize=4096)
def fit(text: str, width: int, size: int, bold: bool = False) -> str:
    """The text, cut with an ellipsis where it is wider than `width` pixels."""
    if font(size, bold).getlength(text) <= width:
        return text
    while text and font(size, bold).getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


@lru_cache(maxsize=4096)
def text_sprite(
    text: str, size: int, colour: Colour, background: Colour, bold: bool = False
) -> np.ndarray:
    """Text on a plain background, uint8 (h, w, 3), as high as the line whatever the letters."""
    face = font(size, bold)
    ascent, descent = face.getmetrics()
    sprite = Image.new(
        "RGB", (max(1, round(face.getlength(text)) + 1), ascent + descent), background
    )
    ImageDraw.Draw(sprite).text((0, 0), text, font=face, fill=colour)
    return np.asarray(sprite)


def paste(canvas: np.ndarray, sprite: np.ndarray, x: int, y: int) -> None:
    """Copy a sprite (h, w, 3) onto a canvas (H, W, 3), cut at the canvas' border."""
    part = canvas[max(y, 0) : y + sprite.shape[0], max(x, 0) : x + sprite.shape[1]]
    part[...] = sprite[max(-y, 0) :, max(-x, 0) :][: part.shape[0], : part.shape[1]]


def write(
    canvas: np.ndarray,
    text: str,
    x: int,
    y: int,
    *,
    size: int,
    colour: Colour,
    background: Colour,
    bold: bool = False,
    align: str = "left",
) -> int:
    """Write text on a canvas, its line's top left (or right, or centre) at (x, y).

    Returns:
        The width of the text in pixels.
    """
    sprite = text_sprite(text, size, colour, background, bold)
    width = sprite.shape[1]
    paste(canvas, sprite, x - {"left": 0, "centre": width // 2, "right": width}[align], y)
    return width


def on_dark(
    canvas: np.ndarray,
    text: str,
    x: int,
    y: int,
    size: int,
    colour: Colour = DARK.text,
    *,
    bold: bool = False,
    align: str = "left",
) -> int:
    """`write` on the ground of a film."""
    return write(
        canvas,
        text,
        x,
        y,
        size=size,
        colour=colour,
        background=DARK.background,
        bold=bold,
        align=align,
    )
