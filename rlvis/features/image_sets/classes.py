"""Which class an image belongs to: its label, what the network says, or its metadata."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rlvis.errors import InputError, unknown
from rlvis.features.image_sets.image_set import ImageSet

MOST = 1000
PREDICTED = "what the network says, as no labels are known"


@dataclass(frozen=True)
class Classes:
    """The classes that images belong to.

    Attributes:
        names: of the C classes; each has at least one image.
        labels: int64 (N,), -1 for an image of no class.
        meaning: what they are, as pages say it; see `ImageSet.meaning`.
    """

    names: tuple[str, ...]
    labels: np.ndarray = field(repr=False)
    meaning: str

    @property
    def members(self) -> np.ndarray:
        """Bool (C, N): which images belong to which class."""
        return np.arange(len(self.names))[:, None] == self.labels


def classes_of(
    images: ImageSet,
    numbers: np.ndarray,
    by: Sequence[str],
    predictions: np.ndarray,
    labels: Sequence[str],
) -> Classes:
    """The classes of some images of a set.

    Args:
        images: the set.
        numbers: int64 (N,), of the images.
        by: columns of the metadata that are to be the classes: booleans of which no two hold at
            once, such as "cube_on_left", "cube_on_right" (what is neither is a class, too), or one
            integer, each value a class. Left out, the images' labels, and where they have none,
            what the network says.
        predictions: int64 (N,), what the network says.
        labels: the names of that.

    Raises:
        InputError: if there is no such metadata, it makes no classes, or all images are of one.
    """
    if by:
        names, found = _by_facts(images, by)
        meaning, found = "metadata of the environment", found[numbers]
    elif (images.labels[numbers] >= 0).any():
        names, found, meaning = images.classes, images.labels[numbers], images.meaning
    else:
        names, found, meaning = tuple(labels), predictions, PREDICTED
    present = [index for index in range(len(names)) if (found == index).any()]
    if len(present) < 2:
        raise InputError(
            f"all images are of one class ({', '.join(names[each] for each in present)}); "
            "what units tell apart needs two"
        )
    places = np.full(len(names) + 1, -1)
    places[present] = range(len(present))
    return Classes(tuple(names[each] for each in present), places[found], meaning)


def _by_facts(images: ImageSet, by: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    for name in by:
        if name not in images.metadata:
            raise unknown("metadata", name, images.metadata)
    columns = [images.metadata[name] for name in by]
    if all(each.dtype == np.bool_ and each.ndim == 1 for each in columns):
        if (np.sum(columns, axis=0) > 1).any():
            raise InputError(
                f"{' and '.join(by)} hold at once; name columns that exclude each other"
            )
        rest = f"not {by[0]}" if len(by) == 1 else "neither" if len(by) == 2 else "none of them"
        labels = np.select(columns, list(range(len(by))), len(by))
        return (*by, rest), labels
    if len(by) > 1 or columns[0].dtype.kind not in "iu" or columns[0].ndim > 1:
        raise InputError(
            f"{', '.join(by)} makes no classes; name booleans, or one integer, of the metadata"
        )
    values, labels = np.unique(columns[0], return_inverse=True)
    if len(values) > MOST:
        raise InputError(f"{by[0]} has {len(values)} values; a class of each is too many")
    return tuple(f"{by[0]} {value}" for value in values), labels
