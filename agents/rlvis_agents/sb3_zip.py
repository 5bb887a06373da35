"""Agents saved by Stable-Baselines3, rebuilt as plain torch modules without running their code.

Its `.zip` describes most objects by a pickle, which is code, and beside it by readable facts. The
facts and the weights are enough for the usual networks; for others there is `trust`.
"""

import io
import json
import pickle
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rlvis.actions import (
    ActionDistribution,
    Categorical,
    DiagonalGaussian,
    Greedy,
    MultiCategorical,
)
from rlvis.errors import InputError
from rlvis.model import Policy
from rlvis.preprocess import Preprocess
from rlvis_agents.network import LAST_MAP
from rlvis_agents.sb3 import from_sb3
from rlvis_agents.sb3_networks import (
    NatureActorCritic,
    NatureQNetwork,
    TrustedPolicy,
    TrustedQNetwork,
)

Weights = Mapping[str, Tensor]

_ACTIVATIONS = ("Tanh", "ReLU", "ELU", "LeakyReLU", "GELU", "SiLU", "Sigmoid", "Mish", "Identity")


def read_zip(path: Path) -> Policy:
    """The policy in a PPO's, A2C's or DQN's `.zip`, without running code from it.

    Raises:
        InputError: if it is damaged, no such agent, or cannot be rebuilt from what is readable.
    """
    archive = _Archive(path)
    module: nn.Module
    if archive.is_dqn:
        module, layer = _q_network(archive), "features_extractor.cnn.5"
    elif "features_extractor.features.conv1.weight" in archive.weights:
        module, layer = _pooled(archive), LAST_MAP
    else:
        module, layer = _nature(archive), "pi_features_extractor.cnn.5"
    return archive.policy(module, layer)


def read_zip_trusting(path: Path) -> Policy:
    """The policy in a PPO's, A2C's or DQN's `.zip`, loaded by Stable-Baselines3, running its code.

    Raises:
        InputError: if it is damaged or no such agent, or Stable-Baselines3 is missing or fails.
    """
    archive = _Archive(path, trust=True)
    try:
        from stable_baselines3 import A2C, DQN, PPO
    except ImportError:
        raise InputError(
            "loading with trust needs Stable-Baselines3; pip install 'rlvis[agents]'"
        ) from None
    algorithm = DQN if archive.is_dqn else PPO if "clip_range" in archive.facts else A2C
    try:
        policy: Any = algorithm.load(path, device="cpu").policy
    except Exception as error:  # whatever the file's own code raises
        raise InputError(f"Stable-Baselines3 cannot load {path}: {_line(error)}") from None
    module = TrustedQNetwork(policy.q_net) if archive.is_dqn else TrustedPolicy(policy)
    return archive.policy(module, None)


