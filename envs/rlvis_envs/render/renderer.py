"""Pictures of a scene: the agent's camera, the cube's mask, the view from above.

The room is convex and the camera is inside it, so nothing of the room can hide a cube: the room is
painted first, without depth, and the cubes over it, with depth among themselves.
"""

import math
from collections.abc import Callable
from ctypes import Array
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np

from rlvis_envs.geometry import CUBE_SIZE
from rlvis_envs.miniworld import Room, drawBox, gl
from rlvis_envs.render.framebuffer import FrameBuffer
from rlvis_envs.render.gl import drawing, load_texture, new_lists, texture_name
from rlvis_envs.render.top_view import paint_top_view
from rlvis_envs.scene import Cube, Look, Pose, Scene

NEAR, FAR = 0.04, 100.0
COLOR_AND_DEPTH = gl.GL_COLOR_BUFFER_BIT | gl.GL_DEPTH_BUFFER_BIT


class Renderer:
    """Draws the scene last loaded, with display lists and frame buffers of its own.

    Args:
        width, height: Size of the observation in pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        with drawing():
            self._observation = FrameBuffer(width, height)
            self._view: FrameBuffer | None = None
            self._first_list = new_lists(3)
            self._room, self._others, self._cube = range(self._first_list, self._first_list + 3)
            self._compiled: tuple[float, Look] | None = None

    def load(self, scene: Scene) -> None:
        """Make `scene` the one that is drawn from now on; comes before everything else."""
        with drawing():
            self._scene = scene
            if self._compiled != (scene.room_size, scene.look):
                self._compiled = (scene.room_size, scene.look)
                room = _furnished_room(scene.room_size, scene.look)
                _compile(self._room, lambda: _draw_room(room, scene.look))
            _compile(self._others, lambda: _draw_colored(scene.distractors))
            _compile(self._cube, lambda: _draw_cube(scene.cube))

    def camera_image(self, pose: Pose) -> np.ndarray:
        """Return the agent's camera image, uint8 (height, width, 3)."""
        with drawing():
            return self._camera_image(self._observation, pose)

    def cube_mask(self, pose: Pose) -> np.ndarray:
        """Return the pixels of the observation that hold any of the red cube, bool (H, W).

        The cube is drawn white on black by the same samples as in the observation, the distractors
        leave only their depth: a pixel that is not black has at least one sample of the cube.
        """
        with drawing():
            self._aim(self._observation, pose)
            gl.glClearColor(0, 0, 0, 1)
            gl.glClear(COLOR_AND_DEPTH)
            gl.glDisable(gl.GL_LIGHTING)
            gl.glColorMask(False, False, False, False)
            gl.glCallList(self._others)
            gl.glColorMask(True, True, True, True)
            gl.glColor3f(1, 1, 1)
            gl.glCallList(self._cube)
            return self._observation.read()[..., 0] > 0

    def view(self, kind: str, pose: Pose, width: int, height: int) -> np.ndarray:
        """Return the "agent" or "top" view in any size, uint8 (height, width, 3)."""
        with drawing():
            target = self._view_buffer(width, height)
            if kind == "agent":
                return self._camera_image(target, pose)
            target.bind()
            aspect = self._observation.width / self._observation.height
            paint_top_view(self._scene, pose, width / height, aspect)
            return target.read()

    def free(self) -> None:
        """Give back everything this renderer holds in OpenGL; it is of no use afterwards."""
        with drawing():
            gl.glDeleteLists(self._first_list, 3)
            self._observation.free()
            if self._view is not None:
                self._view.free()

    def _camera_image(self, target: FrameBuffer, pose: Pose) -> np.ndarray:
        self._aim(target, pose)
        gl.glClearColor(*self._scene.look.sky, 1)
        gl.glClear(COLOR_AND_DEPTH)
        gl.glCallList(self._room)
        gl.glCallList(self._others)
        gl.glColor3f(*self._scene.cube.color)
        gl.glCallList(self._cube)
        return target.read()

    def _aim(self, target: FrameBuffer, pose: Pose) -> None:
        target.bind()
        field_of_view = self._scene.camera.field_of_view
        gl.glMatrixMode(gl.GL_PROJECTION)
        gl.glLoadMatrixf(_projection(field_of_view, target.width / target.height))
        gl.glMatrixMode(gl.GL_MODELVIEW)
        gl.glLoadMatrixf(self._modelview(pose))

    def _modelview(self, pose: Pose) -> "Array[Any]":
        camera = self._scene.camera
        cos_a, sin_a = math.cos(pose.angle), math.sin(pose.angle)
        cos_p, sin_p = (f(math.radians(camera.pitch)) for f in (math.cos, math.sin))
        right = (sin_a, 0.0, cos_a)
        up = (-sin_p * cos_a, cos_p, sin_p * sin_a)
        back = (-cos_p * cos_a, -sin_p, cos_p * sin_a)
        x, y, z = pose.x + camera.forward * cos_a, camera.height, pose.z - camera.forward * sin_a
        columns = []
        for axis in (right, up, back):
            columns.append((*axis, -(axis[0] * x + axis[1] * y + axis[2] * z)))
        rows = zip(*columns, (0.0, 0.0, 0.0, 1.0), strict=True)
        return (gl.GLfloat * 16)(*chain.from_iterable(rows))

    def _view_buffer(self, width: int, height: int) -> FrameBuffer:
        if self._view is None or (self._view.width, self._view.height) != (width, height):
            if self._view is not None:
                self._view.free()
            self._view = FrameBuffer(width, height)
        return self._view


