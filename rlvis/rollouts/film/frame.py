"""One frame of the annotated video: what the policy saw, why it did what it did, and when."""

from collections.abc import Sequence

import numpy as np

from rlvis.display.numbers import signed_number
from rlvis.display.overlays import bare, grey, overlay, resize_picture
from rlvis.display.theme import DARK, Colour, fit, label_colour, length, on_dark, paste
from rlvis.errors import InputError
from rlvis.images.frames import caption, picture_of
from rlvis.rollouts.episode import Episode
from rlvis.rollouts.film.column_heads import (
    ActionHeads,
    Heads,
    MixedHeads,
    TargetHeads,
)
from rlvis.rollouts.film.feet import Feet, plain_name
from rlvis.rollouts.film.footage import Footage
from rlvis.rollouts.film.frame_layout import (
    CAPTION,
    HEIGHT,
    MARGIN,
    MOST_COLUMNS,
    SIDE,
    TOP,
    WIDTH,
    Box,
    FrameLayout,
)
from rlvis.rollouts.film.shown_maps import EpisodeMaps, FilmScale, ShownMaps
from rlvis.rollouts.film.timeline import Timeline, tracks_of
from rlvis.rollouts.header import Header, MethodRecord

_BLOCK = 64
_LEAST_CELL = 24
_DARK = 32  # an episode in which nothing is brighter (symbols, not colours) is shown brightened
_OUTCOMES: dict[str, Colour] = {"success": (104, 214, 150)}
_OTHER_OUTCOME: Colour = (240, 176, 32)


