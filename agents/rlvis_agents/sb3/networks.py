"""Networks of Stable-Baselines3 as plain torch modules, their parts named as there.

All take images (N, C, H, W) as their features extractor sees them; the other entries of a Dict
observation and the memory of an LSTM come by keyword.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rlvis.models.policy import MASK
from rlvis_agents.sb3.spaces import Entry, Space

Output = dict[str, Any]

_CONVOLUTIONS = ((32, 8, 4), (64, 4, 2), (64, 3, 1))
ACTOR_MEMORY = ("actor_hidden", "actor_cell")
CRITIC_MEMORY = ("critic_hidden", "critic_cell")
_LOG_STD = (-20, 2)


class NatureCNN(nn.Module):
    """SB3's `NatureCNN`: images (N, C, H, W) → (N, features).

    Args:
        image_channels: C of the images.
        flat: features of the last convolution, flattened.
        features: width of the layer after them.
    """

    def __init__(self, image_channels: int, flat: int, features: int) -> None:
        super().__init__()
        self.cnn = nn.Sequential()
        for channels, size, stride in _CONVOLUTIONS:
            self.cnn.extend([nn.Conv2d(image_channels, channels, size, stride), nn.ReLU()])
            image_channels = channels
        self.linear = nn.Sequential(nn.Linear(flat, features), nn.ReLU())

    def forward(self, images: Tensor) -> Tensor:
        """Features (N, F) of images (N, C, H, W)."""
        return self.linear(self.cnn(images).flatten(1))

    @staticmethod
    def last_map(height: int, width: int) -> str | None:
        """The name of the last layer whose map has more than one place, None if there is none."""
        name = None
        for index, (_, size, stride) in enumerate(_CONVOLUTIONS):
            height, width = (height - size) // stride + 1, (width - size) // stride + 1
            if height * width > 1:
                name = f"cnn.{2 * index + 1}"
        return name


class Flat(nn.Module):
    """SB3's `FlattenExtractor`: pictures (N, C, H, W), flat in the order of their space's axes.

    Args:
        space: that of the pictures.
    """

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space

    def forward(self, images: Tensor) -> Tensor:
        """The images' values (N, F), in the order of the space."""
        return self.space.arranged(images).flatten(1)


class CombinedExtractor(nn.Module):
    """SB3's `CombinedExtractor`: a `NatureCNN` per image, everything else flat beside it.

    Args:
        image_key: the entry that is given as images.
        entries: how each of the others is brought to the network.
        extractors: one per entry, in the order of the observation space.
    """

    def __init__(
        self, image_key: str, entries: Mapping[str, Entry], extractors: Mapping[str, nn.Module]
    ) -> None:
        super().__init__()
        self.image_key, self.entries = image_key, dict(entries)
        self.extractors = nn.ModuleDict(extractors)

    def forward(self, images: Tensor, **context: Tensor) -> Tensor:
        """Features (N, F) of all entries, one after the other."""
        seen = {key: entry(context[key]).to(images.dtype) for key, entry in self.entries.items()}
        seen[self.image_key] = images
        return torch.cat([part(seen[key]) for key, part in self.extractors.items()], dim=1)


class MlpExtractor(nn.Module):
    """The layers of actor and critic between features and heads."""

    def __init__(self, policy_net: nn.Module, value_net: nn.Module) -> None:
        super().__init__()
        self.policy_net, self.value_net = policy_net, value_net

    def forward_actor(self, features: Tensor) -> Tensor:
        """What the actor's head reads."""
        return self.policy_net(features)

    def forward_critic(self, features: Tensor) -> Tensor:
        """What the critic's head reads."""
        return self.value_net(features)


