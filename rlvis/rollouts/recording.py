"""A recording: episodes with every frame, number and heatmap, in a Zarr v3 store.

    recording.zarr             attributes: environment, policy, actions, methods, …, episodes
      episode_0000             attributes: seed, steps, total_reward, outcome, …, arrays
        observation            (time, y, x, channel)        uint8
        render                 (time, render_y, render_x, colour)   uint8
        action_taken           (time), or (time, dimension) where an action has several entries
        reward, value          (time)
        context_<name>         (time, …), what the policy knew besides the image
        logit, probability     (time, action), no probability for continuous actions
        info_<key>             (time, …)
        heatmaps/<method>      (time, action, y, x)         float32
        contrasts/<method>     (time, y, x), of the action taken less the best of the others; left
                               out where it is the difference of two heatmaps
        evidence/<method>      (time, explained), of methods whose maps sum to what the image adds
                               to a score: that sum, for the actions and then the contrast
        notes/<method>         (time, explained)            uint8, an entry of the attribute notes:
                               what a picture of the heatmap should say beside it, from 1
        target_value           (time, target), where targets were named; heatmaps have that axis

Dimensions are named, so xarray opens every group as it is. A recording takes its place when its
first episode is whole, until then what was there stays; each episode is written whole before the
index names it: after a crash every episode of the index is there and readable. Chunks carry
checksums, and what is read is checked first (see `store`): a damaged episode is named, the
others can still be read.
"""

import os
import re
import secrets
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import MemoryStore

from rlvis.attribution.explanation import Explanation
from rlvis.errors import InputError, Notice
from rlvis.files import write_error
from rlvis.rollouts.contents import KINDS, contents
from rlvis.rollouts.episode import Episode, against_the_best
from rlvis.rollouts.header import Header, Targets
from rlvis.rollouts.store import DamageError, read_attributes
from rlvis.rollouts.stored_episode import StoredEpisode

FORMAT, VERSION = "rlvis-recording", 3
"""Of version 1 were recordings without checksums, which left chunks of zeros out; of version 2
those without contrasts, evidence, notes and units."""

_EPISODE = re.compile(r"episode_[0-9]{4,9}")


