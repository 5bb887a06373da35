"""Pictures of an embedding: coloured points, and the images themselves at their places."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from rlvis.display.overlay import resize_picture
from rlvis.display.sheet import Row, Tile, sheet
from rlvis.display.theme import LIGHT, Colour, label_colour, write
from rlvis.errors import InputError, unknown
from rlvis.features.embed import NEIGHBOURS, Embedding, neighbours, purity
from rlvis.features.image_set import ImageSet
from rlvis.frames import latest

_SIDE, _EDGE, _FINER = 1000, 24, 2
_LEGEND = 216
_MOST_IMAGES, _MOST_CLASSES = 2500, 20
_HEAT = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))


@dataclass(frozen=True)
class Colouring:
    """What colours the points.

    Attributes:
        name: of what it is.
        colours: uint8 (N, 3).
        legend: names and colours.
        note: a number that says how far it follows the codes; "" for none.
    """

    name: str
    colours: np.ndarray
    legend: list[tuple[str, Colour]]
    note: str = ""


def colouring(embedding: Embedding, images: ImageSet, by: str | None = None) -> Colouring:
    """Colours for the points of an embedding.

    Args:
        embedding: of those images.
        images: the set.
        by: "label" (of a recording the action), or one of the set's `facts`; the label if there is
            one and this is left out.

    Raises:
        InputError: if the set knows nothing of that name.
    """
    indices = embedding.codes.indices
    if by in (None, "label", "action"):
        labels = images.labels[indices]
        if by is not None and (labels < 0).all():
            raise InputError(f"the images of {images.name} have no labels; leave the colours out")
        kind = "action" if by == "action" else "label"
        return _by_class(embedding, kind, labels, images.classes)
    if by not in images.facts:
        raise unknown("fact to colour by", by, ["label", *images.facts])
    values = images.facts[by][indices]
    values = values.reshape(len(values), -1)[:, 0]
    distinct = np.unique(values)
    if len(distinct) <= _MOST_CLASSES // 2:
        names = [f"{each:g}" if values.dtype.kind == "f" else str(each) for each in distinct]
        return _by_class(embedding, by, np.searchsorted(distinct, values), names)
    return _by_number(by, values.astype(float))


def _by_class(
    embedding: Embedding, name: str, labels: np.ndarray, classes: Sequence[str]
) -> Colouring:
    shown = [index for index in range(len(classes)) if (labels == index).any()]
    shown = sorted(shown, key=lambda index: -int((labels == index).sum()))[:_MOST_CLASSES]
    colours = np.full((len(labels), 3), 190, np.uint8)
    legend = []
    for place, index in enumerate(sorted(shown)):
        colours[labels == index] = label_colour(place)
        legend.append((f"{classes[index]} ({int((labels == index).sum())})", label_colour(place)))
    known = labels >= 0
    if not known.any():
        return Colouring("nothing known", colours, [])
    shares = np.bincount(labels[known]) / known.sum()
    same = purity(neighbours(embedding.codes.values), labels)
    note = (
        f"of the {NEIGHBOURS} nearest codes {same:.0%} have the same {name} "
        f"(by chance {float(shares @ shares):.0%})"
    )
    return Colouring(name, colours, legend, note)


def _by_number(name: str, values: np.ndarray) -> Colouring:
    low, high = np.nanmin(values), np.nanmax(values)
    share = np.nan_to_num((values - low) / ((high - low) or 1))
    anchors = np.linspace(0, 1, len(_HEAT))
    colours = np.stack(
        [np.interp(share, anchors, channel) for channel in np.array(_HEAT).T], axis=1
    ).astype(np.uint8)
    marks = np.linspace(0, 1, 5)
    legend = [
        (f"{low + mark * (high - low):.3g}", _HEAT[round(mark * (len(_HEAT) - 1))])
        for mark in marks
    ]
    return Colouring(name, colours, legend)


def scatter(embedding: Embedding, images: ImageSet, by: str | None = None) -> Image.Image:
    """A page with a point per image.

    Args:
        embedding, images, by: as for `colouring`.

    Raises:
        InputError: as `colouring`.
    """
    chosen = colouring(embedding, images, by)
    canvas = Image.new("RGB", (_SIDE * _FINER,) * 2, (248, 249, 251))
    draw = ImageDraw.Draw(canvas)
    places = _placed(embedding.points, _SIDE * _FINER, _EDGE * _FINER)
    radius = _FINER * float(np.clip(220 / np.sqrt(len(places)), 2.5, 7))
    order = np.random.default_rng(0).permutation(len(places))  # no class always lies on top
    for (x, y), colour in zip(places[order], chosen.colours[order], strict=True):
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(box, fill=tuple(colour.tolist()), outline=(255, 255, 255))
    drawn = np.asarray(canvas.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS))
    page = np.concatenate([drawn, _legend(chosen)], axis=1)
    return sheet(
        f"{len(places)} images of {images.name} in the codes of {embedding.codes.model}",
        _lines(embedding, f"coloured by {chosen.name}; {chosen.note}" if chosen.note else ""),
        [Row([Tile(page)], tile=page.shape[:2])],
        width=page.shape[1] + 56,
    )


def image_grid(embedding: Embedding, images: ImageSet, by: str | None = None) -> Image.Image:
    """A page of the images themselves, each in the free cell nearest to its place.

    The cells are shared out so that the squared distances to the places are least in sum (the
    assignment problem); of more than 2,500 images as many are shown, evenly drawn.

    Args:
        embedding, images, by: as for `colouring`, which frames the images.

    Raises:
        InputError: as `colouring`.
    """
    from scipy.optimize import linear_sum_assignment

    chosen = colouring(embedding, images, by)
    count = len(embedding.points)
    few = np.arange(0, count, -(-count // _MOST_IMAGES))
    side = int(np.ceil(np.sqrt(len(few))))
    places = _placed(embedding.points[few], side, 0.5) - 0.5
    cells = np.stack(np.meshgrid(range(side), range(side)), axis=-1).reshape(-1, 2)
    cost = ((places[:, None] - cells[None]) ** 2).sum(axis=-1)
    _, taken = linear_sum_assignment(cost)
    cell = int(np.clip(1600 // side, 24, 96))
    canvas = np.full((side * cell, side * cell, 3), 248, np.uint8)
    for place, number in zip(cells[taken], few, strict=True):
        picture = _square(images.picture(int(embedding.codes.indices[number])), cell - 4)
        x, y = place * cell
        canvas[y : y + cell, x : x + cell] = chosen.colours[number]
        canvas[y + 2 : y + cell - 2, x + 2 : x + cell - 2] = picture
    lines = _lines(
        embedding,
        f"{len(few)} of {count} images, each in the free cell nearest to its place; framed by "
        f"{chosen.name}",
    )
    title = f"{images.name} in the codes of {embedding.codes.model}"
    rows = [Row([Tile(canvas)], tile=canvas.shape[:2])]
    return sheet(title, lines, rows, width=canvas.shape[1] + 56)


def _lines(embedding: Embedding, note: str) -> list[str]:
    codes = embedding.codes
    pooled = "" if codes.layer.startswith("input") else f", {codes.pool} over places"
    return [
        f"layer: {codes.layer}{pooled}, {codes.values.shape[1]} numbers per image; "
        f"{embedding.method}",
        f"trustworthiness {embedding.trustworthiness:.3f}; {embedding.preserved:.0%} of the "
        f"{NEIGHBOURS} nearest codes are among the nearest in the plane",
        *([note] if note else []),
    ]


def _placed(points: np.ndarray, side: float, edge: float) -> np.ndarray:
    """Points (N, 2) within a square of that side, `edge` from its border, shapes kept."""
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (side - 2 * edge) / max(float((high - low).max()), 1e-12)
    return (points - (low + high) / 2) * scale + side / 2


def _square(picture: np.ndarray, side: int) -> np.ndarray:
    """The centre of a picture, uint8 (side, side, 3)."""
    rgb = latest(picture)
    least = min(rgb.shape[:2])
    top, left = ((length - least) // 2 for length in rgb.shape[:2])
    return resize_picture(rgb[top : top + least, left : left + least], side, side)


def _legend(chosen: Colouring) -> np.ndarray:
    canvas = np.full((_SIDE, _LEGEND, 3), 255, np.uint8)
    for place, (name, colour) in enumerate(chosen.legend):
        y = 12 + place * 26
        canvas[y + 2 : y + 16, 16:30] = colour
        write(canvas, name, 40, y, size=15, colour=LIGHT.text, background=LIGHT.background)
    return canvas
