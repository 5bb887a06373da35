"""What a map is held against: parts of images, and what the policy does without each of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from rlvis.errors import InputError
from rlvis.evaluation.changes import REMOVED, SWAPPED, Changed
from rlvis.evaluation.situations import Pictures, Situations
from rlvis.models.image_model import ImageModel
from rlvis.models.score_kinds import LOGITS
from rlvis.models.scores import Scores
from rlvis.models.targets import FEW, Target, contrast, margin, rank, value

_TOLD = {REMOVED: "objects removed", SWAPPED: "surfaces as in another episode"}


@dataclass(frozen=True)
class Parts:
    """P parts of N images, such as an object where it is in view, and the true effect of each.

    Attributes:
        images: uint8 (N, H, W, C).
        groups: int (N,), such as the episode of each image.
        names: of the parts, (P,).
        places: int (P,), the image that each is a part of; in order.
        masks: bool (P, H, W).
        effects: float (P, T), how much each target loses without the part.
        without: uint8 (P, H, W, C), the image without it.
        relevant: bool (P,), whether it is one that what is right to do depends on.
        told: in words how they are taken away.
    """

    images: np.ndarray = field(repr=False)
    groups: np.ndarray = field(repr=False)
    names: Sequence[str] = field(repr=False)
    places: np.ndarray = field(repr=False)
    masks: np.ndarray = field(repr=False)
    effects: np.ndarray = field(repr=False)
    without: np.ndarray = field(repr=False)
    relevant: np.ndarray = field(repr=False)
    told: str = ""

    def __len__(self) -> int:
        return len(self.places)

    @property
    def sizes(self) -> np.ndarray:
        """Float (P,): in pixels."""
        return self.masks.sum(axis=(1, 2)).astype(float)

    @property
    def part_groups(self) -> np.ndarray:
        """Int (P,): the group of each part's image."""
        return self.groups[self.places]

    def shared(self) -> list[np.ndarray]:
        """The parts of images that have several, int (n, k) for each number k of parts."""
        of_image = [np.flatnonzero(self.places == place) for place in np.unique(self.places)]
        counts = sorted({len(parts) for parts in of_image} - {1})
        return [np.stack([parts for parts in of_image if len(parts) == k]) for k in counts]

    def background(self, place: int) -> tuple[np.ndarray, np.ndarray]:
        """An image with all its parts gone, uint8 (H, W, C), and where they were, bool (H, W)."""
        image = self.images[place].copy()
        gone = np.zeros(image.shape[:2], bool)
        for part in np.flatnonzero(self.places == place):
            mask = self.masks[part]
            image[mask] = self.without[part][mask]
            gone |= mask
        return image, gone


def parts_of(changed: Changed, targets: Sequence[Target], matters: Sequence[str] | None) -> Parts:
    """Objects in view and surfaces that differ between episodes, and what each of them does.

    An object is removed; a surface, which cannot be, is as it is in another episode.

    Args:
        changed: with that done, to one at a time.
        targets: whose loss is measured; their labels stay those of the whole image.
        matters: the factors that matter, by the world's own account; None where it gives none, so
            that every part counts as one that does.
    """
    situations = changed.situations
    kept = [index for index, mask in changed.masks.items() if mask.any()]
    places = changed.places[kept]
    names = [changed.changes[index].subject for index in kept]
    return Parts(
        situations.images,
        situations.episodes,
        names,
        places,
        _stacked([changed.masks[index] for index in kept], situations, bool),
        losses(
            situations.model,
            targets,
            (situations.logits[places], situations.values[places]),
            (changed.logits[kept], changed.values[kept]),
        ),
        _stacked([changed.without[index] for index in kept], situations, np.uint8),
        np.array([matters is None or _matters(name, matters) for name in names], bool),
        " and ".join(
            words
            for kind, words in _TOLD.items()
            if any(changed.changes[index].kind == kind for index in kept)
        ),
    )


def losses(
    model: ImageModel,
    targets: Sequence[Target],
    before: tuple[np.ndarray, np.ndarray],
    after: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """How much each target loses, float (M, T), from logits (M, K) and values (M,)."""
    whole, changed = (_scores(model, *each) for each in (before, after))
    lost = [target(whole, whole) - target(changed, whole) for target in targets]
    return torch.stack(lost, dim=1).numpy() if lost else np.empty((len(before[0]), 0))


def audited_targets(model: ImageModel, has_value: bool) -> dict[str, Target]:
    """What maps are asked about, by name."""
    first, last = model.labels[0], model.labels[-1]
    found = {"preferred": rank(0), "margin": margin(), "log π": log_preferred()}
    if len(model.labels) <= FEW:
        found[f"{first} - {last}"] = contrast(0, len(model.labels) - 1)
    return {**found, "value": value()} if has_value else found


def possible_targets(pictures: Pictures, has_value: bool) -> tuple[dict[str, Target], list[str]]:
    """Those of `audited_targets` that every image has, and why the others are left out.

    Raises:
        InputError: if there is none, as where there is but one label.
    """
    scores = _scores(pictures.model, pictures.logits, pictures.values)
    found: dict[str, Target] = {}
    impossible = []
    for name, target in audited_targets(pictures.model, has_value).items():
        try:
            target(scores, scores)
            found[name] = target
        except InputError as error:
            impossible.append(f"maps of {name}: {error}")
    return found, impossible


def log_preferred() -> Target:
    """The log-probability of the label that each whole image has the highest score for."""

    def of(scores: Scores, reference: Scores) -> torch.Tensor:
        best = reference.logits.argmax(dim=1, keepdim=True)
        return scores.log_probabilities.gather(1, best)[:, 0]

    return Target("log π", of, made_of="probabilities", unit="nats")


def _scores(model: ImageModel, logits: np.ndarray, values: np.ndarray) -> Scores:
    known = None if np.isnan(values).any() else torch.from_numpy(values)
    kind = model.kind or LOGITS
    return Scores(torch.from_numpy(logits), known, tuple(model.labels), kind=kind)


def _stacked(arrays: Sequence[np.ndarray], situations: Situations, kind: type) -> np.ndarray:
    if arrays:
        return np.stack(arrays)
    shape = situations.images.shape[1:3] if kind is bool else situations.images.shape[1:]
    return np.empty((0, *shape), kind)


def _matters(name: str, relevant: Sequence[str]) -> bool:
    return any(factor == name or factor.startswith(f"{name} ") for factor in relevant)
