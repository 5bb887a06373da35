"""The report of a layer's units: what never fires, what tells classes apart, what is shared."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from rlvis.display.numbers import written
from rlvis.display.page import Page
from rlvis.display.shown import Shown
from rlvis.display.tiles import Matrix, Row, Tile
from rlvis.features.image_sets.classes import PREDICTED
from rlvis.features.image_sets.image_pass import skipped_line
from rlvis.features.selectivity.layer_selectivity import (
    ALWAYS,
    MOST_CLASSES,
    SELECTIVE,
    Confusion,
    LayerSelectivity,
)
from rlvis.features.top_patches.layer_patches import field_line, patch_tile, unit_tiles
from rlvis.features.top_patches.result import Patches

_WRITTEN, _PAIRS, _FEW = 12, 4, 10
_SQUARE = 600


def page(
    units: LayerSelectivity,
    confusion: Confusion,
    patches: Patches,
    exemplars: Patches,
    numbers: np.ndarray,
    most: int = 12,
) -> Page:
    """The report of a layer as a page.

    Args:
        units: the layer.
        confusion: what the network says of the classes.
        patches: the strongest of its units.
        exemplars: among them those that each class' best unit answers to most within the class.
        numbers: int64 (N,), of the images that the statistics are of.
        most: how many units to show, those that tell their class best.
    """
    tables = _matrices(units, confusion)
    size = [max((each.picture.shape[axis] for each in tables), default=0) for axis in (0, 1)]
    compared = Row(
        tables,
        "Classes: what the network makes of them, and which share their units",
        tile=(size[0], max(size[1], _SQUARE)),
        grows=False,
    )
    by_class = Row(
        _by_class(units, exemplars, numbers),
        "The unit that tells each class best from the rest",
        "its strongest patch among the images of the class",
    )
    rows = [
        Row(
            _strongest(units, patches, numbers, unit),
            f"unit {unit}",
            sentence(units, unit),
            (124, 124),
            cells=_cells(units, unit),
        )
        for unit in units.ranked[:most].tolist()
    ]
    return Page(
        f"Selectivity of {patches.model}, layer {units.layer}",
        _lines(units, confusion, patches),
        [*([compared] if tables else []), by_class, *rows],
    )


def _lines(units: LayerSelectivity, confusion: Confusion, patches: Patches) -> list[str]:
    """What a report says before any picture."""
    images, (read, count) = patches.images, units.peak_activations.shape
    names = units.classes.names
    sizes = [f"{name} {size}" for name, size in zip(names, confusion.sizes, strict=True)]
    threshold = written(units.threshold)
    mean = float(units.peak_activations.mean(dtype=np.float64))
    why = (
        "the layer is never negative"
        if units.rectified
        else "the mean answer, as the layer has negative activations"
        if units.threshold == mean
        else "as asked for"
    )
    silent = ", ".join(names[each] for each in units.unserved[:12])
    lines = [
        f"{count} units over {read} images of {images.name}; a unit's answer to an "
        f"image is the maximum of its map, and it fires where that is above {threshold} ({why})",
        f"{_listed('never fire', 'never fires', units.never)}; "
        + _listed(f"fire for {ALWAYS:.0%} or more", f"fires for {ALWAYS:.0%} or more", units.always)
        + f"; {len(units.selective)} are selective: they tell one class from the rest with an area "
        f"under the ROC curve of {SELECTIVE} or more",
        f"{len(names)} classes by {units.classes.meaning}: {', '.join(sizes[:12])}"
        + (", …; " if len(sizes) > 12 else "; ")
        + (f"no unit is selective for: {silent}" if silent else "each has a selective unit")
        + (", …" if len(units.unserved) > 12 else ""),
        _few(confusion),
        *_pairs(units, confusion),
        field_line(patches.layer(units.layer), whole=False),
        skipped_line(images, patches.skipped),
    ]
    return [line for line in lines if line]


def sentence(units: LayerSelectivity, unit: int) -> str:
    """The numbers of a unit."""
    preferred = units.preferred[unit]
    name = units.classes.names[preferred]
    return (
        f"for {name}: area under ROC {units.area[unit]:.3f} · selectivity "
        f"{units.selectivity[unit]:.2f} · {units.mutual_information[unit]:.2f} bits · fires for "
        f"{units.firing[unit]:.0%} of all, {units.class_firing[unit, preferred]:.0%} of {name}"
    )


def _cells(units: LayerSelectivity, unit: int) -> dict[str, str]:
    """The same numbers by name."""
    preferred = units.preferred[unit]
    return {
        "class": units.classes.names[preferred],
        "area under ROC": f"{units.area[unit]:.3f}",
        "selectivity": f"{units.selectivity[unit]:.2f}",
        "bits": f"{units.mutual_information[unit]:.2f}",
        "fires": f"{units.firing[unit]:.0%}",
        "for its class": f"{units.class_firing[unit, preferred]:.0%}",
    }


def _matrices(units: LayerSelectivity, confusion: Confusion) -> list[Matrix]:
    """The confusion matrix, and how classes share their units."""
    sizes = confusion.sizes
    shown = np.sort(np.argsort(-sizes, kind="stable")[:MOST_CLASSES])
    names = [units.classes.names[each] for each in shown]
    most_said = np.argsort(-confusion.counts[shown].sum(axis=0), kind="stable")[:MOST_CLASSES]
    columns = np.sort(most_said)
    shares = confusion.counts[np.ix_(shown, columns)] / sizes[shown, None]
    says = [confusion.says[each] for each in columns]
    left_out = len(units.classes.names) - len(shown)
    rest = f" ({left_out} smaller classes left out)" if left_out else ""
    found = []
    if not confusion.agreed:
        title = f"% of a class (row) for which the network's highest score is (column){rest}"
        found.append(_table(shares, names, says, _percent, title))
    if len(names) > 2:
        title = (
            "how far two classes excite the same units, -1 to 1 (cosine of their mean answers, "
            "each unit taken from its mean over the classes)"
        )
        shared = units.sharing[np.ix_(shown, shown)]
        found.append(
            _table(shared, names, names, lambda value: f"{round(value, 1) + 0.0:.1f}", title)
        )
    return found


def _percent(share: float) -> str:
    return "" if share == 0 else "<1" if share < 0.005 else f"{100 * share:.0f}"


def _table(
    values: np.ndarray,
    rows: list[str],
    columns: list[str],
    text: Callable[[float], str],
    title: str,
) -> Matrix:
    longest = max(values.shape)
    cell = int(np.clip((_SQUARE - 110) / longest, 14, 72))
    return Matrix(values, rows, columns, text, Shown(title), cell, longest <= _WRITTEN)


def _by_class(units: LayerSelectivity, exemplars: Patches, numbers: np.ndarray) -> list[Tile]:
    """The best unit of each class, and its strongest patch of an image of the class."""
    found, tiles = exemplars.layer(units.layer), list[Tile]()
    for place, name in enumerate(units.classes.names[:MOST_CLASSES]):
        unit, image = int(units.best_units[place]), numbers[units.strongest_members[place]]
        rank = int(np.flatnonzero(found.images[unit] == image)[0])
        tile = patch_tile(exemplars.images, found, unit, rank)
        shows = replace(
            tile.shows,
            what=name,
            values={
                "area": f"{units.roc_auc[unit, place]:.3f}, activation {tile.shows.values['']}"
            },
            headed=(),
        )
        tiles.append(replace(tile, shows=shows))
    return tiles


def _strongest(
    units: LayerSelectivity, patches: Patches, numbers: np.ndarray, unit: int
) -> list[Tile]:
    """The strongest patches of a unit, each with its image's class where its title has none."""
    found, names = patches.layer(units.layer), (*units.classes.names, "")
    classes = dict(zip(numbers.tolist(), units.classes.labels.tolist(), strict=True))
    tiles = unit_tiles(patches.images, found, unit)
    labels = [names[classes[image]] for image in found.images[unit, : len(tiles)].tolist()]
    return [
        tile
        if tile.shows.image.endswith(f": {label}")
        else replace(tile, shows=replace(tile.shows, label=label))
        for tile, label in zip(tiles, labels, strict=True)
    ]


