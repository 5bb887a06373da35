"""The maps of a recorded episode, read a few steps at a time and brought to the images' size."""

from dataclasses import dataclass

import numpy as np

from rlvis.attribution.explanation import Explanation
from rlvis.attribution.heatmaps import placed_maps
from rlvis.images.places import Places
from rlvis.images.preprocess import Window
from rlvis.rollouts.episode import EpisodeNumbers, against_the_best
from rlvis.rollouts.header import Header, MethodRecord, Targets
from rlvis.rollouts.stored_episode import StoredEpisode
from rlvis.rollouts.zarr_array import StoredArray

_ALL = slice(None)


class MethodMaps:
    """The maps of one method over T steps: `shape` and slices are those of the heatmaps.

    Behind those of the actions comes that of their contrast, if it was recorded.

    Args:
        stored: where they are.
        header: of the recording.
        method: the name of one of its methods.
        numbers: of the episode.
        size: height and width of the images.
    """

    def __init__(
        self,
        stored: StoredEpisode,
        header: Header,
        method: str,
        numbers: EpisodeNumbers,
        size: tuple[int, int],
    ) -> None:
        self._maps = stored.open(f"heatmaps/{method}")
        self._contrasts: StoredArray | None = None
        self._pairs: np.ndarray | None = None
        if header.contrast and f"contrasts/{method}" in stored:
            self._contrasts = stored.open(f"contrasts/{method}")
        elif header.contrast:
            self._pairs = against_the_best(numbers)
        self._size = size
        self.window = _window(stored, method, size)
        steps, columns = self._maps.shape[:2]
        self.places = _places(stored, method, columns + header.contrast, self._maps.shape[-2:])
        self.shape = (steps, columns + header.contrast, *size)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, steps: slice) -> np.ndarray:
        """Heatmaps at the images' resolution, float32 (n, K, H, W)."""
        return placed_maps(self.own(steps), self.window, *self._size, self.places)

    def own(self, steps: slice) -> np.ndarray:
        """Maps at their own resolution, float32 (n, K, h, w)."""
        maps = self._maps[steps]
        if self._contrasts is not None:
            return np.concatenate([maps, self._contrasts[steps][:, None]], axis=1)
        if self._pairs is None:
            return maps
        first, second = (maps[np.arange(len(maps)), each] for each in self._pairs[steps].T)
        return np.concatenate([maps, (first - second)[:, None]], axis=1)


