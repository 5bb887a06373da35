"""Pictures of an embedding: coloured points, and the images themselves at their places."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from rlvis.display.numbers import written
from rlvis.display.overlays import resize_picture
from rlvis.display.page import Page
from rlvis.display.shown import Shown
from rlvis.display.theme import LIGHT, Colour, fit, label_colour, length, write
from rlvis.display.tiles import Row, Tile
from rlvis.errors import InputError, unknown
from rlvis.features.embedding.layer_codes import Codes
from rlvis.features.embedding.neighbourhood import ceiling, chance, evenly, neighbours, purity
from rlvis.features.image_sets.image_set import ImageSet
from rlvis.images.frames import latest

_SIDE, _LEAST_SIDE, _EDGE, _FINER = 1000, 400, 24, 2
_LEGEND, _LINE = 256, 26
_LEAST_PAGE = 860
_MOST_IMAGES, _MOST_CLASSES, _MOST_NUMBERS = 2500, 20, 10
_UNNAMED, _FEWEST = (190, 190, 190), 3
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


def colouring(codes: Codes, images: ImageSet, by: str | None = None) -> Colouring:
    """Colours for the points of an embedding.

    Args:
        codes: of those images.
        images: the set.
        by: "label" (of a recording the action, which "action" names too), or one of the set's
            `metadata`; the label if there is one and this is left out.

    Raises:
        InputError: if the set knows nothing of that name.
    """
    check_colour(images, by)
    indices = codes.indices
    if by is None or by in _CLASSES:
        return _by_class(codes, images.meaning, images.labels[indices], images.classes)
    values = images.metadata[by][indices]
    values = values.reshape(len(values), -1)[:, 0]
    distinct = np.unique(values)
    if len(distinct) <= _MOST_NUMBERS:
        names = [f"{each:g}" if values.dtype.kind == "f" else str(each) for each in distinct]
        return _by_class(codes, by, np.searchsorted(distinct, values), names)
    return _by_number(by, values.astype(float))


_CLASSES = ("label", "action")


def check_colour(images: ImageSet, by: str | None) -> None:
    """Whether images can be coloured so; see `colouring`.

    Raises:
        InputError: if not.
    """
    if by in _CLASSES and (images.labels < 0).all():
        raise InputError(f"the images of {images.name} have no labels; leave the colours out")
    if by is not None and by not in (*_CLASSES, *images.metadata):
        raise unknown("metadata to colour by", by, ["label", *images.metadata])
    if by in images.metadata and images.metadata[by].dtype.kind not in "biuf":
        raise InputError(f"{by} is no number to colour by; name other metadata")


def _by_class(codes: Codes, name: str, labels: np.ndarray, classes: Sequence[str]) -> Colouring:
    colours = np.full((len(labels), 3), _UNNAMED, np.uint8)
    counts = np.bincount(labels[labels >= 0], minlength=len(classes))
    if not counts.any():
        return Colouring("", colours, [])
    largest = np.argsort(-counts, kind="stable")[:_MOST_CLASSES]
    shown = sorted(int(index) for index in largest if counts[index])
    legend = []
    for place, index in enumerate(shown):
        colours[labels == index] = label_colour(place)
        legend.append((f"{classes[index]} ({counts[index]})", label_colour(place)))
    others, without = int((counts > 0).sum()) - len(shown), int((labels < 0).sum())
    if others:
        legend.append((f"{others} others ({int(counts.sum() - counts[shown].sum())})", _UNNAMED))
    if without:
        legend.append((f"none ({without})", _UNNAMED))
    return Colouring(name, colours, legend, _note(codes, name, labels))


def _note(codes: Codes, name: str, labels: np.ndarray) -> str:
    """How far images that are near among the codes have the same label."""
    known = np.flatnonzero(labels >= 0)
    known = known[evenly(len(known))]
    if len(known) < _FEWEST:
        return ""
    nearest = neighbours(codes.values[known])
    same = purity(nearest, labels[known])
    most = ceiling(labels[known], nearest.shape[1])
    limit = f", at most {most:.0%}" if most < 1 else ""
    return (
        f"of the {nearest.shape[1]} nearest codes {same:.0%} have the same {name} "
        f"(by chance {chance(labels[known]):.0%}{limit})"
    )


def _by_number(name: str, values: np.ndarray) -> Colouring:
    low, high = np.nanmin(values), np.nanmax(values)
    share = np.nan_to_num((values - low) / ((high - low) or 1))
    anchors = np.linspace(0, 1, len(_HEAT))
    colours = np.stack(
        [np.interp(share, anchors, channel) for channel in np.array(_HEAT).T], axis=1
    ).astype(np.uint8)
    marks = np.linspace(0, 1, 5)
    legend = [
        (written(low + mark * (high - low)), _HEAT[round(mark * (len(_HEAT) - 1))])
        for mark in marks
    ]
    return Colouring(name, colours, legend)


def scatter_page(
    points: np.ndarray, codes: Codes, lines: Sequence[str], images: ImageSet, by: str | None
) -> Page:
    """A page with a point per image.

    Args:
        points: float (N, 2).
        lines: what the page says of them.
        codes: as for `colouring`.
        images: as for `colouring`.
        by: as for `colouring`.

    Raises:
        InputError: as `colouring`.
    """
    chosen = colouring(codes, images, by)
    places = _placed(points, _SIDE * _FINER, _EDGE * _FINER)
    span = np.ptp(places[:, 1]) / _FINER
    height = int(np.clip(np.ceil(span) + 2 * _EDGE, _height_of_legend(chosen), _SIDE))
    places[:, 1] -= (_SIDE - height) * _FINER / 2
    canvas = Image.new("RGB", (_SIDE * _FINER, height * _FINER), (248, 249, 251))
    draw = ImageDraw.Draw(canvas)
    radius = _FINER * float(np.clip(220 / np.sqrt(len(places)), 2.5, 7))
    order = np.random.default_rng(0).permutation(len(places))  # no class always lies on top
    for (x, y), colour in zip(places[order], chosen.colours[order], strict=True):
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(box, fill=tuple(colour.tolist()), outline=(255, 255, 255))
    drawn = np.asarray(canvas.resize((_SIDE, height), Image.Resampling.LANCZOS))
    return _page(
        f"{len(places)} images of {images.name} in the codes of {codes.model}",
        [*lines, *_line(f"coloured by {chosen.name}" if chosen.name else "", chosen.note)],
        drawn,
        chosen,
    )


def grid_page(
    points: np.ndarray, codes: Codes, lines: Sequence[str], images: ImageSet, by: str | None
) -> Page:
    """A page of the images themselves, each in the free cell nearest to its place.

    Args:
        points: float (N, 2).
        lines: what the page says of them.
        codes: as for `colouring`, which frames the images.
        images: as for `colouring`, which frames the images.
        by: as for `colouring`, which frames the images.

    Raises:
        InputError: as `colouring`.
    """
    from scipy.optimize import linear_sum_assignment

    chosen = colouring(codes, images, by)
    count = len(points)
    few = np.arange(0, count, -(-count // _MOST_IMAGES))
    side = int(np.ceil(np.sqrt(len(few))))
    places = _placed(points[few], side, 0.5) - 0.5
    cells = np.stack(np.meshgrid(range(side), range(side)), axis=-1).reshape(-1, 2)
    cost = ((places[:, None] - cells[None]) ** 2).sum(axis=-1)
    _, taken = linear_sum_assignment(cost)
    cell = int(np.clip(1600 // side, 24, 96))
    canvas = np.full((side * cell, side * cell, 3), 248, np.uint8)
    for place, number in zip(cells[taken], few, strict=True):
        picture = _square(images.picture(int(codes.indices[number])), cell - 4)
        x, y = place * cell
        canvas[y : y + cell, x : x + cell] = chosen.colours[number]
        canvas[y + 2 : y + cell - 2, x + 2 : x + cell - 2] = picture
    framed = f"; framed by {chosen.name}" if chosen.name else ""
    shown = f"{len(few)} of {count} images, each in the free cell nearest to its place{framed}"
    return _page(f"{images.name} in the codes of {codes.model}", [*lines, shown], canvas, chosen)


def _page(title: str, lines: Sequence[str], picture: np.ndarray, chosen: Colouring) -> Page:
    """A page of one picture with the legend at its right, where there is one."""
    if chosen.legend:
        height = max(len(picture), _height_of_legend(chosen))
        below = np.full((height - len(picture), picture.shape[1], 3), 255, np.uint8)
        left = np.concatenate([picture, below])
        picture = np.concatenate([left, _legend(chosen, height)], axis=1)
    width = max(picture.shape[1] + 56, _LEAST_PAGE)
    return Page(title, lines, [Row([Tile(picture, Shown())], tile=picture.shape[:2])], width)


def _line(*notes: str) -> list[str]:
    """The notes that there are as one line."""
    return ["; ".join(filter(None, notes))] if any(notes) else []


def _placed(points: np.ndarray, side: float, edge: float) -> np.ndarray:
    """Points (N, 2) within a square of that side, `edge` from its border, shapes kept."""
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (side - 2 * edge) / max(float((high - low).max()), 1e-12)
    return (points - (low + high) / 2) * scale + side / 2


def _square(picture: np.ndarray, side: int) -> np.ndarray:
    """The centre of a picture, uint8 (side, side, 3)."""
    rgb = latest(picture)
    least = min(rgb.shape[:2])
    top, left = ((side - least) // 2 for side in rgb.shape[:2])
    return resize_picture(rgb[top : top + least, left : left + least], side, side)


def _height_of_legend(chosen: Colouring) -> int:
    return max(_LEAST_SIDE, 24 + len(chosen.legend) * _LINE)


def _legend(chosen: Colouring, height: int) -> np.ndarray:
    widest = max(length(name, 15) for name, _ in chosen.legend)
    canvas = np.full((height, min(_LEGEND, 48 + widest), 3), 255, np.uint8)
    for place, (name, colour) in enumerate(chosen.legend):
        y = 12 + place * _LINE
        canvas[y + 2 : y + 16, 16:30] = colour
        shown = fit(name, canvas.shape[1] - 48, 15)
        write(canvas, shown, 40, y, size=15, colour=LIGHT.text, background=LIGHT.background)
    return canvas
