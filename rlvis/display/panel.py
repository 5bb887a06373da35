"""One picture that explains an image: the image and its scores, heatmaps by method and target."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from rlvis.display.overlay import colour_bar, grey, limit, overlay, resize_picture
from rlvis.display.theme import LIGHT, Colour, fit, label_colour, paste, write
from rlvis.errors import InputError
from rlvis.explanation import Explanation, resize_maps
from rlvis.files import writing
from rlvis.frames import picture_of

_MARGIN, _GAP = 28, 14
_HEADER, _COLUMN_HEAD, _ROW_FOOT = 58, 46, 30
_CELL = 300
_BARS = 5


Scale = float | Literal["row", "cell"]
"""What full strength stands for: the most of a row of maps, of each map, or a number."""


def panel(explanations: Sequence[Explanation], scale: Scale = "row") -> Image.Image:
    """A labelled panel of one or several methods on the same images and targets.

    Each image gets a block: at the left the image itself with its highest scores, at the right one
    row per method and one column per target. What the colours stand for is written under each row.

    Args:
        explanations: one per method.
        scale: "row": all maps of a row share one scale, so that a weak map looks weak. "cell": each
            map has its own. A number: that value is drawn at full strength.

    Raises:
        InputError: if the scale is none of these.
    """
    if scale not in ("row", "cell") and not (isinstance(scale, (int, float)) and scale > 0):
        raise InputError(f"no scale {scale!r}; choose row, cell or a positive number")
    first = explanations[0]
    blocks = [_block(explanations, index, scale) for index in range(len(first.images))]
    width = max(block.shape[1] for block in blocks)
    return Image.fromarray(np.concatenate([_widened(block, width) for block in blocks]))


def save_panel(explanations: Sequence[Explanation], path: str | Path, scale: Scale = "row") -> Path:
    """Write the panel as PNG, JPEG or WebP, by the path's ending, and return the path.

    Raises:
        InputError: if the ending is none of these, or the file cannot be written.
    """
    path = Path(path)
    picture = panel(explanations, scale)
    with writing(path, {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}) as (
        temporary,
        kind,
    ):
        picture.save(temporary, format=kind, quality=92)
    return path


def png_bytes(picture: Image.Image) -> bytes:
    """A picture as a PNG file."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def _block(explanations: Sequence[Explanation], index: int, scale: Scale) -> np.ndarray:
    first = explanations[0]
    picture = picture_of(first.images[index], first.frames)
    ground = grey(_seen(picture, first))
    width, height = _cell_size(ground)
    columns = len(first.targets[index])
    rows_height = len(explanations) * (height + _ROW_FOOT + _GAP)
    bars_height = 26 + 24 * min(_BARS, len(first.labels))
    grid_height = _COLUMN_HEAD + rows_height
    side_height = _COLUMN_HEAD + _thumbnail_height(picture, width) + _GAP + bars_height
    canvas = np.empty(
        (
            _HEADER + max(grid_height, side_height) + _MARGIN // 2,
            2 * _MARGIN + width + 2 * _GAP + columns * (width + _GAP) - _GAP,
            3,
        ),
        np.uint8,
    )
    canvas[:] = LIGHT.background
    _header(canvas, explanations)
    _side(canvas, first, index, picture, width)
    left = _MARGIN + width + 2 * _GAP
    for row, explanation in enumerate(explanations):
        top = _HEADER + _COLUMN_HEAD + row * (height + _ROW_FOOT + _GAP)
        _row(canvas, explanation, index, ground, (left, top, width, height), scale)
    for column, name in enumerate(first.targets[index]):
        x = left + column * (width + _GAP)
        _column_head(canvas, first, index, column, name, (x, _HEADER, width))
    return canvas


def _cell_size(picture: np.ndarray) -> tuple[int, int]:
    height, width = picture.shape[:2]
    scale = _CELL / max(height, width)
    return max(160, round(width * scale)), max(60, round(height * scale))


def _text(canvas: np.ndarray, text: str, x: int, y: int, size: int, **how: object) -> int:
    style = {"colour": LIGHT.text, "background": LIGHT.background, **how}
    return write(canvas, text, x, y, size=size, **style)  # type: ignore[arg-type]


def _header(canvas: np.ndarray, explanations: Sequence[Explanation]) -> None:
    first = explanations[0]
    room = canvas.shape[1] - 2 * _MARGIN
    used = _text(canvas, fit(first.model, room, 20, True), _MARGIN, 18, 20, bold=True)
    methods = "explained by " + ", ".join(each.method for each in explanations)
    _text(
        canvas, fit(methods, room - used - 14, 15), _MARGIN + used + 14, 22, 15, colour=LIGHT.muted
    )


def _side(
    canvas: np.ndarray,
    explanation: Explanation,
    index: int,
    picture: np.ndarray,
    width: int,
) -> None:
    """The image itself, what the network did not see of it dimmed, above its highest scores."""
    height = _thumbnail_height(picture, width)
    _text(canvas, "image", _MARGIN, _HEADER, 16, bold=True)
    seen = explanation.window
    partly = (seen.height, seen.width) != picture.shape[:2]
    note = "bright: what the network sees" if partly else "what the network sees"
    _text(canvas, fit(note, width, 13), _MARGIN, _HEADER + 22, 13, colour=LIGHT.muted)
    top = _HEADER + _COLUMN_HEAD
    paste(canvas, resize_picture(_dimmed(picture, explanation), width, height), _MARGIN, top)
    top += height + _GAP
    probabilities = explanation.probabilities[index]
    continuous = bool(np.isnan(probabilities).all())
    value = "" if explanation.value is None else f"value {explanation.value[index]:.2f}"
    caption = value if continuous else f"probability   {value}"
    _text(canvas, caption, _MARGIN, top, 13, colour=LIGHT.muted)
    if continuous:
        return
    order = probabilities.argsort(kind="stable")[::-1][:_BARS]
    if len(probabilities) <= _BARS:
        order = np.arange(len(probabilities))
    for place, label in enumerate(order):
        y = top + 22 + 24 * place
        colour = _target_colour(explanation, index, explanation.labels[label])
        _bar(canvas, explanation.labels[label], float(probabilities[label]), (y, width), colour)