class _Archive:
    """What can be read in an SB3 `.zip` without running code (but with `trust`): its facts in JSON,
    and its weights."""

    def __init__(self, path: Path, *, trust: bool = False) -> None:
        self.path = path
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
                f"{path} is truncated or no zip ({_line(error)}); save it again"
            ) from None
        try:
            weights = torch.load(io.BytesIO(stored), "cpu", weights_only=not trust)
            self.weights = _tensors(weights)
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError):
            raise self.needs_trust("its policy.pth holds more than weights") from None
        self.is_dqn = "q_net.features_extractor.cnn.0.weight" in self.weights or (
            trust and any(name.startswith("q_net.q_net.") for name in self.weights)
        )
        missing = {"action_net.weight", "value_net.weight"} - set(self.weights)
        if (missing and not self.is_dqn) or any("lstm" in name for name in self.weights):
            raise InputError(
                f"{path} is no PPO, A2C or DQN agent with a CNN; "
                "no other algorithm can be inspected"
            )
        self.image_shape = self._image_shape()
        self.distribution = self._distribution()
        self.arguments = self._object("policy_kwargs")

    def policy(self, module: nn.Module, layer: str | None) -> Policy:
        """The policy of a module rebuilt from this archive."""
        channels, height, width = self.image_shape
        raw = self.arguments.get("normalize_images") is False
        return Policy(
            module.eval(),
            self.distribution.labels,
            Preprocess(std=(1 / 255,)) if raw else Preprocess(),
            observation_shape=(height, width, channels),
            name=self.path.stem,
            layer=layer,
            description={"steps": self.facts.get("num_timesteps"), "file": self.path.name},
            distribution=self.distribution,
        )

    def needs_trust(self, why: str) -> InputError:
        """The error for what cannot be rebuilt safely."""
        return InputError(
            f"{self.path} cannot be rebuilt without running its code: {why}; "
            "if you trust where it comes from, add --trust"
        )

    def argument(self, name: str) -> str | None:
        """The last part of the name of a class in the policy's arguments, None for SB3's own."""
        found = re.findall(r"\w+", str(self.arguments.get(name) or ""))
        return found[-1] if found else None

    def _object(self, name: str) -> dict[str, Any]:
        found = self.facts.get(name)
        return found if isinstance(found, dict) else {}

    def _image_shape(self) -> tuple[int, int, int]:
        """(C, H, W): SB3 saves the space as its network sees it."""
        space = self._object("observation_space")
        shape = space.get("_shape", space.get("shape"))
        if not isinstance(shape, list) or len(shape) != 3 or space.get("dtype") != "uint8":
            raise InputError(
                f"{self.path} does not see uint8 images, but {_class(space)} {shape or ''} "
                f"{space.get('dtype') or ''}; only policies of images can be inspected"
            )
        channels, height, width = shape
        return channels, height, width

    def _distribution(self) -> ActionDistribution:
        """That over the action space, which SB3 saves as text beside its pickle."""
        space = self._object("action_space")
        kind = _class(space)
        if self.is_dqn:
            return Greedy(_widths(self.weights, "q_net.q_net.")[-1])
        scores = len(self.weights["action_net.weight"])
        if kind == "Discrete":
            return Categorical(scores)
        if kind == "MultiDiscrete":
            sizes = _numbers(space.get("nvec")).astype(int)
            if sizes.sum() == scores:
                return MultiCategorical(tuple(sizes.tolist()))
        elif kind == "Box":
            if self.facts.get("use_sde"):
                raise InputError(
                    f"{self.path} was trained with use_sde; only continuous actions without it, "
                    "whose deviations are the same for every image, can be inspected"
                )
            low, high = _numbers(space.get("low")), _numbers(space.get("high"))
            if space.get("_shape") == [scores] and len(low) == len(high) == scores:
                log_std = self.weights["log_std"].cpu().numpy()
                return DiagonalGaussian.within(log_std, low, high)
        else:
            raise InputError(
                f"{self.path} has actions of the kind {kind}; "
                "only Discrete, MultiDiscrete and Box ones can be inspected"
            )
        raise InputError(
            f"{self.path} has {scores} scores for {kind} actions of the shape "
            f"{space.get('_shape')}; only those of one axis can be inspected"
        )


def _tensors(stored: object) -> Weights:
    """A state dict, seen to be one; raises ValueError otherwise."""
    if not isinstance(stored, dict) or not all(torch.is_tensor(each) for each in stored.values()):
        raise ValueError("no state dict")
    return stored


def _pooled(archive: _Archive) -> nn.Module:
    """The `PolicyNetwork` of an agent that was trained with `rlvis_agents.ppo`."""
    try:
        return from_sb3(archive.weights)
    except (KeyError, RuntimeError):
        raise archive.needs_trust("its network is not the one of rlvis_agents") from None


