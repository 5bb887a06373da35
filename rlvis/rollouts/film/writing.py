"""A recording as a film."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from rlvis.display.video_file import FILM_KINDS, film_writer
from rlvis.errors import InputError, unknown
from rlvis.files import check_writable
from rlvis.rollouts.film.frame import EpisodeFrames, EpisodeMaps, FilmScale
from rlvis.rollouts.film.frame_layout import MOST_COLUMNS
from rlvis.rollouts.header import Header
from rlvis.rollouts.recorded import RecordedEpisodes


def film(
    recording: RecordedEpisodes,
    path: str | Path,
    *,
    methods: Sequence[str] | None = None,
    actions: Sequence[str] | None = None,
    episodes: Sequence[int] | None = None,
    fps: float = 10,
    scale: FilmScale = "episode",
    on_frame: Callable[[], None] | None = None,
) -> Path:
    """Write the annotated film of a recording and return its path.

    Args:
        recording: the recording.
        path: ends in .mp4 (1280×720, H.264) or .gif (640×360).
        methods: which of the recorded methods to show, one row each; all when left out.
        actions: which actions to show, or targets where these were recorded, one column each; when
            left out all, or the six that were taken most often (of continuous ones and of targets
            the first ones), and why the action taken rather than the best of the others
            ("chosen"), if that was recorded.
        episodes: numbers of the episodes to show; all that are whole when left out.
        fps: steps per second. The last frame of an episode stays for one second.
        scale: what full strength stands for: the most of a method's maps in the "episode", so that
            weak maps look weak, or in each "frame", or a number.
        on_frame: called after every frame.

    Raises:
        InputError: if a method, action or episode does not exist, or the file cannot be written.
    """
    header = recording.header
    recorded = {each.name: each for each in header.methods}
    for name in methods or ():
        if name not in recorded:
            raise unknown("recorded method", name, recorded)
    if methods:
        header = replace(header, methods=[recorded[name] for name in methods])
    check_film(path, fps, scale)
    numbers = recording.readable() if episodes is None else list(episodes)
    if not numbers:
        raise InputError("no episode to show; name at least one, or leave them out")
    shown = _columns(recording, header.actions, actions, numbers)
    with film_writer(Path(path), fps) as write:
        for number in numbers:
            frames = _frames(recording, number, header, shown, scale)
            for step in range(len(frames)):
                write(frames.draw(step))
                if on_frame:
                    on_frame()
            for _ in range(round(fps)):
                write(frames.draw(len(frames) - 1, ended=True))
    return Path(path)


def check_film(path: str | Path, fps: float, scale: FilmScale) -> None:
    """Whether a film can be made like this, before anything is spent on it.

    Raises:
        InputError: if the ending, the speed or the scale is wrong, or it cannot be written.
    """
    check_writable(path, FILM_KINDS)
    if not 0.1 <= fps <= 120:
        raise InputError(f"cannot show {fps:g} steps per second; choose 0.1 to 120")
    if scale not in ("episode", "frame") and not (isinstance(scale, (int, float)) and scale > 0):
        raise InputError(f"no scale {scale!r}; choose episode, frame or a positive number")


def frames_of(recording: RecordedEpisodes, number: int) -> EpisodeFrames:
    """The frames of one episode with all methods, for pictures of single steps."""
    header = recording.header
    shown = _columns(recording, header.actions, None, [number])
    return _frames(recording, number, header, shown)


def _frames(
    recording: RecordedEpisodes,
    number: int,
    header: Header,
    shown: Sequence[int],
    scale: FilmScale = "episode",
) -> EpisodeFrames:
    episode, names = recording.episode(number), [each.name for each in header.methods]
    maps = EpisodeMaps(
        [_with_contrast(recording, number, name) for name in names],
        recording.contrast(number),
        [recording.evidence(number, name) for name in names],
        [recording.notes(number, name) for name in names],
        recording.targets(number),
    )
    last = len(recording) - 1
    which = f"episode {number}" + (f" of 0–{last}" if last else "")
    title = f"policy {header.policy}   {which}   seed {episode.seed}"
    return EpisodeFrames(episode, maps, header, title, shown, scale)


def _with_contrast(recording: RecordedEpisodes, number: int, method: str) -> np.ndarray:
    """Heatmaps (T, K, H, W), with those of the contrast behind the others where there are such."""
    maps, contrast = (
        recording.heatmaps(number, method),
        recording.contrast_heatmaps(number, method),
    )
    return maps if contrast is None else np.concatenate([maps, contrast[:, None]], axis=1)


def _columns(
    recording: RecordedEpisodes, known: list[str], wanted: Sequence[str] | None, numbers: list[int]
) -> list[int]:
    """The indices of the actions that get a column."""
    targets = recording.header.targets
    contrast = recording.header.contrast
    known = targets or [*known, *(["chosen"] if contrast else [])]
    for name in wanted or ():
        if name not in known:
            raise unknown("target" if targets else "action", name, known)
    if wanted and len(wanted) > MOST_COLUMNS:
        raise InputError(f"cannot show {len(wanted)} actions; name at most {MOST_COLUMNS}")
    if wanted:
        return [known.index(name) for name in wanted]
    if len(known) <= MOST_COLUMNS or targets:
        return list(range(len(known)))[:MOST_COLUMNS]
    most = MOST_COLUMNS - 1  # one for the contrast, where there is one
    distribution = recording.header.distribution
    taken = [distribution.taken(recording.episode(number).actions) for number in numbers]
    counts = np.concatenate(taken).sum(axis=0)
    taken_most = sorted(np.argsort(-counts, kind="stable")[:most].tolist())
    return [*taken_most, *([len(known) - 1] if contrast else [])]
