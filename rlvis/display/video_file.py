"""Frames in, a film file out: H.264 that browsers play, or an animated GIF.

Animations go through imageio. H.264 goes to PyAV itself: imageio's plugin offers no way to set the
encoder's preset and quality, without which the same film takes half as long again, and it hands
errors of the disk to FFmpeg, which crashes on them (see `_Sink`).
"""

import io
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio.v3 as iio
import numpy as np
from PIL import Image

from rlvis.files import writing

FILM_KINDS = {".mp4": "mp4", ".gif": "gif"}
_QUEUED_FRAMES = 8


@contextmanager
def film_writer(path: Path, fps: float) -> Iterator[Callable[[np.ndarray], None]]:
    """Write a film whole or not at all.

    Args:
        path: ends in .mp4 (H.264, yuv420p, index in front, plays in every browser) or .gif.
        fps: frames per second.

    Yields:
        A function that takes the next frame, uint8 (H, W, 3); the frame may be reused after that.

    Raises:
        InputError: if the ending is another, or the file cannot be written.
    """
    writers = {"mp4": _mp4, "gif": _gif}
    with (
        writing(path, FILM_KINDS) as (temporary, kind),
        writers[kind](temporary, fps) as write,
    ):
        yield write


class _Sink:
    """A file that FFmpeg writes to and never sees fail.

    FFmpeg crashes the process where a disk is full. The first error is kept, and what comes after
    it is dropped.
    """

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write all of it."""
        rest = memoryview(data)
        while rest and self._error is None:
            try:
                rest = rest[self._file.write(rest) :]
            except OSError as error:
                self._error = error
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """As files do."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As files do."""
        return self._file.tell()

    def check(self) -> None:
        """Raises the first error, if there was one."""
        if self._error is not None:
            raise self._error


@contextmanager
def _mp4(path: Path, fps: float) -> Iterator[Callable[[np.ndarray], None]]:
    """Encode in a thread of its own, so that the next frame is drawn meanwhile."""
    with io.FileIO(path, "w") as file, ThreadPoolExecutor(1) as encoder:
        sink = _Sink(file)
        container = av.open(
            sink,
            "w",
            format="mp4",
            options={"movflags": "+faststart"},
            io_open=lambda *_: path.open("rb"),  # what it wrote, to put the index in front
        )
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "superfast", "crf": "22"}
        waiting: deque[Future] = deque()

        def encode(frame: av.VideoFrame | None) -> None:
            container.mux(stream.encode(frame))
            sink.check()

        def write(picture: np.ndarray) -> None:
            height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
            if not stream.codec_context.is_open:
                stream.height, stream.width = height, width
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]))
            waiting.append(encoder.submit(encode, frame))
            if len(waiting) > _QUEUED_FRAMES:
                waiting.popleft().result()

        try:
            yield write
            waiting.append(encoder.submit(encode, None))
            for each in waiting:
                each.result()
        finally:
            encoder.shutdown()
            try:
                container.close()
            except (av.FFmpegError, OSError):
                sink.check()
                raise
        sink.check()


@contextmanager
def _gif(path: Path, fps: float) -> Iterator[Callable[[np.ndarray], None]]:
    """Half-size frames, each with a palette of its own."""
    duration = max(20, round(1000 / fps))
    made = io.BytesIO()  # Pillow overlooks short writes to files
    with iio.imopen(made, "w", plugin="pillow", extension=".gif") as opened:
        animation: Any = opened

        def write(picture: np.ndarray) -> None:
            size = picture.shape[1] // 2, picture.shape[0] // 2
            half = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
            animation.write(half, bits=8, duration=duration, loop=0)

        yield write
    path.write_bytes(made.getbuffer())