@dataclass(frozen=True)
class EpisodeExplanations:
    """What was found out of an episode besides its maps, and these by method.

    Attributes:
        stored: where it is.
        header: of the recording, or of what was found out later.
        numbers: of the episode.
        size: height and width of the images.
    """

    stored: StoredEpisode
    header: Header
    numbers: EpisodeNumbers
    size: tuple[int, int]

    def maps(self, method: str) -> MethodMaps:
        """The maps of a method.

        Raises:
            InputError: if they are damaged.
        """
        return MethodMaps(self.stored, self.header, method, self.numbers, self.size)

    def targets(self) -> Targets | None:
        """What the maps explain, None where it is each action."""
        stored, attributes = self.stored, self.stored.attributes
        if "target_value" not in stored:
            return None
        if "target_name" not in stored:
            return Targets(attributes["targets"], stored.read("target_value"))
        known, numbers = attributes.get("target_names", []), stored.read("target_name")
        if numbers.size and int(numbers.max()) >= len(known):
            raise stored.damaged("its targets are not all there")
        names = [[str(known[each]) for each in row] for row in numbers]
        return Targets(names, stored.read("target_value"))

    def contrast(self) -> Targets | None:
        """What the contrasts explain, None where they are not recorded."""
        if not self.header.contrast:
            return None
        numbers, actions = self.numbers, self.header.actions
        pairs, steps = against_the_best(numbers), np.arange(len(numbers))
        names = [
            [f"{actions[one]} - {actions[other]}" if one != other else f"{actions[one]} alone"]
            for one, other in pairs
        ]
        same = pairs[:, 0] == pairs[:, 1]
        first, second = (numbers.logits[steps, each] for each in pairs.T)
        return Targets(names, np.where(same, 0, first - np.where(same, 0, second))[:, None])

    def evidence(self, method: str) -> np.ndarray | None:
        """What the image adds to each score; see `RecordedEpisodes.evidence`."""
        name = f"evidence/{method}"
        return self.stored.read(name) if name in self.stored else None

    def notes(self, method: str) -> list[list[list[str]]]:
        """What pictures should say beside the maps; see `RecordedEpisodes.notes`."""
        stored, name = self.stored, f"notes/{method}"
        if name not in stored:
            columns = len(self.header.targets or self.header.actions) + self.header.contrast
            return [[[] for _ in range(columns)] for _ in range(stored.steps)]
        known, numbers = ["", *stored.attributes.get("notes", [])], stored.read(name)
        if numbers.size and int(numbers.max()) >= len(known):
            raise stored.damaged("its notes are not all there")
        return [[str(known[each]).split("\n") if each else [] for each in row] for row in numbers]

    def explanation(self, method: MethodRecord, images: np.ndarray, steps: slice) -> Explanation:
        """The explanation of some steps.

        Args:
            method: one of the header's.
            images: what was seen at them, uint8 (n, H, W, C).
            steps: which they are.
        """
        header, numbers, maps = self.header, self.numbers, self.maps(method.name)
        targets = self.targets() or _with(self.contrast(), header.actions, numbers.logits)
        evidence = self.evidence(method.name)
        columns = targets.values.shape[1]
        units = [header.units[0]] * columns if not header.targets and header.units else header.units
        return Explanation(
            images=images,
            maps=maps.own(steps),
            window=maps.window,
            places=maps.places,
            scores=targets.values[steps],
            targets=targets.names[steps],
            logits=numbers.logits[steps],
            labels=tuple(header.actions),
            kind=header.distribution,
            value=None if np.isnan(numbers.values).any() else numbers.values[steps],
            method=method.name,
            signed=method.signed,
            model=header.policy,
            layer=method.layer,
            frames=header.frames,
            frame=method.frame,
            one_sided=method.one_sided,
            unit=header.unit_of(method, 0) or "score",
            units=tuple(header.unit_of(method, each) or "score" for each in range(columns)),
            score_units=tuple(units),
            caveat=method.caveat,
            adds_up=() if evidence is None else tuple(np.isfinite(evidence).any(axis=0).tolist()),
        )


def _window(stored: StoredEpisode, method: str, size: tuple[int, int]) -> Window:
    """The part of the images that the maps of a method are of."""
    windows = stored.attributes.get("windows")
    given = windows.get(method) if isinstance(windows, dict) else None
    if given is None:
        return Window(0, 0, *size)
    kinds = [type(each) for each in given] if isinstance(given, list) else []
    if kinds not in ([int] * 4, [int] * 4 + [bool] * 3) or min(given[2:4]) < 1:
        raise stored.damaged(f"the maps of {method} are of no part of the images")
    window = Window(*given)
    if any(seen.stop <= seen.start for seen in window.inside(*size)):
        raise stored.damaged(f"the maps of {method} are of no part of the images")
    return window


def _places(
    stored: StoredEpisode, method: str, columns: int, grid: tuple[int, ...]
) -> tuple[Places, ...]:
    """Where the cells of each column of a method's maps look; () where they divide images evenly.

    A contrast's are those of the actions that it is between.
    """
    places = stored.attributes.get("places")
    given = places.get(method) if isinstance(places, dict) else None
    if given is None:
        return ()
    try:
        found = [Places.from_record(each) for each in given]
    except (ValueError, TypeError):
        found = []
    if not columns - 1 <= len(found) <= columns or any(each.grid != tuple(grid) for each in found):
        raise stored.damaged(f"where the maps of {method} look is not recorded")
    return (*found, *found[: columns - len(found)])


def _with(contrast: Targets | None, actions: list[str], logits: np.ndarray) -> Targets:
    """The actions as targets, and their contrast behind them."""
    if contrast is None:
        return Targets([actions] * len(logits), logits)
    names = [[*actions, *row] for row in contrast.names]
    return Targets(names, np.concatenate([logits, contrast.values], axis=1).astype(np.float32))
