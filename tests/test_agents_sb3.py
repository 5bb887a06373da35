"""Agents saved by Stable-Baselines3, rebuilt without running their code, against SB3 itself."""

import base64
import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack
from torch import nn

from rlvis import InputError, Recording, record
from rlvis_agents import TrainConfig, load_policy
from rlvis_agents.sb3.weight_names import from_sb3, to_sb3
from rlvis_agents.training.ppo import build


class Noise(gym.Env):
    """Pictures and rewards by chance, and an end with the chance `ends` at each step."""

    ends = 0.1

    def __init__(self, observations: spaces.Space, actions: spaces.Space) -> None:
        self.observation_space = observations
        self.action_space = actions

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        ended = self.np_random.random() < self.ends
        return self.observation_space.sample(), self.np_random.random(), ended, False, {}


def noise(*shape: int, actions: spaces.Space | None = None) -> Noise:
    return Noise(spaces.Box(0, 255, shape, np.uint8), actions or spaces.Discrete(3))


def images(policy) -> np.ndarray:
    shape = (5, *policy.observation_shape)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def assert_same_as_sb3(path: Path, algorithm: type[PPO] | type[A2C], *, trust: bool = False):
    """Logits up to a constant, values, and the greedy action, as SB3's own policy has them."""
    policy = load_policy(path, trust=trust)
    theirs = algorithm.load(path, device="cpu").policy
    batch = images(policy)
    scores = policy.scores(batch)
    seen = torch.from_numpy(batch.transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        logits, values = (
            theirs.get_distribution(seen).distribution.logits,
            theirs.predict_values(seen),
        )
        close = {"rtol": 1e-4, "atol": 1e-4}
        torch.testing.assert_close(scores.log_probabilities, logits, **close)
        torch.testing.assert_close(scores.value, values.squeeze(1), **close)
    expected, _ = theirs.predict(seen.numpy(), deterministic=True)
    assert scores.logits.argmax(1).tolist() == expected.tolist()
    return policy


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The files of PPO and A2C after a few steps on CubeReach."""
    folder = tmp_path_factory.mktemp("sb3")
    envs = DummyVecEnv([lambda: gym.make("rlvis_envs:CubeReach-v0")] * 2)
    for algorithm, arguments in ((PPO, {"batch_size": 32, "n_epochs": 1}), (A2C, {})):
        model = algorithm("CnnPolicy", envs, n_steps=16, seed=0, **arguments)
        model.learn(64).save(folder / f"{algorithm.__name__}.zip")
    envs.close()
    return folder


@pytest.mark.parametrize("algorithm", [PPO, A2C])
@pytest.mark.parametrize("trust", [False, True])
def test_trained_on_cube_reach(trained, algorithm, trust):
    path = trained / f"{algorithm.__name__}.zip"
    policy = assert_same_as_sb3(path, algorithm, trust=trust)
    assert policy.observation_shape == (60, 80, 3)
    assert policy.labels == ("action 0", "action 1", "action 2")
    assert policy.description["steps"] == 64


VARIANTS: dict[str, dict[str, Any]] = {
    "layers": {"net_arch": {"pi": [32], "vf": [24, 16]}},
    "unshared": {"share_features_extractor": False},
    "activation": {"net_arch": [16, 16], "activation_fn": nn.ELU},
    "narrow": {"features_extractor_kwargs": {"features_dim": 64}},
    "raw": {"normalize_images": False},
}


@pytest.mark.parametrize("arguments", VARIANTS.values(), ids=VARIANTS)
def test_variants_of_the_network(tmp_path, arguments):
    PPO("CnnPolicy", noise(40, 48, 3), policy_kwargs=arguments).save(tmp_path / "agent.zip")
    assert_same_as_sb3(tmp_path / "agent.zip", PPO)


@pytest.mark.parametrize("shape", [(40, 48, 1), (1, 40, 48), (4, 40, 48), (40, 48, 4)], ids=str)
def test_channels_first_and_last(tmp_path, shape):
    A2C("CnnPolicy", noise(*shape)).save(tmp_path / "agent.zip")
    policy = assert_same_as_sb3(tmp_path / "agent.zip", A2C)
    assert policy.observation_shape == (40, 48, min(shape))


def test_shared_features_may_be_named_once(tmp_path):
    """Older versions saved the features that actor and critic share under one name."""
    model = PPO("CnnPolicy", noise(40, 48, 3))
    model.save(tmp_path / "agent.zip")
    with zipfile.ZipFile(tmp_path / "agent.zip") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    weights = torch.load(io.BytesIO(files["policy.pth"]))
    kept = {name: each for name, each in weights.items() if name[:3] not in ("pi_", "vf_")}
    assert len(kept) < len(weights)
    torch.save(kept, packed := io.BytesIO())
    with zipfile.ZipFile(tmp_path / "older.zip", "w") as archive:
        for name, data in {**files, "policy.pth": packed.getvalue()}.items():
            archive.writestr(name, data)
    image = np.random.default_rng(0).integers(0, 256, (1, 40, 48, 3), np.uint8)
    ours, expected = (
        load_policy(tmp_path / f"{name}.zip").scores(image) for name in ("older", "agent")
    )
    torch.testing.assert_close(ours.logits, expected.logits)
    torch.testing.assert_close(ours.value, expected.value)


def test_stacked_frames(tmp_path):
    stacked = VecFrameStack(DummyVecEnv([lambda: noise(40, 48, 1)]), 4)
    PPO("CnnPolicy", stacked).save(tmp_path / "agent.zip")
    assert assert_same_as_sb3(tmp_path / "agent.zip", PPO).observation_shape == (40, 48, 4)


def test_our_network_travels_both_ways(tmp_path):
    envs = DummyVecEnv([lambda: noise(60, 80, 3)])
    model = build(TrainConfig(batch=128), envs, seed=0)
    model.save(tmp_path / "agent.zip")
    policy = assert_same_as_sb3(tmp_path / "agent.zip", PPO)
    other = build(TrainConfig(batch=128), envs, seed=1).policy
    other.load_state_dict(to_sb3(from_sb3(model.policy.state_dict())))
    seen = torch.from_numpy(images(policy).transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        torch.testing.assert_close(model.policy.predict_values(seen), other.predict_values(seen))


class OwnFeatures(BaseFeaturesExtractor):
    """Not a NatureCNN."""

    def __init__(self, observation_space: spaces.Box) -> None:
        super().__init__(observation_space, 8)
        self.layer = nn.Conv2d(3, 8, 5, stride=3)

    def forward(self, observations):
        return self.layer(observations).relu().mean((-2, -1))


def test_a_network_of_its_own_make_needs_trust(tmp_path):
    path = tmp_path / "agent.zip"
    arguments = {"features_extractor_class": OwnFeatures}
    PPO("CnnPolicy", noise(40, 48, 3), policy_kwargs=arguments).save(path)
    with pytest.raises(InputError, match=r"of its own make .*OwnFeatures.*--trust"):
        load_policy(path)
    assert_same_as_sb3(path, PPO, trust=True)


class Bomb:
    """Unpickled, it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def rewritten(path: Path, to: Path, **parts: bytes) -> Path:
    """The archive with some of its parts replaced."""
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(to, "w") as after:
        for name in before.namelist():
            after.writestr(name, parts.get(name.replace(".", "_"), before.read(name)))
    return to


def test_code_in_a_file_does_not_run(trained, tmp_path):
    ran = tmp_path / "ran"
    pickled = pickle.dumps(Bomb(ran))
    with zipfile.ZipFile(trained / "PPO.zip") as archive:
        metadata = json.loads(archive.read("data"))
    for name, fact in metadata.items():
        if isinstance(fact, dict) and ":serialized:" in fact and "space" not in name:
            fact[":serialized:"] = base64.b64encode(pickled).decode()
    path = rewritten(trained / "PPO.zip", tmp_path / "a.zip", data=json.dumps(metadata).encode())
    assert load_policy(path).labels
    metadata["action_space"][":serialized:"] = base64.b64encode(pickled).decode()
    path = rewritten(trained / "PPO.zip", tmp_path / "s.zip", data=json.dumps(metadata).encode())
    with pytest.raises(InputError, match="actions of the kind mkdir"):
        load_policy(path)
    weights = io.BytesIO()
    torch.save({"action_net.weight": Bomb(ran)}, weights)
    path = rewritten(trained / "PPO.zip", tmp_path / "b.zip", policy_pth=weights.getvalue())
    with pytest.raises(InputError, match=r"holds other than weights.*mkdir"):
        load_policy(path)
    assert not ran.exists()


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("arguments", [{}, {"net_arch": [24, 16], "activation_fn": nn.ELU}])
def test_a_dqn_has_its_q_values_as_scores_and_acts_greedily(tmp_path, arguments, trust):
    model = DQN("CnnPolicy", noise(40, 48, 3), buffer_size=1, policy_kwargs=arguments)
    model.save(tmp_path / "dqn.zip")
    policy = load_policy(tmp_path / "dqn.zip", trust=trust)
    batch = images(policy)
    seen = torch.from_numpy(batch.transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        torch.testing.assert_close(policy.scores(batch).logits, model.policy.q_net(seen))
    expected, _ = model.predict(seen.numpy(), deterministic=True)
    drawn = [policy.act(each) for each in batch]
    assert [each.action for each in drawn] == expected.tolist()
    assert all(each.probabilities[each.action] == 1 for each in drawn)


def test_a_dqn_is_recorded_and_filmed(tmp_path):
    world = gym.make("rlvis_envs:CubeReach-v0")
    DQN("CnnPolicy", world, buffer_size=1).save(tmp_path / "dqn.zip")
    world.close()
    policy = load_policy(tmp_path / "dqn.zip")
    recording = record(policy, "rlvis_envs:CubeReach-v0", max_steps=6, out=tmp_path / "r.zarr")
    episode = Recording.open(recording.path).episode(0)
    assert (episode.actions == episode.logits.argmax(axis=1)).all()
    assert np.isnan(episode.values).all()
    assert recording.header.actions == ["left", "forward", "right"]
    assert recording.to_video(tmp_path / "x.mp4").stat().st_size > 10_000


def test_state_dependent_noise_is_left_out(tmp_path):
    box = spaces.Box(-1, 1, (2,))
    PPO("CnnPolicy", noise(40, 48, 3, actions=box), use_sde=True).save(tmp_path / "sde.zip")
    policy = load_policy(tmp_path / "sde.zip")
    drawn = policy.act(images(policy)[0])
    np.testing.assert_allclose(drawn.action, drawn.logits.clip(-1, 1))


def test_what_is_no_such_agent(trained, tmp_path):
    whole = (trained / "PPO.zip").read_bytes()
    (tmp_path / "truncated.zip").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.zip").write_text("not a zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    vectors = Noise(spaces.Box(-1, 1, (4,)), spaces.Discrete(2))
    PPO("MlpPolicy", vectors).save(tmp_path / "vectors.zip")
    for name, message in (
        ("truncated", "is truncated or no zip"),
        ("text", "is truncated or no zip"),
        ("other", "was not saved by Stable-Baselines3"),
        ("vectors", "does not see uint8 images"),
    ):
        for trust in (False, True):
            with pytest.raises(InputError, match=message) as caught:
                load_policy(tmp_path / f"{name}.zip", trust=trust)
            assert "\n" not in str(caught.value)
