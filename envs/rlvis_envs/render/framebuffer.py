"""An antialiased picture to draw into and to read back."""

from ctypes import byref, c_void_p

import numpy as np

from rlvis_envs.miniworld import gl

SAMPLES = 4


class FrameBuffer:
    """An off-screen RGB picture with depth, every pixel the mean of four samples.

    Needs the process's OpenGL context to be current, here and in every method.

    Args:
        width, height: Size in pixels.

    Raises:
        RuntimeError: The driver cannot make a picture of this size.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._renderbuffers = (gl.GLuint * 3)()
        self._framebuffers = (gl.GLuint * 2)()
        gl.glGenRenderbuffers(3, self._renderbuffers)
        gl.glGenFramebuffers(2, self._framebuffers)
        self._drawn, self._resolved = self._framebuffers
        color, depth, resolved = self._renderbuffers
        samples = min(SAMPLES, _max_samples())
        gl.glBindFramebuffer(gl.GL_FRAMEBUFFER, self._drawn)
        self._attach(gl.GL_COLOR_ATTACHMENT0, color, gl.GL_RGBA8, samples)
        self._attach(gl.GL_DEPTH_ATTACHMENT, depth, gl.GL_DEPTH_COMPONENT24, samples)
        if gl.glCheckFramebufferStatus(gl.GL_FRAMEBUFFER) != gl.GL_FRAMEBUFFER_COMPLETE:
            raise RuntimeError(f"the OpenGL driver cannot draw pictures of {width}x{height} pixels")
        gl.glBindFramebuffer(gl.GL_FRAMEBUFFER, self._resolved)
        self._attach(gl.GL_COLOR_ATTACHMENT0, resolved, gl.GL_RGBA8, 0)

    def bind(self) -> None:
        """Make this the picture that is drawn into."""
        gl.glBindFramebuffer(gl.GL_FRAMEBUFFER, self._drawn)
        gl.glViewport(0, 0, self.width, self.height)

    def read(self) -> np.ndarray:
        """Return what was drawn since `bind`: a fresh uint8 array (height, width, 3)."""
        w, h = self.width, self.height
        gl.glBindFramebuffer(gl.GL_DRAW_FRAMEBUFFER, self._resolved)
        gl.glBlitFramebuffer(0, 0, w, h, 0, 0, w, h, gl.GL_COLOR_BUFFER_BIT, gl.GL_NEAREST)
        gl.glBindFramebuffer(gl.GL_READ_FRAMEBUFFER, self._resolved)
        pixels = np.empty((h, w, 3), np.uint8)
        gl.glReadPixels(0, 0, w, h, gl.GL_RGB, gl.GL_UNSIGNED_BYTE, c_void_p(pixels.ctypes.data))
        return pixels[::-1].copy()

    def free(self) -> None:
        """Give the memory back; the object is of no use afterwards."""
        gl.glDeleteFramebuffers(2, self._framebuffers)
        gl.glDeleteRenderbuffers(3, self._renderbuffers)

    def _attach(self, point: int, renderbuffer: int, pixel_format: int, samples: int) -> None:
        gl.glBindRenderbuffer(gl.GL_RENDERBUFFER, renderbuffer)
        gl.glRenderbufferStorageMultisample(
            gl.GL_RENDERBUFFER, samples, pixel_format, self.width, self.height
        )
        gl.glFramebufferRenderbuffer(gl.GL_FRAMEBUFFER, point, gl.GL_RENDERBUFFER, renderbuffer)


def _max_samples() -> int:
    samples = gl.GLint()
    gl.glGetIntegerv(gl.GL_MAX_SAMPLES, byref(samples))
    return samples.value
