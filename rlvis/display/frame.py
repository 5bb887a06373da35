"""One frame of the annotated video: what the policy saw, why it did what it did, and when."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rlvis.display.heads import ActionHeads, Heads, TargetHeads, signed_number
from rlvis.display.overlay import (
    colour_bar,
    grey,
    limit,
    overlay,
    resize_picture,
)
from rlvis.display.theme import DARK, Colour, fit, label_colour, on_dark, paste
from rlvis.display.timeline import LEAST_TRACK, Timeline, tracks_of
from rlvis.explanation import resize_maps
from rlvis.frames import age, caption, picture_of
from rlvis.recording_header import Header, MethodRecord, Targets
from rlvis.rollout import Episode

FilmScale = float | Literal["episode", "frame"]
"""What full strength stands for: the most of a method's maps in an episode or frame, a number."""

WIDTH, HEIGHT = 1280, 720
MOST_COLUMNS = 6
_MARGIN, _GAP = 24, 14
_TOP, _CAPTION = 62, 22
_SIDE = 336
_GRID_LEFT = _MARGIN + _SIDE + 24
_GRID_WIDTH = WIDTH - _MARGIN - _GRID_LEFT
_COLUMN_HEAD, _ROW_FOOT = 52, 24
_LEAST_TIMELINE = 118
_BLOCK = 16
_DARK = 32  # an episode in which nothing is brighter (symbols, not colours) is shown brightened
_OUTCOMES: dict[str, Colour] = {"success": (104, 214, 150)}
_OTHER_OUTCOME: Colour = (240, 176, 32)