def _bar(
    canvas: np.ndarray, label: str, share: float, place: tuple[int, int], colour: Colour
) -> None:
    y, width = place
    name, bar = round(width * 0.44), round(width * 0.38)
    _text(canvas, fit(label, name - 8, 14), _MARGIN, y, 14)
    canvas[y + 3 : y + 15, _MARGIN + name : _MARGIN + name + bar] = LIGHT.surface
    canvas[y + 3 : y + 15, _MARGIN + name : _MARGIN + name + round(bar * share)] = colour
    _text(canvas, percentage(share), _MARGIN + width, y, 14, align="right")


def percentage(share: float) -> str:
    """A probability in per cent, with a digit more where it is small: "38%", "0.4%"."""
    return f"{share:.0%}" if share >= 0.0995 else f"{share:.1%}"


def _target_colour(explanation: Explanation, index: int, label: str) -> Colour:
    targets = explanation.targets[index]
    return label_colour(targets.index(label)) if label in targets else LIGHT.muted


def _column_head(
    canvas: np.ndarray,
    explanation: Explanation,
    index: int,
    column: int,
    name: str,
    place: tuple[int, int, int],
) -> None:
    x, y, width = place
    canvas[y + 4 : y + 18, x : x + 4] = label_colour(column)
    _text(canvas, fit(name, width - 12, 16, True), x + 12, y, 16, bold=True)
    note = f"score {explanation.scores[index, column]:.2f}"
    if name in explanation.labels:
        share = explanation.probabilities[index, explanation.labels.index(name)]
        note += "" if np.isnan(share) else f"   probability {percentage(share)}"
    _text(canvas, fit(note, width, 13), x, y + 22, 13, colour=LIGHT.muted)


def _row(
    canvas: np.ndarray,
    explanation: Explanation,
    index: int,
    ground: np.ndarray,
    place: tuple[int, int, int, int],
    scale: Scale,
) -> None:
    left, top, width, height = place
    limits = _limits(explanation.maps[index], scale)
    heat = resize_maps(explanation.maps[index : index + 1], height, width)[0]
    ground = resize_picture(ground, width, height)
    for column, each in enumerate(heat):
        x = left + column * (width + _GAP)
        paste(canvas, overlay(ground, each, limits[column], explanation.signed), x, top)
    _row_foot(canvas, explanation, limits, (left, top + height + 6), scale)


def _limits(maps: np.ndarray, scale: Scale) -> list[float]:
    """The value drawn at full strength in each of T maps (T, h, w)."""
    if scale == "cell":
        return [limit(each) for each in maps]
    return [limit(maps) if scale == "row" else float(scale)] * len(maps)


def _row_foot(
    canvas: np.ndarray,
    explanation: Explanation,
    limits: Sequence[float],
    place: tuple[int, int],
    scale: Scale,
) -> None:
    """The method, its layer, and the colours with the values they stand for."""
    x, y = place
    most = max(limits)
    x += _text(canvas, explanation.method, x, y, 14, bold=True) + 10
    if explanation.layer:
        x += _text(canvas, f"layer {explanation.layer}", x, y, 13, colour=LIGHT.muted) + 10
    if most == 0:
        _text(canvas, "zero everywhere: nothing to show", x, y, 13, colour=LIGHT.muted)
        return
    sign = "±" if explanation.signed else ""
    meaning = {
        "row": f"{most:.3g}   one scale for the row",
        "cell": "each its own: " + ", ".join(f"{sign}{each:.3g}" for each in limits),
    }.get(str(scale), f"{most:.3g}   fixed scale")
    least = "0" if not explanation.signed else "−" if scale == "cell" else f"−{most:.3g}"
    x += _text(canvas, least, x, y, 13, colour=LIGHT.muted)
    paste(canvas, colour_bar(80, 10, explanation.signed, LIGHT.surface[0]), x + 6, y + 4)
    _text(canvas, meaning, x + 92, y, 13, colour=LIGHT.muted)


def _thumbnail_height(picture: np.ndarray, width: int) -> int:
    return max(60, min(2 * width, round(width * picture.shape[0] / picture.shape[1])))


def _inside(explanation: Explanation) -> tuple[slice, slice]:
    seen = explanation.window
    return slice(seen.top, seen.top + seen.height), slice(seen.left, seen.left + seen.width)


def _seen(picture: np.ndarray, explanation: Explanation) -> np.ndarray:
    return picture[_inside(explanation)]


def _dimmed(picture: np.ndarray, explanation: Explanation) -> np.ndarray:
    """The picture, what the network did not see of it nearly white."""
    dimmed = (255 - (255 - picture.astype(np.uint16)) // 4).astype(np.uint8)
    dimmed[_inside(explanation)] = _seen(picture, explanation)
    return dimmed


def _widened(block: np.ndarray, width: int) -> np.ndarray:
    missing = ((0, 0), (0, width - block.shape[1]), (0, 0))
    return np.pad(block, missing, constant_values=LIGHT.background[0])
