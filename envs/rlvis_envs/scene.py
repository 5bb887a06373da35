"""A world as plain numbers: what a picture of it depends on, and how a new one is drawn by lot."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from rlvis_envs.geometry import (
    AGENT_RADIUS,
    CLEARANCE,
    CONTACT,
    CUBE_RADIUS,
    start_distance,
)
from rlvis_envs.miniworld import COLORS, DEFAULT_PARAMS
from rlvis_envs.options import Options

Triple = tuple[float, float, float]

FLOORS = (
    "floor_tiles_bw_1",
    "asphalt_1",
    "cardboard_1",
    "concrete_1",
    "grass_1",
    "marble_1",
    "marble_2",
    "rock_1",
    "wood_1",
    "wood_2",
    "wood_planks_1",
)
WALLS = (
    "concrete_1",
    "brick_wall_1",
    "cardboard_2",
    "cinder_blocks_1",
    "concrete_2",
    "concrete_3",
    "concrete_4",
    "drywall_1",
    "marble_1",
    "stucco_1",
    "wood_planks_1",
)
CEILINGS = (
    "concrete_tiles_1",
    "ceiling_tile_noborder_1",
    "ceiling_tiles_1",
    "drywall_1",
    "stucco_1",
    None,
)
OTHER_COLORS: tuple[Triple, ...] = tuple(
    tuple(rgb.tolist()) for name, rgb in COLORS.items() if name != "red"
)


@dataclass(frozen=True)
class Look:
    """Surfaces and light, as MiniWorld draws them.

    Textures are its file names; a ceiling of None is open sky. Its light "position" is by a slip
    of its code a direction, every coordinate 1 greater: that is what all its worlds look like.
    """

    floor: str
    wall: str
    ceiling: str | None
    sky: Triple
    light_direction: Triple
    light_color: Triple
    light_ambient: Triple


@dataclass(frozen=True)
class Camera:
    """The agent's eye: height and forward shift in metres, pitch and vertical field in degrees."""

    height: float
    forward: float
    pitch: float
    field_of_view: float


@dataclass(frozen=True)
class Cube:
    """A cube on the floor: centre in metres, angle in radians, colour in [0, 1]."""

    x: float
    z: float
    angle: float
    color: Triple


@dataclass(frozen=True)
class Pose:
    """Where the agent stands (metres) and looks (radians)."""

    x: float
    z: float
    angle: float


@dataclass(frozen=True)
class Scene:
    """A square room from (0, 0) to (room_size, room_size) with the red cube and others in it."""

    room_size: float
    look: Look
    camera: Camera
    cube: Cube
    distractors: tuple[Cube, ...]

    def blocks(self, x: float, z: float) -> bool:
        """Whether an agent at (x, z) would overlap a wall or a distractor."""
        far = self.room_size - AGENT_RADIUS
        if not (AGENT_RADIUS <= x <= far and AGENT_RADIUS <= z <= far):
            return True
        return any(math.hypot(c.x - x, c.z - z) < CONTACT for c in self.distractors)

    def slide(self, x: float, z: float) -> tuple[float, float]:
        """Where an agent ends that steps to (x, z): pushed straight out of a distractor there.

        The camera cannot see a cube at the agent's feet, so one must not hold the agent fast.
        """
        for cube in self.distractors:
            distance = math.hypot(x - cube.x, z - cube.z)
            if 0 < distance < CONTACT:
                out = CONTACT * (1 + 1e-9) / distance
                return cube.x + (x - cube.x) * out, cube.z + (z - cube.z) * out
        return x, z

    def touches(self, x: float, z: float) -> bool:
        """Whether the circle of an agent at (x, z) meets the circle of the red cube."""
        return math.hypot(self.cube.x - x, self.cube.z - z) < CONTACT

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Rebuild a scene from nested plain dicts and lists."""
        return cls(
            room_size=plain["room_size"],
            look=Look(**_tuples(plain["look"])),
            camera=Camera(**plain["camera"]),
            cube=Cube(**_tuples(plain["cube"])),
            distractors=tuple(Cube(**_tuples(cube)) for cube in plain["distractors"]),
        )


def sample_scene(options: Options, rng: np.random.Generator) -> tuple[Scene, Pose]:
    """Draw a world and the agent's start in it by lot.

    The agent starts out of reach of the cube and everything can be walked round.
    """
    randomness = rng if options.domain_rand else None
    look, camera, red = _sample_appearance(randomness)
    while True:
        cube = _sample_cube(rng, options.room_size, CUBE_RADIUS, red)
        scene = Scene(options.room_size, look, camera, cube, ())
        scene = _add_distractors(scene, options.distractors, rng)
        pose = _sample_start(scene, options.forward_step, rng)
        if pose is not None and len(scene.distractors) == options.distractors:
            return scene, pose


def _sample_appearance(rng: np.random.Generator | None) -> tuple[Look, Camera, Triple]:
    def value(name: str) -> Any:
        return np.asarray(DEFAULT_PARAMS.sample(rng, name), float).tolist()

    def texture(names: tuple[Any, ...]) -> Any:
        return names[0] if rng is None else names[rng.integers(len(names))]

    look = Look(
        floor=texture(FLOORS),
        wall=texture(WALLS),
        ceiling=texture(CEILINGS),
        sky=tuple(value("sky_color")),
        light_direction=tuple(np.add(value("light_pos"), 1).tolist()),
        light_color=tuple(value("light_color")),
        light_ambient=tuple(value("light_ambient")),
    )
    camera = Camera(
        height=value("cam_height"),
        forward=value("cam_fwd_disp"),
        pitch=value("cam_pitch"),
        field_of_view=value("cam_fov_y"),
    )
    red = np.clip(COLORS["red"] + value("obj_color_bias"), 0, 1)
    return look, camera, tuple(red.tolist())


def _sample_cube(rng: np.random.Generator, room_size: float, margin: float, color: Triple) -> Cube:
    x, z = rng.uniform(margin, room_size - margin, size=2).tolist()
    return Cube(x, z, rng.uniform(-math.pi, math.pi), color)


def _add_distractors(scene: Scene, count: int, rng: np.random.Generator) -> Scene:
    """Add up to `count` cubes, each with CLEARANCE around it; fewer if they find no place."""
    spacing = 2 * CUBE_RADIUS + CLEARANCE
    for _ in range(20 * count):
        if len(scene.distractors) == count:
            break
        color = OTHER_COLORS[rng.integers(len(OTHER_COLORS))]
        new = _sample_cube(rng, scene.room_size, CUBE_RADIUS + CLEARANCE, color)
        others = (scene.cube, *scene.distractors)
        if all(math.hypot(new.x - c.x, new.z - c.z) >= spacing for c in others):
            scene = replace(scene, distractors=(*scene.distractors, new))
    return scene


def _sample_start(scene: Scene, forward_step: float, rng: np.random.Generator) -> Pose | None:
    for _ in range(100):
        x, z = rng.uniform(AGENT_RADIUS, scene.room_size - AGENT_RADIUS, size=2).tolist()
        distance = math.hypot(scene.cube.x - x, scene.cube.z - z)
        if distance >= start_distance(forward_step) and not scene.blocks(x, z):
            return Pose(x, z, rng.uniform(-math.pi, math.pi))
    return None


def _tuples(plain: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()}
