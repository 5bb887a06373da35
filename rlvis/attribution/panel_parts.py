"""What a panel of heatmaps says and shows, however it is drawn: scales, scores, legends, sizes."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np

from rlvis.attribution.heatmaps import Heatmaps
from rlvis.display.legend import Legend, scales_of
from rlvis.display.numbers import written
from rlvis.display.overlays import limit
from rlvis.errors import InputError
from rlvis.models.score_kinds import number, percentage
from rlvis.models.targets import is_difference

MOST_BARS = 5
"""How many scores are told of an image."""

Scale = float | Literal["row", "cell"]
"""What full strength stands for: the most of a row of maps, of each map, or a number.

Maps of different units, as those of a logit and of the value, have a scale each."""


def methods_line(explanations: Sequence[Heatmaps]) -> str:
    """What the heatmaps are by."""
    return "explained by " + ", ".join(each.method for each in explanations)


def check_shown(explanations: Sequence[Heatmaps]) -> None:
    """Whether there is anything on a panel.

    Raises:
        InputError: if there are no explanations, or they are of no images.
    """
    if not explanations:
        raise InputError("no explanations; name at least one method")
    if not len(explanations[0].images):
        raise InputError("an explanation of no images; take at least one")


def check_scale(scale: Scale) -> None:
    """Whether full strength can stand for that.

    Raises:
        InputError: if not.
    """
    if scale not in ("row", "cell") and not (isinstance(scale, (int, float)) and scale > 0):
        raise InputError(f"no scale {scale!r}; choose row, cell or a positive number")


def full_strengths(explanation: Heatmaps, index: int, scale: Scale) -> list[float]:
    """The value drawn at full strength in each of an image's T maps.

    Maps that a note says nothing is to be seen of do not count.
    """
    maps, units = explanation.maps[index], explanation.map_units
    if not isinstance(scale, str):
        return [float(scale)] * len(maps)
    notes = explanation.notes[index]
    own = [0.0 if note else limit(each) for each, note in zip(maps, notes, strict=True)]
    if scale == "cell":
        return own
    most = {
        unit: max(each for each, its in zip(own, units, strict=True) if its == unit)
        for unit in units
    }
    return [most[unit] for unit in units]


def legend_of(explanation: Heatmaps, index: int, limits: Sequence[float], scale: Scale) -> Legend:
    """What stands below the maps of a method."""
    scopes = {"row": "the row", "cell": "each map"}
    layer = (f"layer {explanation.layer}",) if explanation.layer else ()
    return Legend(
        explanation.method,
        layer,
        explanation.signed,
        explanation.one_sided,
        any(is_difference(name, explanation.labels) for name in explanation.targets[index]),
        scales_of(limits, explanation.map_units),
        scopes.get(str(scale), ""),
        explanation.caveat,
    )


def seen_notes(explanation: Heatmaps) -> list[str]:
    """What of the image the network saw, and how: a line for each."""
    height, width = explanation.images.shape[1:3]
    partly = explanation.window.inside(height, width) != (slice(0, height), slice(0, width))
    notes = ["bright: what the network sees" if partly else "what the network sees"]
    if not explanation.window.known:
        notes = ["which part the network sees is not known"]
    levels = [f"{written(low, 6)} to {written(high, 6)}" for low, high in explanation.levels]
    sizes = [f"{width}×{height}" for width, height in explanation.reduced]
    told = {"black to white: ": levels, "reduced from ": sizes}
    return notes + [before + _few(each) for before, each in told.items() if each]


def _few(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - 2} more" if len(texts) > 2 else ""
    return ", ".join(texts[:2]) + more


@dataclass(frozen=True)
class Standing:
    """How a label does among the others.

    Attributes:
        label: its index.
        words: its probability in per cent, or its score where scores make up none.
        share: the probability, None where there is none.
    """

    label: int
    words: str
    share: float | None


def standings(explanation: Heatmaps, index: int) -> list[Standing]:
    """The labels told of an image: those of the highest scores first, all in order where few."""
    row, shares = explanation.logits[index], explanation.probabilities[index]
    chosen = np.arange(len(row))
    if len(row) > MOST_BARS:
        ranked = shares if explanation.kind.probable else row
        chosen = ranked.argsort(kind="stable")[::-1][:MOST_BARS]
    if not explanation.kind.probable:
        return [
            Standing(label, _number_alone(explanation, label, float(row[label])), None)
            for label in chosen.tolist()
        ]
    return [
        Standing(label, percentage(float(shares[label])), float(shares[label]))
        for label in chosen.tolist()
    ]


def standing_of(explanation: Heatmaps) -> str:
    """What the numbers of `standings` are."""
    if not explanation.kind.probable:
        return explanation.kind.unit
    alone = explanation.kind.competing or len(explanation.labels) == 1
    return "probability" if alone else "probability of each"


def score_words(explanation: Heatmaps, index: int, column: int) -> tuple[str, str, str]:
    """A target's score with its unit, its probability if it has one beside, the number alone."""
    name, score = explanation.targets[index][column], float(explanation.scores[index, column])
    unit = explanation.score_units[column] if explanation.score_units else "score"
    if np.isneginf(score):
        return "masked", "", ""
    told = number(score)
    if unit == "probability" and (name in explanation.labels or name.startswith("p(")):
        return f"{unit} {percentage(score)}", "", percentage(score)
    if name not in explanation.labels:
        made = unit in ("probability", "mean")  # of some, and none itself
        return f"{told} in {unit}" if made else f"{unit} {told}", "", told
    label, kind = explanation.labels.index(name), explanation.kind
    share = percentage(explanation.probabilities[index, label]) if kind.probable else ""
    words = kind.words(label, score)
    return words, share, words.removeprefix(f"{kind.unit} ")


def _number_alone(explanation: Heatmaps, label: int, score: float) -> str:
    kind = explanation.kind
    return (
        "masked" if np.isneginf(score) else kind.words(label, score).removeprefix(f"{kind.unit} ")
    )


def cell_side(targets: int) -> int:
    """The longer side of a map: smaller, the more targets there are."""
    steps = {6: 300, 24: 220, 120: 160}
    return next((side for most, side in steps.items() if targets <= most), 112)


def picture_size(picture: np.ndarray, side: int) -> tuple[int, int]:
    """Width and height of a picture whose longer side is about that long.

    It is longer where the picture is thin, but no longer than twice that.
    """
    height, width = picture.shape[:2]
    thin = max(height, width) / min(height, width)
    scale = side / max(height, width) * min(2.0, max(1.0, sqrt(thin / 2)))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _inside(explanation: Heatmaps) -> tuple[slice, slice]:
    return explanation.window.inside(*explanation.images.shape[1:3])


def seen_part(picture: np.ndarray, explanation: Heatmaps) -> np.ndarray:
    """The part of a picture that the network saw."""
    return picture[_inside(explanation)]


def dimmed(picture: np.ndarray, explanation: Heatmaps) -> np.ndarray:
    """The picture, what the network did not see of it nearly white."""
    dimmed = (255 - (255 - picture.astype(np.uint16)) // 4).astype(np.uint8)
    dimmed[_inside(explanation)] = seen_part(picture, explanation)
    return dimmed
