"""Whether maps agree with what a network really does, and where they point.

A part that is large holds much of any map, and moves a network much, too: the raw correlation of a
*random* map's share on a cube with the true effect of the cube is 0.7 to 0.85. Therefore the size
is held fixed, and beside every score stands its *null*: what the same maps score when each is laid
over another image, of another group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from rlvis.evaluation.estimates import (
    NOTHING,
    Estimate,
    estimate,
    few_ranks,
    mean,
    partial_correlation,
    partial_sums,
    ranks,
    share,
)
from rlvis.evaluation.parts import Parts
from rlvis.evaluation.situations import spread

NULLS = 40
"""So many times the maps are laid over other images."""
_FEWEST_PARTS = 12
_LEVELS = (-1.0, 1.0)


@dataclass(frozen=True)
class MapScores:
    """What the maps of one method say of one target.

    Attributes:
        causal: the partial rank correlation of how much of the map is on a part, its sum of sizes,
            with the true size of the part's effect, given the part's size.
        largest_first: the share of images with several parts in which the part that holds most of
            the map is the one with the largest effect.
        single_deletion: the rank correlation of signed sums and signed effects among the parts of
            an image, the mean over images (FunnyBirds, Hesse et al. 2023).
        nulls: of these three by name, what the maps score on other images; NaN where there is none.
        empty: the share of images whose map is zero everywhere; they are not scored.
        pointing: the share of images whose hottest pixel is on a part that matters (Zhang et al.
            2018); shown, never a gate, as the following.
        mass: the share of the map on parts that matter (Arras et al. 2022).
        rank: of the n hottest pixels the share on parts that matter, n their size (the same).
        auc: the chance that a pixel of a part that matters is hotter than another.
    """

    causal: Estimate = NOTHING
    largest_first: Estimate = NOTHING
    single_deletion: Estimate = NOTHING
    nulls: Mapping[str, float] = field(default_factory=dict)
    empty: Estimate = NOTHING
    pointing: Estimate = NOTHING
    mass: Estimate = NOTHING
    rank: Estimate = NOTHING
    auc: Estimate = NOTHING

    def null(self, name: str) -> float:
        """What chance scores."""
        return self.nulls.get(name, np.nan)

    def plain(self) -> dict[str, Any]:
        """It as JSON has it."""
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        plain = {name: each.plain() for name, each in told.items() if isinstance(each, Estimate)}
        nulls = {name: each for name, each in self.nulls.items() if np.isfinite(each)}
        return {**plain, "nulls": nulls}


def finite(effects: np.ndarray) -> np.ndarray:
    """Effects, float (P, T), where infinite ones are twice the largest of the others.

    A score of -inf, of what is forbidden, makes them; what is not known counts as nothing.
    """
    sizes = np.where(np.isfinite(effects), np.abs(effects), 0.0)
    beyond = 2 * sizes.max(axis=0, initial=0.5)
    return np.nan_to_num(effects, nan=0.0).clip(-beyond, beyond)


class MapScorer:
    """Scores maps of the same images against the same parts.

    Args:
        parts: the parts and their effects.
        located: how many images are asked where their maps point.
        seed: of the lots.
    """

    def __init__(self, parts: Parts, *, located: int = 60, seed: int = 0) -> None:
        self._parts = parts
        masks = parts.masks.reshape(len(parts), -1).astype(np.float32)
        self._size_ranks = ranks(parts.sizes)
        self._effect_ranks = [ranks(np.abs(effects)) for effects in parts.effects.T]
        self._shared = parts.shared()
        lot = np.random.default_rng(seed)
        blocks = np.array_split(lot.permutation(len(parts.groups)), max(1, len(parts.groups) // 50))
        self._blocks = [_Block.of(images, parts.places, masks) for images in blocks]
        self._others = _other_images(blocks, parts.groups, lot)
        self._goals = _goals(parts, located)

    def score(self, maps: np.ndarray, target: int) -> MapScores:
        """The scores of maps, float (N, H, W), for a target, by its number."""
        flat = maps.reshape(len(maps), -1)
        scored = np.asarray(flat.any(axis=1))
        empty = share(~scored, self._parts.groups)
        found: dict[str, Estimate] = {}
        nulls: dict[str, float] = {}
        if len(self._parts):
            found, nulls = self._agreement(flat, scored, target)
        return MapScores(**found, nulls=nulls, empty=empty, **self._location(flat, scored))

    def located(self, maps: np.ndarray) -> dict[str, Estimate]:
        """Where maps, float (N, H, W), point: the scores of location by name."""
        flat = maps.reshape(len(maps), -1)
        return self._location(flat, np.asarray(flat.any(axis=1)))

    def _agreement(
        self, maps: np.ndarray, scored: np.ndarray, target: int
    ) -> tuple[dict[str, Estimate], dict[str, float]]:
        """The three scores of agreement, and their nulls."""
        signed = self._sums(maps)
        mass = signed if (maps >= 0).all() else self._sums(np.abs(maps))
        own = np.arange(len(maps))
        found = self._against(mass, signed, target, own, scored)
        chance: dict[str, list[float]] = {name: [] for name in found}
        for other in self._others:
            for name, each in self._against(mass, signed, target, other, scored).items():
                chance[name].append(each.value)
        with np.errstate(invalid="ignore"):
            return found, {name: _mean(values) for name, values in chance.items()}

    def _sums(self, maps: np.ndarray) -> np.ndarray:
        """Float (P, N): the sum of each map of a block on each part of its images; NaN else."""
        found = np.full((len(self._parts), len(maps)), np.nan, np.float32)
        for block in self._blocks:
            found[np.ix_(block.parts, block.images)] = block.masks @ maps[block.images].T
        return found

    def _against(
        self,
        mass: np.ndarray,
        signed: np.ndarray,
        target: int,
        of: np.ndarray,
        scored: np.ndarray,
    ) -> dict[str, Estimate]:
        """The scores where image n has the map of image of[n]; intervals only of its own."""
        places = self._parts.places
        whose = of[places]
        kept = scored[whose]
        own = bool((of == np.arange(len(of))).all())
        on_part, summed = (each[np.arange(len(places)), whose] for each in (mass, signed))
        fixed = self._effect_ranks[target], self._size_ranks
        groups = self._parts.part_groups
        if not kept.all():
            fixed = ranks(fixed[0][kept]), ranks(fixed[1][kept])
            groups = groups[kept]
        return {
            "causal": _causal(on_part[kept], *fixed, groups, own),
            **self._within(on_part, summed, self._parts.effects[:, target], kept, own),
        }

    def _within(
        self,
        on_part: np.ndarray,
        summed: np.ndarray,
        effects: np.ndarray,
        kept: np.ndarray,
        own: bool,
    ) -> dict[str, Estimate]:
        """The scores that compare parts of one image."""
        first, deleted, groups = [], [], []
        for parts in self._shared:
            said = kept[parts[:, 0]] & (np.ptp(effects[parts], axis=1) > 0)
            parts = parts[said]
            largest = np.abs(effects[parts]).argmax(axis=1)
            most = on_part[parts] == on_part[parts].max(axis=1, keepdims=True)
            first.append(most[np.arange(len(parts)), largest] / most.sum(axis=1))
            deleted.append(_rank_correlations(summed[parts], effects[parts]))
            groups.append(self._parts.part_groups[parts[:, 0]])
        if not sum(map(len, groups)):
            return {"largest_first": NOTHING, "single_deletion": NOTHING}
        hits, correlations, of = map(np.concatenate, (first, deleted, groups))
        if not own:
            return {
                "largest_first": Estimate(float(hits.mean())),
                "single_deletion": Estimate(float(correlations.mean())),
            }
        return {
            "largest_first": share(hits, of),
            "single_deletion": mean(correlations, of, _LEVELS),
        }

    def _location(self, maps: np.ndarray, scored: np.ndarray) -> dict[str, Estimate]:
        """Where the maps point, of those images that show something that matters."""
        found: dict[str, list[float]] = {"pointing": [], "mass": [], "rank": [], "auc": []}
        groups = []
        for place, mask in self._goals.items():
            if not scored[place]:
                continue
            heat = maps[place].clip(min=0)
            if not heat.any() or mask.all():
                continue
            cold = -heat
            order = np.argsort(cold, kind="stable")
            inside = int(mask.sum())
            groups.append(self._parts.groups[place])
            found["pointing"].append(mask[order[0]])
            found["mass"].append(heat[mask].sum() / heat.sum())
            found["rank"].append(mask[order[:inside]].mean())
            found["auc"].append(_auc(cold[order], cold[mask], mask.size - inside))
        of = np.array(groups)
        averaged = {name: mean(np.array(values), of, (0, 1)) for name, values in found.items()}
        return {**averaged, "pointing": share(np.array(found["pointing"]), of)}


def _auc(falling: np.ndarray, own: np.ndarray, others: int) -> float:
    """The chance that one of `own` comes before one of so many others, ties counting half.

    Args:
        falling: all numbers, in order.
        own: some of them.
        others: how many the rest are.
    """
    before, after = (np.searchsorted(falling, own, side).sum() for side in ("left", "right"))
    ranks_of_own = (before + after + len(own)) / 2
    behind = len(own) * (len(falling) + 1) - ranks_of_own
    return float((behind - len(own) * (len(own) + 1) / 2) / (len(own) * others))


def _causal(
    mass: np.ndarray, effects: np.ndarray, sizes: np.ndarray, groups: np.ndarray, own: bool
) -> Estimate:
    """From the mass on parts, and the ranks of their effects and sizes."""
    if len(mass) < _FEWEST_PARTS or not np.ptp(effects):
        return NOTHING
    sums = partial_sums(ranks(mass), effects, sizes)
    if own:
        return estimate(partial_correlation, sums, groups, bounds=_LEVELS)
    return Estimate(float(partial_correlation(sums.sum(axis=0))))


def _rank_correlations(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of each row, float (N,); 0 where either has but one rank."""
    one, other = (each - each.mean(axis=1, keepdims=True) for each in map(few_ranks, (one, other)))
    length = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    product = (one * other).sum(axis=1)
    return np.divide(product, length, out=np.zeros_like(product), where=length > 0)


