"""What can be read in the `.zip` of a Stable-Baselines3 agent without running code from it."""

import base64
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from rlvis.errors import InputError, NonFiniteError, unknown
from rlvis_agents.safe_reading.pickles import as_array, as_mapping, read_pickle
from rlvis_agents.safe_reading.reading import (
    LARGEST_METADATA,
    LARGEST_WEIGHTS,
    opened_zip,
    parse_json,
    unzip,
)
from rlvis_agents.safe_reading.tensors import read_tensors
from rlvis_agents.sb3.spaces import Entry, Space
from rlvis_agents.sb3.vec_normalize import Normalization

Weights = Mapping[str, Tensor]
Algorithm = Literal["actor-critic", "recurrent", "q", "quantile", "actor"]

_SIGNS: dict[str, Algorithm] = {
    "lstm_actor.": "recurrent",
    "action_net.": "actor-critic",
    "q_net.q_net.": "q",
    "quantile_net.quantile_net.": "quantile",
    "actor.mu.": "actor",
}
_REBUILT = ("stable_baselines3.", "sb3_contrib.")
_OWN_EXTRACTORS = ("NatureCNN", "FlattenExtractor", "CombinedExtractor")
_LAYERS = "stable_baselines3.common.torch_layers."
_IMAGES_ONLY = "only policies of images can be inspected"
_LARGEST_IMAGE = 2**26
_USUAL_CLIP = 10


