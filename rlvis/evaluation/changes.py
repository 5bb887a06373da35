"""Everything that is changed in a world to see what its policy makes of it."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rlvis.errors import InputError
from rlvis.evaluation.account import Account, told
from rlvis.evaluation.situations import Situations
from rlvis.progress import OnProgress, Progress
from rlvis.rollouts.branches import observed_image
from rlvis.rollouts.interventions import ask

REMOVED, RECOLOURED, RESURFACED, RELIT, SWAPPED = KINDS = (
    "removed",
    "recoloured",
    "resurfaced",
    "relit",
    "as in another episode",
)
LIGHTS = (0.5, 1.5)
_BATCH = 512
_NUMBER = re.compile(r" \d+(?= place$| colour$|$)")


Without = Callable[[np.ndarray], np.ndarray]
"""Makes of an image, uint8 (H, W, C), the image without an object, of the same shape."""


@dataclass(frozen=True)
class Change:
    """Something of a world made otherwise.

    Attributes:
        subject: an object, a surface, "light", or a factor such as "marker colour".
        kind: one of `KINDS`.
        detail: which of its kind, such as a colour; empty where there is only one.
        method: of the world's interventions, which draws it.
        arguments, named: that it is given.
        function: the user's own, which makes the image without the subject of the image; None where
            the world draws it.
    """

    subject: str
    kind: str
    detail: str
    method: str = field(repr=False)
    arguments: tuple[Any, ...] = field(repr=False)
    named: Mapping[str, Any] = field(default_factory=dict, repr=False)
    function: Without | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """In words: "marker recoloured yellow"."""
        return " ".join(filter(None, (self.subject, self.kind, self.detail)))

    @property
    def group(self) -> tuple[str, str]:
        """What it counts for: kind and subject, "grey cube 2" as another grey cube."""
        return unnumbered(self.subject), self.kind


@dataclass(frozen=True)
class Changed:
    """What the policy makes of M changed images.

    Attributes:
        situations: the moments that were changed.
        changes: the change of each image, (M,).
        places: int (M,), the moment of each.
        pixels: float (M,), the share of pixels that changed.
        logits: float (M, K).
        values: float (M,).
        masks: bool (H, W), by the index of each change that takes a part away: an object in view
            is removed, or a surface is as in another episode.
        without: uint8 (H, W, C), the image without that part, by the same.
        refused: of how many moments a change could not be drawn, and why, by its name.
    """

    situations: Situations = field(repr=False)
    changes: Sequence[Change] = field(repr=False)
    places: np.ndarray = field(repr=False)
    pixels: np.ndarray = field(repr=False)
    logits: np.ndarray = field(repr=False)
    values: np.ndarray = field(repr=False)
    masks: Mapping[int, np.ndarray] = field(repr=False)
    without: Mapping[int, np.ndarray] = field(repr=False)
    refused: Mapping[str, tuple[int, str]] = field(repr=False)

    def picture(self, index: int) -> np.ndarray:
        """The changed image, drawn again, uint8 (H, W, C)."""
        return drawn(self.situations, int(self.places[index]), self.changes[index])


def unnumbered(subject: str) -> str:
    """A subject without the number of its like: "grey cube 2 place" is the place of a grey cube."""
    return _NUMBER.sub("", subject)


def drawn(situations: Situations, place: int, change: Change, *, there: bool = False) -> np.ndarray:
    """What the policy would see of a change of a moment, uint8 (H, W, C).

    Args:
        situations: the moments.
        place: which of them.
        change: of it.
        there: whether the world is at that moment already.

    Raises:
        InputError: if the world refuses it, or gives something else.
    """
    if change.function is not None:
        name, image = change.name, np.asarray(change.function(situations.images[place].copy()))
    else:
        name = f"{change.method}()"
        env = situations.world.environment if there else situations.at(place)
        answer = ask(env, change.method, *change.arguments, **change.named)
        image = observed_image(situations.policy, answer)
    seen = situations.images.shape[1:]
    if image.shape != seen or image.dtype != np.uint8:
        raise InputError(
            f"{name} gives {image.dtype} {image.shape}, and the policy sees uint8 {seen}"
        )
    return image


def ask_all(
    situations: Situations,
    account: Account,
    *,
    quick: bool,
    on_progress: OnProgress,
    given: Mapping[str, Without] | None = None,
) -> Changed:
    """Draw every change of every moment and ask the policy.

    Changes that show nothing else, as of an object out of view, are left out. One that the world
    refuses is told in `refused`.

    Args:
        situations: the moments, of a world that can be asked.
        account: what differs between its episodes.
        quick: fewer colours and textures.
        on_progress: see `rlvis.progress`.
        given: functions of the user's that make an image without an object, by its name.
    """
    own = [
        Change(name, REMOVED, "", "", (), function=function)
        for name, function in (given or {}).items()
    ]
    kept: list[tuple[Change, int, float]] = []
    answers: list[tuple[np.ndarray, np.ndarray]] = []
    waiting: list[np.ndarray] = []
    masks: dict[int, np.ndarray] = {}
    without: dict[int, np.ndarray] = {}
    refused: dict[str, tuple[int, str]] = {}

    def ask_waiting() -> None:
        if waiting:
            places = np.array([place for _, place, _ in kept[-len(waiting) :]])
            answers.append(situations.scores(np.stack(waiting), places))
            waiting.clear()

    for place in range(len(situations)):
        asked = [*own, *(_changes(situations, place, account, quick) if situations.form else ())]
        offers = situations.offers("surfaces")
        surfaces = set(told(situations, "surfaces") if offers else ()) - set(given or ())
        hidden: set[str] = set()
        for change in asked:
            if change.kind == RECOLOURED and change.subject in hidden:
                continue
            try:
                image = drawn(situations, place, change, there=True)
            except InputError as error:
                count, why = refused.get(change.name, (0, str(error)))
                refused[change.name] = count + 1, why
                continue
            differs = (image != situations.images[place]).any(axis=-1)
            if not differs.any():
                if change.kind == REMOVED:
                    hidden.add(change.subject)
                continue
            kept.append((change, place, float(differs.mean())))
            waiting.append(image)
            if change.kind == REMOVED and change.function is None:
                masks[len(kept) - 1] = _mask(situations, change.subject, differs)
            elif change.kind == REMOVED or (change.kind == SWAPPED and change.subject in surfaces):
                masks[len(kept) - 1] = differs
            if len(kept) - 1 in masks:
                without[len(kept) - 1] = image
        if len(waiting) >= _BATCH:
            ask_waiting()
        on_progress(Progress("changing the world", place + 1, len(situations), "frames"))
    ask_waiting()
    labels = len(situations.policy.labels)
    return Changed(
        situations,
        [change for change, _, _ in kept],
        np.array([place for _, place, _ in kept], int),
        np.array([pixels for _, _, pixels in kept]),
        np.concatenate([each for each, _ in answers]) if answers else np.empty((0, labels)),
        np.concatenate([each for _, each in answers]) if answers else np.empty(0),
        masks,
        without,
        refused,
    )


def _mask(situations: Situations, name: str, differs: np.ndarray) -> np.ndarray:
    """An object's pixels; those that change without it where the world tells no such mask."""
    offers = situations.offers("object_mask")
    mask = np.asarray(told(situations, "object_mask", name) if offers else ())
    return differs if mask.shape != differs.shape else mask.astype(bool)


