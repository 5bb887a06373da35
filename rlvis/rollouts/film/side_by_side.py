"""A film of two episodes side by side: two futures of a moment, two policies from the same seed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from rlvis.attribution.explanation import resize_maps
from rlvis.display.numbers import signed_number
from rlvis.display.overlays import bare, grey, limit, note_line, overlay, resize_picture
from rlvis.display.theme import DARK, Colour, fit, on_dark, paste
from rlvis.display.video_file import film_writer
from rlvis.images.frames import picture_of
from rlvis.rollouts.branches import Futures
from rlvis.rollouts.episode import Episode
from rlvis.rollouts.film.column_heads import ActionHeads, most_taken
from rlvis.rollouts.film.frame import draw_picture, outcome_colour
from rlvis.rollouts.film.frame_layout import HEIGHT, MARGIN, MOST_COLUMNS, TOP, WIDTH, Box
from rlvis.rollouts.film.timeline import Timeline
from rlvis.rollouts.header import Header

_GAP = 40
_HALF = (WIDTH - 2 * MARGIN - _GAP) // 2
_VIEW = Box(0, 112, 420, 315)
_CAMERA = Box(436, 134, _HALF - 436, 120)
_MAP = replace(_CAMERA, y=276, height=106)
_NUMBERS, _HEADS, _STRIP = 404, 446, 516
_RULE: Colour = (58, 66, 78)


@dataclass(frozen=True)
class LaneMaps:
    """What a network looked at, in an episode of T steps.

    Attributes:
        title: over them.
        maps: float (T, h, w).
        signed: whether negative values speak against.
        notes: T lists of what a map that shows little says in its place.
    """

    title: str
    maps: np.ndarray = field(repr=False)
    signed: bool
    notes: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Lane:
    """One of the two.

    Attributes:
        title: over it.
        note: beneath the title, smaller.
        episode: what happened.
        actions: the names of its actions.
        frames: how many are stacked in its observations.
        start: the number of its first step.
        maps: of its network, if they are to be shown.
    """

    title: str
    note: str
    episode: Episode = field(repr=False)
    actions: Sequence[str]
    frames: int = 1
    start: int = 0
    maps: LaneMaps | None = None


class SideBySide:
    """The frames of two lanes; the shorter one stays at its end.

    Args:
        title: at the top.
        note: beside it.
        lanes: the two.
    """

    def __init__(self, title: str, note: str, lanes: Sequence[Lane]) -> None:
        alike = len({len(lane.actions) for lane in lanes}) == 1
        self._lanes = [
            _LaneFrames(
                lane,
                most_taken([each.episode for each in (lanes if alike else [lane])], MOST_COLUMNS),
                MARGIN + place * (_HALF + _GAP),
            )
            for place, lane in enumerate(lanes)
        ]
        self._still = np.empty((HEIGHT, WIDTH, 3), np.uint8)
        self._still[:] = DARK.background
        used = on_dark(self._still, title, MARGIN, 17, 22, bold=True)
        room = WIDTH - 2 * MARGIN - used - 14
        on_dark(self._still, fit(note, room, 16), MARGIN + used + 14, 22, 16, DARK.muted)
        middle = MARGIN + _HALF + _GAP // 2
        self._still[TOP : HEIGHT - MARGIN, middle : middle + 1] = _RULE
        for lane in self._lanes:
            lane.draw_still(self._still)

    def __len__(self) -> int:
        return max(map(len, self._lanes))

    def draw(self, step: int) -> np.ndarray:
        """The frame of a step, uint8 (720, 1280, 3); `len(self)` is both at their ends."""
        canvas = self._still.copy()
        for lane in self._lanes:
            lane.draw(canvas, step)
        return canvas


class _LaneFrames:
    """The part of a frame that is of one lane.

    Args:
        lane: it.
        shown: the indices of the actions that have a column.
        x: of its left, in pixels.
    """

    def __init__(self, lane: Lane, shown: list[int], x: int) -> None:
        self._lane, self._shown, self._x = lane, shown, x
        self._episode = lane.episode
        self._width = (_HALF - 14 * (len(self._shown) - 1)) // len(self._shown)
        self._heads = ActionHeads(lane.episode, lane.actions, self._shown, self._width)
        self._strip = Timeline(
            lane.episode, self._shown, _HALF, HEIGHT - MARGIN - _STRIP, start=lane.start
        )
        self._returns = lane.episode.rewards.cumsum()
        self._limit = limit(lane.maps.maps) if lane.maps else 0.0

    def __len__(self) -> int:
        return len(self._episode)

    def draw_still(self, canvas: np.ndarray) -> None:
        lane, x = self._lane, self._x
        on_dark(canvas, fit(lane.title, _HALF - 190, 20, True), x, TOP, 20, bold=True)
        on_dark(canvas, fit(lane.note, _HALF, 14), x, TOP + 26, 14, DARK.muted)
        if len(self._shown) < len(lane.actions):
            note = f"{len(self._shown)} of {len(lane.actions)} actions shown"
            on_dark(canvas, note, x + _CAMERA.x, _NUMBERS + 19, 13, DARK.muted)
        if self._episode.renders is not None:
            on_dark(canvas, "camera", x + _CAMERA.x, _CAMERA.y - 22, 14, DARK.muted)
        if lane.maps:
            title = fit(lane.maps.title, _MAP.width, 14)
            on_dark(canvas, title, x + _MAP.x, _MAP.y - 20, 14, DARK.muted)

    def draw(self, canvas: np.ndarray, step: int) -> None:
        lane, episode, x = self._lane, self._episode, self._x
        ended, step = step >= len(episode), min(step, len(episode) - 1)
        text, colour = f"step {lane.start + step}", DARK.text
        if ended:
            text, colour = (
                f"{episode.outcome}, {len(episode)} steps",
                outcome_colour(episode.outcome),
            )
        on_dark(canvas, text, x + _HALF, TOP + 2, 18, colour, bold=True, align="right")
        camera = picture_of(episode.observations[step], lane.frames)
        if episode.renders is None:
            draw_picture(canvas, camera, _VIEW.moved(x))
        else:
            draw_picture(canvas, episode.renders[step], _VIEW.moved(x))
            draw_picture(canvas, camera, _CAMERA.moved(x))
        if lane.maps:
            self._draw_map(canvas, lane.maps, step, camera)
        value = "–" if np.isnan(episode.values[step]) else signed_number(episode.values[step])
        left = x + _CAMERA.x
        for name, number in (("value", value), ("return", signed_number(self._returns[step]))):
            left += on_dark(canvas, f"{name} ", left, _NUMBERS, 14, DARK.muted)
            left += on_dark(canvas, number, left, _NUMBERS, 14, bold=True) + 12
        for place, index in enumerate(self._shown):
            left = x + place * (self._width + 14)
            self._heads.draw(canvas, step, index, left, _HEADS, self._width)
        self._strip.draw(canvas, x, _STRIP, step)

    def _draw_map(self, canvas: np.ndarray, maps: LaneMaps, step: int, camera: np.ndarray) -> None:
        scale = min(_MAP.width / camera.shape[1], _MAP.height / camera.shape[0])
        width, height = round(camera.shape[1] * scale), round(camera.shape[0] * scale)
        ground = grey(resize_picture(camera, width, height))
        heat, notes = maps.maps[step], maps.notes[step]
        fine = resize_maps(heat[None, None], height, width)[0, 0]
        drawn = bare(ground) if notes else overlay(ground, fine, self._limit, maps.signed)
        paste(canvas, drawn, self._x + _MAP.x + (_MAP.width - width) // 2, _MAP.y)
        said = note_line(heat, notes, _MAP.width, 13)
        on_dark(canvas, said, self._x + _MAP.x, _MAP.y + _MAP.height + 4, 13, DARK.muted)


def write_side_by_side(
    parts: Sequence[SideBySide],
    path: str | Path,
    *,
    fps: float = 10,
    on_frame: Callable[[], None] | None = None,
) -> Path:
    """Write a film of parts, one after the other, and return its path.

    The first frame of each stays for a second, the last for one and a half.

    Raises:
        InputError: if the ending is none of a film, or the file cannot be written.
    """
    with film_writer(Path(path), fps) as write:
        for part in parts:
            begin, end = [0] * round(fps), [len(part)] * round(1.5 * fps)
            for step in (*begin, *range(1, len(part)), *end):
                write(part.draw(step))
                if on_frame:
                    on_frame()
    return Path(path)


def futures_film(
    header: Header,
    where: tuple[int, int],
    futures: Sequence[Futures],
    path: str | Path,
    **options: Any,
) -> Path:
    """The film of what happened after a moment, beside the first future of another action.

    Args:
        header: of the recording.
        where: the number of the episode, and of the step in it.
        futures: the action that was taken first; of several others there is a part for each.
        path: ends in .mp4 or .gif.
        options: of `write_side_by_side`.

    Raises:
        InputError: if the file cannot be written.
    """
    taken, *others = futures
    parts = []
    for other in others or [taken]:
        lanes = [
            Lane(
                f"{side.action} is taken",
                side.summary,
                side.episodes[0],
                header.actions,
                header.frames,
                where[1],
            )
            for side in (taken, other)
        ]
        note = f"what if, in episode {where[0]} at step {where[1]}"
        parts.append(SideBySide(header.environment.split(":")[-1], note, lanes))
    return write_side_by_side(parts, path, **options)
