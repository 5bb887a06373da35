"""Agents saved by Stable-Baselines3, rebuilt as plain torch modules without running their code.

Its `.zip` describes most objects by a pickle, which is code, and beside it by readable facts. The
facts and the weights are enough for the usual networks; for others there is `trust`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rlvis.errors import InputError
from rlvis.policy import Policy
from rlvis.preprocess import Preprocess
from rlvis_agents.network import LAST_MAP
from rlvis_agents.sb3 import from_sb3
from rlvis_agents.sb3_archive import Archive, Weights, first_line
from rlvis_agents.sb3_networks import (
    ACTOR_MEMORY,
    CRITIC_MEMORY,
    ActorCritic,
    CombinedExtractor,
    MlpExtractor,
    NatureCNN,
    OwnExtractor,
    QNetwork,
)
from rlvis_agents.vec_normalize import read_vec_normalize

_ACTIVATIONS = ("Tanh", "ReLU", "ELU", "LeakyReLU", "GELU", "SiLU", "Sigmoid", "Mish", "Identity")
_LAST_CONVOLUTION = "cnn.5"


def read_zip(
    path: Path,
    *,
    trust: bool = False,
    image_key: str | None = None,
    vec_normalize: str | Path | None = None,
) -> Policy:
    """The policy in the `.zip` of a PPO, A2C, DQN, recurrent PPO or QR-DQN.

    Args:
        path: the file.
        trust: let the library that saved it load it, running whatever code is in it; otherwise
            none is run.
        image_key: the entry of a Dict observation that is the image; the only one if left out.
        vec_normalize: the file that `VecNormalize.save` wrote, for an agent trained with it.

    Raises:
        InputError: if it is damaged, no such agent, or cannot be rebuilt from what is readable.
    """
    normalizations = read_vec_normalize(vec_normalize) if vec_normalize else {}
    archive = Archive(path, trust=trust, image_key=image_key, normalizations=normalizations)
    if trust:
        return _policy(archive, _trusted(archive), None)
    if "features_extractor.features.conv1.weight" in archive.weights:
        return _policy(archive, _pooled(archive), LAST_MAP)
    inside = "" if archive.image_key is None else f"extractors.{archive.image_key}."
    outside = "features_extractor." if archive.valued else "pi_features_extractor."
    module = _nature(archive, _q_network if archive.valued else _actor_critic)
    return _policy(archive, module, outside + inside + _LAST_CONVOLUTION)


def _policy(archive: Archive, module: nn.Module, layer: str | None) -> Policy:
    height, width, channels = archive.observation_shape
    scaling = Preprocess() if archive.scaled else Preprocess(std=(1 / 255,))
    memory: dict[str, tuple[int, ...]] = {}
    for names, lstm in ((ACTOR_MEMORY, "lstm_actor"), (CRITIC_MEMORY, "lstm_critic")):
        part = getattr(module, lstm, None)
        if isinstance(part, nn.LSTM):
            memory |= dict.fromkeys(names, (part.num_layers, part.hidden_size))
    return Policy(
        module.eval(),
        archive.distribution.labels,
        archive.normalization or scaling,
        observation_shape=(height, width, channels),
        name=archive.path.stem,
        layer=layer,
        description={"steps": archive.facts.get("num_timesteps"), "file": archive.path.name},
        distribution=archive.distribution,
        image_key=archive.image_key,
        context={key: entry.shape for key, entry in archive.entries.items()},
        memory=memory,
    )


def _trusted(archive: Archive) -> nn.Module:
    """The network in the file, loaded by the library that saved it."""
    try:
        policy: Any = _library_class(archive).load(archive.path, device="cpu").policy
    except InputError:
        raise
    except Exception as error:  # whatever the file's own code raises
        reason = first_line(error)
        raise InputError(f"Stable-Baselines3 cannot load {archive.path}: {reason}") from None

    def own(extractor: nn.Module) -> nn.Module:
        return OwnExtractor(extractor, archive.image_key, archive.entries)

    if archive.algorithm == "q":
        return QNetwork(own(policy.q_net.features_extractor), policy.q_net.q_net)
    if archive.algorithm == "quantile":
        network = policy.quantile_net
        extractor = own(network.features_extractor)
        return QNetwork(extractor, network.quantile_net, network.n_quantiles)
    shared = policy.share_features_extractor
    return ActorCritic(
        own(policy.pi_features_extractor),
        None if shared else own(policy.vf_features_extractor),
        policy.mlp_extractor,
        policy.action_net,
        policy.value_net,
        {name: getattr(policy, name, None) for name in ("lstm_actor", "lstm_critic", "critic")},
    )


def _library_class(archive: Archive) -> Any:
    try:
        if archive.algorithm in ("recurrent", "quantile"):
            from sb3_contrib import QRDQN, RecurrentPPO

            return RecurrentPPO if archive.algorithm == "recurrent" else QRDQN
        from stable_baselines3 import A2C, DQN, PPO
    except ImportError as error:
        missing = "sb3-contrib" if error.name == "sb3_contrib" else "'rlvis[agents]'"
        raise InputError(f"loading with trust needs {error.name}; pip install {missing}") from None
    return DQN if archive.algorithm == "q" else PPO if "clip_range" in archive.facts else A2C


def _pooled(archive: Archive) -> nn.Module:
    """The `PolicyNetwork` of an agent that was trained with `rlvis_agents.ppo`."""
    try:
        return from_sb3(archive.weights)
    except (KeyError, RuntimeError):
        raise archive.needs_trust("its network is not the one of rlvis_agents") from None


def _nature(archive: Archive, build: Callable[[Archive, type[nn.Module]], nn.Module]) -> nn.Module:
    """The network of an agent with SB3's own features extractor, tried out on an empty image."""
    usual = "NatureCNN" if archive.image_key is None else "CombinedExtractor"
    extractor = archive.argument("features_extractor_class") or usual
    if not archive.home.startswith(("stable_baselines3.", "sb3_contrib.")) or extractor != usual:
        raise archive.needs_trust(f"its network is of its own make ({archive.home}, {extractor})")
    activation = archive.argument("activation_fn") or ("ReLU" if archive.valued else "Tanh")
    if activation not in _ACTIVATIONS:
        raise archive.needs_trust(f"its activation is {activation}")
    try:
        return build(archive, getattr(nn, activation))
    except (KeyError, RuntimeError, InputError):
        raise archive.needs_trust("its weights are not those of a NatureCNN") from None


