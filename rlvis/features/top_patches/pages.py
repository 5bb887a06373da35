"""Pages of patches: cut out of their images, or drawn on them."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from rlvis.display.overlay import resize_picture
from rlvis.display.page import Row, Tile, sheet
from rlvis.display.theme import LIGHT
from rlvis.features.activations.units import check_unit
from rlvis.features.image_sets.image_set import ImageSet
from rlvis.features.top_patches.result import LayerPatches, Patches, skipped_line
from rlvis.images.frames import latest

_MARK = (255, 176, 0)
_CUT, _WHOLE = (124, 124), (176, 234)
_FINE = 2
"""Tiles are drawn so much larger than they stand on a page at least."""


def page(
    patches: Patches,
    found: LayerPatches,
    units: Sequence[int] | None = None,
    *,
    whole: bool = False,
    most: int = 12,
) -> Image.Image:
    """A row of patches per unit, each with its activation and its image.

    Args:
        patches: of several layers.
        found: those of the layer to show.
        units: which ones, in this order; left out, those with the strongest activations.
        whole: show the images with the patches drawn on them, in place of the patches alone.
        most: how many units, where they are not named.

    Raises:
        InputError: if there is no such unit.
    """
    field = found.receptive_field
    for unit in units or ():
        check_unit(field.layer, unit, field.units)
    chosen = np.argsort(-found.values[:, 0], kind="stable")[:most] if units is None else units
    which = "those with the strongest activations" if units is None else "as asked for"
    each = patches.per_image
    lines = [
        f"{len(chosen)} of {field.units} units, {which}; of each the {found.values.shape[1]} "
        f"strongest patches among {len(patches.images) - len(patches.skipped)} images of "
        f"{patches.images.name}, at most {each} of one image; the number is the unit's activation "
        "there, as the network computes it",
        field_line(found, whole),
        skipped_line(patches.images, patches.skipped),
    ]
    shown = {
        unit: unit_tiles(patches.images, found, unit, whole=whole) for unit in map(int, chosen)
    }
    pictures = [tile.picture for tiles in shown.values() for tile in tiles]
    rows = [
        Row(tiles, f"unit {unit}", tile=_shape(pictures) if whole else _CUT)
        for unit, tiles in shown.items()
    ]
    title = f"TopK patches of {patches.model}, layer {field.layer}"
    return sheet(title, [line for line in lines if line], rows)


def field_line(found: LayerPatches, whole: bool) -> str:
    """What a page says of the receptive field."""
    field = found.receptive_field
    geometry = field.geometry()
    height, width = field.image
    ring = "; the ring is the place in the map" if field.grid != (1, 1) else ""
    if geometry.size == field.image:
        return f"the receptive field is the network's whole input, {width}×{height} pixels{ring}"
    text = (
        f"the receptive field is {geometry.size[1]}×{geometry.size[0]} of the {width}×{height} "
        "pixels of the network's input, cut at its border"
    )
    return f"{text}; it is the box{ring}" if whole else text


def unit_tiles(
    images: ImageSet,
    found: LayerPatches,
    unit: int,
    count: int | None = None,
    *,
    whole: bool = False,
) -> list[Tile]:
    """The strongest patches of a unit as tiles, `count` at most."""
    field, tiles = found.receptive_field, list[Tile]()
    mapped, everywhere = field.grid != (1, 1), field.geometry().size == field.image
    for value, number, box, centre in zip(
        found.values[unit], found.images[unit], found.boxes[unit], found.centres[unit], strict=True
    ):
        if number < 0 or len(tiles) == count:
            break
        picture = latest(images.picture(int(number)))
        if whole:
            shown = _marked(
                picture, (_FINE * _WHOLE[0], _FINE * _WHOLE[1]), box, centre if mapped else None
            )
        else:
            top, left, bottom, right = box
            cut = picture[top:bottom, left:right] if bottom > top else picture
            ring = centre - box[:2] if mapped and everywhere else None
            shown = _marked(cut, (_FINE * _CUT[0], _FINE * _CUT[1]), None, ring)
        caption = [f"{value:.3g}", images.title(int(number))]
        tiles.append(Tile(shown, caption, LIGHT.surface))
    return tiles


def _shape(pictures: Sequence[np.ndarray]) -> tuple[int, int]:
    """Height and width of a tile as large as `_WHOLE`, in the proportions that pictures have."""
    if not pictures:
        return _WHOLE
    aspect = float(np.median([each.shape[1] / each.shape[0] for each in pictures]))
    width = min(600, (_WHOLE[0] * _WHOLE[1] * aspect) ** 0.5)
    return max(8, min(400, round(width / aspect))), max(24, round(width))


def _marked(
    picture: np.ndarray, tile: tuple[int, int], box: np.ndarray | None, ring: np.ndarray | None
) -> np.ndarray:
    """The picture, as large as its tile, with a box and a ring on it."""
    height, width = picture.shape[:2]
    scale = min(tile[0] / height, tile[1] / width)
    shown = Image.fromarray(
        resize_picture(picture, max(1, round(width * scale)), max(1, round(height * scale)))
    )
    pen = ImageDraw.Draw(shown)
    if box is not None:
        top, left, bottom, right = (box * scale).round()
        edges = (left, top, max(right - 1, left), max(bottom - 1, top))
        pen.rectangle(edges, outline=(0, 0, 0), width=3 * _FINE)
        pen.rectangle(edges, outline=_MARK, width=2 * _FINE)
    if ring is not None:
        y, x = (ring + 0.5) * scale
        for radius, colour, across in ((6, (0, 0, 0), 4), (5, _MARK, 2)):
            reach = radius * _FINE
            place = (x - reach, y - reach, x + reach, y + reach)
            pen.ellipse(place, outline=colour, width=across * _FINE)
    return np.asarray(shown)
