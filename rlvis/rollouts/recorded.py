"""Recorded episodes as they are read; `rlvis.rollouts.recording` says what a recording holds."""

import os
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from rlvis.errors import InputError, Notice
from rlvis.models.policy import Policy
from rlvis.rollouts.contents import PICTURE_CODE, picture_codes
from rlvis.rollouts.episode import Episode, EpisodeNumbers
from rlvis.rollouts.header import Header, Targets
from rlvis.rollouts.recorded_maps import EpisodeExplanations
from rlvis.rollouts.states import FORMS
from rlvis.rollouts.stepper import outcome_word
from rlvis.rollouts.store import DamageError, Folder, Place, read_attributes
from rlvis.rollouts.stored_episode import StoredEpisode
from rlvis.rollouts.zarr_array import StoredArray

if TYPE_CHECKING:
    pass

FORMAT, VERSION = "rlvis-recording", 4
"""Of version 1 were recordings without checksums, which left chunks of zeros out; of version 2
those without contrasts, evidence, notes and units; of version 3 those with heatmaps at the
resolution of the images, an array for each number, and an index that names every episode."""

EPISODE = re.compile(r"episode_([0-9]{4,9})")
_ALL = slice(None)
_MOST_EPISODES = 10**6


class RecordedEpisodes:
    """Episodes of a policy with their heatmaps, read from the store when asked for.

    Args:
        place: where they are.
        header: what they share.
        numbers: those in the names of the episodes that are whole, in order.
        version: of the store.
        path: of the recording, None in memory.
    """

    def __init__(
        self,
        place: Place,
        header: Header,
        numbers: Sequence[int] = (),
        version: int = VERSION,
        path: Path | None = None,
    ) -> None:
        self._place, self._version = place, version
        self._numbers = list(numbers)
        self._opened: dict[int, StoredEpisode] = {}
        self._policy: Policy | None = None
        self.header = header
        self.path = path

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """A recording on disk.

        Raises:
            InputError: if there is none at that path, or it is damaged or of a newer version.
        """
        path = Path(path)
        place = Folder(path)
        try:
            attributes = read_attributes(place)
        except DamageError as error:
            reason = f" ({error})" if os.path.exists(path / "zarr.json") else ""
            raise _no_recording(path, reason) from None
        if attributes.get("format") != FORMAT:
            raise _no_recording(path)
        version = attributes.get("version")
        if type(version) is not int or not 1 <= version <= VERSION:
            raise InputError(
                f"{path} is of version {version!r}, and this rlvis reads up to {VERSION}; update it"
            )
        try:
            header = Header.from_record(attributes)
            numbers = _read_index(attributes.get("episodes"))
        except ValueError as error:
            raise InputError(f"{path} is damaged: {error}; record it again") from None
        return cls(place, header, numbers, version, path)

    @property
    def title(self) -> str:
        """What errors call it."""
        return str(self.path or "the recording")

    @property
    def index(self) -> list[str]:
        """The names of the finished episodes."""
        return [episode_name(each) for each in self._numbers]

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[Episode]:
        return (self.episode(number) for number in range(len(self)))

    def steps(self, numbers: Sequence[int] | None = None) -> int:
        """The steps of these episodes together, of all when left out."""
        chosen = range(len(self)) if numbers is None else numbers
        return sum(self._stored(number).steps for number in chosen)

    @property
    def outcomes(self) -> list[str]:
        """How the episodes ended, each in a word or two."""
        told = (self._stored(number).attributes for number in range(len(self)))
        return [
            outcome_word(each["terminated"], each["truncated"], each["success"]) for each in told
        ]

    @property
    def successes(self) -> list[bool | None]:
        """Whether each episode ended well, None where that is not defined."""
        return [self._stored(number).attributes["success"] for number in range(len(self))]

    def readable(self) -> list[int]:
        """The numbers of the episodes that are whole; of the others a `Notice` says what is wrong.

        Raises:
            InputError: if there is none.
        """
        damaged = self.damage()
        for line in damaged.values():
            warnings.warn(line, Notice, stacklevel=2)
        if len(damaged) == len(self):
            raise InputError(f"{self.title} has no finished episode that can be read; record one")
        return [number for number in range(len(self)) if number not in damaged]

    def damage(self) -> dict[int, str]:
        """Of damaged episodes, by their numbers, what is wrong with each."""
        found = {}
        for number in range(len(self)):
            try:
                self._stored(number).check()
                self.numbers(number)
                for method in self.header.methods:
                    self.explanations(number).maps(method.name)
            except InputError as error:
                found[number] = str(error)
        return found

    def numbers(self, number: int) -> EpisodeNumbers:
        """The numbers of an episode, without what was seen: quick to read.

        Raises:
            InputError: if there is none, or it is damaged.
        """
        stored = self._stored(number)
        return EpisodeNumbers(**self._numbers_of(stored))

    def all_numbers(self, episodes: Sequence[int] | None = None) -> dict[int, EpisodeNumbers]:
        """The numbers of episodes, by theirs.

        Args:
            episodes: which; when left out all that have them whole, and a `Notice` says of the
                others what is wrong.

        Raises:
            InputError: if one that was named does not exist or is damaged, or none is whole.
        """
        if episodes is not None:
            return {number: self.numbers(number) for number in episodes}
        found = {}
        for number in range(len(self)):
            try:
                found[number] = self.numbers(number)
            except InputError as error:
                warnings.warn(str(error), Notice, stacklevel=2)
        if not found:
            raise InputError(f"{self.title} has no finished episode that can be read; record one")
        return found

    def picture_codes(self, number: int) -> np.ndarray:
        """Uint32 (T,): equal for equal pictures of what was seen.

        Raises:
            InputError: if there is no such episode, or it is damaged.
        """
        stored = self._stored(number)
        if PICTURE_CODE in stored:
            return stored.read(PICTURE_CODE)
        return picture_codes(stored.read("observation"))

    def episode(self, number: int) -> Episode:
        """The episode of that number, without its heatmaps.

        Raises:
            InputError: if there is none, or it is damaged; the others can still be read.
        """
        return self._episode_of(self._stored(number))

    def _episode_of(self, stored: StoredEpisode) -> Episode:
        return Episode(
            **self._numbers_of(stored),
            observations=stored.read("observation"),
            renders=stored.read("render") if "render" in stored else None,
            context=stored.named("context_"),
        )

    def _numbers_of(self, stored: StoredEpisode) -> dict[str, Any]:
        attributes = stored.attributes
        return {
            "seed": attributes["seed"],
            "actions": stored.read("action_taken"),
            "rewards": stored.read("reward"),
            "logits": stored.read("logit"),
            "values": stored.read("value"),
            "info": stored.named("info_"),
            "terminated": attributes["terminated"],
            "truncated": attributes["truncated"],
            "success": attributes["success"],
            "distribution": self.header.distribution,
        }

    def states(self, number: int) -> list[Any] | None:
        """The environment's state before each step, as its `get_state` gave it.

        None where there are none (`header.no_states` says why).

        Raises:
            InputError: if there is no such episode, or it is damaged.
        """
        return self._states(number, _ALL)

    def state(self, number: int, step: int) -> Any:
        """The environment's state before one step, read without the others; see `states`.

        Raises:
            InputError: if there is no such episode or step, or it is damaged.
        """
        found = self._states(number, slice(self.check_step(number, step), step + 1))
        return found and found[0]

    def _states(self, number: int, steps: slice) -> list[Any] | None:
        stored, form = self._stored(number), FORMS.get(self.header.states)
        if form is None:
            return None
        try:
            return [form.unpack(each) for each in stored.states(steps)]
        except (ValueError, RecursionError):
            raise stored.damaged("its states cannot be read") from None

    def check_step(self, number: int, step: int) -> int:
        """The step of an episode.

        Raises:
            InputError: if there is no such one.
        """
        steps = self._stored(number).steps
        if not 0 <= step < steps:
            raise InputError(f"no step {step} in episode {number}; it has {steps}, numbered from 0")
        return step

    def observations(self, number: int, steps: slice = _ALL) -> np.ndarray:
        """What was seen at steps of an episode, uint8 (n, H, W, C), read without the others.

        Raises:
            InputError: if there is no such episode, or it is damaged.
        """
        return self._stored(number).read("observation", steps)

    def pictures(self, number: int) -> StoredArray:
        """What was seen in an episode, uint8 (T, H, W, C), read as it is asked for.

        Raises:
            InputError: if there is no such episode, or it is damaged.
        """
        return self._stored(number).open("observation")

    def explanations(self, number: int) -> EpisodeExplanations:
        """What was found out of an episode when it was recorded, read part by part.

        Raises:
            InputError: if there is no such episode, or it is damaged.
        """
        stored = self._stored(number)
        height, width = stored.open("observation").shape[1:3]
        return EpisodeExplanations(stored, self.header, self.numbers(number), (height, width))

    def targets(self, number: int) -> Targets | None:
        """What the heatmaps of an episode explain, None where it is each action."""
        return self.explanations(number).targets()

    def heatmaps(self, number: int, method: str) -> np.ndarray:
        """The heatmaps of an episode by one method, of actions or targets: float32 (T, K, H, W).

        Raises:
            InputError: if there is no such episode, or it is damaged.
        """
        maps = self.explanations(number).maps(method)[_ALL]
        return maps[:, :-1] if self.header.contrast else maps

    def contrast_heatmaps(self, number: int, method: str) -> np.ndarray | None:
        """Heatmaps of the action taken less the best of the others, float32 (T, H, W).

        None where it is not recorded, as of targets.

        Raises:
            InputError: if there is no such episode, or it is damaged.
        """
        if not self.header.contrast:
            return None
        return self.explanations(number).maps(method)[_ALL][:, -1]

    def contrast(self, number: int) -> Targets | None:
        """What `contrast_heatmaps` explain, None where it is not recorded."""
        return self.explanations(number).contrast()

    def evidence(self, number: int, method: str) -> np.ndarray | None:
        """What the image adds to each score, as the sum of its heatmap: float32 (T, n).

        The rest of the score is the head's bias. After the actions comes the contrast, if it is
        recorded. NaN where maps do not sum to that, None where they never do for this method.
        """
        return self.explanations(number).evidence(method)

    def notes(self, number: int, method: str) -> list[list[list[str]]]:
        """What a picture of each heatmap should say beside it; see `Explanation.notes`.

        There are notes for T steps and n columns, as in `evidence`; none in recordings of before.
        """
        return self.explanations(number).notes(method)

    def _stored(self, number: int) -> StoredEpisode:
        if not 0 <= number < len(self):
            raise InputError(f"no episode {number}; the recording has {len(self)}, numbered from 0")
        stored = self._opened.get(number)
        if stored is None:
            place = self._place.inner(episode_name(self._numbers[number]))
            title = f"episode {number} of {self.title}"
            stored = self._opened[number] = StoredEpisode(place, title, self._version != 1)
        return stored


