"""Recorded episodes: a Zarr store as it is read; `rlvis.rollouts.recording` says what it holds."""

import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import zarr

from rlvis.attribution.engine import Methods
from rlvis.attribution.explanation import Explanations
from rlvis.errors import InputError, Notice
from rlvis.models.policy import Policy
from rlvis.models.targets import TargetLike
from rlvis.rollouts.episode import Episode, EpisodeNumbers, against_the_best
from rlvis.rollouts.header import Header, Targets
from rlvis.rollouts.store import DamageError, read_attributes
from rlvis.rollouts.stored_episode import StoredEpisode

if TYPE_CHECKING:
    from gymnasium import Env

FORMAT, VERSION = "rlvis-recording", 3
"""Of version 1 were recordings without checksums, which left chunks of zeros out; of version 2
those without contrasts, evidence, notes and units."""

EPISODE = re.compile(r"episode_[0-9]{4,9}")


class RecordedEpisodes:
    """Episodes of a policy with their heatmaps, read from the store when asked for."""

    def __init__(self, root: zarr.Group, header: Header, path: Path | None = None) -> None:
        self._root = root
        self._opened: dict[int, StoredEpisode] = {}
        self.header = header
        self.path = path

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """A recording on disk.

        Raises:
            InputError: if there is none at that path, or it is damaged or of a newer version.
        """
        path = Path(path)
        try:
            attributes = read_attributes(path)
        except DamageError as error:
            reason = f" ({error})" if os.path.exists(path / "zarr.json") else ""
            raise _no_recording(path, reason) from None
        if attributes.get("format") != FORMAT:
            raise _no_recording(path)
        version, names = attributes.get("version"), attributes.get("episodes")
        if version not in range(1, VERSION + 1):
            raise InputError(
                f"{path} is of version {version!r}, and this rlvis reads up to {VERSION}; update it"
            )
        try:
            header = Header.from_record(attributes)
        except ValueError as error:
            raise InputError(f"{path} is damaged: {error}; record it again") from None
        if not isinstance(names, list) or not all(EPISODE.fullmatch(str(each)) for each in names):
            raise InputError(f"{path} is damaged: its index of episodes is none; record it again")
        return cls(zarr.open_group(str(path), mode="r", zarr_format=3), header, path)

    @property
    def index(self) -> list[str]:
        """The names of the finished episodes."""
        names: Any = self._root.attrs["episodes"]
        return list(names)

    def __len__(self) -> int:
        return len(self.index)

    def __iter__(self) -> Iterator[Episode]:
        return (self.episode(number) for number in range(len(self)))

    def steps(self, numbers: Sequence[int] | None = None) -> int:
        """The steps of these episodes together, of all when left out."""
        chosen = range(len(self)) if numbers is None else numbers
        return sum(self._stored(number).attributes["steps"] for number in chosen)

    def readable(self) -> list[int]:
        """The numbers of the episodes that are whole; of the others a `Notice` says what is wrong.

        Raises:
            InputError: if there is none.
        """
        damaged = self.damage()
        for line in damaged.values():
            warnings.warn(line, Notice, stacklevel=2)
        if len(damaged) == len(self):
            raise InputError(
                f"{self.path or 'the recording'} has no finished episode that can be read; "
                "record one first"
            )
        return [number for number in range(len(self)) if number not in damaged]

    def damage(self) -> dict[int, str]:
        """Of damaged episodes, by their numbers, what is wrong with each."""
        found = {}
        for number in range(len(self)):
            try:
                self.episode(number)
                stored = self._stored(number)
                maps = [f"heatmaps/{each.name}" for each in self.header.methods]
                for name in dict.fromkeys([*maps, *stored.attributes["arrays"]]):
                    if "/" in name:
                        stored.read(name)
            except InputError as error:
                found[number] = str(error)
        return found

    def episode(self, number: int) -> Episode:
        """The episode of that number, without its heatmaps.

        Raises:
            InputError: if there is none, or it is damaged; the others can still be read.
        """
        stored = self._stored(number)
        attributes = stored.attributes
        arrays = {name: stored.read(name) for name in attributes["arrays"] if "/" not in name}
        try:
            return Episode(
                seed=attributes["seed"],
                observations=arrays["observation"],
                renders=arrays.get("render"),
                actions=arrays["action_taken"],
                rewards=arrays["reward"],
                logits=arrays["logit"],
                values=arrays["value"],
                context=_named(arrays, "context_"),
                info=_named(arrays, "info_"),
                terminated=attributes["terminated"],
                truncated=attributes["truncated"],
                success=attributes["success"],
                distribution=self.header.distribution,
            )
        except KeyError as missing:
            raise stored.damaged(f"{missing} is missing") from None

    def numbers(self, number: int) -> EpisodeNumbers:
        """The numbers of an episode, without what was seen: quick to read.

        Raises:
            InputError: if there is none, or it is damaged.
        """
        return self.episode(number)

    def states(self, number: int) -> list[Any] | None:
        """The environment's state before each step, as its `get_state` gave it.

        None where there are none (`header.no_states` says why).

        Raises:
            InputError: if there is no such episode, or it is damaged.
        """
        if not self.header.states:
            return None
        steps = self._stored(number).attributes["steps"]
        return [self.state(number, step) for step in range(steps)]

    def state(self, number: int, step: int) -> Any:
        """The environment's state before one step, read without the others; see `states`."""
        return None

    def renders(self, number: int, steps: slice = slice(None)) -> np.ndarray | None:
        """The environment's own view of steps, uint8 (n, h, w, 3): kept, or drawn from the states.

        None where it was not kept and cannot be drawn.
        """
        renders = self.episode(number).renders
        return None if renders is None else renders[steps]

    def explained(
        self,
        number: int,
        steps: slice = slice(None),
        methods: Methods | None = None,
        targets: TargetLike | Sequence[TargetLike] | None = None,
        *,
        layer: str | None = None,
        policy: Policy | None = None,
    ) -> Explanations:
        """Maps of steps of an episode: from the recording where they are there, else made now.

        Args:
            number: of the episode.
            steps: which of its steps.
            methods: those recorded when left out; where none is, the usual ones.
            targets: those recorded when left out, which are every action and "chosen" where
                nothing else was asked for.
            layer: for methods that read one.
            policy: the recorded one; found where it was loaded from when left out.

        Returns:
            An `Explanation` of the steps for each method, by its name.

        Raises:
            InputError: if there is no such episode, method or target, the policy is not there any
                more, or it is another than was recorded.
        """
        raise NotImplementedError

    def policy(self, given: Policy | None = None) -> Policy:
        """The policy that was recorded, its actions named as they were then.

        Args:
            given: it, where it is not to be found where it was loaded from.

        Raises:
            InputError: if it is not there any more, or another one.
        """
        raise NotImplementedError

    def make_environment(self, **options: Any) -> "Env":
        """The environment as it was when it was recorded, made anew.

        Args:
            options: of its constructor, besides those it had.

        Raises:
            InputError: if it cannot be made, or lies in a package that a file may not name.
        """
        raise NotImplementedError

    def targets(self, number: int) -> Targets | None:
        """What the heatmaps of an episode explain, None where it is each action."""
        stored = self._stored(number)
        names = stored.attributes.get("targets")
        return Targets(names, stored.read("target_value")) if names else None

    def heatmaps(self, number: int, method: str) -> np.ndarray:
        """The heatmaps of an episode by one method, of actions or targets: float32 (T, K, H, W).

        Raises:
            InputError: if there is no such episode, or it is damaged.
        """
        return self._stored(number).read(f"heatmaps/{method}")

    def contrast_heatmaps(self, number: int, method: str) -> np.ndarray | None:
        """Heatmaps of the action taken less the best of the others, float32 (T, H, W).

        None where it is not recorded, as of targets.

        Raises:
            InputError: if there is no such episode, or it is damaged.
        """
        if not self.header.contrast:
            return None
        stored, name = self._stored(number), f"contrasts/{method}"
        if name in stored:
            return stored.read(name)
        maps, pairs = self.heatmaps(number, method), against_the_best(self.episode(number))
        first, second = (maps[np.arange(len(maps)), each] for each in pairs.T)
        return first - second

    def contrast(self, number: int) -> Targets | None:
        """What `contrast_heatmaps` explain, None where it is not recorded."""
        if not self.header.contrast:
            return None
        episode, actions = self.episode(number), self.header.actions
        pairs, steps = against_the_best(episode), np.arange(len(episode))
        names = [
            [f"{actions[one]} - {actions[other]}" if one != other else f"{actions[one]} alone"]
            for one, other in pairs
        ]
        same = pairs[:, 0] == pairs[:, 1]
        first, second = (episode.logits[steps, each] for each in pairs.T)
        return Targets(names, np.where(same, 0, first - np.where(same, 0, second))[:, None])

    def evidence(self, number: int, method: str) -> np.ndarray | None:
        """What the image adds to each score, as the sum of its heatmap: float32 (T, n).

        The rest of the score is the head's bias. After the actions comes the contrast, if it is
        recorded. NaN where maps do not sum to that, None where they never do for this method.
        """
        stored, name = self._stored(number), f"evidence/{method}"
        return stored.read(name) if name in stored else None

    def notes(self, number: int, method: str) -> list[list[list[str]]]:
        """What a picture of each heatmap should say beside it; see `Explanation.notes`.

        There are notes for T steps and n columns, as in `evidence`; none in recordings of before.
        """
        stored, name = self._stored(number), f"notes/{method}"
        if name not in stored:
            columns = len(self.header.targets or self.header.actions)
            return [[[] for _ in range(columns)] for _ in range(stored.attributes["steps"])]
        known, numbers = ["", *stored.attributes.get("notes", [])], stored.read(name)
        if numbers.size and int(numbers.max()) >= len(known):
            raise stored.damaged("its notes are not all there")
        return [[str(known[each]).split("\n") if each else [] for each in row] for row in numbers]

    @property
    def _folder(self) -> Path | None:
        """Where the store lies, None in memory."""
        return self.path

    def _stored(self, number: int) -> StoredEpisode:
        index = self.index
        if not 0 <= number < len(index):
            raise InputError(
                f"no episode {number}; the recording has {len(index)}, numbered from 0"
            )
        folder = self._folder
        if number not in self._opened:
            self._opened[number] = StoredEpisode(
                self._root,
                index[number],
                folder and folder / index[number],
                self._root.attrs.get("version") != 1,
                f"episode {number} of {self.path or 'the recording'}",
            )
        return self._opened[number]


def _no_recording(path: Path, reason: str = "") -> InputError:
    return InputError(f"{path} is no recording{reason}; make one with: rlvis record --out {path}")


def _named(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays under a prefix, without it."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
