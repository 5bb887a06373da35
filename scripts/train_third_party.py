"""Train agents of other libraries on environments of others, as their users do.

    python scripts/train_third_party.py atari --steps 200000

Each agent is a few lines of Stable-Baselines3 or sb3-contrib and knows nothing of rlvis. When it
is saved, the command that films it is printed.
"""

import argparse
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from gymnasium.wrappers import (
    FilterObservation,
    GrayscaleObservation,
    ReshapeObservation,
    ResizeObservation,
)
from minigrid.wrappers import ImgObsWrapper, RGBImgPartialObsWrapper
from sb3_contrib import QRDQN, MaskablePPO, RecurrentPPO
from stable_baselines3 import A2C, PPO, SAC
from stable_baselines3.common.env_util import make_atari_env, make_vec_env
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecFrameStack, VecNormalize, VecTransposeImage
from torch import nn

PPO_SETTINGS: dict[str, Any] = {"n_steps": 128, "batch_size": 128, "n_epochs": 4, "seed": 0}


def atari(count: int) -> PPO:
    """PPO on Breakout with the usual wrappers, a stack of four grey frames."""
    options = {"frameskip": 1, "repeat_action_probability": 0.0}
    envs = make_atari_env("ale_py:ALE/Breakout-v5", count, env_kwargs=options)
    return PPO("CnnPolicy", VecFrameStack(envs, 4), learning_rate=2.5e-4, **PPO_SETTINGS)


def atari_quantiles(count: int) -> QRDQN:
    """QR-DQN on Pong with the usual wrappers, a stack of four grey frames."""
    options = {"frameskip": 1, "repeat_action_probability": 0.0}
    envs = make_atari_env("ale_py:ALE/Pong-v5", count, env_kwargs=options)
    return QRDQN("CnnPolicy", VecFrameStack(envs, 4), buffer_size=10_000, seed=0)


def car_racing(count: int) -> PPO:
    """PPO on CarRacing, continuous actions, a stack of two small grey frames."""

    def small(env: gym.Env) -> gym.Env:
        grey = ResizeObservation(GrayscaleObservation(env), (64, 64))
        return ReshapeObservation(grey, (64, 64, 1))

    envs = make_vec_env("CarRacing-v3", count, wrapper_class=small)
    return PPO("CnnPolicy", VecFrameStack(envs, 2), **PPO_SETTINGS)


def car_racing_sac(count: int) -> SAC:
    """SAC on the same."""

    def small(env: gym.Env) -> gym.Env:
        grey = ResizeObservation(GrayscaleObservation(env), (64, 64))
        return ReshapeObservation(grey, (64, 64, 1))

    envs = make_vec_env("CarRacing-v3", count, wrapper_class=small)
    replay: dict[str, Any] = {"buffer_size": 5_000, "learning_starts": 100, "batch_size": 64}
    return SAC("CnnPolicy", VecFrameStack(envs, 2), seed=0, **replay)


class NoTurningBack(gym.Wrapper):
    """Having turned one way, an agent of the cube world must move before it turns the other way."""

    last = 1

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Every action is possible at first."""
        self.last = 1
        return super().reset(**options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Keep what was done."""
        self.last = int(action)
        return super().step(action)

    def action_masks(self) -> np.ndarray:
        """Which of left, forward and right are possible."""
        return np.array([self.last != 2, True, self.last != 0])


def masked(count: int) -> MaskablePPO:
    """Maskable PPO on the cube world, some turns impossible."""
    envs = make_vec_env("rlvis_envs:CubeReach-v0", count, wrapper_class=NoTurningBack)
    return MaskablePPO("CnnPolicy", envs, ent_coef=0.01, **PPO_SETTINGS)


def freeway(count: int) -> PPO:
    """PPO on Freeway with the usual wrappers; by lot it would go down as often, and never cross."""
    options = {"frameskip": 1, "repeat_action_probability": 0.0}
    envs = make_atari_env("ale_py:ALE/Freeway-v5", count, env_kwargs=options)
    learner = PPO("CnnPolicy", VecFrameStack(envs, 4), learning_rate=5e-4, **PPO_SETTINGS)
    chooses = learner.policy.action_net
    assert isinstance(chooses, nn.Linear)
    with torch.no_grad():
        chooses.bias[1] += 2  # up
    return learner


def minigrid(count: int) -> PPO:
    """PPO on MiniGrid through its image wrapper."""

    def image(env: gym.Env) -> gym.Env:
        return ImgObsWrapper(RGBImgPartialObsWrapper(env))

    envs = make_vec_env("minigrid:MiniGrid-Empty-6x6-v0", count, wrapper_class=image)
    return PPO("CnnPolicy", envs, ent_coef=0.01, **PPO_SETTINGS)


class SymbolCNN(BaseFeaturesExtractor):
    """The features extractor for 7×7 symbols in MiniGrid's documentation."""

    def __init__(self, observation_space: gym.Space, features_dim: int = 128) -> None:
        super().__init__(observation_space, features_dim)
        self.cnn = nn.Sequential(
            nn.Conv2d(3, 16, 2), nn.ReLU(), nn.Conv2d(16, 32, 2), nn.ReLU(), nn.Conv2d(32, 64, 2)
        )
        self.linear = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(64 * 16, features_dim))

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return self.linear(self.cnn(observations))


def minigrid_symbols(count: int) -> PPO:
    """PPO on what MiniGrid's image wrapper gives by itself: 7×7 cells of symbols."""
    own = {"features_extractor_class": SymbolCNN}
    envs = make_vec_env("minigrid:MiniGrid-Empty-6x6-v0", count, wrapper_class=ImgObsWrapper)
    return PPO("CnnPolicy", envs, policy_kwargs=own, ent_coef=0.01, **PPO_SETTINGS)


