"""The one OpenGL context of the process, textures and display lists in it.

It is opened with the first picture, without worker threads of the driver: that is quick, and
processes may be forked before.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import byref
from threading import RLock
from typing import Any

from PIL import Image

from rlvis_envs.errors import OpenGLMissingError
from rlvis_envs.miniworld import Texture, egl, get_file_path, gl, pyglet

_window: Any = None
_lock = RLock()


@contextmanager
def drawing() -> Iterator[None]:
    """Hold the one OpenGL context of this process, opened the first time, for the calling thread.

    Afterwards the context is as it was before, also that of others who draw with pyglet.

    Raises:
        OpenGLMissingError: The libraries are there but no driver starts.
    """
    global _window
    with _lock:
        before = gl.current_context
        if _window is None:
            _window = _open_context()
        _window.switch_to()
        try:
            yield
        finally:
            _release(_window.context)
            if before not in (None, _window.context) and before.canvas:
                before.set_current()


def new_list() -> int:
    """Reserve a display list and return its number.

    That is never 1: every stock MiniWorld environment deletes and redefines this one.
    """
    number = gl.glGenLists(1)
    return number if number != 1 else new_list()


def load_texture(name: str) -> Any:
    """Return MiniWorld's texture of this file name (without suffix), with mipmaps, loaded once.

    `Room` finds it in MiniWorld's cache under the name `texture_name(name)`, of our own: the
    textures that MiniWorld loads belong to its contexts and go with them.
    """
    key = texture_name(name)
    if key not in Texture.tex_cache:
        Texture.tex_paths[key] = [key]
        Texture.tex_cache[key] = Texture(_upload(get_file_path("textures", name, "png")), name)
    return Texture.tex_cache[key]


def texture_name(name: str) -> str:
    """Return what to call a texture of `load_texture` when speaking to MiniWorld's `Room`."""
    return f"rlvis_envs/{name}"


def _upload(path: str) -> Any:
    with Image.open(path) as image:
        pixels = image.convert("RGBA").transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    number = gl.GLuint()
    gl.glGenTextures(1, byref(number))
    gl.glBindTexture(gl.GL_TEXTURE_2D, number)
    gl.glTexImage2D(
        gl.GL_TEXTURE_2D,
        0,
        gl.GL_RGB,
        *pixels.size,
        0,
        gl.GL_RGBA,
        gl.GL_UNSIGNED_BYTE,
        pixels.tobytes(),
    )
    gl.glGenerateMipmap(gl.GL_TEXTURE_2D)
    for which, how in (
        (gl.GL_TEXTURE_MAG_FILTER, gl.GL_LINEAR),
        (gl.GL_TEXTURE_MIN_FILTER, gl.GL_LINEAR_MIPMAP_LINEAR),
    ):
        gl.glTexParameteri(gl.GL_TEXTURE_2D, which, how)
    return pyglet.image.Texture(*pixels.size, gl.GL_TEXTURE_2D, number.value)


def _open_context() -> Any:
    try:
        with _single_threaded_driver():
            window = pyglet.window.Window(width=1, height=1, visible=False)
        window.switch_to()
    except Exception as error:
        raise OpenGLMissingError(error) from None
    for capability in (gl.GL_CULL_FACE, gl.GL_MULTISAMPLE, gl.GL_COLOR_MATERIAL, gl.GL_LIGHT0):
        gl.glEnable(capability)
    gl.glColorMaterial(gl.GL_FRONT_AND_BACK, gl.GL_AMBIENT_AND_DIFFUSE)
    gl.glPixelStorei(gl.GL_PACK_ALIGNMENT, 1)
    gl._shadow_window = window  # pyglet returns to it when the garbage collector closes another
    return window


def _release(context: Any) -> None:
    """Let go of a context, so that another thread can take it.

    pyglet is left to believe it current: contexts made later will share its textures, which
    MiniWorld caches once for all of them.
    """
    if hasattr(context, "egl_context"):
        egl.eglMakeCurrent(context.display_connection, 0, 0, None)


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
