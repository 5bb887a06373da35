"""Statistics of the units of one layer, and what the network says of the classes.

A unit's answer to an image is the maximum of its map. It fires where that is above the layer's
threshold: 0 for a rectified layer, one that is never negative; for others the mean answer of the
layer. The answers of all units to all images are kept, 4 bytes each, so that all numbers are exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rlvis.deprecation import FormerName
from rlvis.features.image_sets.classes import Classes
from rlvis.features.selectivity import statistics

ALWAYS = 0.99
"""A unit that fires for this share of the images fires for everything."""
SELECTIVE = 0.9
"""A unit with this area under the ROC curve for a class is selective for it."""
MOST_CLASSES = 24
"""So many classes have an exemplar, and are in tables."""


@dataclass(frozen=True, eq=False)
class LayerSelectivity:
    """Statistics of the units of a layer.

    Attributes:
        layer: its name.
        peak_activations: float32 (N, U), the maximum of each unit's map for each image.
        rectified: whether no activation is negative.
        threshold: above which a unit fires.
        classes: of the images.
    """

    layer: str
    peak_activations: np.ndarray
    rectified: bool
    threshold: float
    classes: Classes

    answers = FormerName("peak_activations")
    areas = FormerName("roc_auc")
    information = FormerName("mutual_information")

    @cached_property
    def firing(self) -> np.ndarray:
        """Float64 (U,): the share of the images for which a unit fires."""
        return np.asarray((self.peak_activations > self.threshold).mean(axis=0))

    @cached_property
    def class_firing(self) -> np.ndarray:
        """Float64 (U, C): the same by class."""
        return statistics.class_means(self.peak_activations > self.threshold, self.classes.members)

    @cached_property
    def means(self) -> np.ndarray:
        """Float64 (U, C): how far above the threshold the answers to a class are in the mean."""
        above = np.maximum(self.peak_activations - np.float32(self.threshold), 0)
        return statistics.class_means(above, self.classes.members)

    @cached_property
    def selectivity(self) -> np.ndarray:
        """Float64 (U,): class selectivity of `means`, 0..1 (Morcos et al. 2018)."""
        return statistics.selectivity(self.means)

    @cached_property
    def preferred(self) -> np.ndarray:
        """Int64 (U,): the class with the highest mean answer."""
        return self.means.argmax(axis=1)

    @cached_property
    def roc_auc(self) -> np.ndarray:
        """Float64 (U, C): the area under the ROC curve for each class against the rest."""
        known = self.classes.labels >= 0
        return statistics.roc_auc(self.peak_activations[known], self.classes.members[:, known])

    @cached_property
    def area(self) -> np.ndarray:
        """Float64 (U,): the area under the ROC curve for the preferred class."""
        return self.roc_auc[np.arange(len(self.roc_auc)), self.preferred]

    @cached_property
    def best_units(self) -> np.ndarray:
        """Int64 (C,): the unit with the largest area for each class, the first of equal ones."""
        return self.roc_auc.argmax(axis=0)

    @cached_property
    def strongest_members(self) -> np.ndarray:
        """Int64 (C,): of each class the image that its best unit answers to most, a place in N."""
        answers = self.peak_activations[:, self.best_units].T
        return np.where(self.classes.members, answers, -np.inf).argmax(axis=1)

    @cached_property
    def mutual_information(self) -> np.ndarray:
        """Float64 (U,): the mutual information of a unit's answer and the class, in bits.

        Answers are taken in four steps of as many images.
        """
        known = self.classes.labels >= 0
        steps = statistics.quantised(self.peak_activations[known])
        return statistics.mutual_information(steps, self.classes.members[:, known])

    @cached_property
    def sharing(self) -> np.ndarray:
        """Float64 (C, C): how far two classes excite the same units, -1..1."""
        return statistics.sharing(self.means, self.peak_activations.std(axis=0))

    @property
    def never(self) -> np.ndarray:
        """Int64: the units that fire for no image."""
        return np.flatnonzero(self.firing == 0)

    @property
    def always(self) -> np.ndarray:
        """Int64: the units that fire for at least the share `ALWAYS` of the images."""
        return np.flatnonzero(self.firing >= ALWAYS)

    @property
    def selective(self) -> np.ndarray:
        """Int64: the units that tell their class with an area of `SELECTIVE`, the best first."""
        ranked = self.ranked
        return ranked[self.area[ranked] >= SELECTIVE]

    @property
    def ranked(self) -> np.ndarray:
        """Int64 (U,): all units, those that tell their class best first."""
        return np.lexsort((-self.selectivity, -self.area))

    @property
    def unserved(self) -> np.ndarray:
        """Int64: the classes that no unit is selective for."""
        return np.flatnonzero(self.roc_auc.max(axis=0) < SELECTIVE)

    def pairs(self) -> list[tuple[int, int]]:
        """All pairs of classes, those that share their units most first."""
        first, second = np.triu_indices(len(self.classes.names), 1)
        order = np.argsort(-self.sharing[first, second], kind="stable")
        return list(zip(first[order].tolist(), second[order].tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class Confusion:
    """What the network says of images, by the class that they belong to.

    Attributes:
        classes: the names of C classes.
        says: the labels that the network gives to any image.
        counts: int64 (C, K), how many images of a class it gives each of them.
    """

    classes: tuple[str, ...]
    says: tuple[str, ...]
    counts: np.ndarray

    @classmethod
    def of(cls, classes: Classes, said: np.ndarray, labels: Sequence[str]) -> "Confusion":
        """Of the labels that matter, those of classes first.

        Args:
            classes: of N images.
            said: int64 (N,), the label that the network gives to each.
            labels: the names of these.
        """
        known = [name for name in classes.names if name in labels]
        others = [labels[index] for index in np.unique(said) if labels[index] not in known]
        says = [*known, *others]
        columns = [labels.index(name) for name in says]
        counts = classes.members.astype(np.int64) @ (said[:, None] == columns)
        return cls(classes.names, tuple(says), counts)

    @property
    def sizes(self) -> np.ndarray:
        """Int64 (C,): how many images each class has."""
        return self.counts.sum(axis=1)

    @property
    def agreed(self) -> bool:
        """Whether the network gives every image its class.

        A policy does whose classes are the actions that it prefers.
        """
        known = min(len(self.classes), len(self.says))
        diagonal = np.trace(self.counts[:known, :known]) == self.counts.sum()
        return bool(diagonal) and self.classes[:known] == self.says[:known]

    def confused(self, one: int, other: int) -> tuple[float, float] | None:
        """The shares of each class's images that the network takes for the other.

        None where the network has no such labels.
        """
        names = self.classes[one], self.classes[other]
        if not set(names) <= set(self.says):
            return None
        columns = [self.says.index(name) for name in names]
        shares = self.counts / self.sizes[:, None]
        return float(shares[one, columns[1]]), float(shares[other, columns[0]])