def episode_name(number: int) -> str:
    """The folder of an episode."""
    return f"episode_{number:04d}"


def as_ranges(numbers: Sequence[int]) -> list[list[int]]:
    """Ascending numbers as runs, the first of each and the one behind its last."""
    runs: list[list[int]] = []
    for each in numbers:
        if runs and runs[-1][1] == each:
            runs[-1][1] += 1
        else:
            runs.append([each, each + 1])
    return runs


def _read_index(given: Any) -> list[int]:
    """The numbers of the episodes in an index: runs of numbers, or their names.

    Raises:
        ValueError: if it is none.
    """
    numbers: list[int] = []
    for each in given if isinstance(given, list) else [None]:
        named = EPISODE.fullmatch(each) if isinstance(each, str) else None
        run = [int(named[1]), int(named[1]) + 1] if named else each
        if not isinstance(run, list) or [type(end) for end in run] != [int, int]:
            raise ValueError("its index of episodes is none")
        if not (numbers[-1] if numbers else -1) < run[0] < run[1] <= _MOST_EPISODES:
            raise ValueError("its index of episodes is none")
        numbers += range(*run)
    return numbers


def _no_recording(path: Path, reason: str = "") -> InputError:
    return InputError(f"{path} is no recording{reason}; make one with: rlvis record --out {path}")
