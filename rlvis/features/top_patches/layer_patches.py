"""The strongest patches of the units of one layer, and tiles that show them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from rlvis.display.numbers import written
from rlvis.display.overlays import resize_picture
from rlvis.display.shown import Shown
from rlvis.display.theme import LIGHT
from rlvis.display.tiles import Row, Tile
from rlvis.features.image_sets.image_set import ImageSet
from rlvis.features.receptive_field.tracing import ReceptiveField
from rlvis.images.frames import latest

_MARK = (255, 176, 0)
_CUT, _WHOLE = (124, 124), (176, 234)
_FINE = 2
"""Tiles are drawn so much larger than they stand on a page at least."""


@dataclass(frozen=True, eq=False)
class LayerPatches:
    """The strongest patches of every unit of a layer, the strongest first.

    Attributes:
        receptive_field: of all its places.
        values: float32 (U, k), the activations; -inf where fewer images could be read.
        images: int64 (U, k), the numbers of the images, -1 where there are fewer.
        places: int64 (U, k, 2), y and x in the layer's map.
        boxes: int64 (U, k, 4), the receptive fields in the pictures as they were given: top, left,
            bottom, right in pixels, the last two exclusive, cut at the border.
        centres: int64 (U, k, 2), y and x of the pixel in these pictures that the middle of the
            place lies on when the map is laid over the network's input.
    """

    receptive_field: ReceptiveField
    values: np.ndarray
    images: np.ndarray
    places: np.ndarray
    boxes: np.ndarray
    centres: np.ndarray


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
    ranks = np.flatnonzero(found.images[unit] >= 0)[:count].tolist()
    return [patch_tile(images, found, unit, rank, whole=whole) for rank in ranks]


def patch_tile(
    images: ImageSet, found: LayerPatches, unit: int, rank: int, *, whole: bool = False
) -> Tile:
    """One patch of a unit: cut out, or with its box on the whole image."""
    field = found.receptive_field
    image, box, centre = (each[unit, rank] for each in (found.images, found.boxes, found.centres))
    mapped, everywhere = field.grid != (1, 1), field.geometry().size == field.image
    picture = latest(images.picture(int(image)))
    if whole:
        size = _FINE * _WHOLE[0], _FINE * _WHOLE[1]
        shown = _marked(picture, size, box, centre if mapped else None)
    else:
        top, left, bottom, right = box
        cut = picture[top:bottom, left:right] if bottom > top else picture
        ring = centre - box[:2] if mapped and everywhere else None
        shown = _marked(cut, (_FINE * _CUT[0], _FINE * _CUT[1]), None, ring)
    shows = Shown(
        layer=field.layer,
        unit=unit,
        image=images.title(int(image)),
        values={"": written(found.values[unit, rank])},
        headed=("unit",),
    )
    return Tile(shown, shows, LIGHT.surface)


def unit_rows(
    images: ImageSet, found: LayerPatches, units: Sequence[int], *, whole: bool = False
) -> list[Row]:
    """The strongest patches of units, a row each; see `Patches.page`."""
    shown = {unit: unit_tiles(images, found, unit, whole=whole) for unit in units}
    tile = _shape([tile.picture for tiles in shown.values() for tile in tiles]) if whole else _CUT
    return [Row(tiles, f"unit {unit}", tile=tile) for unit, tiles in shown.items()]


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
