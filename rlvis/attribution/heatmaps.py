"""Heatmaps of one method with the images, scores and names they belong to."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F

from rlvis.display.numbers import NOT_A_NUMBER
from rlvis.images.depth import Levels
from rlvis.images.loading import Size
from rlvis.images.places import Places, draw_at
from rlvis.images.preprocess import Window
from rlvis.models.score_kinds import ScoreKind
from rlvis.models.targets import is_difference

_ROUNDINGS = 32
"""So many roundings in a row, about one a layer, make up the error of a score."""

_LITTLE = 0.01
_LOGARITHMS = ("logit", "nats", "log-probability")

Of = TypeVar("Of", bound="Heatmaps")


@dataclass(frozen=True, repr=False, eq=False)
class Heatmaps:
    """What one method says about N images and T targets.

    Attributes:
        images: uint8 (N, H, W, C), as given.
        maps: float32 (N, T, h, w), the method's own output at its own resolution.
        window: the part of the images that the network saw.
        scores: float32 (N, T), the targets' values.
        targets: N lists of T names.
        logits: float32 (N, K), all scores.
        labels: the K names.
        kind: what the scores are.
        value: float32 (N,), the critic's estimate, or None.
        method: the method's name, with its options.
        signed: whether negative values in the maps are evidence against the target.
        model: the model's name.
        layer: the layer that was read, or None.
        frames: how many frames are stacked in the channels of an image.
        frame: the one that the maps are over, or None where they are over all of them.
        one_sided: whether the method cuts off what speaks against the target: of a difference such
            as "left - right" its maps show what speaks for the first alone.
        unit: of the maps: "logit", "probability", "nats", "fall of the logit", "share" and so on.
        units: the same of each of the T targets' maps, where they may differ.
        score_units: of each of the T scores.
        adds_up: for each target whether its score is the sum of the map and what the head adds
            whatever the image (its bias).
        levels: what of pictures of more than 8 bits became black and white; see
            `rlvis.images.depth`.
        reduced: width and height of images that were larger in their files.
        epsilon: the relative rounding error of the network's arithmetic.
        places: where the cells of each target's maps look in the network's input; () where they
            divide it evenly.
        caveat: what is to be known of all maps of the method of this network, or "".
    """

    images: np.ndarray = field(repr=False)
    maps: np.ndarray = field(repr=False)
    window: Window
    scores: np.ndarray
    targets: list[list[str]]
    logits: np.ndarray = field(repr=False)
    labels: tuple[str, ...] = field(repr=False)
    kind: ScoreKind = field(repr=False)
    value: np.ndarray | None
    method: str
    signed: bool
    model: str
    layer: str | None
    frames: int = 1
    frame: int | None = None
    one_sided: bool = False
    unit: str = "score"
    units: tuple[str, ...] = ()
    score_units: tuple[str, ...] = ()
    adds_up: tuple[bool, ...] = ()
    levels: tuple[Levels, ...] = ()
    reduced: tuple[Size, ...] = ()
    epsilon: float = float(np.finfo(np.float32).eps)
    places: tuple[Places, ...] = ()
    caveat: str = ""

    @property
    def notes(self) -> list[list[list[str]]]:
        """For each of N images and T targets what a picture of the map should say beside it.

        That a label is masked; that a map holds what is not a number, of which nothing is drawn;
        that it is empty or the same everywhere, or nearly so (it varies by less than a twentieth of
        its largest value); or of a map in the unit of the scores that it is weak: the sum of what
        it shows is below what rounding makes of the score, or too little for a probability p to
        matter: in logits or nats below 0.01, in probabilities below 0.01 p (1 - p), which moves the
        odds as far. Other scores have no such bound. What an empty or weak map says of the score is
        said of maps that are changes of the score, or sum to it; of others only what they hold.
        Of gradients the sum is what a change of every pixel by one unit of the input adds.
        """
        noise, units = _ROUNDINGS * self.epsilon * self._sizes, self.map_units
        adds_up = self.adds_up or (False,) * len(units)
        return [
            [self._notes(*each) for each in zip(heats, scores, units, limits, adds_up, strict=True)]
            for heats, scores, limits in zip(self.maps, self.scores, noise, strict=True)
        ]

    @property
    def _sizes(self) -> np.ndarray:
        """Float (N, T): of the numbers whose rounding each target has.

        That is the largest score where all are on one scale. Values, probabilities and plain
        numbers are computed to their own size; what is a difference of them, to the largest one's.
        """
        finite = np.abs(np.where(np.isfinite(self.logits), self.logits, 0)).max(axis=1)
        sizes = np.repeat(finite[:, None], self.scores.shape[1], axis=1)
        own = np.abs(np.where(np.isfinite(self.scores), self.scores, 0))
        for target, unit in enumerate(self.score_units):
            names = {row[target] for row in self.targets}
            single = not any(is_difference(name, self.labels) for name in names)
            by_itself = unit == "probability" or not self.kind.comparable
            if unit == "value" or (single and by_itself):
                sizes[:, target] = own[:, target]
        return sizes

    @property
    def map_units(self) -> tuple[str, ...]:
        """The unit of each of the T targets' maps."""
        return self.units or (self.unit,) * self.maps.shape[1]

    @property
    def evidence(self) -> np.ndarray:
        """Float32 (N, T): what the image adds to each score, the sum of its map.

        NaN where the method's maps do not sum to that (see `adds_up`). The rest of the score is the
        bias.
        """
        sums = self.maps.sum(axis=(2, 3))
        return np.where(self.adds_up or (False,) * sums.shape[1], sums, np.float32("nan"))

    def _notes(
        self, heat: np.ndarray, score: float, unit: str, noise: float, adds_up: bool
    ) -> list[str]:
        if np.isneginf(score):
            return ["masked"]
        if not np.isfinite(heat).all():
            return [NOT_A_NUMBER]
        most, spread = float(np.abs(heat).max()), float(np.ptp(heat))
        falls = unit.startswith("fall")
        if most == 0:
            tells = adds_up or (falls and not self.one_sided)
            return ["empty: nothing changes it" if tells else "empty: the map shows nothing"]
        found = []
        if spread == 0:
            found.append("constant")
        elif spread < most / 20:
            found.append("nearly constant")
        total = most if falls else float(np.abs(heat).sum())
        unit = unit.removesuffix(" per unit of the input").removeprefix("fall of the ")
        if unit not in {*_LOGARITHMS, "probability", "value", "score", self.kind.unit}:
            return found
        changes = "changes it by" if falls or adds_up else "adds up to"
        if total < noise:
            found.append("weaker than rounding noise")
        elif unit == "logit" and total < _LITTLE and (falls or adds_up):
            found.append("weak: moves the odds by less than 1%")
        elif unit in _LOGARITHMS and total < _LITTLE:
            found.append(f"weak: {changes} less than {_LITTLE} {unit}")
        elif unit == "probability" and total < _LITTLE * abs(score) * (1 - abs(score)):
            found.append(f"weak: {changes} less than 1% of it")
        return found

    @property
    def probabilities(self) -> np.ndarray:
        """Float32 (N, K): of what each score stands for, NaN where scores make up none."""
        return self.kind.probabilities(torch.from_numpy(self.logits)).numpy()

    @property
    def heatmaps(self) -> np.ndarray:
        """Float32 (N, T, H, W): the maps at image resolution, where their cells look.

        They are 0 where the network saw nothing, and fade out where no cell looks.
        """
        height, width = self.images.shape[1:3]
        return placed_maps(self.maps, self.window, height, width, self.places)

    def seen_heatmap(self, index: int, target: int, height: int, width: int) -> np.ndarray:
        """One map over the part of the image that the network saw, float32 (height, width).

        Args:
            index: of the image.
            target: of the target.
            height: of that part as it is drawn.
            width: of that part as it is drawn.
        """
        size, heat = self.images.shape[1:3], self.maps[index, target][None, None]
        if not self.places and self.window.is_crop(*size):
            return resize_maps(heat, height, width)[0, 0]
        places = self.places[target] if self.places else Places.stretched(heat.shape[-2:])
        shares = self.window.shares(*self.window.inside(*size))
        return draw_at(heat, places, (height, width), shares)[0, 0]


