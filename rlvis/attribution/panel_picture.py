"""A panel as one picture: the image and its scores, heatmaps by method and target."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from PIL import Image

from rlvis.attribution.heatmaps import Heatmaps
from rlvis.attribution.panel_parts import (
    MOST_BARS,
    Scale,
    Standing,
    cell_side,
    check_scale,
    check_shown,
    dimmed,
    full_strengths,
    legend_of,
    methods_line,
    picture_size,
    score_words,
    seen_notes,
    seen_part,
    standing_of,
    standings,
)
from rlvis.display.legend import draw_legend
from rlvis.display.overlays import bare, grey, note_line, overlay, resize_picture
from rlvis.display.theme import LIGHT, Colour, fit, label_colour, length, paste, told_apart, write
from rlvis.errors import InputError
from rlvis.images.frames import picture_of

_MARGIN, _GAP = 28, 14
_HEADER, _COLUMN_HEAD, _FOOT_GAP = 58, 46, 6
_LINE, _NOTE = 6 * (300 + _GAP), 20
_MOST_PIXELS = 150_000_000


def draw_panel(explanations: Sequence[Heatmaps], scale: Scale = "row") -> Image.Image:
    """A labelled panel of one or several methods on the same images and targets.

    Each image gets a block: at the left the image itself with its highest scores, at the right one
    row per method and one column per target. Targets that do not fit in one line continue in the
    next, in maps that are smaller the more there are. What the colours stand for is written below.

    Args:
        explanations: one per method.
        scale: "row": all maps of one unit in a row share a scale, so that a weak map looks weak.
            "cell": each map has its own. A number: that value is drawn at full strength.

    Raises:
        InputError: if the scale is none of these, or the panel would be too large to look at.
    """
    check_shown(explanations)
    check_scale(scale)
    first = explanations[0]
    check_size(len(first.targets[0]), len(explanations), len(first.images))
    blocks = [_block(explanations, index, scale) for index in range(len(first.images))]
    return Image.fromarray(stack(blocks))


@dataclass(frozen=True)
class _Grid:
    """Where the maps of a block stand: in lines of columns, each line with one row per method.

    Attributes:
        width, height: of a map, in pixels.
        targets, methods: how many maps there are.
        words: the height of the words below a row.
        notes: the height of the notes between a row and these.
    """

    width: int
    height: int
    targets: int
    methods: int
    words: int = 20
    notes: int = 0

    @property
    def lines(self) -> int:
        """How many lines there are: as many as it takes, or fewer where that makes a tower."""
        fitting = _LINE // (self.width + _GAP)
        height = _COLUMN_HEAD + self.methods * (self.height + self.notes + 3 * _GAP)
        square = round(sqrt(self.targets * height / (self.width + _GAP)))
        return -(-self.targets // max(fitting, square))

    @property
    def columns(self) -> int:
        """How many maps stand in a line, all lines being about as full."""
        return -(-self.targets // self.lines)

    @property
    def foot(self) -> int:
        """The height of the words below each row; one row that is wrapped has them at its end."""
        return 0 if self.methods == 1 and self.lines > 1 else self.words + 2 * _FOOT_GAP

    @property
    def row_height(self) -> int:
        return self.height + self.notes + self.foot + _GAP

    @property
    def line_height(self) -> int:
        return _COLUMN_HEAD + self.methods * self.row_height

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return (
            self.columns * (self.width + _GAP) - _GAP,
            self.lines * self.line_height + self.words + 2 * _FOOT_GAP - self.foot,
        )

    def place(self, target: int, method: int = 0) -> tuple[int, int]:
        """The left and top of a map."""
        line, column = divmod(target, self.columns)
        top = line * self.line_height + _COLUMN_HEAD + method * self.row_height
        return column * (self.width + _GAP), top


def check_size(targets: int, methods: int, images: int = 1) -> None:
    """Whether a panel of so many maps can be looked at.

    Raises:
        InputError: if it would be too large.
    """
    side = cell_side(targets)
    width, height = _Grid(side, side, targets, methods).size
    if width * height * images > _MOST_PIXELS:
        raise InputError(
            f"{targets} targets by {methods} methods of {images} images make a picture of "
            f"{width}×{height * images} pixels; take fewer"
        )


def _block(explanations: Sequence[Heatmaps], index: int, scale: Scale) -> np.ndarray:
    first = explanations[0]
    picture = picture_of(first.images[index], first.frames)
    ground = grey(seen_part(picture, first))
    names = first.targets[index]
    cell = _cell_size(ground, cell_side(len(names)))
    grid = _Grid(*cell, len(names), len(explanations))
    limits = [full_strengths(each, index, scale) for each in explanations]
    legends = [
        draw_legend(legend_of(each, index, row, scale), grid.size[0], LIGHT)
        for each, row in zip(explanations, limits, strict=True)
    ]
    noted = any(each.notes[index][place] for each in explanations for place in range(len(names)))
    grid = replace(grid, words=max(map(len, legends)), notes=_NOTE * noted)
    width = _cell_size(ground, cell_side(1))[0]
    bars_height = 26 + 24 * min(MOST_BARS, len(first.labels))
    words_height = _NOTE * (len(seen_notes(first)) - 1) + bars_height
    side_height = _COLUMN_HEAD + _thumbnail_height(picture, width) + _GAP + words_height
    left = _MARGIN + width + 2 * _GAP
    canvas = np.empty(
        (
            _HEADER + max(grid.size[1], side_height) + _MARGIN // 2,
            left + max(grid.size[0], width) + _MARGIN,
            3,
        ),
        np.uint8,
    )
    canvas[:] = LIGHT.background
    _header(canvas, explanations)
    _side(canvas, first, index, picture, width)
    maps = canvas[_HEADER:, left:]
    for row, explanation in enumerate(explanations):
        _maps(maps, explanation, index, ground, grid, row, limits[row])
        last = (grid.lines - 1) * grid.columns
        for start in range(0, grid.targets, grid.columns) if grid.foot else [last]:
            x, y = grid.place(start, row)
            paste(maps, legends[row], x, y + grid.height + grid.notes + _FOOT_GAP)
    size = 16 if grid.width >= 200 else 13
    shown = told_apart(tuple(names), grid.width - 12, size, True)
    for column, name in enumerate(shown):
        x, y = grid.place(column)
        _column_head(maps, first, index, column, name, (x, y - _COLUMN_HEAD, grid.width))
    return canvas


def _cell_size(picture: np.ndarray, side: int) -> tuple[int, int]:
    """Width and height of what a map of that picture is drawn in, wide enough for its words."""
    width, height = picture_size(picture, side)
    return max(side * 8 // 15, width), max(side // 10, height)


def _text(canvas: np.ndarray, text: str, x: int, y: int, size: int, **how: object) -> int:
    style = {"colour": LIGHT.text, "background": LIGHT.background, **how}
    return write(canvas, text, x, y, size=size, **style)  # type: ignore[arg-type]


def _header(canvas: np.ndarray, explanations: Sequence[Heatmaps]) -> None:
    first = explanations[0]
    room = canvas.shape[1] - 2 * _MARGIN
    used = _text(canvas, fit(first.model, room, 20, True), _MARGIN, 18, 20, bold=True)
    methods = fit(methods_line(explanations), room - used - 14, 15)
    _text(canvas, methods, _MARGIN + used + 14, 22, 15, colour=LIGHT.muted)


def _side(
    canvas: np.ndarray,
    explanation: Heatmaps,
    index: int,
    picture: np.ndarray,
    width: int,
) -> None:
    """The image itself, what the network did not see of it dimmed, above its highest scores."""
    height = _thumbnail_height(picture, width)
    _text(canvas, "image", _MARGIN, _HEADER, 16, bold=True)
    note, *notes = seen_notes(explanation)
    _text(canvas, fit(note, width, 13), _MARGIN, _HEADER + 22, 13, colour=LIGHT.muted)
    top = _HEADER + _COLUMN_HEAD
    whole = resize_picture(dimmed(picture, explanation), *_fitting(picture, width, height))
    paste(canvas, whole, _MARGIN, top + (height - len(whole)) // 2)
    top += height + _GAP
    for note in notes:
        _text(canvas, fit(note, width, 13), _MARGIN, top, 13, colour=LIGHT.muted)
        top += _NOTE
    value = "" if explanation.value is None else f"   value {explanation.value[index]:.2f}"
    caption = f"{standing_of(explanation)}{value}"
    _text(canvas, caption, _MARGIN, top, 13, colour=LIGHT.muted)
    told = standings(explanation, index)
    names = tuple(explanation.labels[each.label] for each in told)
    room = width - max(length(each.words, 11) for each in told)
    shown = told_apart(names, min(round(width * 0.44), room) - 8, 14)
    for place, each in enumerate(told):
        y = top + 22 + 24 * place
        colour = _target_colour(explanation, index, names[place])
        _bar(canvas, shown[place], each, (y, width), colour)


def _bar(
    canvas: np.ndarray, label: str, standing: Standing, place: tuple[int, int], colour: Colour
) -> None:
    """A label, its probability as a bar where it has one, and its number."""
    y, width = place
    name, bar = round(width * 0.44), round(width * 0.38)
    _text(canvas, label, _MARGIN, y, 14)
    if standing.share is not None:
        canvas[y + 3 : y + 15, _MARGIN + name : _MARGIN + name + bar] = LIGHT.surface
        end = _MARGIN + name + round(bar * standing.share)
        canvas[y + 3 : y + 15, _MARGIN + name : end] = colour
    size = next((each for each in (14, 12) if length(standing.words, each) <= width - name), 11)
    _text(canvas, standing.words, _MARGIN + width, y, size, align="right")


def _target_colour(explanation: Heatmaps, index: int, label: str) -> Colour:
    targets = explanation.targets[index]
    return label_colour(targets.index(label)) if label in targets else LIGHT.muted


def _column_head(
    canvas: np.ndarray,
    explanation: Heatmaps,
    index: int,
    column: int,
    shown: str,
    place: tuple[int, int, int],
) -> None:
    """A target's name, as short as there is room, its value, and its probability if it has one."""
    x, y, width = place
    size = 16 if width >= 200 else 13
    canvas[y + 4 : y + 18, x : x + 4] = label_colour(column)
    _text(canvas, shown, x + 12, y + (16 - size), size, bold=True)
    score, share, number = score_words(explanation, index, column)
    note = score + (f"   probability {share}" if share else "")
    if length(note, 13) > width:
        note = f"{score}   {share}"
    if length(note, 13) > width:
        note = f"{number}   {share}"
    _text(canvas, fit(note, width, 13), x, y + 22, 13, colour=LIGHT.muted)


