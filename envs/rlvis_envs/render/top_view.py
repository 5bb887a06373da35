"""The room from above, painted as a plan: floor, walls, cubes, agent and its field of view."""

import math
from collections.abc import Iterable

from rlvis_envs.geometry import AGENT_RADIUS, CUBE_SIZE
from rlvis_envs.miniworld import TEX_DENSITY, gl
from rlvis_envs.render.gl import load_texture
from rlvis_envs.scene import Cube, Pose, Scene

Point = tuple[float, float]
Color = tuple[float, ...]

PAPER = (0.96, 0.96, 0.95)
WALL = (0.22, 0.25, 0.30)
VEIL = (0.96, 0.96, 0.95, 0.5)
SHADOW = (0.0, 0.0, 0.0, 0.25)
OUTLINE = (0.10, 0.11, 0.13)
SIGHT = (1.0, 0.80, 0.20, 0.45)
BODY = (0.09, 0.24, 0.45)
WHITE = (1.0, 1.0, 1.0)
WALL_WIDTH = 0.16
MARGIN = 0.25


def paint_top_view(scene: Scene, pose: Pose, aspect: float, camera_aspect: float) -> None:
    """Paint the plan into the bound picture: x to the right, z down, metres to the same scale.

    Args:
        scene: The world to paint.
        pose: The agent in it.
        aspect: Width over height of the picture; the room is centred in it.
        camera_aspect: Width over height of the observation, for the field of view.
    """
    size = scene.room_size
    _set_up(size, aspect)
    _polygon(_rectangle(-WALL_WIDTH, size + WALL_WIDTH), WALL)
    _paint_floor(size, scene.look.floor)
    _polygon(_rectangle(0, size), VEIL)
    _polygon(_sight(scene, pose, camera_aspect), SIGHT)
    for cube in (*scene.distractors, scene.cube):
        _paint_cube(cube)
    _paint_agent(pose)
    gl.glDisable(gl.GL_BLEND)
    gl.glEnable(gl.GL_CULL_FACE)
    gl.glEnable(gl.GL_DEPTH_TEST)


def _set_up(size: float, aspect: float) -> None:
    extent = size / 2 + WALL_WIDTH + MARGIN
    half_width, half_height = extent * max(1, aspect), extent * max(1, 1 / aspect)
    middle = size / 2
    gl.glMatrixMode(gl.GL_PROJECTION)
    gl.glLoadIdentity()
    gl.glOrtho(
        middle - half_width, middle + half_width, middle + half_height, middle - half_height, -1, 1
    )
    gl.glMatrixMode(gl.GL_MODELVIEW)
    gl.glLoadIdentity()
    for capability in (gl.GL_LIGHTING, gl.GL_DEPTH_TEST, gl.GL_CULL_FACE):
        gl.glDisable(capability)
    gl.glEnable(gl.GL_BLEND)
    gl.glBlendFunc(gl.GL_SRC_ALPHA, gl.GL_ONE_MINUS_SRC_ALPHA)
    gl.glClearColor(*PAPER, 1)
    gl.glClear(gl.GL_COLOR_BUFFER_BIT)


def _paint_floor(size: float, name: str) -> None:
    texture = load_texture(name)
    gl.glEnable(gl.GL_TEXTURE_2D)
    texture.bind()
    gl.glColor3f(*WHITE)
    gl.glBegin(gl.GL_QUADS)
    for x, z in _rectangle(0, size):
        gl.glTexCoord2f(x * TEX_DENSITY / texture.width, z * TEX_DENSITY / texture.height)
        gl.glVertex2f(x, z)
    gl.glEnd()
    gl.glDisable(gl.GL_TEXTURE_2D)


def _paint_cube(cube: Cube) -> None:
    for side, shift, color in (
        (CUBE_SIZE + 0.04, 0.07, SHADOW),
        (CUBE_SIZE + 0.06, 0.0, OUTLINE),
        (CUBE_SIZE - 0.02, 0.0, cube.color),
    ):
        square = _ring(cube.x + shift, cube.z + shift, side / math.sqrt(2), cube.angle, 4)
        _polygon(square, color)


def _paint_agent(pose: Pose) -> None:
    _polygon(_ring(pose.x + 0.06, pose.z + 0.06, AGENT_RADIUS, 0, 64), SHADOW)
    _polygon(_ring(pose.x, pose.z, AGENT_RADIUS, 0, 64), WHITE)
    _polygon(_ring(pose.x, pose.z, AGENT_RADIUS - 0.05, 0, 64), BODY)
    tip, wing, notch = 0.29, 0.26, 0.08
    arrow = ((tip, 0.0), (wing, 2.4), (-notch, 0.0), (wing, -2.4))
    _polygon([_polar(pose.x, pose.z, r, pose.angle + turn) for r, turn in arrow], WHITE)


def _sight(scene: Scene, pose: Pose, aspect: float) -> list[Point]:
    """The floor in the camera's horizontal field of view, up to the walls."""
    half = math.atan(math.tan(math.radians(scene.camera.field_of_view) / 2) * aspect)
    corners = [(pose.x, pose.z)]
    for i in range(65):
        angle = pose.angle + half * (i / 32 - 1)
        reach = _to_wall(pose, angle, scene.room_size)
        corners.append(_polar(pose.x, pose.z, reach, angle))
    return corners


def _to_wall(pose: Pose, angle: float, size: float) -> float:
    ways = []
    for start, speed in ((pose.x, math.cos(angle)), (pose.z, -math.sin(angle))):
        if speed:
            ways.append(((size if speed > 0 else 0) - start) / speed)
    return min(ways)


def _polar(x: float, z: float, radius: float, angle: float) -> Point:
    return x + radius * math.cos(angle), z - radius * math.sin(angle)


def _ring(x: float, z: float, radius: float, angle: float, corners: int) -> list[Point]:
    """A regular polygon; with four corners, the square that looks along `angle`."""
    first = angle + math.pi / corners
    return [_polar(x, z, radius, first + i * math.tau / corners) for i in range(corners)]


def _rectangle(low: float, high: float) -> list[Point]:
    return [(low, low), (high, low), (high, high), (low, high)]


def _polygon(points: Iterable[Point], color: Color) -> None:
    gl.glColor4f(*color, *(() if len(color) == 4 else (1.0,)))
    gl.glBegin(gl.GL_TRIANGLE_FAN)
    for x, z in points:
        gl.glVertex2f(x, z)
    gl.glEnd()