class Recording:
    """Episodes of a policy with their heatmaps, read from the store when asked for.

    Make one with `rlvis.record`, open one with `Recording.open`.
    """

    def __init__(self, root: zarr.Group, header: Header, path: Path | None = None) -> None:
        self._root = root
        self._built_in: Path | None = None
        self._opened: dict[int, StoredEpisode] = {}
        self.header = header
        self.path = path

    @classmethod
    def create(
        cls, path: str | Path | None, header: Header, *, overwrite: bool = False
    ) -> "Recording":
        """An empty recording, in memory where no path is given.

        It is built beside `path` and takes its place with its first episode.

        Raises:
            InputError: if something else than an old recording is there, or one is and `overwrite`
                is False, or the folder cannot be written.
        """
        attributes = {"format": FORMAT, "version": VERSION, **header.record(), "episodes": []}
        if path is None:
            return cls(zarr.create_group(MemoryStore(), attributes=attributes), header)
        path = Path(os.path.realpath(path))
        _check_room(path, overwrite)
        building = path.with_name(f".rlvis-{secrets.token_hex(8)}")
        try:
            recording = cls(zarr.create_group(str(building), attributes=attributes), header, path)
        except OSError as error:
            shutil.rmtree(building, ignore_errors=True)
            raise write_error(path, error) from None
        recording._built_in = building
        return recording

    @classmethod
    def open(cls, path: str | Path) -> "Recording":
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
        if not isinstance(names, list) or not all(_EPISODE.fullmatch(str(each)) for each in names):
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

    def append(self, episode: Episode, explanations: Sequence[Explanation]) -> None:
        """Write an episode and its heatmaps whole, then name it in the index.

        Raises:
            InputError: if the disk is full or may not be written; earlier episodes stay readable.
        """
        name = f"episode_{len(self):04d}"
        try:
            self._write(name, episode, explanations)
            self._root.attrs["episodes"] = [*self.index, name]
            if self._built_in is not None:
                self._take_place(self._built_in)
        except OSError as error:
            raise write_error(self.path or "the recording", error) from None

    def discard_if_empty(self) -> None:
        """Remove what was built where no episode came of it; what was there before is as it was."""
        if self._built_in is not None:
            shutil.rmtree(self._built_in, ignore_errors=True)

    def _take_place(self, built: Path) -> None:
        """Put the recording where it belongs, in place of an older one."""
        assert self.path is not None
        older = built.with_name(f"{built.name}-older")
        if self.path.exists():
            self.path.rename(older)
        built.rename(self.path)
        self._built_in = None
        self._opened.clear()
        self._root = zarr.open_group(str(self.path), mode="r+", zarr_format=3)
        shutil.rmtree(older, ignore_errors=True)

    def _write(self, name: str, episode: Episode, explanations: Sequence[Explanation]) -> None:
        attributes, arrays = contents(self.header, episode, explanations)
        attributes["arrays"] = list(arrays)
        group = self._root.create_group(name, overwrite=True, attributes=attributes)
        for kind in KINDS:
            group.create_group(kind)
        for array_name, (array, axes) in arrays.items():
            _save(group, array_name, array, axes)

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
        """What a picture of each heatmap should say beside it: for T steps and n columns, as in
        `evidence`, the notes of `Explanation.notes`; none in recordings of before."""
        stored, name = self._stored(number), f"notes/{method}"
        if name not in stored:
            columns = len(self.header.targets or self.header.actions)
            return [[[] for _ in range(columns)] for _ in range(stored.attributes["steps"])]
        known, numbers = ["", *stored.attributes.get("notes", [])], stored.read(name)
        if numbers.size and int(numbers.max()) >= len(known):
            raise stored.damaged("its notes are not all there")
        return [[str(known[each]).split("\n") if each else [] for each in row] for row in numbers]

    def _stored(self, number: int) -> StoredEpisode:
        index = self.index
        if not 0 <= number < len(index):
            raise InputError(
                f"no episode {number}; the recording has {len(index)}, numbered from 0"
            )
        folder = self._built_in or self.path
        if number not in self._opened:
            self._opened[number] = StoredEpisode(
                self._root,
                index[number],
                folder and folder / index[number],
                self._root.attrs.get("version") != 1,
                f"episode {number} of {self.path or 'the recording'}",
            )
        return self._opened[number]

    def to_video(self, path: str | Path, **options: Any) -> Path:
        """Write the annotated video (MP4) or animation (GIF); see `rlvis.display.video`."""
        from rlvis.rollouts.film.writing import film

        return film(self, path, **options)


def _no_recording(path: Path, reason: str = "") -> InputError:
    return InputError(f"{path} is no recording{reason}; make one with: rlvis record --out {path}")


def _named(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays under a prefix, without it."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _save(group: zarr.Group, name: str, array: np.ndarray, axes: Sequence[str]) -> None:
    chunk = max(1, min(len(array), 2**22 // max(1, array[0].nbytes)))
    group.create_array(
        name,
        data=np.ascontiguousarray(array),
        chunks=(chunk, *array.shape[1:]),
        compressors=[ZstdCodec(level=0), Crc32cCodec()],
        config={"write_empty_chunks": True},
        dimension_names=("time", *axes),
    )


def _check_room(path: Path, overwrite: bool) -> None:
    """Refuse to write where something else than an old recording is, or nothing can be."""
    try:
        if path.exists() and not (path.is_dir() and _is_recording(path)):
            raise InputError(f"{path} exists and is no recording; write somewhere else")
        if path.exists() and any(path.iterdir()) and not overwrite:
            raise InputError(
                f"{path} holds a recording already; write somewhere else, or say --overwrite"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise write_error(path, error) from None


def _is_recording(path: Path) -> bool:
    """Whether a folder holds a recording, be it damaged, and nothing else."""
    return all(
        each.name == "zarr.json" or each.name.endswith(".partial") or _EPISODE.fullmatch(each.name)
        for each in path.iterdir()
    )