def _actor_critic(archive: Archive, activation: type[nn.Module]) -> nn.Module:
    weights = _unshared(archive.weights)
    weights.pop("log_std", None)
    actor, critic = (_part(weights, f"{role}_features_extractor.") for role in ("pi", "vf"))
    shared = all(torch.equal(tensor, critic[name]) for name, tensor in actor.items())
    if shared:
        weights = {name: each for name, each in weights.items() if not name.startswith("vf_")}
    between = (_part(weights, f"mlp_extractor.{role}_net.") for role in ("policy", "value"))
    module = ActorCritic(
        _extractor(archive, actor),
        None if shared else _extractor(archive, critic),
        MlpExtractor(*(_layers(part, activation) for part in between)),
        _linear(weights["action_net.weight"]),
        _linear(weights["value_net.weight"]),
        _memory(weights),
    )
    return _tried(archive, module, weights)


def _memory(weights: Weights) -> dict[str, nn.Module | None]:
    """The recurrent parts of an actor-critic; see `ActorCritic`."""
    parts: dict[str, nn.Module | None] = {}
    for name in ("lstm_actor", "lstm_critic"):
        part = _part(weights, f"{name}.")
        if part:
            into, back = part["weight_ih_l0"], part["weight_hh_l0"]
            depth = sum(each.startswith("weight_ih_l") for each in part)
            parts[name] = nn.LSTM(into.shape[1], back.shape[1], depth, "bias_ih_l0" in part)
    if "critic.weight" in weights:
        parts["critic"] = _linear(weights["critic.weight"])
    return parts


def _q_network(archive: Archive, activation: type[nn.Module]) -> nn.Module:
    outer = "q_net." if archive.algorithm == "q" else "quantile_net."
    weights = {
        name.replace(outer, "q_net.", 1) if name.startswith(outer) else name: each
        for name, each in _part(archive.weights, outer).items()
    }
    actions = len(archive.distribution.labels)
    after = _layers(_part(weights, "q_net."), activation)[:-1]
    quantiles = list(after.parameters())[-1].numel() // actions
    extractor = _extractor(archive, _part(weights, "features_extractor."))
    return _tried(archive, QNetwork(extractor, after, quantiles), weights)


def _extractor(archive: Archive, weights: Weights) -> nn.Module:
    """The features extractor with these weights, its parts still empty."""
    if archive.image_key is None:
        return _nature_cnn(weights)
    parts = {
        key: _nature_cnn(_part(weights, f"extractors.{key}.")) if space.is_image else nn.Flatten()
        for key, space in archive.observation.entries.items()
    }
    return CombinedExtractor(archive.image_key, archive.entries, parts)


def _nature_cnn(weights: Weights) -> NatureCNN:
    features, flat = weights["linear.0.weight"].shape
    return NatureCNN(weights["cnn.0.weight"].shape[1], flat, features)


def _layers(weights: Weights, activation: type[nn.Module]) -> nn.Sequential:
    """Linear layers, numbered 0, 2, 4, …, each followed by the activation."""
    numbers = sorted(int(name.split(".")[0]) for name in weights if name.endswith(".weight"))
    parts = [(_linear(weights[f"{number}.weight"]), activation()) for number in numbers]
    return nn.Sequential(*(part for pair in parts for part in pair))


def _linear(weight: Tensor) -> nn.Linear:
    return nn.Linear(weight.shape[1], weight.shape[0])


def _tried(archive: Archive, module: nn.Module, weights: Weights) -> nn.Module:
    """The module with its weights, seen to run on an empty observation."""
    module.load_state_dict(weights)
    policy = _policy(archive, module, None)
    height, width, channels = archive.observation_shape
    policy.scores(
        torch.zeros(1, channels, height, width, dtype=torch.uint8),
        {key: torch.zeros(1, *shape) for key, shape in policy.context.items()},
    )
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


def _part(weights: Weights, prefix: str) -> dict[str, Tensor]:
    """The weights under a prefix, without it."""
    return {
        name.removeprefix(prefix): each for name, each in weights.items() if name.startswith(prefix)
    }
