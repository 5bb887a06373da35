"""Whether the camera's field of view meets the cube, without drawing."""

import math
from itertools import product

from rlvis_envs.geometry import CUBE_SIZE
from rlvis_envs.scene import Pose, Scene

_UNIT_CORNERS = tuple(product((-0.5, 0.5), (0.0, 1.0), (-0.5, 0.5)))
_CORNERS = tuple((CUBE_SIZE * x, CUBE_SIZE * y, CUBE_SIZE * z) for x, y, z in _UNIT_CORNERS)


def cube_in_view(scene: Scene, pose: Pose, aspect: float) -> bool:
    """Whether any part of the red cube lies in the camera's pyramid of view.

    It does not when all its corners lie beyond one side of the pyramid. Cubes of other colours,
    which may hide it, are not considered.

    Args:
        scene: The world.
        pose: The agent in it.
        aspect: Width over height of the camera's image.
    """
    camera, cube = scene.camera, scene.cube
    tan_y = math.tan(math.radians(camera.field_of_view) / 2)
    tan_x = tan_y * aspect
    cos_a, sin_a = math.cos(pose.angle), math.sin(pose.angle)
    turn = cube.angle - pose.angle
    cos_t, sin_t = math.cos(turn), math.sin(turn)
    cos_p, sin_p = math.cos(math.radians(camera.pitch)), math.sin(math.radians(camera.pitch))
    dx, dz = cube.x - pose.x, cube.z - pose.z
    center_ahead, center_right = dx * cos_a - dz * sin_a - camera.forward, dx * sin_a + dz * cos_a
    beyond_all = 0b1111
    for x, y, z in _CORNERS:
        ahead = center_ahead + x * cos_t - z * sin_t
        right = center_right - x * sin_t - z * cos_t
        above = y - camera.height
        depth, up = ahead * cos_p + above * sin_p, above * cos_p - ahead * sin_p
        beyond = (
            (right > tan_x * depth)
            | (-right > tan_x * depth) << 1
            | (up > tan_y * depth) << 2
            | (-up > tan_y * depth) << 3
        )
        beyond_all &= beyond
        if not beyond_all:
            return True
    return False