class EpisodeFrames:
    """The frames of one episode.

    What stays the same is drawn once; a frame copies it and adds what moves.

    Args:
        episode: the episode, T steps.
        maps: its heatmaps.
        header: environment, policy, action names and methods.
        title: what stands at the top beside the environment's name.
        shown: indices of the actions or targets that get a column, at most `MOST_COLUMNS`; the
            number of actions stands for their contrast.
        scale: what full strength stands for: the most of a method's maps in the "episode" or in
            each "frame", or a number.
        colormap: one of `colormaps.COLORMAPS`; amber and blue for signed maps, heat for others
            when left out.
        curves: below π over time, of `timeline.CURVES`; the value, if there is room, when left out.
    """

    def __init__(
        self,
        episode: Episode | Footage,
        maps: EpisodeMaps,
        header: Header,
        title: str,
        shown: Sequence[int],
        scale: FilmScale = "episode",
        colormap: str | None = None,
        curves: Sequence[str] | None = None,
    ) -> None:
        self._colormap = colormap
        self._episode, self._header, self._shown = episode, header, list(shown)
        self._maps, targets = maps, maps.targets
        self._rows = _together(header.methods)
        units = [
            [header.unit_of(method, column) for column in self._shown] for method in header.methods
        ]
        self._heat = ShownMaps(maps.heatmaps, self._shown, self._rows, units, scale)
        height, width = episode.observations.shape[1:3]
        self._brightest = _brightest(episode)
        actions = len(header.actions)
        self._actions = (
            list(range(min(actions, MOST_COLUMNS)))
            if targets
            else [index for index in self._shown if index < actions]
        )
        self._heads: Heads
        columns = FrameLayout.width_of(len(self._shown))
        if targets:
            self._heads = TargetHeads(targets, columns, header.actions)
        else:
            self._heads = ActionHeads(episode, header.actions, self._actions, columns)
            if maps.contrast:
                self._heads = MixedHeads(
                    self._heads, actions, TargetHeads(maps.contrast, columns, header.actions)
                )
        tracks = len(tracks_of(header.distribution, self._actions))
        self._feet = Feet(
            maps, header, self._shown, self._rows, self._heat, self._heads, scale, colormap
        )
        self.layout = FrameLayout(
            len(self._shown),
            len(self._rows),
            width / height,
            tracks,
            tuple(len(row) for row in self._rows),
            self._feet.heights,
            len(curves or ()),
        )
        heights = [self.layout.cell_of(row)[1] for row in range(len(self._rows))]
        if curves and min(heights) < _LEAST_CELL:
            raise InputError(
                f"no room for {len(curves)} curves below {len(self._rows)} rows of maps; show fewer"
            )
        self._returns = episode.rewards.cumsum()
        self._sizes = [
            self.layout.cell_of(self._row_of(each)) for each in range(len(maps.heatmaps))
        ]
        place = self.layout.timeline
        self._timeline = Timeline(episode, self._actions, place.width, place.height, curves=curves)
        self._still = self._draw_still(title)
        self._canvas = np.empty_like(self._still)

    def __len__(self) -> int:
        return len(self._episode)

    def draw(self, step: int, *, ended: bool = False, marked: str = "") -> np.ndarray:
        """The frame of a step, uint8 (720, 1280, 3), valid until the next call.

        Args:
            step: 0 to T - 1.
            ended: say how the episode ended instead of which step it is.
            marked: what is said of the step beside its number.
        """
        canvas = self._canvas
        canvas[:] = self._still
        self._draw_header(canvas, step, ended, marked)
        picture = self._frame(step, -1)
        self._draw_side(canvas, step, picture)
        for column, index in enumerate(self._shown):
            x = FrameLayout.left + column * (self.layout.column_width + FrameLayout.gap)
            self._heads.draw(canvas, step, index, x, TOP - 4, self.layout.column_width)
        self._draw_heatmaps(canvas, step, picture)
        place = self.layout.timeline
        self._timeline.draw(canvas, place.x, place.y, step)
        if isinstance(self._heads, TargetHeads):
            self._draw_legend(canvas, place.y)
        return canvas

    def _draw_legend(self, canvas: np.ndarray, y: int) -> None:
        """The colours of the actions, which no column names."""
        x = WIDTH - MARGIN
        for index in reversed(self._actions):
            name = self._header.actions[index]
            x -= on_dark(canvas, name, x, y, 14, label_colour(index), bold=True, align="right") + 14

    def _draw_still(self, title: str) -> np.ndarray:
        canvas = np.empty((HEIGHT, WIDTH, 3), np.uint8)
        canvas[:] = DARK.background
        used = on_dark(canvas, self._header.environment.split(":")[-1], MARGIN, 17, 22, bold=True)
        on_dark(canvas, fit(title, 880 - used, 16), MARGIN + used + 14, 22, 16, DARK.muted)
        stack = self._header.frames
        seen = caption(self._episode.observations.shape[-1], stack)
        note = f"camera: {seen}" + (", brightened" if self._brightest < 255 else "")
        on_dark(canvas, note, MARGIN, TOP, 15, DARK.muted)
        if self._episode.renders is not None:
            top = TOP + 2 * CAPTION + 252
            on_dark(canvas, "the environment's own view", MARGIN, top, 15, DARK.muted)
        for name, x in (("value", 0), ("reward", 124), ("return", 236)):
            on_dark(canvas, name, MARGIN + x, 642, 15, DARK.muted)
        actions = len(self._header.actions)
        if not self._maps.targets and len(self._actions) < actions:
            note = f"{len(self._actions)} of {actions} actions shown"
            on_dark(canvas, note, FrameLayout.left, 42, 13, DARK.muted)
        if self._maps.contrast and actions in self._shown:
            x = FrameLayout.left + self._shown.index(actions) * (
                self.layout.column_width + FrameLayout.gap
            )
            about = "chosen − best other"
            size = 13 if length(about, 13) <= self.layout.column_width else 11
            on_dark(canvas, about, x, 55 - size, size, DARK.muted)
        return canvas

    def _draw_header(self, canvas: np.ndarray, step: int, ended: bool, marked: str) -> None:
        if not ended:
            text = f"step {step} of 0–{len(self) - 1}"
            used = on_dark(canvas, text, WIDTH - MARGIN, 17, 20, bold=True, align="right")
            x = WIDTH - MARGIN - used - 14
            on_dark(canvas, marked, x, 17, 20, _OTHER_OUTCOME, bold=True, align="right")
            return
        outcome = self._episode.outcome
        text = f"{outcome} after {len(self)} steps"
        colour = outcome_colour(outcome)
        on_dark(canvas, text, WIDTH - MARGIN, 17, 20, colour, bold=True, align="right")

    def _draw_side(self, canvas: np.ndarray, step: int, picture: np.ndarray) -> None:
        episode = self._episode
        draw_picture(canvas, picture, Box(MARGIN, TOP + CAPTION, SIDE, 252))
        if episode.renders is not None:
            place = Box(MARGIN, TOP + 3 * CAPTION + 252, SIDE, 252)
            draw_picture(canvas, episode.renders[step], place)
        value = episode.values[step]
        numbers = (
            "–" if np.isnan(value) else signed_number(value),
            signed_number(episode.rewards[step]),
            signed_number(self._returns[step]),
        )
        for text, x in zip(numbers, (0, 124, 236), strict=True):
            on_dark(canvas, text, MARGIN + x, 662, 28, bold=True)

    def _draw_heatmaps(self, canvas: np.ndarray, step: int, picture: np.ndarray) -> None:
        for row, methods in enumerate(self._rows):
            width, height = self.layout.cell_of(row)
            latest = resize_picture(grey(picture), width, height)
            for number, method in enumerate(methods):
                frame = self._header.methods[method].frame
                ground = (
                    latest
                    if frame is None
                    else resize_picture(grey(self._frame(step, frame)), width, height)
                )
                for column in range(len(self._shown)):
                    place = self.layout.place(row, column, number)
                    self._draw_tile(canvas, step, method, column, place, ground)
            self._feet.draw(canvas, step, row, self.layout.foot_of(row))

    def _draw_tile(
        self,
        canvas: np.ndarray,
        step: int,
        method: int,
        column: int,
        place: tuple[int, int],
        ground: np.ndarray,
    ) -> None:
        """A map over the picture; the picture alone where a note says that it shows little."""
        (x, y), (height, width) = place, ground.shape
        colour = self._heads.highlight(step, self._shown[column])
        if colour is not None:
            canvas[y - 3 : y + height + 3, x - 3 : x + width + 3] = colour
        if self._maps.notes_of(method, step, self._shown[column]):
            paste(canvas, bare(ground), x, y)
            return
        heat = self._heat.resized(method, step, self._sizes)[column]
        most = float(self._heat.limits(method, step)[column])
        signed = self._header.methods[method].signed
        paste(canvas, overlay(ground, heat, most, signed, self._colormap), x, y)

    def _frame(self, step: int, frame: int) -> np.ndarray:
        """One frame of what the policy saw at a step, as a picture."""
        picture = picture_of(self._episode.observations[step], self._header.frames, frame)
        if self._brightest == 255:
            return picture
        return (picture.astype(np.uint16) * 255 // self._brightest).astype(np.uint8)

    def _row_of(self, method: int) -> int:
        return next(row for row, methods in enumerate(self._rows) if method in methods)


def outcome_colour(outcome: str) -> Colour:
    """The colour in which a film says how an episode ended."""
    return _OUTCOMES.get(outcome, _OTHER_OUTCOME)


def _together(methods: Sequence[MethodRecord]) -> list[list[int]]:
    """The numbers of the methods that share a row: the same one of several frames."""
    rows: dict[str, list[int]] = {}
    for number, each in enumerate(methods):
        rows.setdefault(plain_name(each) if each.frame is not None else each.name, []).append(
            number
        )
    return list(rows.values())


def _brightest(episode: Episode | Footage) -> int:
    """The brightest level of an episode in which there are only dark ones, else 255."""
    most = 1
    for start in range(0, len(episode), _BLOCK):
        most = max(most, int(episode.observations[start : start + _BLOCK].max()))
        if most >= _DARK:
            return 255
    return most


def draw_picture(canvas: np.ndarray, picture: np.ndarray, box: Box) -> None:
    """A picture as large as the box allows, centred in it."""
    scale = min(box.width / picture.shape[1], box.height / picture.shape[0])
    width, height = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    x, y = box.x + (box.width - width) // 2, box.y + (box.height - height) // 2
    paste(canvas, resize_picture(picture, width, height), x, y)