def _pairs(units: LayerSelectivity, confusion: Confusion) -> list[str]:
    """Lines on the pairs of classes that share their units most, and those confused most."""
    names, pairs = units.classes.names, units.pairs()

    def told(one: int, other: int) -> str:
        shares = None if confusion.agreed else confusion.confused(one, other)
        mistaken = f", taken for each other {shares[0]:.1%} and {shares[1]:.1%}" if shares else ""
        return f"{names[one]} and {names[other]} ({units.sharing[one, other]:.2f}{mistaken})"

    lines = ["share their units most: " + "; ".join(told(*pair) for pair in pairs[:_PAIRS])]
    mistaken = {pair: sum(confusion.confused(*pair) or (0.0,)) for pair in pairs}
    worst = [pair for pair in sorted(pairs, key=lambda pair: -mistaken[pair]) if mistaken[pair]]
    if confusion.agreed and units.classes.meaning != PREDICTED:
        lines.append("the network's highest score is that of the image's class, for every image")
    if worst:
        lines.append("confused most: " + "; ".join(told(*pair) for pair in worst[:_PAIRS]))
    return lines


def _few(confusion: Confusion) -> str:
    """A warning where classes are too small for what is said of them."""
    small = int((confusion.sizes < _FEW).sum())
    which = f"{small} of the classes have" if small > 1 else "one of the classes has"
    return f"{which} fewer than {_FEW} images: a unit may seem selective by chance" if small else ""


def _listed(many: str, one: str, units: np.ndarray) -> str:
    """In words: "no unit never fires", or "3 never fire (1, 4, 7)"."""
    if not len(units):
        return f"no unit {one}"
    shown = ", ".join(map(str, units[:12])) + (", …" if len(units) > 12 else "")
    return f"{len(units)} {many if len(units) > 1 else one} ({shown})"
