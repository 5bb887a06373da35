"""Pictures of a stage: the agent's camera, an object's mask, the view from above.

The room is convex and the camera is inside it, so nothing of the room can hide an object: the room
is painted first, without depth, and the objects over it, with depth among themselves. Nothing is
kept from one picture to the next but compiled drawings that no stage can change.
"""

import math
from ctypes import Array
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np

from rlvis_envs.miniworld import gl
from rlvis_envs.render.drawings import draw_box, draw_room
from rlvis_envs.render.framebuffer import FrameBuffer
from rlvis_envs.render.gl import drawing
from rlvis_envs.render.top_view import paint_top_view
from rlvis_envs.scene import Box, Camera, Pose
from rlvis_envs.stage import Stage

NEAR, FAR = 0.04, 100.0
COLOR_AND_DEPTH = gl.GL_COLOR_BUFFER_BIT | gl.GL_DEPTH_BUFFER_BIT
BLACK, WHITE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


class Renderer:
    """Draws stages into frame buffers of its own.

    Args:
        width, height: Size of the observation in pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        with drawing():
            self._observation = FrameBuffer(width, height)
            self._view: FrameBuffer | None = None

    def camera_image(self, stage: Stage) -> np.ndarray:
        """Return the agent's camera image, uint8 (height, width, 3)."""
        with drawing():
            return _camera_image(self._observation, stage)

    def object_mask(self, stage: Stage, name: str) -> np.ndarray:
        """Return the pixels of the observation that hold any of an object, bool (H, W).

        The object is drawn white among black ones, by the same samples as in the observation: a
        pixel that is not black has at least one sample of the object.
        """
        with drawing():
            _aim(self._observation, stage.camera, stage.pose)
            gl.glClearColor(*BLACK, 1)
            gl.glClear(COLOR_AND_DEPTH)
            gl.glDisable(gl.GL_LIGHTING)
            for each, box in stage.objects.items():
                gl.glColor3f(*(WHITE if each == name else BLACK))
                _place(box)
            return self._observation.read()[..., 0] > 0

    def view(self, kind: str, stage: Stage, width: int, height: int) -> np.ndarray:
        """Return the "agent" or "top" view in any size, uint8 (height, width, 3)."""
        with drawing():
            target = self._view_buffer(width, height)
            if kind == "agent":
                return _camera_image(target, stage)
            target.bind()
            aspect = self._observation.width / self._observation.height
            paint_top_view(stage, width, height, aspect)
            return target.read()

    def free(self) -> None:
        """Give back the frame buffers; the renderer is of no use afterwards."""
        with drawing():
            self._observation.free()
            if self._view is not None:
                self._view.free()

    def _view_buffer(self, width: int, height: int) -> FrameBuffer:
        if self._view is None or (self._view.width, self._view.height) != (width, height):
            if self._view is not None:
                self._view.free()
            self._view = FrameBuffer(width, height)
        return self._view


def _camera_image(target: FrameBuffer, stage: Stage) -> np.ndarray:
    _aim(target, stage.camera, stage.pose)
    gl.glClearColor(*stage.look.sky, 1)
    gl.glClear(COLOR_AND_DEPTH)
    draw_room(stage.room_size, stage.look)
    for box in stage.objects.values():
        gl.glColor3f(*box.color)
        _place(box)
    return target.read()


def _aim(target: FrameBuffer, camera: Camera, pose: Pose) -> None:
    target.bind()
    gl.glMatrixMode(gl.GL_PROJECTION)
    gl.glLoadMatrixf(_projection(camera.field_of_view, target.width / target.height))
    gl.glMatrixMode(gl.GL_MODELVIEW)
    gl.glLoadMatrixf(_modelview(camera, pose))


def _modelview(camera: Camera, pose: Pose) -> "Array[Any]":
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


@lru_cache(maxsize=256)
def _projection(field_of_view: float, aspect: float) -> "Array[Any]":
    f = 1 / math.tan(math.radians(field_of_view) / 2)
    depth = (NEAR + FAR) / (NEAR - FAR), 2 * NEAR * FAR / (NEAR - FAR)
    return (gl.GLfloat * 16)(f / aspect, 0, 0, 0, 0, f, 0, 0, 0, 0, depth[0], -1, 0, 0, depth[1], 0)


def _place(box: Box) -> None:
    """Draw a box where it is, in the present colour."""
    gl.glPushMatrix()
    gl.glTranslatef(box.x, box.base, box.z)
    gl.glRotatef(math.degrees(box.angle), 0, 1, 0)
    draw_box(box.size)
    gl.glPopMatrix()
