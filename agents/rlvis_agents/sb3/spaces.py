"""The spaces in an agent's file, and how its network sees what is in them."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rlvis.images.observations import channels_first, is_picture
from rlvis_agents.safe_reading.pickles import (
    Inert,
    as_array,
    as_dtype,
    as_integer,
    as_mapping,
    as_shape,
)
from rlvis_agents.sb3.vec_normalize import Normalization

_NOTHING = np.empty(0)


@dataclass(frozen=True)
class Space:
    """A Gymnasium space.

    Attributes:
        kind: the name of its class, "Box".
        shape: of its members; () for Discrete.
        dtype: of its members, "" where it has none.
        low, high: the bounds of a Box.
        sizes: how many values a Discrete, or each entry of a MultiDiscrete, can have; how many bits
            a MultiBinary has.
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
    def of(cls, pickled: Any, nested: bool = True) -> "Space":
        """From what `read_pickle` made of it.

        Args:
            pickled: the record of a space.
            nested: whether it may be a Dict of others.

        Raises:
            ValueError: if it is no space, or a Dict in a Dict.
        """
        if not isinstance(pickled, Inert):
            raise ValueError("no space")
        state = pickled.state
        shape = as_shape(state.get("_shape", state.get("shape")) or ())
        low, high, dtype = _NOTHING, _NOTHING, ""
        if pickled.kind == "Box":
            dtype = str(as_dtype(state["dtype"]))
            low, high = (as_array(state[bound]).astype(float) for bound in ("low", "high"))
            if low.shape != shape or high.shape != shape:
                raise ValueError("the bounds of a Box are of another shape")
        sizes = _sizes(state)
        wanted = {"Discrete": 1, "MultiDiscrete": prod(shape)}.get(pickled.kind, len(sizes))
        if len(sizes) != wanted or any(each < 1 for each in sizes):
            raise ValueError("a choice is among nothing")
        entries = as_mapping(state["spaces"]) if pickled.kind == "Dict" and nested else {}
        return cls(
            pickled.kind,
            shape,
            dtype,
            low,
            high,
            sizes,
            {str(key): cls.of(each, nested=False) for key, each in entries.items()},
        )

    @property
    def is_picture(self) -> bool:
        """Whether it can be shown: uint8 of two or three axes, floats of three."""
        return self.kind == "Box" and is_picture(self.shape, self.dtype)

    @property
    def is_image(self) -> bool:
        """Whether Stable-Baselines3 takes it for images: uint8 (C, H, W) from 0 to 255."""
        whole = not self.low.any() and bool((self.high == 255).all())
        return self.kind == "Box" and len(self.shape) == 3 and self.dtype == "uint8" and whole

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of a picture as the environment's is seen."""
        shape = self.shape if len(self.shape) == 3 else (*self.shape, 1)
        channels, height, width = shape if channels_first(shape) else (shape[2], *shape[:2])
        return height, width, channels

    def arranged(self, images: Tensor) -> Tensor:
        """Pictures (N, C, H, W) with the axes that this space has."""
        if len(self.shape) == 2:
            return images[:, 0]
        return images if channels_first(self.shape) else images.permute(0, 2, 3, 1)

    def __str__(self) -> str:
        return " ".join(filter(None, (self.kind, str(self.shape or ""), self.dtype)))


def _sizes(state: dict[str, Any]) -> tuple[int, ...]:
    if "nvec" in state:
        return tuple(as_array(state["nvec"]).astype(int).ravel().tolist())
    count = state.get("n")
    if count is None:
        return ()
    return as_shape(count) if isinstance(count, tuple | list) else (as_integer(count),)


@dataclass(frozen=True)
class Entry:
    """One entry of a Dict observation besides the image, brought to the network as SB3 does.

    Attributes:
        space: where it comes from; of images as the network sees them.
        scaled: whether images are divided by 255.
        normalization: applied first, if any; of the space's axes.
    """

    space: Space
    scaled: bool = True
    normalization: Normalization | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one, as the environment gives it; of a picture (H, W, C)."""
        return self.space.image_shape if self.space.is_picture else self.space.shape

    def raw(self, values: Tensor) -> Tensor:
        """As Stable-Baselines3's own preprocessing takes them, from the environment's (N, …)."""
        if self.space.is_picture:
            values = self.space.arranged(values.permute(0, 3, 1, 2))
        return values if self.normalization is None else self.normalization(values)

    def __call__(self, values: Tensor) -> Tensor:
        """Float (N, …) from the environment's values (N, …)."""
        values = self.raw(values)
        if self.space.kind == "Discrete":
            return F.one_hot(values.long(), *self.space.sizes).float()
        if self.space.kind == "MultiDiscrete":
            columns = zip(values.long().unbind(dim=1), self.space.sizes, strict=True)
            return torch.cat([F.one_hot(*column) for column in columns], dim=1).float()
        return values.float() / (255 if self.space.is_image and self.scaled else 1)
