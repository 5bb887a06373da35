"""The policy network inside Stable-Baselines3's PPO."""

from typing import cast

import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn

from rlvis_agents.network import FeatureMaps, pool
from rlvis_agents.training.config import TrainConfig

FEATURE_GAIN = 8.0
"""Of the last convolution at the start. The mean over hundreds of cells leaves little of a cube
that fills three of them; with larger features the heads see it sooner."""


class PooledFeatures(BaseFeaturesExtractor):
    """The convolutions of a `PolicyNetwork` and the mean over the image, (N, channels[2])."""

    def __init__(self, observation_space: spaces.Box, channels: tuple[int, int, int]) -> None:
        super().__init__(observation_space, features_dim=channels[-1])
        self.features = FeatureMaps(observation_space.shape[0], channels)

    def forward(self, observations: Tensor) -> Tensor:
        """Features (N, channels[2]) of observations (N, C, H, W)."""
        return pool(self.features(observations.contiguous(memory_format=torch.channels_last)))


def build(config: TrainConfig, envs: VecEnv, seed: int) -> PPO:
    """PPO with a fresh `PolicyNetwork` in it."""
    rate = config.learning_rate
    model = PPO(
        "CnnPolicy",
        envs,
        learning_rate=(lambda left: rate * max(left, 0.05)) if config.anneal else rate,
        n_steps=config.rollout,
        batch_size=config.batch,
        n_epochs=config.epochs,
        gamma=config.gamma,
        gae_lambda=config.gae_lambda,
        clip_range=config.clip,
        ent_coef=config.entropy,
        seed=seed,
        device=config.device,
        policy_kwargs={
            "features_extractor_class": PooledFeatures,
            "features_extractor_kwargs": {"channels": config.channels},
            "net_arch": [],
        },
    )
    extractor = cast(PooledFeatures, model.policy.features_extractor)
    with torch.no_grad():
        extractor.features.conv3.weight.mul_(FEATURE_GAIN)
    _use_channels_last(model.policy)
    return model


def _use_channels_last(module: nn.Module) -> None:
    """Lay the kernels out as the CPU's convolutions are quickest with."""
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
