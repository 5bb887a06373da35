"""Which maps can be believed: every method and target, scored beside maps that know nothing."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from rlvis.attribution.remembered import Remembered
from rlvis.errors import InputError
from rlvis.evaluation.baselines import BASELINES
from rlvis.evaluation.estimates import NOTHING, Estimate
from rlvis.evaluation.map_scores import MapScorer, MapScores, finite
from rlvis.evaluation.map_tests import (
    LEVELS,
    deletion_and_insertion,
    likeness_when_randomised,
    maps_by,
    randomised,
    sensitivity,
)
from rlvis.evaluation.parts import Parts, audited_targets
from rlvis.evaluation.situations import Pictures, spread
from rlvis.models.targets import Target

ASKED = 60
"""So many images are asked again with pixels deleted and inserted."""
RANDOMISED = 16
"""So many images are explained again by randomised networks."""


@dataclass(frozen=True)
class MethodScores:
    """What the maps of a method are worth.

    Attributes:
        method: its name; of `BASELINES`, too.
        baseline: whether it is one of them.
        targets: its scores by target.
        deletion, insertion: of the first target, see `map_tests.deletion_and_insertion`.
        refused: why it cannot explain a target, by target.
        sensitivity: how much maps of different targets differ, 0 to 1.
        likeness: to maps of networks with more and more weights drawn anew, see `LEVELS`.
        seconds: of the processor, for all maps.
        example: float (H, W), the map of one image and the first target; None where refused.
    """

    method: str
    baseline: bool
    targets: Mapping[str, MapScores] = field(repr=False)
    deletion: Estimate = NOTHING
    insertion: Estimate = NOTHING
    refused: Mapping[str, str] = field(default_factory=dict, repr=False)
    sensitivity: Estimate = NOTHING
    likeness: Sequence[Estimate] = field(default_factory=list, repr=False)
    seconds: float = 0.0
    example: np.ndarray | None = field(default=None, repr=False)

    def of(self, target: str) -> MapScores:
        """The scores of a target, empty where there are none."""
        return self.targets.get(target, MapScores())

    @property
    def randomisation(self) -> Estimate:
        """Likeness to the maps of a network all of whose weights are drawn anew."""
        return self.likeness[-1] if self.likeness else NOTHING

    def plain(self) -> dict[str, Any]:
        """It as JSON has it."""
        return {
            "baseline": self.baseline,
            "targets": {name: each.plain() for name, each in self.targets.items()},
            "deletion": self.deletion.plain(),
            "insertion": self.insertion.plain(),
            "refused": dict(self.refused),
            "target_sensitivity": self.sensitivity.plain(),
            "randomisation": {
                f"{level:.0%}": each.plain()
                for level, each in zip(LEVELS, self.likeness, strict=False)
            },
            "seconds": self.seconds,
        }


class MapAudit:
    """Scores methods against the same parts of the same images.

    Args:
        pictures: what is explained, and of which model.
        parts: of the images, with the effects of all targets.
        targets: their names, see `parts.audited_targets`, in the order of the parts' effects.
        thorough: ask also with pixels deleted and inserted.

    Attributes:
        example: the image whose maps are kept to be shown: the parts in it do most.
    """

    def __init__(
        self,
        pictures: Pictures,
        parts: Parts,
        targets: Sequence[str],
        *,
        thorough: bool,
    ) -> None:
        known = audited_targets(pictures.model, True)
        parts = replace(parts, effects=finite(parts.effects))
        self._pictures, self._parts = pictures, parts
        self._targets: Mapping[str, Target] = {name: known[name] for name in targets}
        self._thorough = thorough
        self._scorer = MapScorer(parts)
        self._asked = spread(np.unique(parts.places), ASKED)
        self._label = int(np.bincount(pictures.preferred).argmax())
        self._few = spread(np.flatnonzero(pictures.preferred == self._label), RANDOMISED)
        self.example = _telling(parts)
        self._remembered = Remembered()
        self._randomised = [randomised(pictures.model, level) for level in LEVELS]

    def __reduce__(self) -> tuple[Any, ...]:
        """What it was made of, of which another process makes it again."""
        made = partial(MapAudit, thorough=self._thorough)
        return made, (self._pictures.plain(), self._parts, list(self._targets))

    def baselines(self) -> Iterator[MethodScores]:
        """The scores of maps that know nothing, and of the oracle."""
        for name, make in BASELINES.items():
            if not len(self._parts) and name in ("own colour", "oracle"):
                continue
            start = time.process_time()
            maps = {target: make(self._parts, place) for place, target in enumerate(self._targets)}
            found = self._scored(name, True, maps, {})
            yield replace(found, seconds=time.process_time() - start)

    def method(self, name: str) -> MethodScores:
        """The scores of a method; without any where it refuses every target.

        Args:
            name: of the method, options after a colon.
        """
        start = time.process_time()
        maps, refused = self._explained(name)
        spent = time.process_time() - start
        found = self._scored(name, False, maps, refused)
        likeness = self._likeness(name, maps["preferred"]) if "preferred" in maps else []
        return replace(found, likeness=likeness, seconds=spent)

    def _explained(self, name: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Maps float (N, H, W) by target, and why there are none of others."""
        try:
            together = self._maps(name, list(self._targets.values()))
            return dict(zip(self._targets, together, strict=True)), {}
        except InputError:
            maps, refused = {}, {}
            for target, each in self._targets.items():
                try:
                    maps[target] = self._maps(name, [each])[0]
                except InputError as error:
                    refused[target] = str(error)
            return maps, refused

    def _maps(self, name: str, targets: Sequence[Target]) -> list[np.ndarray]:
        """Maps float (N, H, W) of each target.

        Raises:
            InputError: if the method refuses them, or a map holds what is not a number.
        """
        own, images = self._pictures, self._parts.images
        found = maps_by(own.model, name, targets, images, own.context, self._remembered)
        for target, maps in zip(targets, found, strict=True):
            wrong = int((~np.isfinite(maps).all(axis=(1, 2))).sum())
            if wrong:
                raise InputError(
                    f"{name} gives maps of {target.name} that hold NaN or infinity in {wrong} of "
                    f"{len(maps)} images"
                )
        return found

    def _likeness(self, name: str, maps: np.ndarray) -> list[Estimate]:
        """How alike the maps of the preferred label are to those of randomised networks.

        Of images that have one preferred label, so that it is the same question.
        """
        few = self._few
        return likeness_when_randomised(
            self._randomised,
            name,
            self._label,
            self._parts.images[few],
            self._pictures.part(few),
            maps[few],
            self._parts.groups[few],
            self._remembered,
        )

    def _scored(
        self,
        name: str,
        baseline: bool,
        maps: Mapping[str, np.ndarray],
        refused: Mapping[str, str],
    ) -> MethodScores:
        places = {target: place for place, target in enumerate(self._targets)}
        scores = {target: self._scorer.score(each, places[target]) for target, each in maps.items()}
        first = next(iter(self._targets))
        deletion, insertion = NOTHING, NOTHING
        if self._thorough and first in maps:
            deletion, insertion = deletion_and_insertion(
                self._pictures,
                maps[first],
                self._parts,
                self._targets[first],
                self._asked,
            )
        asked = NOTHING
        if not baseline:
            asked = sensitivity(list(maps.values()), self._parts.groups)
        shown = maps[first][self.example].copy() if first in maps else None
        return MethodScores(
            name, baseline, scores, deletion, insertion, refused, asked, example=shown
        )


def _telling(parts: Parts) -> int:
    """The image with the most parts, of these the one that loses most with them."""
    if not len(parts):
        return 0
    count = np.bincount(parts.places, minlength=len(parts.images))
    lost = np.bincount(parts.places, np.abs(parts.effects[:, 0]), minlength=len(parts.images))
    return int(np.where(count == count.max(), lost, -1).argmax())
