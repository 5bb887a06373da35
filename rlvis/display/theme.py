"""Colours, type and the drawing of text, shared by panels and video frames."""

import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import resources

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

_NAMED: dict[str, Colour] = {
    "blue": (84, 198, 224),
    "green": (146, 208, 80),
    "pink": (232, 124, 186),
    "yellow": (244, 208, 98),
    "violet": (170, 144, 240),
    "orange": (240, 134, 92),
    "teal": (72, 190, 150),
    "grey": (168, 178, 190),
    "red": (222, 84, 84),
    "indigo": (112, 132, 255),
    "olive": (135, 124, 83),
    "rose": (255, 210, 210),
    "forest": (5, 145, 3),
    "slate": (89, 131, 134),
    "mauve": (141, 118, 124),
    "cream": (223, 233, 206),
    "magenta": (209, 15, 240),
    "ochre": (198, 134, 3),
    "turquoise": (55, 255, 239),
    "tan": (199, 176, 147),
    "mustard": (162, 160, 6),
    "lavender": (224, 216, 255),
    "azure": (24, 161, 251),
    "crimson": (241, 0, 127),
}
LABEL_COLOURS = tuple(_NAMED.values())
"""Those after the tenth are each as unlike all before it as can be (CIEDE2000, 16 at least)."""
_DARKER, _ROUNDS = 0.6, 3
_READABLE = 4.5
_SMALLER, _TWO_LINES = (14, 13, 12, 11), 1.8
"""Sizes of type for names in two lines, and how much of these a name fills that is cut."""


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
    """The colour of the label at that index, the same in every picture.

    Where there are more labels than `LABEL_COLOURS` these come again, darker, and darker still, and
    then as they were.
    """
    again, place = _round_and_place(index)
    red, green, blue = (round(_DARKER**again * part) for part in LABEL_COLOURS[place])
    return red, green, blue


def colour_name(index: int) -> str:
    """What words call the colour of the label at that index."""
    again, place = _round_and_place(index)
    return "dark " * again + list(_NAMED)[place]


def _round_and_place(index: int) -> tuple[int, int]:
    again, place = divmod(index, len(LABEL_COLOURS))
    return again % _ROUNDS, place


@lru_cache(maxsize=256)
def legible(colour: Colour, ground: Colour) -> Colour:
    """The colour of text on a dark ground, as much lighter as the text needs to be readable.

    That is a contrast of 4.5 to 1 (WCAG 2.2, 1.4.3).
    """
    shares = (share / 16 for share in range(17))
    lighter = (tuple(round(part + share * (255 - part)) for part in colour) for share in shares)
    readable = (each for each in lighter if _contrast(each, ground) >= _READABLE)
    red, green, blue = next(readable, (255, 255, 255))
    return red, green, blue


def _contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """Of two colours by their relative luminance, 1 to 21 (WCAG 2.2)."""
    least, most = sorted((_luminance(one), _luminance(other)))
    return (most + 0.05) / (least + 0.05)


