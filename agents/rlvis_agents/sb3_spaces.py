"""The spaces in an agent's file, and how its network sees what is in them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rlvis.environments import channels_first
from rlvis_agents.pickles import Inert
from rlvis_agents.vec_normalize import Normalization


@dataclass(frozen=True)
class Space:
    """A Gymnasium space.

    Attributes:
        kind: the name of its class, "Box".
        shape: of its members; () for Discrete.
        dtype: of its members, "" where it has none.
        low, high: the bounds of a Box.
        sizes: how many values a Discrete, or each entry of a MultiDiscrete, can have.
        entries: of a Dict.
    """

    kind: str
    shape: tuple[int, ...]
    dtype: str
    low: np.ndarray
    high: np.ndarray
    sizes: tuple[int, ...]
    entries: dict[str, "Space"]

    @classmethod
    def of(cls, pickled: Any) -> "Space":
        """From what `read_pickle` made of it.

        Raises:
            ValueError: if it is no space.
        """
        if not isinstance(pickled, Inert):
            raise ValueError("no space")
        state, nothing = pickled.state, np.empty(0)
        shape = state.get("_shape", state.get("shape")) or ()
        dtype = state.get("dtype")
        sizes = np.ravel(state.get("nvec", state.get("n", ())))
        entries = state.get("spaces", {})
        return cls(
            pickled.kind,
            tuple(shape),
            str(dtype) if isinstance(dtype, np.dtype) else "",
            np.asarray(state.get("low", nothing), float),
            np.asarray(state.get("high", nothing), float),
            tuple(sizes.astype(int).tolist()),
            {key: cls.of(each) for key, each in entries.items()},
        )

    @property
    def is_image(self) -> bool:
        """Whether Stable-Baselines3 sees images (C, H, W) in it."""
        return self.kind == "Box" and len(self.shape) == 3 and self.dtype == "uint8"

    def __str__(self) -> str:
        return " ".join(filter(None, (self.kind, str(self.shape or ""), self.dtype)))


@dataclass(frozen=True)
class Entry:
    """One entry of a Dict observation besides the image, brought to the network as SB3 does.

    Attributes:
        space: where it comes from; of images as the network sees them.
        scaled: whether images are divided by 255.
        normalization: applied first, if any.
    """

    space: Space
    scaled: bool = True
    normalization: Normalization | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one, as the environment gives it; of an image (H, W, C)."""
        if self.space.is_image:
            channels, height, width = self.space.shape
            return height, width, channels
        return self.space.shape

    def __call__(self, values: Tensor) -> Tensor:
        """Float (N, …) from the environment's values (N, …)."""
        if self.normalization is not None:
            values = self.normalization(values)
        if self.space.kind == "Discrete":
            return F.one_hot(values.long(), *self.space.sizes).float()
        if self.space.kind == "MultiDiscrete":
            columns = zip(values.long().unbind(dim=1), self.space.sizes, strict=True)
            return torch.cat([F.one_hot(*column) for column in columns], dim=1).float()
        if self.space.is_image:
            return values.permute(0, 3, 1, 2).float() / (255 if self.scaled else 1)
        return values.float()


def as_observed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The (H, W, C) of an image whose shape is (C, H, W) or (H, W, C)."""
    return (*shape[1:], shape[0]) if channels_first(shape) else shape