class ActorCritic(nn.Module):
    """SB3's `ActorCriticPolicy` and sb3-contrib's recurrent and maskable ones.

    The critic runs first: the last layer to run that has a map is the actor's.

    Args:
        actor_features, critic_features: features extractors; None where the critic shares.
        mlp: a `MlpExtractor`: the layers between features, or the LSTM's output, and the heads.
        action_net, value_net: the heads.
        memory: "lstm_actor" and perhaps "lstm_critic" for a recurrent policy, or "critic", the
            linear layer of a critic without memory. A recurrent critic with neither reads what
            the actor's LSTM gives.
    """

    def __init__(
        self,
        actor_features: nn.Module,
        critic_features: nn.Module | None,
        mlp: Any,
        action_net: nn.Module,
        value_net: nn.Module,
        memory: Mapping[str, nn.Module | None],
    ) -> None:
        super().__init__()
        self.pi_features_extractor = actor_features
        self.vf_features_extractor = critic_features
        self.mlp_extractor, self.action_net, self.value_net = mlp, action_net, value_net
        self.lstm_actor: Any = memory.get("lstm_actor")
        self.lstm_critic: Any = memory.get("lstm_critic")
        self.critic = memory.get("critic")

    def forward(self, images: Tensor, **context: Tensor) -> Output:
        """Scores (N, K), values (N,) and the memory for the next step."""
        names = (*ACTOR_MEMORY, *CRITIC_MEMORY)
        before = {name: context.pop(name) for name in names if name in context}
        possible = context.pop(MASK, None)
        critic_features = self.vf_features_extractor
        judged = None if critic_features is None else critic_features(images, **context)
        seen = self.pi_features_extractor(images, **context)
        judged = seen if judged is None else judged
        memory: dict[str, Tensor] = {}
        if self.lstm_actor is not None:
            seen, memory = _step(self.lstm_actor, seen, before, ACTOR_MEMORY)
            if self.lstm_critic is not None:
                judged, critic = _step(self.lstm_critic, judged, before, CRITIC_MEMORY)
                memory |= critic
            else:
                judged = seen if self.critic is None else self.critic(judged)
        value = self.value_net(self.mlp_extractor.forward_critic(judged))
        logits = self.action_net(self.mlp_extractor.forward_actor(seen))
        if possible is not None:
            logits = logits.masked_fill(possible == 0, -torch.inf)
        return {"logits": logits, "value": value.squeeze(1), "memory": memory}


def _step(
    lstm: nn.LSTM, features: Tensor, before: Mapping[str, Tensor], names: Sequence[str]
) -> tuple[Tensor, dict[str, Tensor]]:
    states = tuple(before[name].transpose(0, 1).contiguous() for name in names)
    output, after = lstm(features[None], states)
    memory = {name: each.transpose(0, 1) for name, each in zip(names, after, strict=True)}
    return output[0], memory


class QNetwork(nn.Module):
    """SB3's Q-network of a DQN, and sb3-contrib's of a QR-DQN.

    Args:
        features_extractor: its features extractor.
        q_net: the layers after it.
        quantiles: of the distribution of each action's return; 1 for a DQN.
    """

    def __init__(self, features_extractor: nn.Module, q_net: nn.Module, quantiles: int = 1) -> None:
        super().__init__()
        self.features_extractor, self.q_net = features_extractor, q_net
        self.quantiles = quantiles

    def forward(self, images: Tensor, **context: Tensor) -> Tensor:
        """Q-values (N, K): of a QR-DQN the mean over the quantiles."""
        quantiles = self.q_net(self.features_extractor(images, **context))
        return quantiles.unflatten(1, (self.quantiles, -1)).mean(dim=1)


class Actor(nn.Module):
    """The actor of SB3's SAC, TD3 and DDPG and sb3-contrib's TQC, without the tanh at its end.

    Args:
        features_extractor: its features extractor.
        latent_pi: the layers after it.
        mu: gives the means.
        log_std: gives the logarithms of the standard deviations; None where there are none.
    """

    def __init__(
        self,
        features_extractor: nn.Module,
        latent_pi: nn.Module,
        mu: nn.Module,
        log_std: nn.Module | None,
    ) -> None:
        super().__init__()
        self.features_extractor, self.latent_pi, self.mu = features_extractor, latent_pi, mu
        self.log_std = log_std

    def forward(self, images: Tensor, **context: Tensor) -> Output:
        """Means (N, D), and with them the deviations' logarithms (N, D) if there are any."""
        latent = self.latent_pi(self.features_extractor(images, **context))
        found: Output = {"logits": self.mu(latent)}
        if self.log_std is not None:
            found["log_std"] = self.log_std(latent).clamp(*_LOG_STD)
        return found


class OwnExtractor(nn.Module):
    """A features extractor of any make, given images and context instead of an observation."""

    def __init__(
        self,
        extractor: nn.Module,
        space: Space,
        image_key: str | None,
        entries: Mapping[str, Entry],
    ) -> None:
        super().__init__()
        self.extractor, self.space = extractor, space
        self.image_key, self.entries = image_key, dict(entries)

    def forward(self, images: Tensor, **context: Tensor) -> Tensor:
        """Features (N, F) of images (N, C, H, W) and the other entries."""
        arranged = self.space.arranged(images)
        if self.image_key is None:
            return self.extractor(arranged)
        seen = {key: entry(context[key]).to(images.dtype) for key, entry in self.entries.items()}
        return self.extractor({**seen, self.image_key: arranged})
