"""The one door to pyglet and MiniWorld, and the one OpenGL context of the process.

Everything here serves three requirements: drawing works without a display, it starts no earlier
than the first picture (so that worker processes may be forked before), and it is quick.
"""

# ruff: noqa: E402 - pyglet reads its options while pyglet.gl is imported
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import pyglet

from rlvis_envs.errors import OpenGLMissingError

pyglet.options["headless"] = sys.platform.startswith("linux")
pyglet.options["debug_gl"] = False  # or every call is followed by a glGetError
pyglet.options["shadow_window"] = False  # or the import itself opens a context

try:
    gl = import_module("pyglet.gl")  # `from pyglet import gl` is a proxy, slow at every access
except ImportError as error:
    raise OpenGLMissingError(error) from error

from miniworld.entity import COLORS, Agent, Box
from miniworld.miniworld import TEX_DENSITY, Room
from miniworld.opengl import Texture, drawBox
from miniworld.params import DEFAULT_PARAMS
from miniworld.utils import get_file_path

__all__ = [
    "COLORS",
    "DEFAULT_PARAMS",
    "TEX_DENSITY",
    "Agent",
    "Box",
    "Room",
    "Texture",
    "draw_box",
    "gl",
    "load_texture",
    "make_current",
    "new_lists",
]

draw_box = drawBox
_window: Any = None


def make_current() -> None:
    """Make the context of this process current, opening it the first time.

    Raises
    ------
    OpenGLMissingError
        The libraries are there but no driver starts.
    """
    global _window
    if _window is None:
        _window = _open_context()
    if gl.current_context is not _window.context:
        _window.switch_to()


def new_lists(count: int) -> int:
    """Reserve `count` consecutive display lists and return the first one's number.

    Number 1 is never among them: every stock MiniWorld environment deletes and redefines it.
    """
    first = gl.glGenLists(count)
    return first if first != 1 else new_lists(count)


def load_texture(name: str) -> Any:
    """Return MiniWorld's texture of exactly this file name (without suffix), loaded once."""
    Texture.tex_paths.setdefault(name, [get_file_path("textures", name, "png")])
    return Texture.get(name)


def _open_context() -> Any:
    try:
        with _single_threaded_driver():
            window = pyglet.window.Window(width=1, height=1, visible=False)
        window.switch_to()
    except Exception as error:
        raise OpenGLMissingError(error) from error
    for capability in (gl.GL_CULL_FACE, gl.GL_MULTISAMPLE, gl.GL_COLOR_MATERIAL, gl.GL_LIGHT0):
        gl.glEnable(capability)
    gl.glColorMaterial(gl.GL_FRONT_AND_BACK, gl.GL_AMBIENT_AND_DIFFUSE)
    gl.glPixelStorei(gl.GL_PACK_ALIGNMENT, 1)
    return window


@contextmanager
def _single_threaded_driver() -> Iterator[None]:
    """Start Mesa's software driver without worker threads, unless the user chose a number.

    Handing the tiny pictures of a policy to threads costs more than drawing them (measured: 240
    against 150 microseconds a picture), and threads would not survive a fork.
    """
    chosen = "LP_NUM_THREADS" in os.environ
    os.environ.setdefault("LP_NUM_THREADS", "0")
    try:
        yield
    finally:
        if not chosen:
            del os.environ["LP_NUM_THREADS"]