@lru_cache(maxsize=256)
def _projection(field_of_view: float, aspect: float) -> "Array[Any]":
    f = 1 / math.tan(math.radians(field_of_view) / 2)
    depth = (NEAR + FAR) / (NEAR - FAR), 2 * NEAR * FAR / (NEAR - FAR)
    return (gl.GLfloat * 16)(f / aspect, 0, 0, 0, 0, f, 0, 0, 0, 0, depth[0], -1, 0, 0, depth[1], 0)


def _compile(number: int, draw: Callable[[], None]) -> None:
    gl.glNewList(number, gl.GL_COMPILE)
    draw()
    gl.glEndList()


def _furnished_room(size: float, look: Look) -> Any:
    """MiniWorld's room with its textures loaded, which must not happen inside a display list."""
    ceiling = look.ceiling or look.wall
    for name in (look.floor, look.wall, ceiling):
        load_texture(name)
    room = Room(
        np.array([[size, size], [size, 0.0], [0.0, 0.0], [0.0, size]]),
        floor_tex=texture_name(look.floor),
        wall_tex=texture_name(look.wall),
        ceil_tex=texture_name(ceiling),
        no_ceiling=look.ceiling is None,
    )
    room._gen_static_data(None, None)
    return room


def _draw_room(room: Any, look: Look) -> None:
    for name, values in (
        (gl.GL_POSITION, (*look.light_direction, 0)),
        (gl.GL_AMBIENT, (*look.light_ambient, 1)),
        (gl.GL_DIFFUSE, (*look.light_color, 1)),
    ):
        gl.glLightfv(gl.GL_LIGHT0, name, (gl.GLfloat * 4)(*values))
    gl.glEnable(gl.GL_LIGHTING)
    gl.glEnable(gl.GL_TEXTURE_2D)
    gl.glDisable(gl.GL_DEPTH_TEST)
    room._render()
    gl.glEnable(gl.GL_DEPTH_TEST)
    gl.glDisable(gl.GL_TEXTURE_2D)


def _draw_colored(cubes: tuple[Cube, ...]) -> None:
    for cube in cubes:
        gl.glColor3f(*cube.color)
        _draw_cube(cube)


def _draw_cube(cube: Cube) -> None:
    half = CUBE_SIZE / 2
    gl.glPushMatrix()
    gl.glTranslatef(cube.x, 0, cube.z)
    gl.glRotatef(math.degrees(cube.angle), 0, 1, 0)
    drawBox(-half, half, 0, CUBE_SIZE, -half, half)
    gl.glPopMatrix()
