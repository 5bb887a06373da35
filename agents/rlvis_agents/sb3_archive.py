"""What can be read in the `.zip` of a Stable-Baselines3 agent without running code from it."""

import base64
import io
import json
import pickle
import re
import zipfile
import zlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from rlvis.actions import (
    ActionDistribution,
    Categorical,
    DiagonalGaussian,
    Greedy,
    MultiCategorical,
)
from rlvis.errors import InputError, unknown
from rlvis_agents.pickles import read_pickle
from rlvis_agents.sb3_spaces import Entry, Space, as_observed
from rlvis_agents.vec_normalize import Normalization

Weights = Mapping[str, Tensor]
Algorithm = Literal["actor-critic", "recurrent", "q", "quantile"]

_SIGNS: dict[str, Algorithm] = {
    "lstm_actor.": "recurrent",
    "action_net.": "actor-critic",
    "q_net.q_net.": "q",
    "quantile_net.quantile_net.": "quantile",
}


_IMAGES_ONLY = "only policies of images can be inspected"


class Archive:
    """An agent's facts, spaces and weights.

    Args:
        path: the file.
        trust: let torch unpickle whatever is in the weights' file.
        image_key: the entry of a Dict observation that is the image; the only one if left out.
        normalizations: of its observations in training, by key; see `read_vec_normalize`.

    Raises:
        InputError: if it is damaged, no such agent, sees no image, or has actions of a kind that
            cannot be inspected.
    """

    def __init__(
        self,
        path: Path,
        *,
        trust: bool = False,
        image_key: str | None = None,
        normalizations: Mapping[str | None, Normalization] | None = None,
    ) -> None:
        self.path = path
        self._normalizations = normalizations or {}
        try:
            with zipfile.ZipFile(path) as archive:
                self.facts = dict(json.loads(archive.read("data")))
                stored = archive.read("policy.pth")
        except KeyError:
            raise InputError(
                f"{path} was not saved by Stable-Baselines3; give a PPO, A2C or DQN"
            ) from None
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, TypeError, ValueError) as error:
            raise InputError(
                f"{path} is truncated or no zip ({first_line(error)}); save it again"
            ) from None
        try:
            self.weights = _tensors(torch.load(io.BytesIO(stored), "cpu", weights_only=not trust))
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError):
            raise self.needs_trust("its policy.pth holds more than weights") from None
        self.algorithm = self._algorithm()
        self.arguments = self._object("policy_kwargs")
        self.image_key, self._image = self._find_image(image_key)
        self.distribution = self._distribution()

    @property
    def valued(self) -> bool:
        """Whether its scores are the worth of actions, not their logits."""
        return self.algorithm in ("q", "quantile")

    @property
    def home(self) -> str:
        """The module that its policy's class comes from."""
        return str(self._object("policy_class").get("__module__", ""))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the images as the network sees them."""
        channels, height, width = self._image.shape
        return channels, height, width

    @property
    def observation_shape(self) -> tuple[int, ...]:
        """(H, W, C) of the images as the environment gives them."""
        return as_observed(self.image_shape)

    @property
    def scaled(self) -> bool:
        """Whether images are divided by 255."""
        return self.arguments.get("normalize_images") is not False

    @property
    def normalization(self) -> Normalization | None:
        """That of the image, if any."""
        return self._normalizations.get(self.image_key)

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """The entries of a Dict observation besides the image."""
        return {
            key: Entry(space, self.scaled, self._normalizations.get(key))
            for key, space in self.observation.entries.items()
            if key != self.image_key
        }

    @cached_property
    def observation(self) -> Space:
        """The observation space, images in it (C, H, W)."""
        return self._space("observation_space")

    def argument(self, name: str) -> str | None:
        """The last part of the name of a class in the policy's arguments, None for SB3's own."""
        found = re.findall(r"\w+", str(self.arguments.get(name) or ""))
        return found[-1] if found else None

    def needs_trust(self, why: str) -> InputError:
        """The error for what cannot be rebuilt safely."""
        return InputError(
            f"{self.path} cannot be rebuilt without running its code: {why}; "
            "if you trust where it comes from, add --trust"
        )

    def _object(self, name: str) -> dict[str, Any]:
        found = self.facts.get(name)
        return found if isinstance(found, dict) else {}

    def _space(self, name: str) -> Space:
        try:
            return Space.of(read_pickle(base64.b64decode(self._object(name)[":serialized:"])))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise InputError(f"{self.path} has no readable {name}; save it again") from None

    def _algorithm(self) -> Algorithm:
        for sign, algorithm in _SIGNS.items():
            if any(name.startswith(sign) for name in self.weights):
                return algorithm
        raise InputError(
            f"{self.path} is no PPO, A2C, DQN, recurrent PPO or QR-DQN agent; "
            "no other algorithm can be inspected"
        )

    def _find_image(self, key: str | None) -> tuple[str | None, Space]:
        """The image, and its key in a Dict observation."""
        space = self.observation
        if space.kind != "Dict":
            return None, self._checked_image(space)
        images = [name for name, entry in space.entries.items() if entry.is_image]
        if key is not None and key not in images:
            raise unknown(f"image in the observations of {self.path}", key, images)
        if key is None and len(images) != 1:
            seen = ", ".join(f"{name}: {entry}" for name, entry in space.entries.items())
            advice = "name one with --image-key" if images else _IMAGES_ONLY
            raise InputError(f"{self.path} sees {len(images)} images ({seen}); {advice}")
        chosen = images[0] if key is None else key
        return chosen, space.entries[chosen]

    def _checked_image(self, space: Space) -> Space:
        normalized = self._normalizations.get(None)
        if space.kind == "Box" and len(space.shape) == 3 and space.dtype.startswith("float"):
            if normalized is None:
                raise InputError(
                    f"{self.path} sees normalised images {space.shape}; "
                    "name the file that VecNormalize.save wrote with --vec-normalize"
                )
            return space
        if not space.is_image:
            raise InputError(f"{self.path} does not see uint8 images, but {space}; {_IMAGES_ONLY}")
        if normalized is not None:
            raise InputError(
                f"{self.path} was not trained on normalised images; leave --vec-normalize out"
            )
        return space

    def _distribution(self) -> ActionDistribution:
        space = self._space("action_space")
        if self.valued:
            return Greedy(*space.sizes)
        scores = len(self.weights["action_net.weight"])
        if space.kind == "Discrete" and space.sizes == (scores,):
            return Categorical(scores)
        if space.kind == "MultiDiscrete" and sum(space.sizes) == scores:
            return MultiCategorical(space.sizes)
        if space.kind == "Box" and space.shape == (scores,) and not self._squashed:
            log_std = np.full(scores, -np.inf)  # of state-dependent noise, which is left out
            if not self.facts.get("use_sde"):
                log_std = self.weights["log_std"].cpu().numpy()
            return DiagonalGaussian.within(log_std, space.low, space.high)
        raise InputError(
            f"{self.path} has {scores} scores for actions of the kind {space}"
            f"{', squashed' if self._squashed else ''}; only Discrete, MultiDiscrete and Box ones "
            "of one axis can be inspected"
        )

    @property
    def _squashed(self) -> bool:
        return bool(self.arguments.get("squash_output"))


def _tensors(stored: object) -> Weights:
    """A state dict, seen to be one; raises ValueError otherwise."""
    if not isinstance(stored, dict) or not all(torch.is_tensor(each) for each in stored.values()):
        raise ValueError("no state dict")
    return stored


def first_line(error: Exception) -> str:
    """The first line of an error, or its kind where it says nothing."""
    return str(error).strip().split("\n")[0] or type(error).__name__
