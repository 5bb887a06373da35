"""The one door to pyglet and MiniWorld: their options are set before they are imported.

Drawing then works without a display, and nothing is opened before the first picture, so that worker
processes may be forked before.
"""

# ruff: noqa: E402 - pyglet reads its options while pyglet.gl is imported
import sys
from importlib import import_module
from typing import Any

import pyglet

from rlvis_envs.errors import OpenGLMissingError

pyglet.options["headless"] = sys.platform.startswith("linux")
pyglet.options["debug_gl"] = False  # or every call is followed by a glGetError
pyglet.options["shadow_window"] = False  # or the import itself opens a context

try:
    gl: Any = import_module("pyglet.gl")  # `from pyglet import gl` is a proxy, slow at every access
    egl: Any = import_module("pyglet.libs.egl.egl") if pyglet.options["headless"] else None
except ImportError as error:
    raise OpenGLMissingError(error) from None

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
    "drawBox",
    "egl",
    "get_file_path",
    "gl",
    "pyglet",
]
