"""Frames in, a film file out: H.264 that browsers play, or an animated GIF."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
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


@contextmanager
def _mp4(path: Path, fps: float) -> Iterator[Callable[[np.ndarray], None]]:
    """Encode in a thread of its own, so that the next frame is drawn meanwhile."""
    with (
        av.open(str(path), "w", options={"movflags": "+faststart"}) as container,
        ThreadPoolExecutor(1) as encoder,
    ):
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "superfast", "crf": "22"}
        waiting: deque[Future] = deque()

        def encode(frame: av.VideoFrame | None) -> None:
            container.mux(stream.encode(frame))

        def write(picture: np.ndarray) -> None:
            height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
            if not stream.codec_context.is_open:
                stream.height, stream.width = height, width
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]))
            waiting.append(encoder.submit(encode, frame))
            if len(waiting) > _QUEUED_FRAMES:
                waiting.popleft().result()

        yield write
        waiting.append(encoder.submit(encode, None))
        for each in waiting:
            each.result()


@contextmanager
def _gif(path: Path, fps: float) -> Iterator[Callable[[np.ndarray], None]]:
    """Half-size frames, each with a palette of its own."""
    frames: list[Image.Image] = []

    def write(picture: np.ndarray) -> None:
        size = picture.shape[1] // 2, picture.shape[0] // 2
        half = Image.fromarray(picture).resize(size, Image.Resampling.BOX)
        frames.append(half.quantize(256, dither=Image.Dither.NONE))

    yield write
    duration = max(20, round(1000 / fps))
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=duration, loop=0)