def _luminance(colour: tuple[int, ...]) -> float:
    shares = [part / 255 for part in colour]
    linear = [
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in shares
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ink_on(ground: Colour) -> Colour:
    """The colour of text that is readable on a ground."""
    return LIGHT.text if sum(ground) > 420 else LIGHT.background


@lru_cache(maxsize=64)
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The house's typeface at a size in pixels."""
    name = "Inter-SemiBold.otf" if bold else "Inter-Regular.otf"
    with resources.as_file(resources.files("rlvis").joinpath(f"data/fonts/{name}")) as path:
        return ImageFont.truetype(str(path), size)


_BETWEEN_WORDS = re.compile(r"[ _\-/.:]+(?=\S)|(?<=[a-z])(?=[A-Z])")
_MINUS = re.compile(r"(?<![\w.])-(?=[\d.]|inf\b)|(?<=\d[eE])-(?=\d)|(?<= )-(?= )")
_NUMBER = re.compile(r"([−+-]?\d[\d.,]*(?:e[−+-]?\d+)?(?<![.,])%?)", re.ASCII)
_SHARES = (0.5, 0.3, 0.7, 0.15, 0.85, 0.0, 1.0)


def typeset(text: str) -> str:
    """The text with true minus signs in numbers and differences; hyphens stay hyphens.

    >>> typeset("left - right -1.5 2e-05 grad-cam")
    'left − right −1.5 2e−05 grad-cam'
    """
    return _MINUS.sub("−", text)


def length(text: str, size: int, bold: bool = False) -> int:
    """How many pixels a text is wide."""
    return round(font(size, bold).getlength(typeset(text))) + 1


@lru_cache(maxsize=4096)
def fit(text: str, width: int, size: int, bold: bool = False, share: float = 1.0) -> str:
    """The text, cut with an ellipsis where it is wider than `width` pixels.

    Words are cut and numbers are not: a number is there with all of its digits, or, where there is
    no room for that, with none of them.

    Args:
        text: to be cut.
        width: of the room for it, in pixels.
        size: of the font.
        bold: of the font.
        share: how much of what is left of words stands before the ellipsis.

    >>> fit("activation 1,210", 80, 13)
    'acti… 1,210'
    """
    fits = partial(_fits, width=width, size=size, bold=bold)
    if fits(text):
        return text
    parts = _NUMBER.split(text)
    for place in sorted(range(0, len(parts), 2), key=lambda each: -len(parts[each])):
        before, words, after = parts[:place], parts[place], parts[place + 1 :]
        first, last = int(place > 0), int(place < len(parts) - 1)
        if len(words) <= first + last + 1:
            continue
        kept = words[:first], words[first : len(words) - last], words[len(words) - last :]
        shortened = partial(_shortened, before, kept, after, share)
        fitting = bisect_left(range(len(kept[1])), True, key=lambda each: not fits(shortened(each)))
        if fitting:
            return shortened(fitting - 1)
        parts[place] = f"{kept[0]}…{kept[2]}"
    heads = ("".join(parts[:count]).rstrip("… ") for count in range(len(parts) - 1, 0, -1))
    return next(filter(fits, (f"{head} …".lstrip() for head in heads)), "…")


def _fits(text: str, width: int, size: int, bold: bool) -> bool:
    return length(text, size, bold) <= width


def _shortened(
    before: list[str], words: tuple[str, str, str], after: list[str], share: float, count: int
) -> str:
    """A text whose words in the middle are cut to so many letters round an ellipsis."""
    first, middle, last = words
    head = round(share * count)
    cut = middle[:head].rstrip() + "…" + middle[len(middle) - (count - head) :].lstrip()
    return "".join([*before, first, cut, last, *after])


@lru_cache(maxsize=256)
def told_apart(
    names: tuple[str, ...], width: int, size: int, bold: bool = False
) -> tuple[str, ...]:
    """Names no wider than `width` pixels, cut where they stay different from one another.

    Where no cut does that, each has its number in front.
    """
    for share in _SHARES:
        cut = tuple(fit(name, width, size, bold, share) for name in names)
        if len(set(cut)) == len(set(names)):
            return cut
    return tuple(fit(f"{number} {name}", width, size, bold) for number, name in enumerate(names))


def in_two(
    text: str, width: int, size: int, bold: bool = False, *, anywhere: bool = False
) -> tuple[str, str]:
    """A name in one line or two, the second one "" where one will do; cut where two will not do.

    Args:
        text: the name.
        width: of the lines, in pixels.
        size: of the font.
        bold: of the font.
        anywhere: break it within a word, too.
    """
    if length(text, size, bold) <= width:
        return text, ""
    ends = [each.end() for each in _BETWEEN_WORDS.finditer(text)]
    ends = list(range(1, len(text))) if anywhere else ends
    fitting = [end for end in ends if length(text[:end].rstrip(), size, bold) <= width]
    if not fitting:
        return fit(text, width, size, bold, 0.5), ""
    first, rest = text[: fitting[-1]].rstrip(), text[fitting[-1] :].lstrip()
    return first, fit(rest, width, size, bold, 0.5)


@lru_cache(maxsize=64)
def titles(names: tuple[str, ...], width: int, size: int) -> tuple[int, dict[str, tuple[str, str]]]:
    """Bold names over columns: the size of the type, and the lines of each.

    They have one line each where all have room in it, else two in smaller type; what has no room
    in these is cut so that it stays different from the others.

    Args:
        names: of the columns.
        width: of a column, in pixels.
        size: of the font, at most.
    """
    if all(length(name, size, True) <= width for name in names):
        return size, {name: (name, "") for name in names}
    for smaller in _SMALLER:
        lines = {name: in_two(name, width, smaller, True) for name in names}
        if not any("…" in line for both in lines.values() for line in both):
            return smaller, lines
    least = _SMALLER[-1]
    cut = told_apart(names, round(_TWO_LINES * width), least, True)
    return least, {
        name: in_two(each, width, least, True, anywhere=True)
        for name, each in zip(names, cut, strict=True)
    }


def wrapped(text: str, width: int, size: int, bold: bool = False) -> list[str]:
    """The text in lines no wider than `width` pixels, broken between words."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and length(longer, size, bold) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return [fit(line, width, size, bold) for line in lines]


@lru_cache(maxsize=4096)
def text_sprite(
    text: str, size: int, colour: Colour, background: Colour, bold: bool = False
) -> np.ndarray:
    """Text on a plain background, uint8 (h, w, 3), as high as the line whatever the letters."""
    text, face = typeset(text), font(size, bold)
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
    """`write` on the ground of a film, in a colour that is readable there."""
    return write(
        canvas,
        text,
        x,
        y,
        size=size,
        colour=legible(colour, DARK.background),
        background=DARK.background,
        bold=bold,
        align=align,
    )
