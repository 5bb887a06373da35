"""A recording as a film."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rlvis.attribution.engine import Methods
from rlvis.display.colormaps import check_colormap
from rlvis.display.video_file import FILM_KINDS, film_writer
from rlvis.errors import InputError, unknown
from rlvis.file_kinds import save_picture
from rlvis.files import check_writable
from rlvis.memory import give_back_memory
from rlvis.models.policy import Policy
from rlvis.models.targets import TargetLike
from rlvis.options import MANY, check_whole
from rlvis.rollouts.episode import EpisodeNumbers
from rlvis.rollouts.film.column_heads import most_taken
from rlvis.rollouts.film.footage import Footage, Views
from rlvis.rollouts.film.frame import EpisodeFrames
from rlvis.rollouts.film.frame_layout import HEIGHT, MOST_COLUMNS, WIDTH
from rlvis.rollouts.film.scenes import CARD_SECONDS, Scene, draw_card
from rlvis.rollouts.film.shown_maps import EpisodeMaps, FilmScale
from rlvis.rollouts.film.timeline import CURVES
from rlvis.rollouts.header import Header
from rlvis.rollouts.moments import Moment
from rlvis.rollouts.plan import ExplanationPlan
from rlvis.rollouts.revisited import RevisitedEpisodes

_BLOCK = 64


def film(
    recording: RevisitedEpisodes,
    path: str | Path,
    *,
    methods: Methods | None = None,
    targets: TargetLike | Sequence[TargetLike] | None = None,
    actions: Sequence[str] | None = None,
    episodes: Sequence[int] | None = None,
    moments: Sequence[Moment] | None = None,
    around: int = 6,
    layer: str | None = None,
    policy: Policy | None = None,
    fps: float = 10,
    scale: FilmScale = "episode",
    colormap: str | None = None,
    curves: Sequence[str] | None = None,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    pictures: str | Path | None = None,
    on_frame: Callable[[], None] | None = None,
) -> Path:
    """Write the annotated film of a recording and return its path.

    It is read and drawn a few steps at a time, however long the episodes are.

    Args:
        recording: the recording.
        path: ends in .mp4 (H.264) or .gif (half the size).
        methods: one row each; all that were recorded when left out. Maps that were not recorded are
            made by the policy.
        targets: what maps explain; as it was recorded when left out.
        actions: which actions to show, or targets where these are explained, one column each; when
            left out all, or the six that were taken most often (of continuous ones and of targets
            the first ones), and why the action taken rather than the best of the others
            ("chosen"), if that is explained.
        episodes: numbers of the episodes to show; all that are whole when left out.
        moments: show these alone, see `rlvis.find_moments`: each after a title card, the steps
            around it at half the speed, itself for a second.
        around: steps before a moment and after it.
        layer: for methods that read one.
        policy: the recorded one, where it is not to be found where it was loaded from.
        fps: steps per second. The last frame of an episode stays for one second.
        scale: what full strength stands for: the most of a method's maps in the "episode", so that
            weak maps look weak, or in each "frame", or a number.
        colormap: one of `rlvis.display.colormaps.COLORMAPS`; amber and blue for signed maps, heat
            for others when left out.
        curves: below π over time: value, entropy, margin, advantage, reward; the value, where there
            is room, when left out.
        size: width and height of the film in pixels, 16 to 9.
        pictures: a folder that the frame of each step is written to, too, as PNG.
        on_frame: called after every frame.

    Raises:
        InputError: if a method, target, action or episode does not exist, maps are to be made and
            the policy is not there, or the file cannot be written.
    """
    check_film(path, fps, scale, colormap, curves, size)
    check_whole("around", around, 0, MANY)
    if moments is None:
        numbers = recording.readable() if episodes is None else list(episodes)
        scenes = [Scene.whole(number, recording.steps([number])) for number in numbers]
    else:
        numbers = list(dict.fromkeys(each.episode for each in moments))
        scenes = [
            Scene.around(each, around, recording.steps([each.episode]), fps) for each in moments
        ]
    if not scenes:
        raise InputError("no episode to show; name at least one, or leave them out")
    shown = _Shown.of(recording, numbers, methods, targets, actions, layer, policy)
    drawn: tuple[int, EpisodeFrames] | None = None
    with film_writer(Path(path), fps) as write:
        for place, scene in enumerate(scenes):
            if drawn is None or drawn[0] != scene.episode:
                drawn = (
                    scene.episode,
                    shown.frames(recording, scene.episode, scale, colormap, curves),
                )
            frames = drawn[1]
            if scene.moment is not None:
                card = draw_card(recording, scene.moment, place, len(scenes))
                for _ in range(round(CARD_SECONDS * fps)):
                    write(resized(card, size))
            for step, times in scene.shots:
                picture = resized(frames.draw(step, marked=scene.marks(step)), size)
                for _ in range(times):
                    write(picture)
                    if on_frame:
                        on_frame()
                if pictures is not None:
                    name = f"episode_{scene.episode:04d}_step_{step:05d}.png"
                    save_picture(Image.fromarray(picture), Path(pictures) / name)
                if step % _BLOCK == 0:
                    give_back_memory()
            if scene.to_the_end:
                for _ in range(round(fps)):
                    write(resized(frames.draw(len(frames) - 1, ended=True), size))
    return Path(path)


def frames_in(
    recording: RevisitedEpisodes, moments: Sequence[Moment], around: int, fps: float
) -> int:
    """How many frames of steps a film of moments has."""
    scenes = [Scene.around(each, around, recording.steps([each.episode]), fps) for each in moments]
    return sum(times for scene in scenes for _, times in scene.shots)


def resized(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A frame (720, 1280, 3) at another width and height."""
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def check_film(
    path: str | Path,
    fps: float,
    scale: FilmScale,
    colormap: str | None = None,
    curves: Sequence[str] | None = None,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> None:
    """Whether a film can be made like this, before anything is spent on it.

    Raises:
        InputError: if the ending, the speed, the scale or the colour map is wrong, or it cannot be
            written.
    """
    check_writable(path, FILM_KINDS)
    check_colormap(colormap)
    for each in curves or ():
        if each not in CURVES:
            raise unknown("curve", each, CURVES)
    width, height = size
    if not 320 <= width <= 3840 or abs(width * HEIGHT - height * WIDTH) > 2 * WIDTH:
        raise InputError(
            f"cannot make a film of {width}x{height}; it is 16 to 9, 320 to 3840 pixels wide: "
            "640x360, 1280x720, 1920x1080"
        )
    if not 0.1 <= fps <= 120:
        raise InputError(f"cannot show {fps:g} steps per second; choose 0.1 to 120")
    if scale not in ("episode", "frame") and not (isinstance(scale, (int, float)) and scale > 0):
        raise InputError(f"no scale {scale!r}; choose episode, frame or a positive number")


def frames_of(recording: RevisitedEpisodes, number: int, **choice: Any) -> EpisodeFrames:
    """The frames of one episode, for pictures of single steps.

    Args:
        recording: the recording.
        number: of the episode.
        choice: `methods`, `targets`, `actions`, `layer` and `policy`, as for `film`.

    Raises:
        InputError: as for `film`.
    """
    return _Shown.of(recording, [number], **choice).frames(recording, number)


@dataclass(frozen=True)
class _Shown:
    """What frames show.

    Attributes:
        header: of the recording, or as it would be with the maps that are made.
        columns: the indices of the actions or targets that have one.
        plan: what maps are made by, None where they were recorded.
    """

    header: Header
    columns: list[int]
    plan: ExplanationPlan | None

    @classmethod
    def of(
        cls,
        recording: RevisitedEpisodes,
        numbers: list[int],
        methods: Methods | None = None,
        targets: TargetLike | Sequence[TargetLike] | None = None,
        actions: Sequence[str] | None = None,
        layer: str | None = None,
        policy: Policy | None = None,
    ) -> "_Shown":
        recorded = recording.recorded_methods(methods, targets, layer)
        plan = None
        if recorded is not None:
            header = replace(recording.header, methods=recorded)
        else:
            plan = recording.plan(methods, targets, layer=layer, policy=policy)
            header = plan.described(recording.header)
        return cls(header, _columns(recording, header, actions, numbers), plan)

    def frames(
        self,
        recording: RevisitedEpisodes,
        number: int,
        scale: FilmScale = "episode",
        colormap: str | None = None,
        curves: Sequence[str] | None = None,
    ) -> EpisodeFrames:
        """The frames of an episode."""
        found = (
            recording.explanations(number)
            if self.plan is None
            else recording.explained_later(number, self.plan)
        )
        names = [each.name for each in self.header.methods]
        maps = EpisodeMaps(
            [found.maps(name) for name in names],
            found.contrast(),
            [found.evidence(name) for name in names],
            [found.notes(name) for name in names],
            found.targets(),
        )
        numbers, last = found.numbers, len(recording) - 1
        footage = Footage(
            **{each.name: getattr(numbers, each.name) for each in fields(EpisodeNumbers)},
            observations=recording.pictures(number),
            renders=Views.of(recording, number, len(numbers)),
        )
        which = f"episode {number}" + (f" of 0–{last}" if last else "")
        title = f"policy {self.header.policy}   {which}   seed {numbers.seed}"
        return EpisodeFrames(
            footage, maps, self.header, title, self.columns, scale, colormap, curves
        )


def _columns(
    recording: RevisitedEpisodes,
    header: Header,
    wanted: Sequence[str] | None,
    numbers: list[int],
) -> list[int]:
    """The indices of the actions that get a column."""
    targets, contrast = header.targets, header.contrast
    known = targets or [*header.actions, *(["chosen"] if contrast else [])]
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
    taken = most_taken([recording.numbers(number) for number in numbers], most)
    return [*taken, *([len(known) - 1] if contrast else [])]