def placed_maps(
    maps: np.ndarray, window: Window, height: int, width: int, places: Sequence[Places] = ()
) -> np.ndarray:
    """Maps (N, T, h, w) where their cells look in images, (N, T, height, width).

    They are 0 where the network saw nothing.

    Args:
        maps: of cells of the network's input.
        window: what that input is of the images.
        height: of the images.
        width: of the images.
        places: of the cells of each target in the input; none where they divide it evenly.
    """
    rows, columns = window.inside(height, width)
    if not places and window.is_crop(height, width):
        heatmaps = np.zeros((*maps.shape[:2], height, width), np.float32)
        heatmaps[..., rows, columns] = resize_maps(maps, window.height, window.width)
        return heatmaps
    shares = window.shares(slice(0, height), slice(0, width))
    places = places or [Places.stretched(maps.shape[-2:])]
    if len(set(places)) == 1:
        return draw_at(maps, places[0], (height, width), shares)
    by_target = zip(maps.swapaxes(0, 1), places, strict=True)
    drawn = [draw_at(heats, each, (height, width), shares) for heats, each in by_target]
    return np.stack(drawn, axis=1)


def resize_maps(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """Maps (N, T, h, w) bilinearly resized to (N, T, height, width), cell centres kept in place."""
    if maps.shape[-2:] == (height, width):
        return maps
    reduced = height < maps.shape[-2] or width < maps.shape[-1]
    tensor = torch.from_numpy(maps)
    return F.interpolate(tensor, (height, width), mode="bilinear", antialias=reduced).numpy()


def concatenate(parts: Sequence[Of]) -> Of:
    """The heatmaps of all images of several, which agree in everything else."""
    first = parts[0]
    return replace(
        first,
        images=np.concatenate([each.images for each in parts]),
        maps=np.concatenate([each.maps for each in parts]),
        scores=np.concatenate([each.scores for each in parts]),
        targets=[row for each in parts for row in each.targets],
        logits=np.concatenate([each.logits for each in parts]),
        value=None if first.value is None else np.concatenate([each.value for each in parts]),
    )
