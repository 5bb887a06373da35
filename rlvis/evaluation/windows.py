"""What moves a network, found without knowing what is in its images: windows are swapped.

A window of an image is put to what another image shows there. Nothing is drawn that the network
has not seen, and nothing need be known of the world.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rlvis.evaluation.effects import divergence
from rlvis.evaluation.estimates import Estimate, mean, share
from rlvis.evaluation.parts import Parts, losses
from rlvis.evaluation.situations import Pictures
from rlvis.models.targets import Target
from rlvis.progress import OnProgress, Progress

DONORS, AVERAGED = 2, 4
"""So many other frames a window is taken from, in the scan and for the effect of a part."""
ROWS, COLUMNS = 4, 5


@dataclass(frozen=True)
class WindowScan:
    """What swapping each window does.

    Attributes:
        boxes: int (R * C, 4), top, left, bottom and right of each window in pixels.
        divergence: KL(π ‖ π′) of each, (R * C,) estimates.
        flips: the share of swaps after which another label is preferred, likewise.
        rows, columns: how many windows.
        pixels: height and width of the images.
    """

    boxes: np.ndarray = field(repr=False)
    divergence: Sequence[Estimate] = field(repr=False)
    flips: Sequence[Estimate] = field(repr=False)
    rows: int
    columns: int
    pixels: tuple[int, int]

    @property
    def strongest(self) -> int:
        """The window that moves the network most."""
        return int(np.argmax([each.value for each in self.divergence]))

    @property
    def alone(self) -> bool:
        """Whether one window moves it more than all others, by the whole of the intervals."""
        first = self.divergence[self.strongest]
        rest = [each for place, each in enumerate(self.divergence) if place != self.strongest]
        return first.sure and all(each.sure and each.high < first.low / 2 for each in rest)

    def where(self, window: int) -> str:
        """Which window, in words."""
        row, column = divmod(window, self.columns)
        across = _word(column, self.columns, ("left", "middle", "right"))
        down = _word(row, self.rows, ("top", "middle", "bottom"))
        return across if down == across else f"{down} {across}"

    def plain(self) -> dict[str, Any]:
        """It as JSON has it."""
        return {
            "rows": self.rows,
            "columns": self.columns,
            "kl": [each.plain() for each in self.divergence],
            "flips": [each.plain() for each in self.flips],
        }


def boxes_of(height: int, width: int, rows: int = ROWS, columns: int = COLUMNS) -> np.ndarray:
    """Int (R * C, 4): windows that cover an image of this size without overlap."""
    down = np.linspace(0, height, min(rows, height) + 1).round().astype(int)
    across = np.linspace(0, width, min(columns, width) + 1).round().astype(int)
    return np.array(
        [
            (top, left, bottom, right)
            for top, bottom in itertools.pairwise(down)
            for left, right in itertools.pairwise(across)
        ]
    )


def swapped(images: np.ndarray, donors: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Images (N, H, W, C) with one window as it is in other images of the same shape."""
    top, left, bottom, right = box.tolist()
    found = images.copy()
    found[:, top:bottom, left:right] = donors[:, top:bottom, left:right]
    return found


def scan_windows(pictures: Pictures, *, on_progress: OnProgress) -> WindowScan:
    """Swap every window of every image with other images of other episodes."""
    height, width = pictures.images.shape[1:3]
    boxes = boxes_of(height, width)
    rows = min(ROWS, height)
    donors = _donors(pictures.episodes)
    places = np.tile(np.arange(len(pictures)), len(donors))
    groups = pictures.episodes[places]
    far, flips = [], []
    for done, box in enumerate(boxes):
        images = np.concatenate(
            [swapped(pictures.images, pictures.images[each], box) for each in donors]
        )
        logits, _ = pictures.scores(images, places)
        before = pictures.logits[places]
        far.append(mean(divergence(before, logits, pictures.model.kind), groups, (0.0, np.inf)))
        flips.append(share(logits.argmax(axis=1) != before.argmax(axis=1), groups))
        on_progress(Progress("swapping windows", done + 1, len(boxes), "windows"))
    return WindowScan(boxes, far, flips, rows, len(boxes) // rows, (height, width))


def window_parts(pictures: Pictures, targets: Sequence[Target], per_image: int = 6) -> Parts:
    """Windows as parts of images, where nobody knows what is in them.

    Args:
        pictures: the images.
        targets: whose loss is measured.
        per_image: how many windows of each image, drawn by lot.
    """
    height, width = pictures.images.shape[1:3]
    boxes = boxes_of(height, width)
    lot, donors = np.random.default_rng(0), _donors(pictures.episodes, AVERAGED)
    count = min(per_image, len(boxes))
    chosen = [np.sort(lot.choice(len(boxes), count, replace=False)) for _ in pictures.images]
    places = np.repeat(np.arange(len(pictures)), count)
    windows = np.concatenate(chosen)
    masks = np.zeros((len(places), height, width), bool)
    for part, window in enumerate(windows):
        top, left, bottom, right = boxes[window].tolist()
        masks[part, top:bottom, left:right] = True
    own = pictures.images[places]
    before = pictures.logits[places], pictures.values[places]
    lost = []
    for donor in donors:
        without = np.where(masks[..., None], pictures.images[donor[places]], own)
        after = pictures.scores(without, places)
        lost.append(losses(pictures.model, targets, before, after))
    return Parts(
        pictures.images,
        pictures.episodes,
        [f"window {window + 1}" for window in windows],
        places,
        masks,
        np.mean(lost, axis=0),
        without,
        np.zeros(len(places), bool),
        "windows swapped with other images",
    )


def _donors(episodes: np.ndarray, count: int = DONORS) -> list[np.ndarray]:
    """For each image others, of other episodes where there are several."""
    lot = np.random.default_rng(1)
    found = []
    for _ in range(count):
        other = lot.integers(len(episodes), size=len(episodes))
        for _ in range(20):
            same = np.flatnonzero(episodes[other] == episodes)
            other[same] = lot.integers(len(episodes), size=len(same))
        found.append(other)
    return found


def _word(place: int, count: int, words: Sequence[str]) -> str:
    return words[min(len(words) - 1, int((place + 0.5) / count * len(words)))]