class Archive:
    """An agent's metadata, spaces and weights.

    Args:
        path: the file.
        image_key: the entry of a Dict observation that is the image; the only one if left out.
        normalizations: of its observations in training, by key; see `read_vec_normalize`. None
            where nothing is known of them.

    Raises:
        InputError: if it is damaged, no such agent, sees no image, or was trained on normalised
            observations of which nothing is known.
    """

    def __init__(
        self,
        path: Path,
        *,
        image_key: str | None = None,
        normalizations: Mapping[str | None, Normalization] | None = None,
    ) -> None:
        self.path = path
        self._normalizations = normalizations
        self.metadata, self.weights = _read(path)
        self.algorithm = self._algorithm()
        arguments = self.metadata.get("policy_kwargs")
        self.arguments: dict[str, Any] = arguments if isinstance(arguments, dict) else {}
        self.image_key, self.image = self._find_image(image_key)
        self._check_normalized()

    @property
    def valued(self) -> bool:
        """Whether its scores are Q-values, not logits."""
        return self.algorithm in ("q", "quantile")

    @property
    def masked(self) -> bool:
        """Whether it was trained with masks of the actions that are possible."""
        buffer = self._object("rollout_buffer_class").get("__module__", "")
        return ".maskable." in self.home or ".maskable." in str(buffer)

    @property
    def home(self) -> str:
        """The module that its policy's class comes from."""
        return str(self._object("policy_class").get("__module__", ""))

    @property
    def own_make(self) -> str | None:
        """What of its network is not Stable-Baselines3's, None where all of it is."""
        extractor = self.argument("features_extractor_class")
        if not self.home.startswith(_REBUILT):
            return f"its network is of its own make ({self.home}, {extractor or 'policy class'})"
        told = str(self.arguments.get("features_extractor_class") or _LAYERS)
        if extractor not in (None, *_OWN_EXTRACTORS) or _LAYERS not in told:
            return f"its network is of its own make ({extractor})"
        return None

    @property
    def observation_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of the images as the environment gives them."""
        return self.image.image_shape

    @property
    def scaled(self) -> bool:
        """Whether images are divided by 255."""
        return self.flag("normalize_images", usual=True)

    @property
    def pixel_range(self) -> tuple[float, float] | None:
        """The bounds of float images; None where they are uint8 in the environment."""
        if self.image.dtype == "uint8" or self.normalization is not None:
            return None
        return float(self.image.low.min()), float(self.image.high.max())

    @property
    def normalization(self) -> Normalization | None:
        """That of the image, if any, in the order of the space's axes."""
        return (self._normalizations or {}).get(self.image_key)

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """The entries of a Dict observation besides the image."""
        known = self._normalizations or {}
        return {
            key: Entry(space, self.scaled, known.get(key))
            for key, space in self.observation.entries.items()
            if key != self.image_key
        }

    @cached_property
    def observation(self) -> Space:
        """The observation space, images in it (C, H, W)."""
        return self._space("observation_space")

    @property
    def _seen(self) -> dict[str | None, Space]:
        """The entries of a Dict observation by their keys, any other by None."""
        return dict(self.observation.entries.items()) or {None: self.observation}

    @cached_property
    def action(self) -> Space:
        """The action space."""
        return self._space("action_space")

    def argument(self, name: str) -> str | None:
        """The last part of the name of a class in the policy's arguments, None for SB3's own."""
        told = self.arguments.get(name)
        if told is None:
            return None
        found = re.findall(r"\w+", told) if isinstance(told, str) and "<" in told else []
        if not found:
            raise self.damaged(f"its {name} is no class")
        return str(found[-1])

    def flag(self, name: str, usual: bool = False) -> bool:
        """A yes or no in the policy's arguments, which may be there as text."""
        told = str(self.arguments.get(name, usual))
        return told != "False" if usual else told == "True"

    def needs_trust(self, why: str) -> InputError:
        """The error for what is whole, but cannot be rebuilt safely."""
        return InputError(
            f"{self.path} cannot be rebuilt without running its code: {why}; "
            "if you trust where it comes from, add --trust"
        )

    def damaged(self, why: str) -> InputError:
        """The error for what is not as Stable-Baselines3 writes it."""
        return InputError(f"{self.path} is damaged or incomplete: {why}; save it again")

    def _object(self, name: str) -> dict[str, Any]:
        found = self.metadata.get(name)
        return found if isinstance(found, dict) else {}

    def _pickled(self, name: str) -> Any:
        """What a pickled entry was, None where it is not there."""
        try:
            return read_pickle(base64.b64decode(self._object(name)[":serialized:"], validate=True))
        except KeyError:
            return None
        except (TypeError, ValueError) as error:
            raise self.damaged(f"its {name} cannot be read ({error})") from None

    def _space(self, name: str) -> Space:
        try:
            return Space.of(self._pickled(name))
        except (KeyError, ValueError, IndexError):
            raise self.damaged(f"it has no readable {name}") from None

    def _algorithm(self) -> Algorithm:
        for sign, algorithm in _SIGNS.items():
            if any(name.startswith(sign) for name in self.weights):
                return algorithm
        raise InputError(
            f"{self.path} is no PPO, A2C, DQN, SAC, TD3, TQC, recurrent or maskable PPO or QR-DQN "
            "agent, or lacks its weights; no other algorithm can be inspected"
        )

    def _find_image(self, key: str | None) -> tuple[str | None, Space]:
        """The image, and its key in a Dict observation."""
        space = self.observation
        if space.kind != "Dict":
            if key is not None:
                raise InputError(f"{self.path} sees plain images; leave --image-key out")
            return None, self._checked(None, space)
        pictures = [name for name, entry in space.entries.items() if entry.is_picture]
        images = [name for name in pictures if space.entries[name].is_image] or pictures
        if key is not None and key not in pictures:
            raise unknown(f"image in the observations of {self.path}", key, pictures)
        if key is None and len(images) != 1:
            seen = ", ".join(f"{name}: {entry}" for name, entry in space.entries.items())
            advice = "name one with --image-key" if images else _IMAGES_ONLY
            raise InputError(f"{self.path} sees {len(images)} images ({seen[:400]}); {advice}")
        chosen = images[0] if key is None else key
        return chosen, self._checked(chosen, space.entries[chosen])

    def _checked(self, key: str | None, space: Space) -> Space:
        if not space.is_picture or space.low.size > _LARGEST_IMAGE:
            raise InputError(f"{self.path} does not see uint8 images, but {space}; {_IMAGES_ONLY}")
        if space.dtype == "uint8":
            return space
        if self._looks_normalized(space):
            if not (self._normalizations or {}).get(key):
                raise InputError(
                    f"{self.path} sees normalised images {space.shape}; "
                    "name the file that VecNormalize.save wrote with --vec-normalize"
                )
        elif abs(space.low).max() > 1e6 or abs(space.high).max() > 1e6:
            raise InputError(f"{self.path} sees images without bounds, {space}; {_IMAGES_ONLY}")
        return space

    def _looks_normalized(self, space: Space) -> bool:
        """Whether `VecNormalize` gave a space of uint8 images its bounds, ±clip."""
        most = float(space.high.max(initial=0))
        known = {float(each.clip) for each in (self._normalizations or {}).values()}
        if bool((space.high != most).any() or (space.low != -most).any()):
            return False
        return most in known | {_USUAL_CLIP} or self._was_normalized

    @property
    def _was_normalized(self) -> bool:
        """Whether a `VecNormalize` stood between agent and environment as it learned last.

        Only then does an agent without a replay buffer keep an observation as it was before. One
        with a buffer always does; there, what it saw last may lie outside of its space.
        """
        if self.metadata.get("_last_original_obs") is None:
            return False
        if "replay_buffer_class" not in self.metadata:
            return True
        last = self._pickled("_last_obs")
        try:
            seen = as_mapping(last) if self.observation.entries else {None: last}
            return any(
                bool((np.abs(array) > np.maximum(abs(space.low), abs(space.high)) + 1e-6).any())
                for key, space in self._seen.items()
                if space.kind == "Box" and seen.get(key) is not None
                for array in as_array(seen[key])
            )
        except ValueError:
            return False

    def _check_normalized(self) -> None:
        """See that what is known of the normalisation fits the observations."""
        spaces = self._seen
        if self._normalizations is None:
            vectors = [
                str(key)
                for key, space in spaces.items()
                if key != self.image_key and space.kind == "Box" and not space.is_image
            ]
            if self._was_normalized and vectors:
                raise InputError(
                    f"{self.path} learned behind a VecNormalize, which may have changed "
                    f"{', '.join(vectors)}; name the file that VecNormalize.save wrote with "
                    "--vec-normalize"
                )
            return
        for key, known in self._normalizations.items():
            what = "its images" if key is None else repr(key)
            if key not in spaces or spaces[key].shape != known.mean.shape:
                raise InputError(
                    f"the statistics given with --vec-normalize are of {what} "
                    f"{known.mean.shape}, which {self.path} does not see; give its own, or none"
                )
            if key == self.image_key and self.image.dtype == "uint8":
                raise InputError(
                    f"{self.path} was not trained on normalised images; leave --vec-normalize out"
                )
            if key == self.image_key and not self._looks_normalized(self.image):
                raise InputError(
                    f"{self.path} sees float images that were normalised besides; "
                    "such cannot be inspected"
                )