@dataclass(frozen=True)
class _Box:
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Layout:
    """Where things go, for so many columns (actions), rows (methods) and that shape of image.

    `tracks` is how many the strip at the foot has.
    """

    columns: int
    rows: int
    aspect: float
    tracks: int = 1

    @property
    def column_width(self) -> int:
        """The width of one action's column in pixels."""
        return (_GRID_WIDTH - (self.columns - 1) * _GAP) // self.columns

    @property
    def cell(self) -> tuple[int, int]:
        """Width and height of one heatmap in pixels."""
        foot = _LEAST_TIMELINE + (self.tracks - 1) * LEAST_TRACK
        room = HEIGHT - _MARGIN // 2 - foot - _TOP - _COLUMN_HEAD
        height = room // self.rows - _ROW_FOOT - _GAP // 2
        width = min(self.column_width, round(height * self.aspect))
        return width, min(height, round(width / self.aspect))

    def place(self, row: int, column: int) -> tuple[int, int]:
        """The top left corner of a heatmap."""
        width, height = self.cell
        x = _GRID_LEFT + column * (self.column_width + _GAP) + (self.column_width - width) // 2
        return x, _TOP + _COLUMN_HEAD + row * (height + _ROW_FOOT + _GAP // 2)

    @property
    def timeline(self) -> _Box:
        """Where the strip of π over time goes."""
        top = self.place(self.rows, 0)[1] + _GAP // 2
        return _Box(_GRID_LEFT, top, _GRID_WIDTH, HEIGHT - _MARGIN // 2 - top)


class EpisodeFrames:
    """The frames of one episode.

    What stays the same is drawn once; a frame copies it and adds what moves.

    Args:
        episode: the episode, T steps.
        heatmaps: float (T, K, h, w) for each of the header's methods.
        header: environment, policy, action names and methods.
        title: what stands at the top beside the environment's name.
        shown: indices of the actions that get a column, at most `MOST_COLUMNS`.
        scale: what full strength stands for: the most of a method's maps in the "episode" or in
            each "frame", or a number.
        targets: what the columns are where they are not the actions; `shown` counts these then.
    """

    def __init__(
        self,
        episode: Episode,
        heatmaps: Sequence[np.ndarray],
        header: Header,
        title: str,
        shown: Sequence[int],
        scale: FilmScale = "episode",
        targets: Targets | None = None,
    ) -> None:
        self._scale = scale
        self._episode, self._header, self._shown = episode, header, list(shown)
        self._heatmap_columns = heatmaps[0].shape[1] if heatmaps else len(self._shown)
        self._heatmaps = [maps[:, self._shown] for maps in heatmaps]
        self._limits = [_limits(maps, scale) for maps in self._heatmaps]
        height, width = episode.observations.shape[1:3]
        brightest = int(episode.observations.max())
        self._brightest = max(brightest, 1) if brightest < _DARK else 255
        every = range(min(len(header.actions), MOST_COLUMNS))
        self._actions = list(every if targets else shown)
        tracks = len(tracks_of(header.distribution, self._actions))
        self._layout = Layout(len(self._shown), len(header.methods), width / height, tracks)
        self._heads: Heads = (
            TargetHeads(targets) if targets else ActionHeads(episode, header.actions)
        )
        self._returns = episode.rewards.cumsum()
        self._block = (-1, [np.empty(0)])
        place = self._layout.timeline
        self._timeline = Timeline(episode, self._actions, place.width, place.height)
        self._still = self._draw_still(title)
        self._canvas = np.empty_like(self._still)

    def __len__(self) -> int:
        return len(self._episode)

    def draw(self, step: int, *, ended: bool = False) -> np.ndarray:
        """The frame of a step, uint8 (720, 1280, 3), valid until the next call.

        Args:
            step: 0 to T - 1.
            ended: say how the episode ended instead of which step it is.
        """
        canvas = self._canvas
        canvas[:] = self._still
        self._draw_header(canvas, step, ended)
        picture = self._frame(step, -1)
        self._draw_side(canvas, step, picture)
        for column, index in enumerate(self._shown):
            x = _GRID_LEFT + column * (self._layout.column_width + _GAP)
            self._heads.draw(canvas, step, index, x, _TOP - 4, self._layout.column_width)
        self._draw_heatmaps(canvas, step, picture)
        place = self._layout.timeline
        self._timeline.draw(canvas, place.x, place.y, step)
        if isinstance(self._heads, TargetHeads):
            self._draw_legend(canvas, place.y)
        return canvas

    def _draw_legend(self, canvas: np.ndarray, y: int) -> None:
        """The colours of the actions, which no column names."""
        x = WIDTH - _MARGIN
        for index in reversed(self._actions):
            name = self._header.actions[index]
            x -= on_dark(canvas, name, x, y, 14, label_colour(index), bold=True, align="right") + 14

    def _draw_still(self, title: str) -> np.ndarray:
        canvas = np.empty((HEIGHT, WIDTH, 3), np.uint8)
        canvas[:] = DARK.background
        used = on_dark(canvas, self._header.environment.split(":")[-1], _MARGIN, 17, 22, bold=True)
        on_dark(canvas, fit(title, 760 - used, 16), _MARGIN + used + 14, 22, 16, DARK.muted)
        stack = self._header.frames
        seen = caption(self._episode.observations.shape[-1], stack)
        note = f"camera: {seen}" + (", brightened" if self._brightest < 255 else "")
        on_dark(canvas, note, _MARGIN, _TOP, 15, DARK.muted)
        if self._episode.renders is not None:
            top = _TOP + 2 * _CAPTION + 252
            on_dark(canvas, "the environment's own view", _MARGIN, top, 15, DARK.muted)
        for name, x in (("value", 0), ("reward", 124), ("return", 236)):
            on_dark(canvas, name, _MARGIN + x, 642, 15, DARK.muted)
        columns = self._heatmap_columns
        if len(self._shown) < columns:
            note = f"{len(self._shown)} of {columns} actions shown"
            on_dark(canvas, note, WIDTH - _MARGIN, 40, 13, DARK.muted, align="right")
        return canvas

    def _draw_header(self, canvas: np.ndarray, step: int, ended: bool) -> None:
        if not ended:
            text = f"step {step + 1} of {len(self)}"
            on_dark(canvas, text, WIDTH - _MARGIN, 17, 20, bold=True, align="right")
            return
        outcome = self._episode.outcome
        text = f"{outcome} after {len(self)} steps"
        colour = _OUTCOMES.get(outcome, _OTHER_OUTCOME)
        on_dark(canvas, text, WIDTH - _MARGIN, 17, 20, colour, bold=True, align="right")

    def _draw_side(self, canvas: np.ndarray, step: int, picture: np.ndarray) -> None:
        episode = self._episode
        _picture(canvas, picture, _Box(_MARGIN, _TOP + _CAPTION, _SIDE, 252))
        if episode.renders is not None:
            place = _Box(_MARGIN, _TOP + 3 * _CAPTION + 252, _SIDE, 252)
            _picture(canvas, episode.renders[step], place)
        value = episode.values[step]
        numbers = (
            "–" if np.isnan(value) else signed_number(value),
            signed_number(episode.rewards[step]),
            signed_number(self._returns[step]),
        )
        for text, x in zip(numbers, (0, 124, 236), strict=True):
            on_dark(canvas, text, _MARGIN + x, 662, 28, bold=True)

    def _draw_heatmaps(self, canvas: np.ndarray, step: int, picture: np.ndarray) -> None:
        width, height = self._layout.cell
        latest = resize_picture(grey(picture), width, height)
        for row, method in enumerate(self._header.methods):
            most = float(self._limits[row][step])
            self._draw_row_foot(canvas, method, most, self._layout.place(row, 0)[1] + height + 5)
            maps = self._resized(step)[row][step % _BLOCK]
            ground = latest
            if method.frame is not None:
                ground = resize_picture(grey(self._frame(step, method.frame)), width, height)
            for column, index in enumerate(self._shown):
                x, y = self._layout.place(row, column)
                colour = self._heads.highlight(step, index)
                if colour is not None:
                    canvas[y - 3 : y + height + 3, x - 3 : x + width + 3] = colour
                paste(canvas, overlay(ground, maps[column], most, method.signed), x, y)

    def _draw_row_foot(self, canvas: np.ndarray, method: MethodRecord, most: float, y: int) -> None:
        """The method, its layer, and the colours with the values they stand for."""
        x, stack = _GRID_LEFT, self._header.frames
        x += on_dark(canvas, re.sub(r"[:,]frame=-?\d+$", "", method.name), x, y, 15, bold=True) + 10
        if method.layer:
            x += on_dark(canvas, f"layer {method.layer}", x, y, 14, DARK.muted) + 10
        if stack > 1:
            over = f"all {stack} frames" if method.frame is None else age(method.frame, stack)
            x += on_dark(canvas, over, x, y, 14, DARK.muted) + 10
        if most == 0:
            on_dark(canvas, "zero everywhere: nothing to show", x, y, 14, DARK.muted)
            return
        least = -most if method.signed else 0
        x += on_dark(canvas, f"{least:.2g}", x, y, 14, DARK.muted) + 6
        paste(canvas, colour_bar(90, 10, method.signed, DARK.surface[0]), x, y + 4)
        x += 96
        meaning = "against to for the action" if method.signed else "weak to strong"
        scope = {"episode": "one scale for the episode", "frame": "each frame its own scale"}
        note = f"{most:.2g}   {meaning}, {scope.get(str(self._scale), 'fixed scale')}"
        on_dark(canvas, fit(note, WIDTH - _MARGIN - x, 14), x, y, 14, DARK.muted)

    def _frame(self, step: int, frame: int) -> np.ndarray:
        """One frame of what the policy saw at a step, as a picture."""
        picture = picture_of(self._episode.observations[step], self._header.frames, frame)
        if self._brightest == 255:
            return picture
        return (picture.astype(np.uint16) * 255 // self._brightest).astype(np.uint8)

    def _resized(self, step: int) -> list[np.ndarray]:
        """The heatmaps of the block of steps that `step` is in, at the size they are shown at."""
        number = step // _BLOCK
        if self._block[0] != number:
            width, height = self._layout.cell
            steps = slice(number * _BLOCK, (number + 1) * _BLOCK)
            self._block = (
                number,
                [resize_maps(maps[steps], height, width) for maps in self._heatmaps],
            )
        return self._block[1]


def _limits(maps: np.ndarray, scale: FilmScale) -> np.ndarray:
    """The value drawn at full strength at each of T steps, of maps (T, K, h, w)."""
    if scale == "frame":
        return np.array([limit(each) for each in maps])
    return np.full(len(maps), limit(maps) if scale == "episode" else scale)


def _picture(canvas: np.ndarray, picture: np.ndarray, box: _Box) -> None:
    """A picture as large as the box allows, centred in it."""
    scale = min(box.width / picture.shape[1], box.height / picture.shape[0])
    width, height = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    x, y = box.x + (box.width - width) // 2, box.y + (box.height - height) // 2
    paste(canvas, resize_picture(picture, width, height), x, y)
