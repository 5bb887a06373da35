"""Agents loaded by Stable-Baselines3 itself, and the proof that what is explained is what acts.

A policy class may override any of its methods. So its parts are taken only where they give, on
observations drawn by chance, what its own methods give.
"""

from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rlvis.errors import InputError
from rlvis.models.policy import MASK, Policy
from rlvis.models.rng import kept_generators
from rlvis_agents.sb3.archive import Archive, first_line
from rlvis_agents.sb3.networks import Actor, ActorCritic, OwnExtractor, QNetwork

_DRAWN = 6
_CLOSE = 1e-3, 1e-4


def load(archive: Archive) -> Any:
    """The agent as its own library loads it, which runs whatever code is in the file.

    Raises:
        InputError: if the library is missing or cannot.
    """
    try:
        with kept_generators():
            return _library_class(archive).load(archive.path, device="cpu")
    except InputError:
        raise
    except Exception as error:  # whatever the file's own code raises
        reason = first_line(error)
        raise InputError(f"Stable-Baselines3 cannot load {archive.path}: {reason}") from None


def parts_of(archive: Archive, policy: Any) -> nn.Module:
    """The network in a loaded agent's policy, given images and context.

    Raises:
        InputError: if the policy lacks one of the usual parts.
    """

    def own(extractor: nn.Module) -> nn.Module:
        return OwnExtractor(extractor, archive.image, archive.image_key, archive.entries)

    try:
        if archive.algorithm == "q":
            return QNetwork(own(policy.q_net.features_extractor), policy.q_net.q_net)
        if archive.algorithm == "quantile":
            network = policy.quantile_net
            extractor = own(network.features_extractor)
            return QNetwork(extractor, network.quantile_net, network.n_quantiles)
        if archive.algorithm == "actor":
            return _actor(own(policy.actor.features_extractor), policy.actor)
        shared = policy.share_features_extractor
        return ActorCritic(
            own(policy.pi_features_extractor),
            None if shared else own(policy.vf_features_extractor),
            policy.mlp_extractor,
            policy.action_net,
            policy.value_net,
            {name: getattr(policy, name, None) for name in ("lstm_actor", "lstm_critic", "critic")},
        )
    except AttributeError as error:
        raise InputError(f"the policy in {archive.path} is not built as usual: {error}") from None


def check_same(archive: Archive, ours: Policy, theirs: Any) -> None:
    """Whether the policy does what the agent does that its library loaded.

    Raises:
        InputError: if scores, values or actions differ on observations drawn by chance.
    """
    observations, images, context = _draw(archive, ours)
    scores = ours.scores(images, context)
    theirs.policy.set_training_mode(False)
    try:
        seen = theirs.policy.obs_to_tensor(observations)[0]
        with torch.no_grad():
            expected, value = _theirs(archive, theirs.policy, seen, context)
        mask = {"action_masks": context[MASK]} if MASK in context else {}
        actions, _ = theirs.predict(observations, deterministic=True, **mask)
    except Exception as error:  # whatever the policy's own code raises
        raise InputError(
            f"the policy in {archive.path} cannot be asked what it does: {first_line(error)}"
        ) from None
    found = scores.logits
    if ours.distribution.choices and not archive.valued:
        found = _logarithms(ours.distribution.probabilities(found))
    elif archive.algorithm == "actor" and scores.log_std is None:
        found = found.tanh()
    pairs = {"scores": (found, expected), "values": (scores.value, value)}
    for what, (own, other) in pairs.items():
        if own is None or other is None:
            continue
        if own.shape != other.shape or not torch.allclose(own, other, *_CLOSE):
            off = float((own - other).abs().max()) if own.shape == other.shape else float("nan")
            raise _differs(archive, f"{what} are off by up to {off:.2g}")
    modes = ours.distribution.draw(scores.logits, deterministic=True)
    for drawn, action in zip(map(np.asarray, modes), actions, strict=True):
        if not np.allclose(drawn, action, rtol=1e-3, atol=1e-3):
            raise _differs(
                archive, f"actions are {drawn.tolist()} and {np.asarray(action).tolist()}"
            )


def _differs(archive: Archive, how: str) -> InputError:
    return InputError(
        f"the policy in {archive.path} ({archive.home}) does not do what its layers do ({how}): "
        "it overrides methods; wrap its own methods in a module and give that to rlvis.Policy"
    )