def _nature(archive: _Archive) -> nn.Module:
    """The `NatureActorCritic` of an agent with SB3's CnnPolicy."""
    home = archive._object("policy_class").get("__module__", "")
    extractor = archive.argument("features_extractor_class") or "NatureCNN"
    if not home.startswith("stable_baselines3.") or extractor != "NatureCNN":
        raise archive.needs_trust(f"its network is of its own make ({home}, {extractor})")
    activation = archive.argument("activation_fn") or "Tanh"
    if activation not in _ACTIVATIONS:
        raise archive.needs_trust(f"its activation is {activation}")
    weights = _unshared(archive.weights)
    weights.pop("log_std", None)
    actor, critic = (_extractor(weights, f"{role}_features_extractor.") for role in ("pi", "vf"))
    shared = all(torch.equal(tensor, critic[name]) for name, tensor in actor.items())
    if shared:
        weights = {name: each for name, each in weights.items() if not name.startswith("vf_")}
    try:
        linear = actor["linear.0.weight"]
        module = NatureActorCritic(
            image_channels=actor["cnn.0.weight"].shape[1],
            flat=linear.shape[1],
            features=linear.shape[0],
            actor=_widths(weights, "mlp_extractor.policy_net."),
            critic=_widths(weights, "mlp_extractor.value_net."),
            actions=len(archive.distribution.labels),
            activation=getattr(nn, activation),
            shared=shared,
        )
        module.load_state_dict(weights)
        module(torch.zeros(1, *archive.image_shape))
    except (KeyError, RuntimeError):
        raise archive.needs_trust("its weights are not those of a NatureCNN") from None
    return module


def _q_network(archive: _Archive) -> nn.Module:
    """The `NatureQNetwork` of a DQN with SB3's CnnPolicy."""
    home = archive._object("policy_class").get("__module__", "")
    extractor = archive.argument("features_extractor_class") or "NatureCNN"
    activation = archive.argument("activation_fn") or "ReLU"
    if (
        not home.startswith("stable_baselines3.")
        or extractor != "NatureCNN"
        or activation not in _ACTIVATIONS
    ):
        raise archive.needs_trust(f"its network is of its own make ({home}, {extractor})")
    weights = _extractor(archive.weights, "q_net.")
    try:
        linear = weights["features_extractor.linear.0.weight"]
        module = NatureQNetwork(
            image_channels=weights["features_extractor.cnn.0.weight"].shape[1],
            flat=linear.shape[1],
            widths=[linear.shape[0], *_widths(archive.weights, "q_net.q_net.")],
            activation=getattr(nn, activation),
        )
        module.load_state_dict(weights)
        module(torch.zeros(1, *archive.image_shape))
    except (KeyError, RuntimeError):
        raise archive.needs_trust("its weights are not those of a NatureCNN") from None
    return module


def _unshared(weights: Weights) -> dict[str, Tensor]:
    """The weights with features named for actor and critic, as they are even where shared."""
    named: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if name.startswith("features_extractor."):
            named.setdefault(f"pi_{name}", tensor)
            named.setdefault(f"vf_{name}", tensor)
        else:
            named[name] = tensor
    return named


def _extractor(weights: Weights, prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): each for name, each in weights.items() if name.startswith(prefix)
    }


def _widths(weights: Weights, prefix: str) -> list[int]:
    """The outputs of the linear layers, numbered 0, 2, 4, … between their activations."""
    names = [name for name in weights if name.startswith(prefix) and name.endswith(".weight")]
    return [
        weights[name].shape[0] for name in sorted(names, key=lambda name: int(name.split(".")[2]))
    ]


def _numbers(text: object) -> np.ndarray:
    """The numbers in an array's text, "[-1.  inf]"."""
    return np.array(re.findall(r"-?(?:inf|\d[\d.e+-]*)", str(text)), float)


def _class(space: Mapping[str, Any]) -> str:
    """The class of a space: "<class 'gymnasium.spaces.box.Box'>" → "Box"."""
    return (re.findall(r"\w+", str(space.get(":type:"))) or ["nothing"])[-1]


def _line(error: Exception) -> str:
    """The first line of an error, or its kind where it says nothing."""
    return str(error).strip().split("\n")[0] or type(error).__name__
