"""Drawings compiled once for the whole process: rooms in their light, boxes.

What a drawing shows is its key, so there is nothing to keep up to date: a room with another floor
is another drawing, and the first one is still there. The least used are given back beyond `MOST`.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any

import numpy as np

from rlvis_envs.materials import Triple
from rlvis_envs.miniworld import Room, drawBox, gl
from rlvis_envs.render.gl import load_texture, new_list, texture_name
from rlvis_envs.scene import Look

MOST = 256
_lists: OrderedDict[Hashable, int] = OrderedDict()


def draw_room(size: float, look: Look) -> None:
    """Set the light and draw a square room of `size` metres, without depth.

    The light's direction is one of the room: the camera must have been aimed before.
    """
    _draw(_prepare_room, size, look)


def draw_box(size: Triple) -> None:
    """Draw a box that stands on (0, 0, 0), of these extents in metres, in the present colour."""
    _draw(_prepare_box, size)


def _draw(prepare: Callable[..., Callable[[], None]], *what: Any) -> None:
    """Draw what `prepare(*what)` gives, which is compiled the first time."""
    key = (prepare, what)
    if key in _lists:
        _lists.move_to_end(key)
    else:
        draw = prepare(*what)
        number = _lists.popitem(last=False)[1] if len(_lists) >= MOST else new_list()
        gl.glNewList(number, gl.GL_COMPILE)
        draw()
        gl.glEndList()
        _lists[key] = number
    gl.glCallList(_lists[key])


def _prepare_room(size: float, look: Look) -> Callable[[], None]:
    """Load the textures, which must not happen inside a display list."""
    kinds = {"floor": look.floor, "ceiling": look.ceiling, "wall": look.wall}
    surfaces = [_surface(kind, size, texture) for kind, texture in kinds.items() if texture]

    def draw() -> None:
        for name, values in (
            (gl.GL_POSITION, (*look.light_direction, 0)),
            (gl.GL_AMBIENT, (*look.light_ambient, 1)),
            (gl.GL_DIFFUSE, (*look.light_color, 1)),
        ):
            gl.glLightfv(gl.GL_LIGHT0, name, (gl.GLfloat * 4)(*values))
        gl.glEnable(gl.GL_LIGHTING)
        gl.glEnable(gl.GL_TEXTURE_2D)
        gl.glDisable(gl.GL_DEPTH_TEST)
        gl.glColor3f(1, 1, 1)
        for surface in surfaces:
            surface()
        gl.glEnable(gl.GL_DEPTH_TEST)
        gl.glDisable(gl.GL_TEXTURE_2D)

    return draw


@lru_cache(maxsize=MOST)
def _surface(kind: str, size: float, texture: str) -> Callable[[], None]:
    """What draws the "floor", the "ceiling" or the four of "wall"."""
    bound, name = load_texture(texture), texture_name(texture)
    corners = np.array([[size, size], [size, 0.0], [0.0, 0.0], [0.0, size]])
    room: Any = Room(corners, floor_tex=name, wall_tex=name, ceil_tex=name)
    room._gen_static_data(None, None)
    if kind == "wall":
        shape, vertices, coordinates = gl.GL_QUADS, room.wall_verts, room.wall_texcs
        normals = room.wall_norms
    else:
        shape, up = gl.GL_POLYGON, 1.0 if kind == "floor" else -1.0
        vertices = room.floor_verts if kind == "floor" else room.ceil_verts
        coordinates = room.floor_texcs if kind == "floor" else room.ceil_texcs
        normals = np.tile((0.0, up, 0.0), (len(vertices), 1))
    rows = list(zip(normals.tolist(), coordinates.tolist(), vertices.tolist(), strict=True))

    def draw() -> None:
        bound.bind()
        gl.glBegin(shape)
        for normal, coordinate, vertex in rows:
            gl.glNormal3f(*normal)
            gl.glTexCoord2f(*coordinate)
            gl.glVertex3f(*vertex)
        gl.glEnd()

    return draw


def _prepare_box(size: Triple) -> Callable[[], None]:
    half_x, height, half_z = size[0] / 2, size[1], size[2] / 2
    return lambda: drawBox(-half_x, half_x, 0, height, -half_z, half_z)
