"""The room from above, painted as a plan: floor, walls, cubes, agent and its field of view."""

import math
from collections.abc import Iterable

from rlvis_envs.geometry import AGENT_RADIUS
from rlvis_envs.miniworld import TEX_DENSITY, gl
from rlvis_envs.render.gl import load_texture
from rlvis_envs.scene import Box, Pose
from rlvis_envs.stage import Stage

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
LEAST_EXTENT = 0.2
"""A box thinner than this is painted as thick as this, in metres."""


def plan_mapping(size: float, width: int, height: int) -> tuple[float, float, float]:
    """Return scale, offset_x and offset_y of a plan: pixel = offset + scale * metres.

    Args:
        size: Side of the room in metres.
        width: Of the picture in pixels; the room is centred in it.
        height: Likewise.
    """
    scale = min(width, height) / (size + 2 * (WALL_WIDTH + MARGIN))
    return scale, (width - scale * size) / 2, (height - scale * size) / 2


def paint_top_view(stage: Stage, width: int, height: int, camera_aspect: float) -> None:
    """Paint the plan into the bound picture: x to the right, z down, metres to the same scale.

    Args:
        stage: What to paint.
        width: Of the picture in pixels.
        height: Likewise.
        camera_aspect: Width over height of the observation, for the field of view.
    """
    size = stage.room_size
    _set_up(size, width, height)
    _polygon(_rectangle(-WALL_WIDTH, size + WALL_WIDTH), WALL)
    _paint_floor(size, stage.look.floor)
    _polygon(_rectangle(0, size), VEIL)
    _polygon(_sight(stage, camera_aspect), SIGHT)
    for box in stage.objects.values():
        _paint_box(box)
    _paint_agent(stage.pose)
    gl.glDisable(gl.GL_BLEND)
    gl.glEnable(gl.GL_CULL_FACE)
    gl.glEnable(gl.GL_DEPTH_TEST)


def _set_up(size: float, width: int, height: int) -> None:
    scale, left, top = plan_mapping(size, width, height)
    gl.glMatrixMode(gl.GL_PROJECTION)
    gl.glLoadIdentity()
    gl.glOrtho(-left / scale, (width - left) / scale, (height - top) / scale, -top / scale, -1, 1)
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


def _paint_box(box: Box) -> None:
    width, depth = (max(extent, LEAST_EXTENT) for extent in (box.size[0], box.size[2]))
    for grown, shift, color in (
        (0.04, 0.07, SHADOW),
        (0.06, 0.0, OUTLINE),
        (-0.02, 0.0, box.color),
    ):
        half_width, half_depth = (width + grown) / 2, (depth + grown) / 2
        corners = ((1, -1), (-1, -1), (-1, 1), (1, 1))
        cos, sin = math.cos(box.angle), math.sin(box.angle)
        ahead_and_aside = [(i * half_width, j * half_depth) for i, j in corners]
        _polygon(
            [
                (box.x + shift + a * cos + b * sin, box.z + shift - a * sin + b * cos)
                for a, b in ahead_and_aside
            ],
            color,
        )


def _paint_agent(pose: Pose) -> None:
    _polygon(_disc(pose.x + 0.06, pose.z + 0.06, AGENT_RADIUS), SHADOW)
    _polygon(_disc(pose.x, pose.z, AGENT_RADIUS), WHITE)
    _polygon(_disc(pose.x, pose.z, AGENT_RADIUS - 0.05), BODY)
    tip, wing, notch = 0.29, 0.26, 0.08
    arrow = ((tip, 0.0), (wing, 2.4), (-notch, 0.0), (wing, -2.4))
    _polygon([_polar(pose.x, pose.z, r, pose.angle + turn) for r, turn in arrow], WHITE)


def _sight(stage: Stage, aspect: float) -> list[Point]:
    """The floor in the camera's horizontal field of view, up to the walls."""
    pose = stage.pose
    half = math.atan(math.tan(math.radians(stage.camera.field_of_view) / 2) * aspect)
    corners = [(pose.x, pose.z)]
    for i in range(65):
        angle = pose.angle + half * (i / 32 - 1)
        reach = _to_wall(pose, angle, stage.room_size)
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


def _disc(x: float, z: float, radius: float) -> list[Point]:
    return [_polar(x, z, radius, i * math.tau / 64) for i in range(64)]


def _rectangle(low: float, high: float) -> list[Point]:
    return [(low, low), (high, low), (high, high), (low, high)]


def _polygon(points: Iterable[Point], color: Color) -> None:
    gl.glColor4f(*color, *(() if len(color) == 4 else (1.0,)))
    gl.glBegin(gl.GL_TRIANGLE_FAN)
    for x, z in points:
        gl.glVertex2f(x, z)
    gl.glEnd()
