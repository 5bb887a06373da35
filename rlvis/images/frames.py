"""Frames stacked in the channels of one image, and maps over one of them.

A layer mixes the frames, so a map that is made from one is over all of them. A map that is made
from the image's own pixels can be asked of one frame alone, the others held as they are. How many
frames there are is known from what stacked them; where nobody says, an image is one frame of all
its channels.
"""

import numpy as np

from rlvis.errors import InputError


def channels_of(frame: int, frames: int, channels: int) -> slice:
    """The channels of a frame, counted from the oldest, or from -1, the latest, backwards.

    Raises:
        InputError: if there is no such frame.
    """
    if channels % frames:
        raise InputError(f"{channels} channels are not {frames} frames of as many each")
    if not -frames <= frame < frames:
        raise InputError(f"no frame {frame}; there are {frames}, from 0, the oldest, on")
    depth = channels // frames
    start = frame % frames * depth
    return slice(start, start + depth)


def age(frame: int, frames: int) -> str:
    """What a frame is called: "latest frame", "1 frame earlier"."""
    steps = frames - 1 - frame % frames
    return "latest frame" if steps == 0 else f"{steps} frame{'s' * (steps > 1)} earlier"


def picture_of(image: np.ndarray, frames: int, frame: int = -1) -> np.ndarray:
    """One frame of an image (H, W, C) as a picture to show, uint8 (H, W, 3).

    Of three channels and more the first three are red, green and blue; of fewer the last is grey.
    """
    picture = image[..., channels_of(frame, frames, image.shape[-1])]
    return picture[..., :3] if picture.shape[-1] >= 3 else np.repeat(picture[..., -1:], 3, axis=-1)


def latest(image: np.ndarray, frames: int | None = None) -> np.ndarray:
    """The latest frame of an image (H, W, C) as a picture, uint8 (H, W, 3).

    Args:
        image: uint8.
        frames: how many it holds, if that is known: channels alone do not say it.
    """
    return picture_of(image, frames or 1)


def caption(channels: int, frames: int) -> str:
    """What of an image `picture_of` shows: "the latest of 4 stacked frames"."""
    depth = channels // frames
    parts = [f"the latest of {frames} stacked frames"] if frames > 1 else []
    if depth not in (1, 3):
        parts.append(f"channel{'s 1 to 3' if depth > 3 else ' 2'} of {depth}")
    return ", ".join(parts) or "what the policy sees"