def _maps(
    canvas: np.ndarray,
    explanation: Heatmaps,
    index: int,
    ground: np.ndarray,
    grid: _Grid,
    row: int,
    limits: Sequence[float],
) -> None:
    """The maps of one method; the picture alone, over a note, where a map shows little."""
    width, height = _fitting(ground, grid.width, grid.height)
    ground = resize_picture(ground, width, height)
    notes = explanation.notes[index]
    for target, each in enumerate(explanation.maps[index]):
        x, y = grid.place(target, row)
        heat = explanation.seen_heatmap(index, target, height, width)
        drawn = (
            bare(ground)
            if notes[target]
            else overlay(ground, heat, limits[target], explanation.signed)
        )
        paste(canvas, drawn, x + (grid.width - width) // 2, y + (grid.height - height) // 2)
        said = note_line(each, notes[target], grid.width, 13)
        _text(canvas, said, x, y + grid.height + 3, 13, colour=LIGHT.muted)


def _fitting(picture: np.ndarray, width: int, height: int) -> tuple[int, int]:
    """The size of a picture as large as a box of that size allows."""
    scale = min(width / picture.shape[1], height / picture.shape[0])
    return max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))


def _thumbnail_height(picture: np.ndarray, width: int) -> int:
    return max(60, min(2 * width, round(width * picture.shape[0] / picture.shape[1])))


def stack(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures (h, w, 3) one under the other, the narrower ones with background at their right."""
    width = max(block.shape[1] for block in blocks)
    return np.concatenate(
        [
            np.pad(
                block,
                ((0, 0), (0, width - block.shape[1]), (0, 0)),
                constant_values=LIGHT.background[0],
            )
            for block in blocks
        ]
    )
