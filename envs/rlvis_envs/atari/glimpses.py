"""What an agent sees of a game, as Stable-Baselines3's `AtariWrapper` makes it.

Of the last two frames of a step the larger value of each channel, in grey, 84 by 84 pixels; four of
those stacked, the latest last, black before the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rlvis_envs.atari.emulator import cv2

SIDE, STACKED = 84, 4


@dataclass(frozen=True, eq=False)
class Glimpse:
    """The two frames that one of the stacked images is made from.

    Attributes:
        screens: uint8 (2, 210, 160, 3).
        memories: uint8 (2, 128), the console's RAM when they were shown.
        seen: uint8 (84, 84), what is made of them.
    """

    screens: np.ndarray = field(repr=False)
    memories: np.ndarray = field(repr=False)
    seen: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "seen", seen(self.screens))


def seen(screens: np.ndarray) -> np.ndarray:
    """What is seen of two screens, uint8 (2, H, W, 3): uint8 (84, 84)."""
    grey = cv2.cvtColor(screens.max(axis=0), cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA))


def stacked(images: Sequence[np.ndarray]) -> np.ndarray:
    """The last images, uint8 (84, 84) each, as an observation, uint8 (84, 84, 4)."""
    observation = np.zeros((SIDE, SIDE, STACKED), np.uint8)
    for channel, image in enumerate(images, STACKED - len(images)):
        observation[..., channel] = image
    return observation
