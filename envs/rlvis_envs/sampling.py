"""How a new world is drawn by lot."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from rlvis_envs.geometry import AGENT_RADIUS, CLEARANCE, CUBE_RADIUS, start_distance
from rlvis_envs.materials import CEILINGS, COLORS, FLOORS, OTHER_COLORS, WALLS, Triple
from rlvis_envs.miniworld import DEFAULT_PARAMS
from rlvis_envs.options import Options
from rlvis_envs.scene import Box, Camera, Look, Pose, Scene


def sample_scene(options: Options, rng: np.random.Generator) -> tuple[Scene, Pose]:
    """Draw a world and the agent's start in it by lot.

    The agent starts out of reach of the cube and everything can be walked round.
    """
    look, camera, red = sample_appearance(options, rng)
    while True:
        cube = _sample_cube(rng, options.room_size, CUBE_RADIUS, red)
        scene = Scene(options.room_size, look, camera, cube, ())
        scene = _add_distractors(scene, options.distractors, rng)
        pose = _sample_start(scene, options.forward_step, rng)
        if pose is not None and len(scene.distractors) == options.distractors:
            return scene, pose


def sample_appearance(options: Options, rng: np.random.Generator) -> tuple[Look, Camera, Triple]:
    """Draw surfaces, light, camera and the shade of red; the default ones without `domain_rand`."""
    randomness = rng if options.domain_rand else None

    def value(name: str) -> Any:
        return np.asarray(DEFAULT_PARAMS.sample(randomness, name), float).tolist()

    def texture(names: tuple[Any, ...]) -> Any:
        return names[0] if randomness is None else names[randomness.integers(len(names))]

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
    red = np.clip(np.add(COLORS["red"], value("obj_color_bias")), 0, 1)
    return look, camera, tuple(red.tolist())


def _sample_cube(rng: np.random.Generator, room_size: float, margin: float, color: Triple) -> Box:
    x, z = rng.uniform(margin, room_size - margin, size=2).tolist()
    return Box(x, z, rng.uniform(-math.pi, math.pi), color)


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