def minigrid_entries(count: int) -> PPO:
    """PPO with MultiInputPolicy on MiniGrid: the image and the direction the agent faces."""

    def entries(env: gym.Env) -> gym.Env:
        return FilterObservation(RGBImgPartialObsWrapper(env), ["image", "direction"])

    envs = make_vec_env("minigrid:MiniGrid-Empty-6x6-v0", count, wrapper_class=entries)
    return PPO("MultiInputPolicy", envs, ent_coef=0.01, **PPO_SETTINGS)


def miniworld(count: int) -> A2C:
    """A2C in a stock MiniWorld room."""
    envs = make_vec_env("miniworld:MiniWorld-OneRoom-v0", count)
    return A2C("CnnPolicy", envs, n_steps=16, ent_coef=0.01, seed=0)


def cube_reach(count: int) -> PPO:
    """PPO with the usual NatureCNN on the cube world: its head flattens, so no CAM is exact."""
    envs = make_vec_env("rlvis_envs:CubeReach-v0", count)
    settings = {**PPO_SETTINGS, "gamma": 0.97, "ent_coef": 0.01, "batch_size": 256}
    return PPO("CnnPolicy", envs, learning_rate=5e-4, **settings)


def recurrent(count: int) -> RecurrentPPO:
    """Recurrent PPO on the cube world."""
    envs = make_vec_env("rlvis_envs:CubeReach-v0", count)
    return RecurrentPPO("CnnLstmPolicy", envs, ent_coef=0.01, learning_rate=5e-4, **PPO_SETTINGS)


def normalized(count: int) -> PPO:
    """PPO on the cube world, images normalised by running statistics."""
    envs = VecNormalize(VecTransposeImage(make_vec_env("rlvis_envs:CubeReach-v0", count)))
    return PPO("CnnPolicy", envs, policy_kwargs={"normalize_images": False}, **PPO_SETTINGS)


class ThirdParty(NamedTuple):
    """An agent that somebody might bring.

    Attributes:
        learner: makes it, with so many environments.
        record: what `rlvis record` is told besides its file.
    """

    learner: Callable[[int], Any]
    record: str


_ATARI = "-w atari -w frame-stack:frames=4 --env-option frameskip=1 " + (
    "--env-option repeat_action_probability=0.0"
)
_DRAWN = "-w minigrid.wrappers.RGBImgPartialObsWrapper"
AGENTS = {
    "atari": ThirdParty(atari, f"--env ale_py:ALE/Breakout-v5 {_ATARI}"),
    "atari-quantiles": ThirdParty(atari_quantiles, f"--env ale_py:ALE/Pong-v5 {_ATARI}"),
    "car-racing": ThirdParty(
        car_racing,
        "--env CarRacing-v3 -w grayscale -w resize:height=64 -w frame-stack:frames=2",
    ),
    "car-racing-sac": ThirdParty(
        car_racing_sac,
        "--env CarRacing-v3 -w grayscale -w resize:height=64 -w frame-stack:frames=2",
    ),
    "cube-reach": ThirdParty(cube_reach, "--env rlvis_envs:CubeReach-v0"),
    "freeway": ThirdParty(
        freeway,
        "--env rlvis_envs:AtariObjects-v0 --env-option game=Freeway --env-option noop_max=30",
    ),
    "masked": ThirdParty(
        masked,
        "--env rlvis_envs:CubeReach-v0 -w scripts.train_third_party.NoTurningBack",
    ),
    "minigrid": ThirdParty(
        minigrid,
        f"--env minigrid:MiniGrid-Empty-6x6-v0 {_DRAWN} -w minigrid.wrappers.ImgObsWrapper",
    ),
    "minigrid-symbols": ThirdParty(
        minigrid_symbols,
        "--env minigrid:MiniGrid-Empty-6x6-v0 -w minigrid.wrappers.ImgObsWrapper --trust",
    ),
    "minigrid-entries": ThirdParty(
        minigrid_entries, f"--env minigrid:MiniGrid-Empty-6x6-v0 {_DRAWN}"
    ),
    "miniworld": ThirdParty(miniworld, "--env miniworld:MiniWorld-OneRoom-v0"),
    "recurrent": ThirdParty(recurrent, "--env rlvis_envs:CubeReach-v0"),
    "normalized": ThirdParty(
        normalized, "--env rlvis_envs:CubeReach-v0 --vec-normalize {folder}/normalized.pkl"
    ),
}


def train(name: str, steps: int, folder: Path, envs: int = 8) -> list[str]:
    """Train and save an agent; the arguments of `rlvis` that film it."""
    agent = AGENTS[name]
    learner = agent.learner(envs)
    learner.learn(steps)
    folder.mkdir(parents=True, exist_ok=True)
    learner.save(folder / f"{name}.zip")
    normalization = learner.get_vec_normalize_env()
    if normalization is not None:
        normalization.save(str(folder / f"{name}.pkl"))
    learner.get_env().close()
    arguments = agent.record.format(folder=folder).split()
    return ["record", "--policy", str(folder / f"{name}.zip"), *arguments]


def main() -> None:
    """Train the agents named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", choices=AGENTS, metavar="NAME", help=", ".join(AGENTS))
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--envs", type=int, default=8)
    parser.add_argument("--out", type=Path, default=Path("out/third-party"))
    asked = parser.parse_args()
    for name in asked.names:
        print("rlvis", shlex.join(train(name, asked.steps, asked.out, asked.envs)))


if __name__ == "__main__":
    main()
