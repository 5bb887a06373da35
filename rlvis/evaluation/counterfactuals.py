"""What would have turned a decision: of all that was changed the smallest change that did it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rlvis.evaluation.changes import RECOLOURED, RELIT, REMOVED, RESURFACED, Change, Changed
from rlvis.evaluation.estimates import Estimate, share


@dataclass(frozen=True)
class Counterfactual:
    """A decision, and the smallest change that turns it.

    Attributes:
        index: of the changed image, in `Changed`.
        place: of the moment, in its situations.
        action: that was preferred.
        instead: the action that is preferred then.
        change: what was changed.
        pixels: the share of pixels that changed.
    """

    index: int = field(repr=False)
    place: int
    action: str
    instead: str
    change: Change
    pixels: float

    @property
    def sentence(self) -> str:
        """It in words: "right instead of left, had the marker been blue"."""
        return f"{self.instead} instead of {self.action}, {had(self.change)}"


def had(change: Change) -> str:
    """A change as a condition: "had the marker been blue"."""
    subject, detail = change.subject, change.detail.replace("_", " ")
    if change.kind == REMOVED:
        return f"had the {subject} not been there"
    if change.kind == RECOLOURED:
        return f"had the {subject} been {detail}"
    if change.kind == RESURFACED:
        return f"had the {subject} been {detail}"
    if change.kind == RELIT:
        return f"had the light been {detail}"
    return f"had the {subject} been as in another episode"


def smallest(changed: Changed) -> dict[int, Counterfactual]:
    """Of every moment that some change turns, the smallest one, by its place."""
    situations = changed.situations
    labels = situations.policy.labels
    before = situations.preferred[changed.places]
    after = changed.logits.argmax(axis=1)
    found: dict[int, Counterfactual] = {}
    for index in np.flatnonzero(before != after).tolist():
        place, pixels = int(changed.places[index]), float(changed.pixels[index])
        if place not in found or pixels < found[place].pixels:
            action, instead = labels[before[index]], labels[after[index]]
            change = changed.changes[index]
            found[place] = Counterfactual(index, place, action, instead, change, pixels)
    return found


def shown(
    found: Mapping[int, Counterfactual], importance: np.ndarray, most: int = 6
) -> list[Counterfactual]:
    """Some of them, of different kinds, of the most important decisions first.

    Args:
        found: by place.
        importance: float (N,), of each moment's decision.
        most: how many.
    """
    ordered = sorted(found.values(), key=lambda each: -importance[each.place])
    kinds: Sequence[object] = ()
    first: list[Counterfactual] = []
    rest: list[Counterfactual] = []
    for each in ordered:
        kind = (each.change.group, each.action, each.instead)
        (rest if kind in kinds else first).append(each)
        kinds = (*kinds, kind)
    return (first + rest)[:most]


def turned_by(found: Mapping[int, Counterfactual], episodes: np.ndarray) -> dict[str, Estimate]:
    """The share of all moments that each kind of change turns as the smallest one.

    Args:
        found: by place.
        episodes: int (N,), of every moment.
    """
    turns: defaultdict[str, list[int]] = defaultdict(list)
    for place, each in found.items():
        turns[" ".join(each.change.group)].append(place)
    everyone = np.arange(len(episodes))
    shares = {name: share(np.isin(everyone, own), episodes) for name, own in turns.items()}
    return dict(sorted(shares.items(), key=lambda each: -each[1].value))
