"""A recording: episodes with every frame, number and heatmap, in a Zarr v3 store.

    recording.zarr             attributes: environment, policy, actions, methods, …, episodes
      episode_0000             attributes: seed, steps, total_reward, outcome, …
        observation            (time, y, x, channel)        uint8
        render                 (time, render_y, render_x, colour)   uint8
        action_taken           (time), or (time, dimension) where an action has several entries
        reward, value          (time)
        context_<name>         (time, …), what the policy knew besides the image
        logit, probability     (time, action), no probability for continuous actions
        info_<key>             (time, …)
        heatmaps/<method>      (time, action, y, x)         float32
        target_value           (time, target), where targets were named; heatmaps have that axis

Dimensions are named, so xarray opens every group as it is. An episode is written whole before the
index names it: after a crash every episode of the index is there and readable.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.errors import GroupNotFoundError
from zarr.storage import MemoryStore

from rlvis.actions import ActionDistribution, Categorical, from_record
from rlvis.errors import InputError
from rlvis.explanation import Explanation
from rlvis.files import write_error
from rlvis.rollout import Episode

FORMAT, VERSION = "rlvis-recording", 1


@dataclass(frozen=True)
class MethodRecord:
    """How one set of heatmaps was made."""

    name: str
    layer: str | None
    signed: bool
    frame: int | None = None


@dataclass(frozen=True)
class Targets:
    """What the heatmaps of an episode explain, where that is not each action.

    Attributes:
        names: T lists of n names, of what a target means at each step ("left - right").
        values: float32 (T, n).
    """

    names: list[list[str]]
    values: np.ndarray


@dataclass(frozen=True)
class Header:
    """What all episodes of a recording share.

    Attributes:
        environment: its id.
        policy: its name.
        actions: the names of the policy's scores.
        methods: how the heatmaps were made.
        distribution: how actions were drawn.
        frames: how many frames are stacked in the channels of an observation, the latest last.
        wrappers: put around the environment by name, the innermost first.
        targets: what heatmaps explain, as it was asked for; empty where it is every action.
    """

    environment: str
    policy: str
    actions: list[str]
    methods: list[MethodRecord]
    distribution: ActionDistribution
    frames: int = 1
    wrappers: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """The header as JSON holds it."""
        return {**asdict(self), "distribution": self.distribution.record()}


class Recording:
    """Episodes of a policy with their heatmaps, read from the store when asked for.

    Make one with `rlvis.record`, open one with `Recording.open`.
    """

    def __init__(self, root: zarr.Group, path: Path | None) -> None:
        self._root = root
        self.path = path

    @classmethod
    def create(
        cls, path: str | Path | None, header: Header, *, overwrite: bool = False
    ) -> "Recording":
        """An empty recording, in memory where no path is given.

        Raises:
            InputError: if something else than an old recording is there, or one is and `overwrite`
                is False, or the folder cannot be written.
        """
        store: MemoryStore | str = MemoryStore()
        if path is not None:
            path = Path(path)
            _make_room(path, overwrite)
            store = str(path)
        try:
            root = zarr.create_group(store)
            attributes = {"format": FORMAT, "version": VERSION, **header.record(), "episodes": []}
            root.attrs.update(attributes)
        except OSError as error:
            raise write_error(path or "the recording", error) from None
        return cls(root, path)

    @classmethod
    def open(cls, path: str | Path) -> "Recording":
        """A recording on disk.

        Raises:
            InputError: if there is none at that path.
        """
        try:
            root = zarr.open_group(str(path), mode="r")
        except (GroupNotFoundError, FileNotFoundError, NotADirectoryError, ValueError):
            root = None
        if root is None or root.attrs.get("format") != FORMAT:
            raise InputError(f"{path} is no recording; make one with: rlvis record --out {path}")
        return cls(root, Path(path))

    @property
    def header(self) -> Header:
        """Environment, policy, action names and methods, and how actions were drawn."""
        attributes: dict[str, Any] = dict(self._root.attrs)
        methods = [MethodRecord(**each) for each in attributes["methods"]]
        actions, distribution = attributes["actions"], attributes.get("distribution")
        return Header(
            attributes["environment"],
            attributes["policy"],
            actions,
            methods,
            from_record(distribution) if distribution else Categorical(len(actions)),
            attributes.get("frames", 1),
            attributes.get("wrappers", []),
            attributes.get("targets", []),
        )

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
        counts: list[Any] = [self._group(number).attrs["steps"] for number in chosen]
        return sum(counts)

    def append(self, episode: Episode, explanations: Sequence[Explanation]) -> None:
        """Write an episode and its heatmaps whole, then name it in the index.

        Raises:
            InputError: if the disk is full or may not be written; earlier episodes stay readable.
        """
        name = f"episode_{len(self):04d}"
        try:
            self._write(self._root.create_group(name, overwrite=True), episode, explanations)
            self._root.attrs["episodes"] = [*self.index, name]
        except OSError as error:
            raise write_error(self.path or "the recording", error) from None

    def _write(
        self, group: zarr.Group, episode: Episode, explanations: Sequence[Explanation]
    ) -> None:
        group.attrs.update(
            seed=episode.seed,
            steps=len(episode),
            total_reward=episode.total_reward,
            terminated=episode.terminated,
            truncated=episode.truncated,
            success=episode.success,
            outcome=episode.outcome,
        )
        _save(group, "observation", episode.observations, "y", "x", "channel")
        if episode.renders is not None:
            _save(group, "render", episode.renders, "render_y", "render_x", "colour")
        _save(group, "action_taken", episode.actions, *["dimension"] * (episode.actions.ndim - 1))
        _save(group, "reward", episode.rewards)
        _save(group, "value", episode.values)
        _save(group, "logit", episode.logits, "action")
        if np.isfinite(episode.probabilities).all():
            _save(group, "probability", episode.probabilities, "action")
        for kind, columns in (("context", episode.context), ("info", episode.info)):
            for key, column in columns.items():
                axes = [f"{kind}_{key}_{axis}" for axis in range(column.ndim - 1)]
                _save(group, f"{kind}_{key}", column, *axes)
        heatmaps = group.create_group("heatmaps")
        explained = "target" if self.header.targets else "action"
        for explanation in explanations:
            _save(heatmaps, explanation.method, explanation.heatmaps, explained, "y", "x")
        if self.header.targets:
            group.attrs["targets"] = explanations[0].targets
            _save(group, "target_value", explanations[0].scores, "target")

    def episode(self, number: int) -> Episode:
        """The episode of that number, without its heatmaps.

        Raises:
            InputError: if there is none.
        """
        group = self._group(number)
        arrays = {name: np.asarray(array[...]) for name, array in group.arrays()}
        attributes: dict[str, Any] = dict(group.attrs)
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

    def targets(self, number: int) -> Targets | None:
        """What the heatmaps of an episode explain, None where it is each action."""
        group = self._group(number)
        names: Any = group.attrs.get("targets")
        values: Any = group.get("target_value")
        return Targets(names, np.asarray(values[...])) if names else None

    def heatmaps(self, number: int, method: str) -> np.ndarray:
        """The heatmaps of an episode by one method, of actions or targets: float32 (T, K, H, W)."""
        array: Any = self._group(number)["heatmaps"][method]  # type: ignore[index]
        return np.asarray(array[...])

    def _group(self, number: int) -> zarr.Group:
        index = self.index
        if not 0 <= number < len(index):
            raise InputError(
                f"no episode {number}; the recording has {len(index)}, numbered from 0"
            )
        group = self._root[index[number]]
        assert isinstance(group, zarr.Group)
        return group

    def to_video(self, path: str | Path, **options: Any) -> Path:
        """Write the annotated video (MP4) or animation (GIF); see `rlvis.display.video`."""
        from rlvis.display.film import film

        return film(self, path, **options)


def _named(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays under a prefix, without it."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _save(group: zarr.Group, name: str, array: np.ndarray, *axes: str) -> None:
    chunk = max(1, min(len(array), 2**22 // max(1, array[0].nbytes)))
    group.create_array(
        name,
        data=np.ascontiguousarray(array),
        chunks=(chunk, *array.shape[1:]),
        dimension_names=("time", *axes),
    )


def _make_room(path: Path, overwrite: bool) -> None:
    """Refuse what is there, or clear an old recording away."""
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    try:
        Recording.open(path)
    except InputError:
        raise InputError(f"{path} exists and is no recording; write somewhere else") from None
    if not overwrite:
        raise InputError(
            f"{path} holds a recording already; write somewhere else, or say --overwrite"
        )
    shutil.rmtree(path)
