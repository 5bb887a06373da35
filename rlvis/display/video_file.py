"""Frames in, a film file out: H.264 that browsers play, or an animated GIF.

H.264 goes to PyAV itself: imageio's plugin offers no way to set the encoder's preset and quality,
without which the same film takes half as long again, and it hands errors of the disk to FFmpeg,
which crashes on them (see `_Sink`). Animations go to Pillow, with a duration for each frame.
"""

import io
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from rlvis.errors import Notice
from rlvis.files import writing

_LEAST_DELAY, _MOST_GIF_FPS = 2, 50
"""Of a GIF: hundredths of a second that a frame stays at least, and so many frames a second."""
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
    """Half-size frames, each with a palette of its own, in time to a hundredth of a second.

    Browsers slow down what stays for less than two hundredths, so frames that follow each other
    faster are left out; a `Notice` says how many.
    """
    if fps > _MOST_GIF_FPS:
        warnings.warn(
            f"a GIF shows {_MOST_GIF_FPS} frames a second at most: others of {fps:g} are left out, "
            "which keeps its speed; .mp4 has them all",
            Notice,
            stacklevel=6,
        )
    frames, starts, given = list[Image.Image](), list[int](), 0

    def write(picture: np.ndarray) -> None:
        nonlocal given
        start, given = _start(given, fps), given + 1
        if start in starts[-1:]:
            return
        size = picture.shape[1] // 2, picture.shape[0] // 2
        half = Image.fromarray(picture).resize(size, Image.Resampling.BOX)
        frames.append(half.quantize(256))
        starts.append(start)

    yield write
    end = max(_start(given, fps), starts[-1] + _LEAST_DELAY)
    durations = (10 * np.diff([*starts, end])).tolist()
    made = io.BytesIO()  # Pillow overlooks short writes to files
    first, *others = frames
    first.save(made, "GIF", save_all=True, append_images=others, duration=durations, loop=0)
    path.write_bytes(made.getbuffer())


def _start(frame: int, fps: float) -> int:
    """When a frame begins, in hundredths of a second; the same for frames that come too fast."""
    if fps <= _MOST_GIF_FPS:
        return round(100 * frame / fps)
    return _LEAST_DELAY * int(_MOST_GIF_FPS * frame / fps)
