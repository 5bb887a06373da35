"""One panel that explains an image: the image and its scores, heatmaps by method and target."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from rlvis.attribution import panel_parts as parts
from rlvis.attribution.heatmaps import Heatmaps
from rlvis.attribution.panel_parts import Scale
from rlvis.attribution.panel_picture import check_size, draw_panel
from rlvis.display.overlays import colour_bar, grey, overlay, resize_picture
from rlvis.display.page import Page
from rlvis.display.page_layout import GAP
from rlvis.display.shown import Shown
from rlvis.display.theme import LIGHT
from rlvis.display.tiles import Row, Tile
from rlvis.file_kinds import save_as
from rlvis.images.frames import picture_of

_IMAGE_SIDE, _ROOM, _LEAST_SIDE = 240, 952, 180
"""Pixels of the image on a page, of the room beside it, and of a map."""


def save_panel(explanations: Sequence[Heatmaps], path: str | Path, scale: Scale = "row") -> Path:
    """Write the panel as a picture or as HTML, by the path's ending, and return the path.

    Raises:
        InputError: if the ending is that of neither, or the file cannot be written.
    """
    shown = Panel(explanations, scale)
    return save_as(path, {"picture": shown.picture, "html": shown.html})


@dataclass(frozen=True)
class Panel:
    """A panel however it is looked at.

    Attributes:
        explanations, scale: see `draw_panel`.
    """

    explanations: Sequence[Heatmaps]
    scale: Scale = "row"

    def __post_init__(self) -> None:
        parts.check_shown(self.explanations)
        parts.check_scale(self.scale)

    def picture(self) -> Image.Image:
        """The panel as a picture."""
        return draw_panel(self.explanations, self.scale)

    def html(self, whole: bool = True) -> str:
        """The panel as HTML: each image with its scores, and a row of maps for each method."""
        lines = [parts.methods_line(self.explanations)]
        rows = panel_rows(self.explanations, self.scale)
        return Page(self.explanations[0].model, lines, rows).html(whole)

    def _repr_html_(self) -> str:
        return self.html(whole=False)


def panel_rows(explanations: Sequence[Heatmaps], scale: Scale) -> list[Row]:
    """The rows of a page that a panel is as HTML."""
    first = explanations[0]
    check_size(len(first.targets[0]), len(explanations), len(first.images))
    return [
        _image_row(first, index, [_map_row(each, index, scale) for each in explanations])
        for index in range(len(first.images))
    ]


def _image_row(explanation: Heatmaps, index: int, maps: Sequence[Row]) -> Row:
    """The image itself and its highest scores, and beside them its maps, as a page has them."""
    picture = picture_of(explanation.images[index], explanation.frames)
    notes = parts.seen_notes(explanation)
    if explanation.value is not None:
        notes.append(f"value {explanation.value[index]:.2f}")
    notes += [
        f"{each.words} {explanation.labels[each.label]}"
        for each in parts.standings(explanation, index)
    ]
    width, height = parts.picture_size(picture, _IMAGE_SIDE)
    tile = Tile(parts.dimmed(picture, explanation), Shown(notes=notes))
    return Row([tile], _heading(explanation, index), tile=(height, width), beside=maps)


def _heading(explanation: Heatmaps, index: int) -> str:
    return "image" if len(explanation.images) == 1 else f"image {index}"


def _map_row(explanation: Heatmaps, index: int, scale: Scale) -> Row:
    """The maps of one method for an image, as a page has them."""
    ground = grey(
        parts.seen_part(picture_of(explanation.images[index], explanation.frames), explanation)
    )
    width, height = parts.picture_size(ground, _side(len(explanation.targets[index])))
    ground = resize_picture(ground, width, height)
    limits, notes = parts.full_strengths(explanation, index, scale), explanation.notes[index]
    tiles = []
    for target, name in enumerate(explanation.targets[index]):
        score, share, _ = parts.score_words(explanation, index, target)
        heat = explanation.seen_heatmap(index, target, height, width)
        limit = 0.0 if notes[target] else limits[target]
        shows = Shown(
            model=explanation.model,
            method=explanation.method,
            layer=explanation.layer or "",
            target=name,
            image=_heading(explanation, index),
            values={"": score} | ({"probability": share} if share else {}),
            notes=notes[target],
            headed=("method", "image"),
        )
        tiles.append(Tile(overlay(ground, heat, limit, explanation.signed), shows))
    before, after = (
        " ".join(words) for words in parts.legend_of(explanation, index, limits, scale).words
    )
    bar = colour_bar(160, 20, explanation.signed, LIGHT.surface[0])
    legend = (before, bar, after) if after else None
    return Row(tiles, explanation.method, before, (height, width), legend=legend)


def _side(targets: int) -> int:
    """The longer side of a map: so that those of a few targets stand in one line."""
    in_a_line = (_ROOM + GAP) // targets - GAP
    return max(_LEAST_SIDE, min(parts.cell_side(targets), in_a_line))