def _read(path: Path) -> tuple[dict[str, Any], Weights]:
    """The metadata and the weights in an agent's file."""
    try:
        with opened_zip(path) as archive:
            names = archive.namelist()
            if "data" not in names or "policy.pth" not in names:
                raise InputError(
                    f"{path} was not saved by Stable-Baselines3; give a PPO, A2C, DQN, SAC or TD3"
                )
            metadata = parse_json(unzip(archive, "data", LARGEST_METADATA))
            stored = unzip(archive, "policy.pth", LARGEST_WEIGHTS)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path} is truncated or no zip ({error}); save it again") from None
    try:
        weights = read_tensors(stored)
    except (ValueError, KeyError) as error:
        raise InputError(
            f"{path} is damaged: its policy.pth holds other than weights ({error}); save it again"
        ) from None
    if not isinstance(metadata, dict) or not isinstance(weights, dict):
        raise InputError(f"{path} is damaged: it lacks metadata or weights; save it again")
    return metadata, _checked(path, weights)


def _checked(path: Path, weights: dict[Any, Any]) -> Weights:
    for name, each in weights.items():
        if not isinstance(name, str) or not torch.is_tensor(each):
            raise InputError(f"{path} is damaged: its weights have no names; save it again")
        if each.is_floating_point() and not bool(torch.isfinite(each).all()):
            raise NonFiniteError(
                f"the weight {name!r} of {path} holds NaN or infinity; load another file"
            )
    return weights


def first_line(error: Exception) -> str:
    """The first line of an error, or its kind where it says nothing."""
    return str(error).strip().split("\n")[0] or type(error).__name__
