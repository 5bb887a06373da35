"""Drawings compiled once for the whole process: the surfaces of rooms, boxes.

What a drawing shows is its key, so there is nothing to keep up to date: a room with another floor
is two compiled surfaces and a new one. The least used are given back beyond `MOST`.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from rlvis_envs.materials import Triple
from rlvis_envs.miniworld import Room, drawBox, gl
from rlvis_envs.render.gl import load_texture, new_list, texture_name

MOST = 256
_lists: OrderedDict[Hashable, int] = OrderedDict()


def draw_surface(kind: str, size: float, texture: str) -> None:
    """Draw the "floor", "ceiling" or "wall" of a square room of `size` metres."""
    _draw(_prepare_surface, kind, size, texture)


def draw_box(size: Triple) -> None:
    """Draw a box that stands on (0, 0, 0), of these extents in metres."""
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


def _prepare_surface(kind: str, size: float, texture: str) -> Callable[[], None]:
    """Load the texture, which must not happen inside a display list."""
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

    def draw() -> None:
        bound.bind()
        gl.glBegin(shape)
        for normal, coordinate, vertex in zip(normals, coordinates, vertices, strict=True):
            gl.glNormal3f(*normal)
            gl.glTexCoord2f(*coordinate)
            gl.glVertex3f(*vertex)
        gl.glEnd()

    return draw


def _prepare_box(size: Triple) -> Callable[[], None]:
    half_x, height, half_z = size[0] / 2, size[1], size[2] / 2
    return lambda: drawBox(-half_x, half_x, 0, height, -half_z, half_z)
