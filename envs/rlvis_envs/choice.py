"""A left-or-right decision drawn by lot: two red cubes, and a marker that says which one counts.

The marker hangs on the far wall, which the agent looks at from the start: blue speaks for the left
cube, yellow for the right one. A cue, where there is one, speaks for a side too, and is right as
often as the options say; it is put into a room that is the same to the last number without it.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from rlvis_envs.geometry import (
    CHOICE_ASIDE,
    CHOICE_DEPTH,
    CHOICE_START,
    CHOICE_START_ASIDE,
    CUBE_RADIUS,
)
from rlvis_envs.materials import COLORS, Triple
from rlvis_envs.options import ChoiceOptions
from rlvis_envs.sampling import sample_appearance
from rlvis_envs.scene import SIDES, Box, Choice, Pose, Scene
from rlvis_envs.stage import dimmed

MARKER_COLOR = {"left": COLORS["blue"], "right": COLORS["yellow"]}
MARKER_WIDTH = 0.3
"""In shares of the room's size, where the marker is not scaled."""
MARKER_DEPTH, MARKER_HEIGHT, MARKER_MIDDLE = 0.04, 1.5, 1.7
"""In metres."""
START_HEADING = math.radians(50)
"""Most angle between the agent's first heading and the far wall's direction."""

FLOOR_CUE = {"left": "wood_planks_1", "right": "grass_1"}
CEILING_CUE = {"left": "ceiling_tiles_1", "right": None}
LIGHT_CUE = {"left": 0.55, "right": 1.0}
OBJECT_COLOR, OBJECT_ASIDE = COLORS["green"], 0.17
SHADE = 0.6


def sample_choice(options: ChoiceOptions, rng: np.random.Generator) -> tuple[Scene, Pose]:
    """Draw a world with two red cubes, and the agent's start in it, by lot."""
    size = options.room_size
    look, camera, red = sample_appearance(options, rng)
    side = SIDES[rng.integers(2)]
    agrees = bool(rng.random() < options.cue_agreement)
    left, right = (_sample_cube(rng, size, red, sign) for sign in (-1, 1))
    pose = Pose(
        x=size * rng.uniform(*CHOICE_START),
        z=size * (0.5 + rng.uniform(-CHOICE_START_ASIDE, CHOICE_START_ASIDE)),
        angle=rng.uniform(-START_HEADING, START_HEADING),
    )
    cube, decoy = (left, right) if side == "left" else (right, left)
    scene = Scene(size, look, camera, cube, (), Choice(side, decoy, _marker(options, side)))
    if options.cue is not None:
        scene = with_cue(scene, options.cue, side if agrees else _other(side))
    return scene, pose


def with_cue(scene: Scene, cue: str, side: str) -> Scene:
    """The same world with a cue that speaks for a side.

    Args:
        scene: a world with a choice and no cue.
        cue: one of `rlvis_envs.options.CUES`.
        side: "left" or "right".
    """
    assert scene.choice is not None
    scene = replace(scene, choice=replace(scene.choice, cue_side=side))
    return _PLANT[cue](scene, side)


def _sample_cube(rng: np.random.Generator, size: float, red: Triple, sign: int) -> Box:
    x = size * rng.uniform(*CHOICE_DEPTH)
    z = size * (0.5 + sign * rng.uniform(*CHOICE_ASIDE))
    return Box(x, z, rng.uniform(-math.pi, math.pi), red)


def _marker(options: ChoiceOptions, side: str) -> Box:
    size, scale = options.room_size, options.marker_scale
    extents = MARKER_DEPTH, scale * MARKER_HEIGHT, scale * MARKER_WIDTH * size
    base = MARKER_MIDDLE - extents[1] / 2
    return Box(size - MARKER_DEPTH / 2, size / 2, 0.0, MARKER_COLOR[side], extents, base)


def _floor(scene: Scene, side: str) -> Scene:
    return replace(scene, look=replace(scene.look, floor=FLOOR_CUE[side]))


def _ceiling(scene: Scene, side: str) -> Scene:
    return replace(scene, look=replace(scene.look, ceiling=CEILING_CUE[side]))


def _light(scene: Scene, side: str) -> Scene:
    return replace(scene, look=dimmed(scene.look, LIGHT_CUE[side]))


def _object(scene: Scene, side: str) -> Scene:
    """Put a green cube at the far wall, left or right of its middle."""
    size, sign = scene.room_size, -1 if side == "left" else 1
    place = size - CUBE_RADIUS, size * (0.5 + sign * OBJECT_ASIDE)
    return replace(scene, distractors=(Box(*place, 0.0, OBJECT_COLOR),))


def _shade(scene: Scene, side: str) -> Scene:
    """Make the red of the cube on a side darker."""

    def darker(box: Box) -> Box:
        red, green, blue = box.color
        return replace(box, color=(SHADE * red, SHADE * green, SHADE * blue))

    choice = scene.choice
    assert choice is not None
    if side == choice.side:
        return replace(scene, cube=darker(scene.cube))
    return replace(scene, choice=replace(choice, decoy=darker(choice.decoy)))


def _other(side: str) -> str:
    return SIDES[1 - SIDES.index(side)]


_PLANT: dict[str, Callable[[Scene, str], Scene]] = {
    "floor": _floor,
    "ceiling": _ceiling,
    "light": _light,
    "object": _object,
    "shade": _shade,
}
