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
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import MemoryStore

from rlvis.attribution.explanation import Explanation
from rlvis.errors import InputError
from rlvis.files import write_error
from rlvis.results import Result, Table
from rlvis.rollouts.contents import KINDS, episode_contents
from rlvis.rollouts.episode import Episode
from rlvis.rollouts.header import Header
from rlvis.rollouts.recorded import EPISODE, FORMAT, VERSION, RecordedEpisodes

if TYPE_CHECKING:
    from rlvis.display.page import Page


class Recording(RecordedEpisodes, Result):
    """Episodes of a policy with their heatmaps: written, read, shown.

    Make one with `rlvis.record`, open one with `Recording.open`.
    """

    _built_in: Path | None = None

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

    @property
    def _folder(self) -> Path | None:
        return self._built_in or self.path

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
        attributes, arrays = episode_contents(self.header, episode, explanations)
        attributes["arrays"] = list(arrays)
        group = self._root.create_group(name, overwrite=True, attributes=attributes)
        for kind in KINDS:
            group.create_group(kind)
        for array_name, (array, axes) in arrays.items():
            _save(group, array_name, array, axes)

    def page(self, episodes: Sequence[int] | None = None) -> "Page":
        """Moments of episodes, the first six when none are named, as the film shows them."""
        from rlvis.rollouts.overview import overview_page

        return overview_page(self, episodes)

    def table(self) -> Table:
        """A row for each step; see `rlvis.rollouts.overview.step_table`."""
        from rlvis.rollouts.overview import step_table

        return step_table(self)

    def arrays(self) -> dict[str, np.ndarray]:
        """The columns of `table`; heatmaps and pictures stay in the store (see `heatmaps`)."""
        return {name: np.asarray(column) for name, column in self.table().items()}

    @property
    def summary(self) -> str:
        """Who, where, how often and how well."""
        from rlvis.rollouts.overview import summary_of

        return summary_of(self)

    def save(self, path: str | Path, *view: Any, **options: Any) -> Path:
        """Write the film (.mp4, .gif), or what every result can be written as.

        Args:
            path: ends in .mp4 or .gif for the film, .png, .webp, .pdf or .html for the page, .csv,
                .npz or .safetensors for the steps.
            *view: what `to_video` or `page` takes.
            **options: what `to_video` or `page` takes.

        Raises:
            InputError: if the ending is none of these, or the file cannot be written.
        """
        from rlvis.display.video_file import FILM_KINDS

        if Path(path).suffix.lower() in FILM_KINDS:
            return self.to_video(path, *view, **options)
        return super().save(path, *view, **options)

    def to_video(self, path: str | Path, **options: Any) -> Path:
        """Write the annotated video (MP4) or animation (GIF) and return its path.

        Args:
            path: ends in .mp4 or .gif.
            options: of `rlvis.rollouts.film.writing.film`: `methods`, `actions`, `episodes`, `fps`,
                `scale`, `on_frame`.
        """
        from rlvis.rollouts.film.writing import film

        return film(self, path, **options)


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
        each.name == "zarr.json" or each.name.endswith(".partial") or EPISODE.fullmatch(each.name)
        for each in path.iterdir()
    )
