"""The strip at the foot of a video frame: π over time, the actions taken, the value, a cursor."""

import numpy as np

from rlvis.display.theme import DARK, Colour, label_colour, paste, write
from rlvis.rollout import Episode

_RIBBON, _TICKS, _CAPTION = 10, 20, 24
_FUTURE = 0.38


class Timeline:
    """Draws the whole episode once; a frame then only moves the cursor.

    Args:
        episode: the episode.
        width, height: of the strip in pixels.
    """

    def __init__(self, episode: Episode, width: int, height: int) -> None:
        self._steps = len(episode)
        self._width = width
        with_value = height >= 230 and bool(np.isfinite(episode.values).any())
        inner = height - _CAPTION - _RIBBON - _TICKS - 4
        value_height = round(0.36 * inner) if with_value else 0
        strip_height = inner - value_height - (_CAPTION if with_value else 0)
        parts = [
            self._plain(_CAPTION, "π(action | image) over time, and the action taken"),
            self._probabilities(episode.probabilities, strip_height),
            self._plain(4),
            self._ribbon(episode.actions),
        ]
        if with_value:
            low, high = np.nanmin(episode.values), np.nanmax(episode.values)
            caption = f"value over time, {low:.2f} to {high:.2f}"
            parts += [self._plain(_CAPTION, caption), self._value(episode.values, value_height)]
        bright = np.concatenate(parts)
        ground = np.array(DARK.background)
        self._bright = np.concatenate([bright, self._ticks()])
        self._dim = (ground + _FUTURE * (self._bright - ground)).astype(np.uint8)
        captions = [parts[0], *(parts[4:5])]
        tops = [0, sum(len(part) for part in parts[:4])]
        for caption_part, top in zip(captions, tops, strict=False):
            self._dim[top : top + len(caption_part)] = caption_part
        self._dim[-_TICKS:] = self._bright[-_TICKS:]
        self._cursor_rows = slice(_CAPTION, len(self._bright) - _TICKS)

    def draw(self, canvas: np.ndarray, x: int, y: int, step: int) -> None:
        """Draw the strip on a canvas with the cursor on `step`; what is still to come is dim."""
        now = round((step + 0.5) * self._width / self._steps)
        done = round((step + 1) * self._width / self._steps)
        paste(canvas, self._dim, x, y)
        paste(canvas, self._bright[:, :done], x, y)
        rows = canvas[y + self._cursor_rows.start : y + self._cursor_rows.stop]
        rows[:, x + max(0, now - 1) : x + now + 1] = DARK.text

    def _plain(self, height: int, caption: str = "") -> np.ndarray:
        part = np.empty((height, self._width, 3), np.uint8)
        part[:] = DARK.background
        if caption:
            write(part, caption, 0, 0, size=15, colour=DARK.muted, background=DARK.background)
        return part

    def _columns(self) -> np.ndarray:
        """The step that each pixel column belongs to."""
        return np.arange(self._width) * self._steps // self._width

    def _probabilities(self, probabilities: np.ndarray, height: int) -> np.ndarray:
        """Stacked areas, the first action at the bottom."""
        upper = probabilities.cumsum(axis=1)[self._columns()]
        level = 1 - (np.arange(height) + 0.5) / height
        label = (level[:, None, None] > upper[None, :, :-1]).sum(axis=-1)
        return _colours(probabilities.shape[1])[label]

    def _ribbon(self, actions: np.ndarray) -> np.ndarray:
        row = _colours(int(actions.max()) + 1)[actions[self._columns()]]
        return np.broadcast_to(row, (_RIBBON, *row.shape)).copy()

    def _value(self, values: np.ndarray, height: int) -> np.ndarray:
        """A step line over a filled area."""
        part = self._plain(height)
        part[:] = DARK.surface
        low, high = np.nanmin(values), np.nanmax(values)
        share = (values[self._columns()] - low) / max(high - low, 1e-9)
        top = np.round((1 - np.nan_to_num(share)) * (height - 8) + 4)[None]
        rows = np.arange(height)[:, None]
        part[rows >= top] = np.array((62, 70, 84))
        part[np.abs(rows - top) <= 1] = DARK.text
        return part

    def _ticks(self) -> np.ndarray:
        part = self._plain(_TICKS)
        every = next(
            each
            for each in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10**9)
            if each * self._width / self._steps >= 44
        )
        for step in range(every, self._steps + 1, every):
            x = round((step - 0.5) * self._width / self._steps)
            _write_muted(part, str(step), max(4, min(x, self._width - 12)))
        return part


def _write_muted(part: np.ndarray, text: str, x: int) -> None:
    write(part, text, x, 3, size=13, colour=DARK.muted, background=DARK.background, align="centre")


def _colours(count: int) -> np.ndarray:
    colours: list[Colour] = [label_colour(index) for index in range(count)]
    return np.array(colours, np.uint8)