def _changes(
    situations: Situations,
    place: int,
    account: Account,
    quick: bool,
) -> Iterator[Change]:
    situations.at(place)
    objects = told(situations, "objects") if situations.offers("objects") else ()
    if situations.offers("without"):
        for name in objects:
            yield Change(name, REMOVED, "", "without", (name,))
    if situations.offers("recoloured", "colours"):
        colours = list(told(situations, "colours"))
        for name in objects:
            for colour in colours[:: 2 if quick else 1]:
                yield Change(name, RECOLOURED, colour, "recoloured", (name, colour))
    if situations.offers("resurfaced", "surfaces"):
        for surface, textures in dict(told(situations, "surfaces")).items():
            for texture in textures[:: 4 if quick else 1]:
                yield Change(surface, RESURFACED, texture, "resurfaced", (surface, texture))
    yield from _relit(situations)
    number = int(situations.episodes[place])
    lot = np.random.default_rng((number, place))
    for factor in account.values:
        if others := account.others(factor, number):
            value = others[lot.integers(len(others))]
            yield Change(factor, SWAPPED, "", "varied", (factor, value))


def _relit(situations: Situations) -> Iterator[Change]:
    if situations.offers("relit"):
        for brightness in LIGHTS:
            yield Change(
                "light", RELIT, f"× {brightness:g}", "relit", (), {"brightness": brightness}
            )
