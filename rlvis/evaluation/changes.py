"""Everything that is changed in a world to see what its policy makes of it."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np

from rlvis.errors import InputError, one_line
from rlvis.evaluation.account import Account
from rlvis.evaluation.answers import Refusals, answer_of, mask_of
from rlvis.evaluation.setting_back import AskedMoment
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
DRAWN_BY = ("without", "recoloured", "resurfaced", "relit", "varied")
"""The methods of a world that draw changes."""
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
        refused: of how many moments a change could not be drawn, or a question not be answered.
    """

    situations: Situations = field(repr=False)
    changes: Sequence[Change] = field(repr=False)
    places: np.ndarray = field(repr=False)
    pixels: np.ndarray = field(repr=False)
    logits: np.ndarray = field(repr=False)
    values: np.ndarray = field(repr=False)
    masks: Mapping[int, np.ndarray] = field(repr=False)
    without: Mapping[int, np.ndarray] = field(repr=False)
    refused: Refusals = field(repr=False)

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
        image = _without(change, situations.images[place].copy())
        return _checked(situations, change.name, image)
    env = situations.world.environment if there else situations.at(place)
    answer = ask(env, change.method, *change.arguments, **change.named)
    return shown_image(situations, f"{change.method}()", answer)


def shown_image(situations: Situations, name: str, observation: Any) -> np.ndarray:
    """The image in an observation that the policy could see, uint8 (H, W, C).

    Raises:
        InputError: if there is none; the line says by `name` what gave it.
    """
    try:
        image = observed_image(situations.policy, observation)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} gives no observation: {one_line(error)}") from error
    return _checked(situations, name, image)


def _checked(situations: Situations, name: str, image: np.ndarray) -> np.ndarray:
    """The image, if the policy could see it.

    Raises:
        InputError: if its shape or dtype is another; the line says by `name` what gave it.
    """
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
    refuses is told in `refused`, and so is a method that changes the world.

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
    refused = Refusals()

    def ask_waiting() -> None:
        if waiting:
            places = np.array([place for _, place, _ in kept[-len(waiting) :]])
            answers.append(situations.scores(np.stack(waiting), places))
            waiting.clear()

    for place in range(len(situations)):
        words = _words(situations, place, refused)
        surfaces = set(words["surfaces"]) - set(given or ())
        moment, hidden = AskedMoment(situations, place, refused), set[str]()
        asked = [*own, *_changes(situations, place, account, words, quick)]
        for _, group in groupby(asked, key=lambda each: each.method):
            wanted = [
                each for each in group if each.kind != RECOLOURED or each.subject not in hidden
            ]
            for change, image in _images(moment, wanted):
                differs = (image != situations.images[place]).any(axis=-1)
                if not differs.any():
                    if change.kind == REMOVED:
                        hidden.add(change.subject)
                    continue
                kept.append((change, place, float(differs.mean())))
                waiting.append(image)
                mask = None
                if change.kind == REMOVED and change.function is None:
                    mask = _mask(moment, change.subject, differs)
                elif change.kind == REMOVED or (
                    change.kind == SWAPPED and change.subject in surfaces
                ):
                    mask = differs
                if mask is not None and mask.any():
                    masks[len(kept) - 1], without[len(kept) - 1] = mask, image
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


def check_without(without: Any) -> None:
    """Whether a user tells how objects are taken away, by a `Without` for each name.

    Raises:
        InputError: if not.
    """
    if without is not None and not isinstance(without, Mapping):
        kind = type(without).__name__
        raise InputError(f"without is a dict of a function of images for each object, not a {kind}")
    for name, function in (without or {}).items():
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"without has a name for each object, not {name!r}")
        if not callable(function):
            told = one_line(repr(function))
            raise InputError(f"without has a function of images for each object, not {told}")


def _without(change: Change, image: np.ndarray) -> np.ndarray:
    """What the user's function makes of an image."""
    assert change.function is not None
    try:
        return np.asarray(change.function(image))
    except Exception as error:  # whatever the user's own code raises
        reason = one_line(error) or type(error).__name__
        raise InputError(
            f"the function that takes {change.subject} away fails: {reason}"
        ) from error


def _images(moment: AskedMoment, changes: Sequence[Change]) -> list[tuple[Change, np.ndarray]]:
    """What changes by one method show, uint8 (H, W, C) each, without those that are refused."""

    def ask(there: bool) -> list[np.ndarray | InputError]:
        return [_attempt(moment, each, there) for each in changes]

    method = next((each.method for each in changes), "")
    images = moment.answer(f"{method}()", ask) if method else ask(there=True)
    found = []
    for change, image in zip(changes, images, strict=True):
        if isinstance(image, InputError):
            moment.refused.note(change.name, image)
        else:
            found.append((change, image))
    return found


def _attempt(moment: AskedMoment, change: Change, there: bool) -> np.ndarray | InputError:
    try:
        return drawn(moment.situations, moment.place, change, there=there)
    except InputError as error:
        return error


def _mask(moment: AskedMoment, name: str, differs: np.ndarray) -> np.ndarray:
    """An object's pixels; those that change without it where the world tells no such mask."""
    situations = moment.situations
    world = situations.world.environment

    def ask(there: bool) -> np.ndarray:
        return mask_of(world if there else situations.at(moment.place), name, differs.shape)

    if situations.offers("object_mask"):
        asked = f"object_mask() of {name}"
        with moment.refused.noted(asked):
            return moment.answer(asked, ask)
    return differs


def _words(situations: Situations, place: int, refused: Refusals) -> dict[str, Any]:
    """The names of what can be changed in a moment, to which the world is brought."""
    found: dict[str, Any] = {"objects": (), "colours": (), "surfaces": {}}
    if situations.form:
        situations.at(place)
    for method in found:
        if situations.offers(method):
            with refused.noted(f"{method}()"):
                found[method] = answer_of(situations.world.environment, method)
    return found


def _changes(
    situations: Situations,
    place: int,
    account: Account,
    words: Mapping[str, Any],
    quick: bool,
) -> Iterator[Change]:
    """Those that the world draws."""
    objects = words["objects"]
    if situations.offers("without"):
        for name in objects:
            yield Change(name, REMOVED, "", "without", (name,))
    if situations.offers("recoloured", "colours"):
        for name in objects:
            for colour in words["colours"][:: 2 if quick else 1]:
                yield Change(name, RECOLOURED, colour, "recoloured", (name, colour))
    if situations.offers("resurfaced", "surfaces"):
        for surface, textures in words["surfaces"].items():
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
