"""Networks of Stable-Baselines3's own making, rebuilt from their weights alone.

They are laid out without memory and then given the tensors of the file, so that what a file says
of their size costs nothing.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from rlvis_agents.sb3.archive import Archive, Weights
from rlvis_agents.sb3.networks import (
    Actor,
    ActorCritic,
    CombinedExtractor,
    Flat,
    MlpExtractor,
    NatureCNN,
    QNetwork,
)
from rlvis_agents.sb3.spaces import Space
from rlvis_agents.sb3.weight_names import from_sb3

_ACTIVATIONS = ("Tanh", "ReLU", "ELU", "LeakyReLU", "GELU", "SiLU", "Sigmoid", "Mish", "Identity")
_POOLED = "features_extractor.features.conv1.weight"


def obstacle(archive: Archive) -> str | None:
    """What keeps an agent's network from being rebuilt, None where nothing does."""
    if is_pooled(archive):
        return None
    activation = _activation(archive)
    if archive.own_make or activation in _ACTIVATIONS:
        return archive.own_make
    return f"its activation is {activation}"


def is_pooled(archive: Archive) -> bool:
    """Whether its network is a `PolicyNetwork`, trained by `rlvis_agents.training.ppo`."""
    return _POOLED in archive.weights


def rebuild_network(archive: Archive) -> nn.Module:
    """The network of an agent.

    Raises:
        KeyError, IndexError, ValueError, RuntimeError: if its weights are not all there, or are not
            those of such a network.
    """
    if is_pooled(archive):
        return from_sb3(archive.weights)
    build = {"q": _q_network, "quantile": _q_network, "actor": _actor}
    with torch.device("meta"):
        module, weights = build.get(archive.algorithm, _actor_critic)(archive)
    module.load_state_dict({name: each.float() for name, each in weights.items()}, assign=True)
    return module


def last_map(archive: Archive, module: nn.Module) -> str | None:
    """The name of the actor's last layer whose map has more than one place, None without one."""
    height, width, _ = archive.observation_shape
    found = NatureCNN.last_map(height, width)
    inside = "" if archive.image_key is None else f"extractors.{archive.image_key}."
    acting = isinstance(module, ActorCritic)
    name = f"{'pi_' if acting else ''}features_extractor.{inside}{found}"
    has_maps = any(each == name for each, _ in module.named_modules())
    return name if found is not None and has_maps else None


def _activation(archive: Archive) -> str:
    usual = "ReLU" if archive.valued or archive.algorithm == "actor" else "Tanh"
    return archive.argument("activation_fn") or usual


def _actor_critic(archive: Archive) -> tuple[nn.Module, Weights]:
    weights = _unshared(archive.weights)
    weights.pop("log_std", None)
    actor, critic = (_part(weights, f"{role}_features_extractor.") for role in ("pi", "vf"))
    shared = actor.keys() == critic.keys() and all(
        torch.equal(tensor, critic[name]) for name, tensor in actor.items()
    )
    if shared:
        weights = {name: each for name, each in weights.items() if not name.startswith("vf_")}
    between = (_part(weights, f"mlp_extractor.{role}_net.") for role in ("policy", "value"))
    module = ActorCritic(
        _extractor(archive, actor),
        None if shared else _extractor(archive, critic),
        MlpExtractor(*(_layers(part, _activation(archive)) for part in between)),
        _linear(weights["action_net.weight"]),
        _linear(weights["value_net.weight"]),
        _memory(weights),
    )
    return module, weights


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


def _q_network(archive: Archive) -> tuple[nn.Module, Weights]:
    outer = "q_net." if archive.algorithm == "q" else "quantile_net."
    weights = {
        name.replace(outer, "q_net.", 1) if name.startswith(outer) else name: each
        for name, each in _part(archive.weights, outer).items()
    }
    after = _layers(_part(weights, "q_net."), _activation(archive))[:-1]
    quantiles = list(after.parameters())[-1].numel() // archive.action.sizes[0]
    extractor = _extractor(archive, _part(weights, "features_extractor."))
    return QNetwork(extractor, after, quantiles), weights


def _actor(archive: Archive) -> tuple[nn.Module, Weights]:
    weights = _part(archive.weights, "actor.")
    activation = _activation(archive)
    extractor = _extractor(archive, _part(weights, "features_extractor."))
    latent = _layers(_part(weights, "latent_pi."), activation)
    log_std = None
    if "mu.weight" in weights:
        mu: nn.Module = _linear(weights["mu.weight"])
        log_std = _linear(weights["log_std.weight"])
    elif weights.pop("log_std", None) is not None:
        clip = float(str(archive.arguments.get("clip_mean", 2.0)))
        mu = nn.Sequential(_linear(weights["mu.0.weight"]), nn.Hardtanh(-clip, clip))
    else:
        mu = _layers(_part(weights, "mu."), activation)[:-1]
    return Actor(extractor, latent, mu, log_std), weights


def _extractor(archive: Archive, weights: Weights) -> nn.Module:
    """The features extractor with these weights, its parts still empty."""
    if archive.image_key is None:
        return _part_of_extractor(archive.image, weights)
    parts = {
        key: _part_of_extractor(space, _part(weights, f"extractors.{key}."))
        if key == archive.image_key or f"extractors.{key}.cnn.0.weight" in weights
        else nn.Flatten()
        for key, space in archive.observation.entries.items()
    }
    return CombinedExtractor(archive.image_key, archive.entries, parts)


def _part_of_extractor(space: Space, weights: Weights) -> nn.Module:
    if "cnn.0.weight" not in weights:
        return Flat(space)
    features, flat = weights["linear.0.weight"].shape
    return NatureCNN(weights["cnn.0.weight"].shape[1], flat, features)


def _layers(weights: Weights, activation: str) -> nn.Sequential:
    """Linear layers, numbered 0, 2, 4, …, each followed by the activation."""
    numbers = sorted(int(name.split(".")[0]) for name in weights if name.endswith(".weight"))
    kind = getattr(nn, activation)
    parts = [(_linear(weights[f"{number}.weight"]), kind()) for number in numbers]
    return nn.Sequential(*(part for pair in parts for part in pair))


def _linear(weight: Tensor) -> nn.Linear:
    return nn.Linear(weight.shape[1], weight.shape[0])


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


def _part(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The weights under a prefix, without it."""
    return {
        name.removeprefix(prefix): each for name, each in weights.items() if name.startswith(prefix)
    }
