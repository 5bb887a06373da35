"""What a film is cut from: whole episodes, or moments with a title card before each."""

from dataclasses import dataclass

import numpy as np

from rlvis.display.overlays import resize_picture
from rlvis.display.theme import DARK, on_dark, paste, wrapped
from rlvis.images.frames import picture_of
from rlvis.rollouts.film.frame_layout import HEIGHT, MARGIN, WIDTH
from rlvis.rollouts.moments import Moment
from rlvis.rollouts.recorded import RecordedEpisodes

CARD_SECONDS = 2.5
_SLOW, _NEAR = 2, 2
_CAMERA = (560, 420)
_TITLES = {
    "drop": "The value falls",
    "flip": "The preference turns",
    "indecision": "Undecided",
    "surprise": "An improbable action",
    "stuck": "Stuck",
    "importance": "Much depends on it",
    "regret": "A costly decision",
}


@dataclass(frozen=True)
class Scene:
    """A run of steps of an episode.

    Attributes:
        episode: its number.
        shots: each step and how many frames it stays.
        moment: that the scene is about, if it is about one.
        to_the_end: whether it shows how the episode ended.
    """

    episode: int
    shots: list[tuple[int, int]]
    moment: Moment | None = None
    to_the_end: bool = True

    @classmethod
    def whole(cls, episode: int, steps: int) -> "Scene":
        """A whole episode, a frame for each step."""
        return cls(episode, [(step, 1) for step in range(steps)])

    @classmethod
    def around(cls, moment: Moment, around: int, steps: int, fps: float) -> "Scene":
        """The steps around a moment, slower the nearer; the moment itself stays for a second."""
        first, last = max(0, moment.step - around), min(steps - 1, moment.step + around)
        shots = []
        for step in range(first, last + 1):
            times = _SLOW if abs(step - moment.step) <= _NEAR else 1
            shots.append((step, max(_SLOW, round(fps)) if step == moment.step else times))
        return cls(moment.episode, shots, moment, last == steps - 1)

    def marks(self, step: int) -> str:
        """What is said of a step beside its number."""
        if self.moment is None or step != self.moment.step:
            return ""
        return self.moment.kind


def draw_card(recording: RecordedEpisodes, moment: Moment, place: int, count: int) -> np.ndarray:
    """The card before a moment, uint8 (720, 1280, 3): what happens, where, and what was seen."""
    header, numbers = recording.header, recording.numbers(moment.episode)
    canvas = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    canvas[:] = DARK.background
    picture = picture_of(
        recording.observations(moment.episode, slice(moment.step, moment.step + 1))[0],
        header.frames,
    )
    scale = min(_CAMERA[0] / picture.shape[1], _CAMERA[1] / picture.shape[0])
    width, height = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    top = (HEIGHT - height) // 2
    paste(canvas, resize_picture(picture, width, height), WIDTH - MARGIN - 24 - width, top)
    x, room = MARGIN + 24, WIDTH - 2 * MARGIN - 96 - _CAMERA[0]
    on_dark(canvas, f"{place + 1} of {count}", x, top, 20, DARK.muted)
    on_dark(canvas, _TITLES[moment.kind], x, top + 34, 40, bold=True)
    y = top + 104
    for line in wrapped(moment.reason, room, 22):
        on_dark(canvas, line, x, y, 22)
        y += 32
    where = f"{header.environment.split(':')[-1]}, policy {header.policy}"
    then = f"episode {moment.episode}, step {moment.step} of 0–{len(numbers) - 1}, seed "
    for line in (where, f"{then}{numbers.seed}", f"it ended: {numbers.outcome}"):
        y += 30
        on_dark(canvas, line, x, y, 18, DARK.muted)
    return canvas
