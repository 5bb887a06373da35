"""The page of a policy as a field: rosettes, arrows and colours over the plan of a room."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from rlvis.display.colormaps import sequential
from rlvis.display.page import Page
from rlvis.display.shown import Shown
from rlvis.display.theme import LIGHT, Colour, colour_name, label_colour
from rlvis.display.tiles import Row, Tile

_FINE = 3
"""Drawn so many times as large, then reduced: edges are smooth."""
_VEIL = 0.35
_TILE, _SMALL = (296, 296), (190, 190)
_MOST_HEADINGS = 12
_WALKS = "forward"
_COMPASS = "0° looks right, 90° up"


def draw_field(
    title: str,
    actions: Sequence[str],
    plan: np.ndarray,
    mapping: tuple[float, float, float],
    places: np.ndarray,
    headings: np.ndarray,
    preferred: np.ndarray,
    margin: np.ndarray,
    probabilities: np.ndarray,
    values: np.ndarray,
) -> Page:
    """A page of plans.

    Args:
        title: at the top.
        actions: the names of the K scores.
        plan: uint8 (h, w, 3).
        mapping: scale, x and z offset: pixel = offset + scale * place.
        places: float (P, 2).
        headings: float (A,), radians, 0 to the right, growing to the left.
        preferred: int (P, A).
        margin: float (P, A), 0..1.
        probabilities: float (P, A, K).
        values: float (P, A), NaN where there is none.
    """
    drawing = _Drawing(plan, mapping, places)
    tiles = [
        Tile(
            drawing.rosettes(headings, preferred, margin),
            Shown(
                "what it prefers: a wedge for each heading",
                notes=["in the action's colour, paler if unsure"],
            ),
        )
    ]
    if _WALKS in actions:
        tiles.append(
            Tile(
                drawing.arrows(headings, probabilities[..., list(actions).index(_WALKS)]),
                Shown(
                    "where it walks: π(forward) times the way",
                    notes=["ahead, mean over headings"],
                ),
            )
        )
    if np.isfinite(values).any():
        mean = values.mean(axis=1)
        tiles.append(
            Tile(
                drawing.cells(mean, float(mean.min()), float(mean.max())),
                Shown(
                    "value, mean over headings:",
                    notes=[f"{mean.min():.2f} (dark) to {mean.max():.2f} (bright)"],
                ),
            )
        )
    sure = margin.mean(axis=1)
    tiles.append(
        Tile(
            drawing.cells(sure, 0.0, 1.0),
            Shown(
                "how sure: π of the best less the next, mean over",
                notes=["headings: 0 (dark) to 1 (bright)"],
            ),
        )
    )
    every = max(1, math.ceil(len(headings) / _MOST_HEADINGS))
    by_heading = [
        Tile(
            drawing.preference(preferred[:, place], margin[:, place], float(headings[place])),
            Shown(f"looking {math.degrees(headings[place]):.0f}°"),
        )
        for place in range(0, len(headings), every)
    ]
    shares = np.bincount(preferred.ravel(), minlength=len(actions)) / preferred.size
    legend = ", ".join(
        f"{name} ({colour_name(place)}) {shares[place]:.0%}" for place, name in enumerate(actions)
    )
    return Page(
        title,
        [f"preferred, share of all places and headings: {legend}"],
        [
            Row(tiles, "over the whole floor", tile=_TILE, grows=False),
            Row(
                by_heading,
                "what it prefers, by heading",
                "0° looks right, 90° up",
                tile=_SMALL,
                grows=False,
            ),
        ],
    )


class _Drawing:
    """Draws over a plan.

    Args:
        plan: uint8 (h, w, 3).
        mapping: scale, x and z offset.
        places: float (P, 2).
    """

    def __init__(
        self, plan: np.ndarray, mapping: tuple[float, float, float], places: np.ndarray
    ) -> None:
        scale, x_offset, z_offset = mapping
        self._size = plan.shape[1], plan.shape[0]
        faded = plan * (1 - _VEIL) + 255 * _VEIL
        large = (self._size[0] * _FINE, self._size[1] * _FINE)
        self._plan = Image.fromarray(faded.astype(np.uint8)).resize(large)
        self._points = (places * scale + (x_offset, z_offset)) * _FINE
        self._cell = _spacing(places) * scale * _FINE

    def rosettes(self, headings: np.ndarray, action: np.ndarray, sure: np.ndarray) -> np.ndarray:
        """A wedge for each heading at each place."""
        picture, draw = self._begin()
        half, radius = 180 / len(headings), 0.46 * self._cell
        for (x, z), actions, margins in zip(self._points, action, sure, strict=True):
            box = (x - radius, z - radius, x + radius, z + radius)
            for angle, each, margin in zip(headings, actions, margins, strict=True):
                middle = -math.degrees(angle)
                fill = _pale(label_colour(int(each)), float(margin))
                draw.pieslice(box, middle - half, middle + half, fill=fill)
        return self._reduced(picture)

    def arrows(self, headings: np.ndarray, forward: np.ndarray) -> np.ndarray:
        """An arrow at each place: the mean over headings of π(forward) times the way ahead."""
        ahead = np.stack([np.cos(headings), -np.sin(headings)], axis=1)
        flow = (forward[:, :, None] * ahead[None]).mean(axis=1)
        most = float(np.hypot(*flow.T).max())
        picture, draw = self._begin()
        for (x, z), (dx, dz) in zip(self._points, flow / max(most, 1e-9) * 1.2, strict=True):
            _draw_arrow(draw, x, z, dx * self._cell / 2, dz * self._cell / 2, self._cell)
        return self._reduced(picture)

    def cells(self, values: np.ndarray, low: float, high: float) -> np.ndarray:
        """A square at each place, coloured by a number."""
        share = np.clip((values - low) / max(high - low, 1e-9), 0, 1)
        colours = sequential("viridis", share)
        return self._squares([tuple(each) for each in colours.tolist()])

    def preference(self, action: np.ndarray, sure: np.ndarray, heading: float) -> np.ndarray:
        """A square at each place, coloured by the action preferred there."""
        return self._squares(
            [
                _pale(label_colour(int(each)), float(margin))
                for each, margin in zip(action, sure, strict=True)
            ]
        )

    def _squares(self, colours: Sequence[tuple[int, ...]]) -> np.ndarray:
        picture, draw = self._begin()
        half = 0.5 * self._cell
        for (x, z), colour in zip(self._points, colours, strict=True):
            draw.rectangle((x - half, z - half, x + half, z + half), fill=colour)
        return self._reduced(Image.blend(self._plan, picture, 0.8))

    def _begin(self) -> tuple[Image.Image, ImageDraw.ImageDraw]:
        picture = self._plan.copy()
        return picture, ImageDraw.Draw(picture)

    def _reduced(self, picture: Image.Image) -> np.ndarray:
        return np.asarray(picture.resize(self._size, Image.Resampling.BOX))


def _draw_arrow(
    draw: ImageDraw.ImageDraw, x: float, z: float, dx: float, dz: float, cell: float
) -> None:
    length = math.hypot(dx, dz)
    if length < 0.04 * cell:
        draw.ellipse((x - 3, z - 3, x + 3, z + 3), fill=LIGHT.muted)
        return
    end, head = (x + dx, z + dz), min(0.22 * cell, length)
    along, across = (dx / length, dz / length), (-dz / length, dx / length)
    draw.line((x - dx, z - dz, end[0] - along[0] * head, end[1] - along[1] * head), LIGHT.text, 5)
    base = (end[0] - along[0] * head, end[1] - along[1] * head)
    draw.polygon(
        [
            end,
            (base[0] + across[0] * head * 0.6, base[1] + across[1] * head * 0.6),
            (base[0] - across[0] * head * 0.6, base[1] - across[1] * head * 0.6),
        ],
        fill=LIGHT.text,
    )


def _spacing(places: np.ndarray) -> float:
    """The side of the grid's squares."""
    for column in places.T:
        steps = np.diff(np.unique(np.round(column, 9)))
        if len(steps):
            return float(steps.min())
    return 1.0


def _pale(colour: Colour, sure: float) -> Colour:
    """A colour mixed with white where a policy is not sure."""
    share = 0.3 + 0.7 * sure
    red, green, blue = (round(share * each + (1 - share) * 255) for each in colour)
    return red, green, blue
