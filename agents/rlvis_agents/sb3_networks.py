"""Networks of Stable-Baselines3 as plain torch modules, their parts named as there."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

_CONVOLUTIONS = ((32, 8, 4), (64, 4, 2), (64, 3, 1))


class NatureCNN(nn.Module):
    """SB3's `NatureCNN` with its parts named as there: images (N, C, H, W) → (N, features)."""

    def __init__(self, image_channels: int, flat: int, features: int) -> None:
        super().__init__()
        self.cnn = nn.Sequential()
        for channels, size, stride in _CONVOLUTIONS:
            self.cnn.extend([nn.Conv2d(image_channels, channels, size, stride), nn.ReLU()])
            image_channels = channels
        self.linear = nn.Sequential(nn.Linear(flat, features), nn.ReLU())

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(self.cnn(images).flatten(1))


class NatureActorCritic(nn.Module):
    """SB3's `ActorCriticCnnPolicy` with a `NatureCNN`, its parts named as there.

    Args:
        image_channels: C of the images.
        flat: features of the last convolution, flattened.
        features: width of the layer after them.
        actor, critic: widths of the layers between those features and the heads.
        actions: K, the number of scores.
        activation: between the layers of actor and critic.
        shared: whether actor and critic see the same features.
    """

    def __init__(
        self,
        image_channels: int,
        flat: int,
        features: int,
        actor: Sequence[int],
        critic: Sequence[int],
        actions: int,
        activation: type[nn.Module],
        shared: bool,
    ) -> None:
        super().__init__()
        self.pi_features_extractor = NatureCNN(image_channels, flat, features)
        if not shared:
            self.vf_features_extractor = NatureCNN(image_channels, flat, features)
        self.mlp_extractor = nn.ModuleDict(
            {
                "policy_net": _layers([features, *actor], activation),
                "value_net": _layers([features, *critic], activation),
            }
        )
        self.action_net = nn.Linear([features, *actor][-1], actions)
        self.value_net = nn.Linear([features, *critic][-1], 1)
        self.shared = shared

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (N, K) and values (N,) of float images (N, C, H, W)."""
        seen = self.pi_features_extractor(images)
        judged = seen if self.shared else self.vf_features_extractor(images)
        logits = self.action_net(self.mlp_extractor["policy_net"](seen))
        return logits, self.value_net(self.mlp_extractor["value_net"](judged)).squeeze(1)


class NatureQNetwork(nn.Module):
    """SB3's Q-network of a DQN with a `NatureCNN`, its parts named as there.

    Args:
        image_channels: C of the images.
        flat: features of the last convolution, flattened.
        widths: of the layers from the features after them to the K actions.
        activation: between these layers.
    """

    def __init__(
        self, image_channels: int, flat: int, widths: Sequence[int], activation: type[nn.Module]
    ) -> None:
        super().__init__()
        self.features_extractor = NatureCNN(image_channels, flat, widths[0])
        self.q_net = _layers(widths, activation)[:-1]

    def forward(self, images: Tensor) -> Tensor:
        """Q-values (N, K) of float images (N, C, H, W)."""
        return self.q_net(self.features_extractor(images))


class TrustedQNetwork(nn.Module):
    """An SB3 DQN's Q-network of any make, behind the interface of the others."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Q-values (N, K) of float images (N, C, H, W)."""
        return self.network.q_net(self.network.features_extractor(images))


class TrustedPolicy(nn.Module):
    """An SB3 actor-critic policy of any make, behind the interface of the others."""

    def __init__(self, policy: Any) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (N, K) and values (N,) of float images (N, C, H, W)."""
        policy = self.policy
        seen = policy.pi_features_extractor(images)
        shared = policy.share_features_extractor
        judged = seen if shared else policy.vf_features_extractor(images)
        logits = policy.action_net(policy.mlp_extractor.forward_actor(seen))
        return logits, policy.value_net(policy.mlp_extractor.forward_critic(judged)).squeeze(1)


def _layers(widths: Sequence[int], activation: type[nn.Module]) -> nn.Sequential:
    """Linear layers of these widths, each followed by the activation."""
    pairs = pairwise(widths)
    return nn.Sequential(*(part for pair in pairs for part in (nn.Linear(*pair), activation())))