def _draw(archive: Archive, ours: Policy) -> tuple[Any, Any, dict[str, Tensor]]:
    """Observations for the library, and the same as images and context."""
    rng = torch.Generator().manual_seed(0)
    height, width, channels = archive.observation_shape
    images = torch.randint(0, 256, (_DRAWN, channels, height, width), generator=rng)
    images = images.to(torch.uint8)
    context: dict[str, Tensor] = {}
    for key, entry in archive.entries.items():
        if entry.space.kind in ("Discrete", "MultiDiscrete"):
            sizes = torch.tensor(entry.space.sizes)
            drawn = torch.rand(_DRAWN, len(sizes), generator=rng) * sizes
            context[key] = drawn.long().reshape(_DRAWN, *entry.shape)
        else:
            drawn = torch.rand(_DRAWN, *entry.shape, generator=rng)
            whole = entry.space.dtype == "uint8"
            context[key] = (drawn * 256).to(torch.uint8) if whole else drawn
    observations: Any = {key: entry.raw(context[key]) for key, entry in archive.entries.items()}
    if archive.pixel_range is not None:
        seen: Tensor = ours.inputs(images)
    else:
        seen = images
    seen = archive.image.arranged(seen)
    seen = archive.normalization(seen) if archive.normalization is not None else seen
    observations[archive.image_key] = seen
    observations = {key: each.numpy() for key, each in observations.items()}
    for name, shape in ours.memory.items():
        context[name] = torch.randn(_DRAWN, *shape, generator=rng) * 0
    if MASK in ours.context:
        context[MASK] = torch.ones(_DRAWN, *ours.context[MASK], dtype=torch.bool)
        context[MASK][:, 1::2] = torch.arange(_DRAWN)[:, None] % 2 == 0
    return observations if archive.image_key else observations[None], images, context


def _theirs(
    archive: Archive, policy: Any, seen: Any, context: dict[str, Tensor]
) -> tuple[Tensor, Tensor | None]:
    """What the policy's own methods give for scores, and for values if it has any."""
    if archive.algorithm == "q":
        return policy.q_net(seen), None
    if archive.algorithm == "quantile":
        return policy.quantile_net(seen).mean(dim=1), None
    if archive.algorithm == "actor":
        found = policy.actor
        if hasattr(found, "get_action_dist_params") and not found.use_sde:
            return found.get_action_dist_params(seen)[0], None
        return found(seen, True) if hasattr(found, "use_sde") else found(seen), None
    if archive.algorithm == "recurrent":
        layers, _, hidden = policy.lstm_hidden_state_shape
        states, starts = (torch.zeros(layers, _DRAWN, hidden),) * 2, torch.zeros(_DRAWN)
        distribution = policy.get_distribution(seen, states, starts)[0]
        value = policy.predict_values(seen, states, starts)
    elif MASK in context:
        distribution = policy.get_distribution(seen, context[MASK].numpy())
        value = policy.predict_values(seen)
    else:
        distribution, value = policy.get_distribution(seen), policy.predict_values(seen)
    kind = getattr(distribution, "distribution", None) or distribution.distributions
    if isinstance(kind, list):
        return _logarithms(torch.cat([each.probs for each in kind], dim=1)), value.squeeze(1)
    if isinstance(kind, torch.distributions.Categorical):
        return _logarithms(kind.probs), value.squeeze(1)
    if isinstance(kind, torch.distributions.Bernoulli):
        return kind.logits, value.squeeze(1)
    return kind.mean, value.squeeze(1)


def _logarithms(probabilities: Tensor) -> Tensor:
    """Of probabilities, the least ones alike."""
    return probabilities.clamp(min=1e-20).log()


def _actor(extractor: nn.Module, actor: Any) -> nn.Module:
    if not hasattr(actor, "latent_pi"):
        layers = list(actor.mu)
        ended = layers[:-1] if isinstance(layers[-1], nn.Tanh) else layers
        return Actor(extractor, nn.Identity(), nn.Sequential(*ended), None)
    log_std = None if actor.use_sde else actor.log_std
    return Actor(extractor, actor.latent_pi, actor.mu, log_std)


def _library_class(archive: Archive) -> Any:
    name = _library_name(archive)
    contributed = name in ("MaskablePPO", "RecurrentPPO", "QRDQN", "TQC")
    try:
        library = import_module("sb3_contrib" if contributed else "stable_baselines3")
    except ImportError as error:
        missing = "sb3-contrib" if error.name == "sb3_contrib" else "'rlvis[agents]'"
        raise InputError(f"loading with trust needs {error.name}; pip install {missing}") from None
    return getattr(library, name)


def _library_name(archive: Archive) -> str:
    metadata = archive.metadata
    if archive.masked:
        return "MaskablePPO"
    if archive.algorithm == "actor":
        if "policy_delay" in metadata:
            return "TD3"
        return "TQC" if "top_quantiles_to_drop_per_net" in metadata else "SAC"
    usual = {"recurrent": "RecurrentPPO", "quantile": "QRDQN", "q": "DQN"}
    return usual.get(archive.algorithm, "PPO" if "clip_range" in metadata else "A2C")