@dataclass(frozen=True)
class _Block:
    """Some images whose maps are laid over each other, and their parts: int (n,), int (p,).

    Attributes:
        masks: float32 (p, H * W).
    """

    images: np.ndarray
    parts: np.ndarray
    masks: np.ndarray

    @classmethod
    def of(cls, images: np.ndarray, places: np.ndarray, masks: np.ndarray) -> "_Block":
        parts = np.flatnonzero(np.isin(places, images))
        return cls(images, parts, masks[parts])


def _other_images(
    blocks: Sequence[np.ndarray], groups: np.ndarray, lot: np.random.Generator
) -> list[np.ndarray]:
    """For each image another of its block, of another group where there are several; many times."""
    if len(groups) < 2:
        return []
    found = []
    for _ in range(NULLS):
        other = np.empty(len(groups), int)
        for block in blocks:
            other[block] = block[_swapped(groups[block], lot)]
        found.append(other)
    return found


def _swapped(groups: np.ndarray, lot: np.random.Generator) -> np.ndarray:
    """A permutation that leaves few or none in their own group."""
    other = lot.permutation(len(groups))
    for _ in range(8):
        same = np.flatnonzero(groups[other] == groups)
        if not len(same):
            break
        swapped = lot.integers(len(groups), size=len(same))
        for one, two in zip(same.tolist(), swapped.tolist(), strict=True):
            other[[one, two]] = other[[two, one]]
    return other


def _goals(parts: Parts, most: int) -> dict[int, np.ndarray]:
    """Where what matters is, bool (H * W,), of so many images over all groups that show any."""
    found: dict[int, np.ndarray] = {}
    for part in np.flatnonzero(parts.relevant):
        place, mask = int(parts.places[part]), parts.masks[part].ravel()
        found[place] = found.get(place, False) | mask
    return {place: found[place] for place in spread(np.array(list(found), int), most).tolist()}


def _mean(values: Sequence[float]) -> float:
    kept = [each for each in values if np.isfinite(each)]
    return float(np.mean(kept)) if kept else np.nan
