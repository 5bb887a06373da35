"""A recording: episodes with every frame, number and state, in a Zarr v3 store.

    recording.zarr             attributes: environment, policy, actions, methods, …, and episodes:
                               the runs of their numbers, the first of each and the one behind it
      episode_0000             attributes: seed, steps, total_reward, outcome, …, arrays
        observation            (time, y, x, channel)        uint8
        render                 (time, render_y, render_x, colour)   uint8, where it was kept
        numbers                (time, number)               float64: all numbers of a step; the
                               attribute numbers says in which columns, from which on, of which
                               shape and type each is:
          action_taken           the action, of one or several entries
          reward, value
          logit                  for each action
          context_<name>         what the policy knew besides the image
          info_<key>             what the environment told
          picture_code           a checksum of what was seen: equal for equal pictures
          state_end              where the state before the step ends in `state`
          evidence/<method>      of methods whose maps sum to what the image adds to a score: that
                                 sum, for the actions and then the contrast
          notes/<method>         for the same an entry of the attribute notes: what a picture of
                                 the map should say beside it, from 1
          target_value           for each target, where targets were named; maps have that axis
          target_name            for the same an entry of the attribute target_names
        state                  (state_byte): the environment's states before each step one after
                               the other, as the recording's attribute states says
        heatmaps/<method>      (time, action, y, x)         float32, at the method's own resolution:
                               of the part of the images that the attribute windows names
        contrasts/<method>     (time, y, x), of the action taken less the best of the others; left
                               out where it is the difference of two maps

What has more than 64 numbers at a step, such as the memory of a policy, is an array of its own.
Dimensions are named, so xarray opens every group as it is (`y_15` is an axis of maps of 15 rows). A
recording takes its place when its first episode is whole, until then what was there stays; each
episode is written whole before the index names it: after a crash every episode of the index is
there and readable. Chunks carry checksums, and what is read is checked first (see `zarr_array`): a
damaged episode is named, the others can still be read.
"""

import bisect
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rlvis.building import Building, Lock, alone_in
from rlvis.errors import InputError
from rlvis.files import write_error
from rlvis.models.policy import Policy
from rlvis.results import Result, Table
from rlvis.rollouts.episode import Episode
from rlvis.rollouts.episode_writer import EpisodeWriter
from rlvis.rollouts.header import Header
from rlvis.rollouts.recorded import EPISODE, FORMAT, VERSION, as_ranges, episode_name
from rlvis.rollouts.revisited import RevisitedEpisodes
from rlvis.rollouts.stepper import Step
from rlvis.rollouts.store import METADATA, Folder, Memory, group_metadata
from rlvis.rollouts.stored_episode import StoredEpisode

if TYPE_CHECKING:
    import pandas

    from rlvis.display.page import Page


class Recording(RevisitedEpisodes, Result):
    """Episodes of a policy with their heatmaps: written, read, shown.

    Make one with `rlvis.record`, open one with `Recording.open`.
    """

    _building: Building | None = None
    _lock: Lock | None = None

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
        if path is None:
            return cls(Memory(), header)
        path = Path(os.path.realpath(path))
        _check_room(path)
        try:
            building = Building.beside(path, alone=True)
            place = Folder(building.folder / path.name)
            recording = cls(place, header, path=path)
            recording._building = building
            try:
                _check_free(path, overwrite)
                recording._write_index()
                recording._lock = Lock(place.path)
            except BaseException:
                recording.close()
                raise
        except OSError as error:
            raise write_error(path, error) from None
        return recording

    def remember(self, policy: Policy) -> None:
        """Keep the policy that is being recorded, to explain steps with later."""
        self._known_policy, self._own_environment = policy, True

    def describe_states(self, form: str, why_none: str, no_views: str = "") -> None:
        """Say how states are kept, or why there are none, and why they give no pictures."""
        self.header = replace(self.header, states=form, no_states=why_none, no_views=no_views)

    def episode_named(self, number: int) -> Episode:
        """The episode that was begun with that number, once it is finished."""
        name = episode_name(number)
        return self._episode_of(StoredEpisode(self._place.inner(name), f"{name} of {self.title}"))

    def begin(self, number: int) -> EpisodeWriter:
        """What the episode of that number is written with; `finish` makes it one of the recording.

        Episodes may be begun before others are finished, and finished in any order.
        """
        return EpisodeWriter(self._place.inner(episode_name(number)), self.header)

    def finish(self, number: int, writer: EpisodeWriter, last: Step) -> None:
        """Write the rest of an episode, then name it in the index.

        Raises:
            OSError: if the disk is full or may not be written; earlier episodes stay readable.
        """
        writer.finish(last)
        bisect.insort(self._numbers, number)
        self._opened.clear()
        self._write_index()
        if self._building:
            self._take_place()

    def close(self) -> None:
        """End the writing.

        A recording without an episode is removed, and what was there before is as it was.
        """
        if self._building:
            self._building.remove()
        if self._lock:
            self._lock.release()
        self._building = self._lock = None

    def _write_index(self) -> None:
        attributes = {"format": FORMAT, "version": VERSION, **self.header.record()}
        attributes["episodes"] = as_ranges(self._numbers)
        self._place.replace(METADATA, group_metadata(attributes))

    def _take_place(self) -> None:
        """Put the recording where it belongs, in place of an older one."""
        assert isinstance(self._place, Folder)
        assert self._building is not None
        self._building.finish(self._place.path)
        self._place.moved(self._building.target)
        self._building = None

    def page(self, episodes: Sequence[int] | None = None) -> "Page":
        """Moments of episodes, the first six when none are named, as the film shows them."""
        from rlvis.rollouts.overview import overview_page

        return overview_page(self, episodes)

    def table(self) -> Table:
        """A row for each step; see `rlvis.rollouts.overview.step_table`."""
        from rlvis.rollouts.overview import step_table

        return step_table(self)

    def to_dataframe(self, of: Literal["steps", "episodes"] = "steps") -> "pandas.DataFrame":
        """A data frame.

        Args:
            of: "steps", a row for each as in `table`, or "episodes", as in `rlvis.EpisodeTable`.

        Raises:
            InputError: if `of` is neither, or pandas is not installed.
        """
        if of == "steps":
            return super().to_dataframe()
        if of != "episodes":
            raise InputError(f"no data frame of {of!r}; choose steps or episodes")
        from rlvis.rollouts.episode_table import EpisodeTable

        return EpisodeTable.of(self).to_dataframe()

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


def _check_room(path: Path) -> None:
    """Refuse to write where nothing can be; the folder of the path is made.

    Raises:
        InputError: if the folder cannot be made or written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise write_error(path, error) from None


def _check_free(path: Path, overwrite: bool) -> None:
    """Refuse to replace what is no recording, is still being written, or is to be kept.

    Raises:
        InputError: in these cases.
        OSError: if it cannot be read.
    """
    if not path.exists():
        return
    if not (path.is_dir() and _is_recording(path)):
        raise InputError(f"{path} exists and is no recording; write somewhere else")
    with alone_in(path, str(path)):
        if any(path.iterdir()) and not overwrite:
            raise InputError(
                f"{path} holds a recording already; write somewhere else, or say --overwrite"
            )


def _is_recording(path: Path) -> bool:
    """Whether a folder holds a recording, be it damaged, and nothing else."""
    return all(
        each.name == "zarr.json" or each.name.endswith(".partial") or EPISODE.fullmatch(each.name)
        for each in path.iterdir()
    )
