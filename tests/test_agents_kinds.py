"""Agents of every kind that people have: what they do here is what they do in their own library."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from sb3_contrib import TQC, MaskablePPO
from stable_baselines3 import A2C, DDPG, PPO, SAC, TD3
from stable_baselines3.common.policies import ActorCriticCnnPolicy
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecFrameStack,
    VecNormalize,
    VecTransposeImage,
)
from torch import nn

from rlvis import InputError, record
from rlvis.models.distributions import SquashedGaussian
from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.stepper import play as play_steps
from rlvis_agents import evaluate, load_policy
from tests.test_agents_sb3 import Noise, OwnFeatures, noise

IMAGE = spaces.Box(0, 255, (40, 48, 3), np.uint8)
STEERING = spaces.Box(np.array([-1, 0], np.float32), np.array([1, 3], np.float32))
STEPS = 12
SHORT: dict[str, Any] = {"n_steps": 32, "batch_size": 32, "n_epochs": 1, "seed": 0}
REPLAY: dict[str, Any] = {"buffer_size": 64, "learning_starts": 16, "batch_size": 8, "seed": 0}


class Masked(Noise):
    """Some actions are impossible at each step."""

    def action_masks(self) -> np.ndarray:
        counts = {"Discrete": 3, "MultiDiscrete": 5, "MultiBinary": 6}
        mask = self.np_random.random(counts[type(self.action_space).__name__]) < 0.5
        mask[[0, -1]] = True
        mask[3::2] = True
        return mask


class Told(Masked):
    """Says the same mask until the next step, so that it can be asked twice."""

    now: np.ndarray | None = None

    def reset(self, **options):
        self.now = None
        return super().reset(**options)

    def step(self, action):
        self.now = None
        return super().step(action)

    def action_masks(self) -> np.ndarray:
        if self.now is None:
            self.now = super().action_masks()
        return self.now


def saved(model: Any, folder: Path, steps: int = 32) -> Path:
    model.learn(steps)
    model.save(folder / "agent.zip")
    return folder / "agent.zip"


def play(path: Path, model: Any, world: Any, envs: Any = None, **options: Any) -> Any:
    """Step an environment with the library's actions and see that ours are the same.

    Args:
        envs: wraps what `world` sees as the library does, where it does anything.
    """
    policy = load_policy(path, **options)
    observation: Any = world.reset(seed=3)[0]
    for space in (world.observation_space, world.action_space):
        space.seed(3)
    for _ in range(STEPS):
        given = observation if envs is None else envs(observation)
        masks = {"action_masks": world.action_masks()} if hasattr(world, "action_masks") else {}
        action, _ = model.predict(given, deterministic=True, **masks)
        decision = policy.act(
            observation, deterministic=True, action_mask=masks.get("action_masks")
        )
        assert np.shape(decision.action) == np.shape(action)
        np.testing.assert_allclose(decision.action, action, rtol=1e-5, atol=1e-6)
        observation = world.step(action)[0]
    return policy


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("algorithm", [SAC, TD3, DDPG, TQC])
def test_actors_of_continuous_actions(tmp_path, algorithm, trust):
    world = noise(40, 48, 3, actions=STEERING)
    model = algorithm("CnnPolicy", world, **REPLAY)
    path = saved(model, tmp_path)
    policy = play(path, model, world, trust=trust)
    assert policy.layer == "features_extractor.cnn.5"
    images = np.stack([IMAGE.sample() for _ in range(3)])
    scores = policy.scores(images)
    seen = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    actor = model.policy.actor
    generator = torch.Generator().manual_seed(0)
    if algorithm in (TD3, DDPG):
        assert scores.log_std is None
        with torch.no_grad():
            torch.testing.assert_close(scores.logits.tanh(), actor(seen))
        first, second = (policy.act(images[0], generator).action for _ in range(2))
        np.testing.assert_array_equal(first, second)
        return
    with torch.no_grad():
        mean, log_std, _ = actor.get_action_dist_params(seen)
    torch.testing.assert_close(scores.logits, mean)
    torch.testing.assert_close(scores.log_std, log_std)
    assert log_std.std(dim=0).max() > 0
    drawn = np.stack([policy.act(images[1], generator).action for _ in range(2000)])
    low, high = STEERING.low, STEERING.high
    unsquashed = np.arctanh(np.clip(2 * (drawn - low) / (high - low) - 1, -1 + 1e-6, 1 - 1e-6))
    deviation = log_std[1].exp().numpy()
    np.testing.assert_allclose(unsquashed.mean(0), mean[1], atol=4 * deviation.max() / 2000**0.5)
    np.testing.assert_allclose(unsquashed.std(0), deviation, rtol=0.08)


def test_an_actor_is_recorded_and_filmed(tmp_path):
    model = SAC("CnnPolicy", "tests.worlds:Steering-v0", **REPLAY)
    path = saved(model, tmp_path)
    policy = load_policy(path)
    recording = record(policy, "tests.worlds:Steering-v0", max_steps=5, out=tmp_path / "r.zarr")
    episode = recording.episode(0)
    assert isinstance(recording.header.distribution, SquashedGaussian)
    means, taken = episode.entries
    assert (means >= [-1, 0]).all()
    assert (means <= [1, 2]).all()
    assert abs(means - taken).max() > 0
    assert recording.to_video(tmp_path / "x.mp4").stat().st_size > 10_000


ACTIONS = {
    "discrete": spaces.Discrete(3),
    "choices": spaces.MultiDiscrete([3, 2]),
    "bits": spaces.MultiBinary(3),
}


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("actions", ACTIONS.values(), ids=ACTIONS)
def test_masks_of_possible_actions(tmp_path, actions, trust):
    world = Told(IMAGE, actions)
    model = MaskablePPO("CnnPolicy", world, **SHORT)
    path = saved(model, tmp_path)
    policy = play(path, model, world, trust=trust)
    image, mask = IMAGE.sample(), world.action_masks()
    scores = policy.scores(image[None], {"action_mask": mask[None]})
    assert (scores.logits[0].isinf().numpy() == ~mask).all()
    with torch.no_grad():
        seen = torch.from_numpy(image.transpose(2, 0, 1)[None].copy())
        kind = model.policy.get_distribution(seen, mask)
        theirs = getattr(kind, "distributions", None) or [kind.distribution]
        expected = torch.cat([each.probs for each in theirs], dim=1)
    ours = policy.distribution.probabilities(scores.logits)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-6)
    assert not ours[0][~mask].any()


def test_masks_that_are_missing_or_wrong(tmp_path):
    path = saved(MaskablePPO("CnnPolicy", Told(IMAGE, spaces.Discrete(3)), **SHORT), tmp_path)
    policy = load_policy(path)
    for mask, message in (
        (None, "trained with masks of the possible actions; choose an environment"),
        (np.ones(2, bool), "a mask of 2 actions; agent has 3"),
        (np.zeros(3, bool), "no action is possible"),
    ):
        with pytest.raises(InputError, match=message):
            policy.act(IMAGE.sample(), action_mask=mask)
    with pytest.raises(InputError, match="trained with masks"):
        record(policy, noise(40, 48, 3), max_steps=2)


class Floats(Noise):
    """Images of floats in 0..1."""

    def __init__(self, low: float = 0, high: float = 1) -> None:
        space = spaces.Box(low, high, (3, 40, 48), np.float32)
        super().__init__(space, spaces.Discrete(3))


@pytest.mark.parametrize("bounds", [(0, 1), (-1, 1), (0, 255)], ids=str)
@pytest.mark.parametrize("trust", [False, True])
def test_images_of_floats(tmp_path, bounds, trust):
    world = Floats(*bounds)
    arguments = {"normalize_images": False, "activation_fn": nn.ELU}
    model = PPO("CnnPolicy", world, policy_kwargs=arguments, **SHORT)
    path = saved(model, tmp_path)
    policy = play(path, model, world, trust=trust)
    floats = world.observation_space.sample()
    decision = policy.act(floats)
    with torch.no_grad():
        expected = model.policy.get_distribution(torch.from_numpy(floats[None])).distribution
    logits = torch.from_numpy(decision.logits)
    torch.testing.assert_close(logits.log_softmax(0), expected.logits[0], rtol=1e-4, atol=1e-5)
    assert decision.image.dtype == np.uint8
    kept = policy.inputs(decision.image[None])[0].numpy()
    np.testing.assert_allclose(kept, floats, atol=(bounds[1] - bounds[0]) / 509)
    with pytest.raises(InputError, match=r"trained on images of floats, but .* gives uint8"):
        record(policy, noise(40, 48, 3), max_steps=2)


def test_a_flag_beside_classes_is_read(tmp_path):
    """Beside a class, SB3 writes the arguments of a policy as text: "False"."""
    arguments = {"normalize_images": False, "activation_fn": nn.ELU}
    world = noise(40, 48, 3)
    model = PPO("CnnPolicy", world, policy_kwargs=arguments, **SHORT)
    play(saved(model, tmp_path), model, world)
    assert (
        float(load_policy(tmp_path / "agent.zip").inputs(np.full_like(IMAGE.high, 255)[None]).max())
        > 254
    )


@pytest.mark.parametrize("images", ["flat", "convolved"])
def test_normalised_entries_and_images(tmp_path, images):
    def entries():  # VecNormalize changes the space that it is given
        return Noise(spaces.Dict(view=IMAGE, speed=spaces.Box(-2, 2, (3,))), spaces.Discrete(3))

    inside = VecTransposeImage if images == "convolved" else lambda envs: envs
    envs = VecNormalize(inside(DummyVecEnv([entries])))
    arguments = {"policy_kwargs": {"normalize_images": False}} if images == "convolved" else {}
    model = PPO("MultiInputPolicy", envs, **arguments, **SHORT)
    path = saved(model, tmp_path)
    envs.save(str(tmp_path / "statistics.pkl"))
    envs.training = False

    def seen(observation):
        view = observation["view"]
        view = view.transpose(2, 0, 1) if images == "convolved" else view
        return envs.normalize_obs({"view": view, "speed": observation["speed"]})

    for trust in (False, True):
        statistics = tmp_path / "statistics.pkl"
        play(path, model, entries(), seen, vec_normalize=statistics, trust=trust)
    with pytest.raises(InputError, match="name the file that VecNormalize"):
        load_policy(path)


MAPS = {
    "colours": spaces.Box(0, 255, (7, 7, 3), np.uint8),
    "symbols": spaces.Box(0, 10, (7, 7, 3), np.uint8),
    "first": spaces.Box(0, 10, (3, 7, 7), np.uint8),
    "plane": spaces.Box(0, 4, (9, 11), np.uint8),
    "grey": spaces.Box(0, 255, (9, 11, 1), np.uint8),
}


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("space", MAPS.values(), ids=MAPS)
def test_small_maps_that_are_flattened(tmp_path, space, trust):
    world = Noise(space, spaces.Discrete(3))
    model = A2C("MlpPolicy", world, n_steps=8, seed=0)
    path = saved(model, tmp_path)
    policy = play(path, model, world, trust=trust)
    if not trust:
        recording = record(policy, world, max_steps=3)
        assert [each.name for each in recording.header.methods] == ["saliency"]


def test_small_maps_beside_other_entries(tmp_path):
    entries = spaces.Dict(view=MAPS["symbols"], gear=spaces.Discrete(4))
    world = Noise(entries, spaces.Discrete(3))
    model = PPO("MultiInputPolicy", world, **SHORT)
    play(saved(model, tmp_path), model, world)


def test_frames_of_entries_are_stacked(tmp_path):
    entries = spaces.Dict(
        view=spaces.Box(0, 255, (40, 48, 1), np.uint8), speed=spaces.Box(-2, 2, (3,))
    )
    envs = VecFrameStack(DummyVecEnv([lambda: Noise(entries, spaces.Discrete(3))]), 4)
    model = PPO("MultiInputPolicy", envs, **SHORT)
    path = saved(model, tmp_path)
    policy = load_policy(path)
    envs.seed(0)
    observation: Any = envs.reset()
    for _ in range(STEPS):
        action, _ = model.predict(observation, deterministic=True)
        one = {key: each[0] for key, each in observation.items()}
        assert policy.act(one, deterministic=True).action == action[0]
        observation = envs.step(action)[0]


ALSO: dict[str, Any] = {
    "table": spaces.Box(-1, 1, (2, 3)),
    "point": spaces.Box(-2, 1, ()),
    "bits": spaces.MultiBinary(3),
    "from one": spaces.Discrete(3, start=1),
}


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("space", ALSO.values(), ids=ALSO)
def test_spaces_of_actions(tmp_path, space, trust):
    world = noise(40, 48, 3, actions=space)
    model = PPO("CnnPolicy", world, **SHORT)
    path = saved(model, tmp_path)
    policy = play(path, model, world, trust=trust)
    drawn = np.stack([policy.act(IMAGE.sample()).action for _ in range(20)])
    assert drawn.shape == (20, *space.shape)
    recording = record(policy, world, max_steps=4, methods=["saliency"], out=tmp_path / "r.zarr")
    assert recording.episode(0).actions.shape[1:] == space.shape
    assert recording.to_video(tmp_path / "x.mp4").stat().st_size > 1000


@pytest.mark.parametrize("trust", [False, True])
def test_outputs_that_are_squashed(tmp_path, trust):
    world = noise(40, 48, 3, actions=STEERING)
    arguments = {"squash_output": True, "activation_fn": nn.Tanh}
    model = PPO("CnnPolicy", world, use_sde=True, policy_kwargs=arguments, **SHORT)
    assert play(saved(model, tmp_path), model, world, trust=trust).labels == ("a0", "a1")


def test_actions_are_counted_from_where_the_space_begins():
    class Strict(Noise):
        def step(self, action):
            assert self.action_space.contains(action)
            return super().step(action)

    from rlvis import Policy
    from rlvis.rollouts.spaces import distribution_over

    world = Strict(spaces.Box(0, 255, (16, 16, 3), np.uint8), spaces.Discrete(3, start=4))
    module = nn.Sequential(nn.Flatten(), nn.Linear(768, 3))
    policy = Policy(module, list("abc"), distribution=distribution_over(world.action_space))
    episode = record(policy, world, max_steps=5, methods=["saliency"]).episode(0)
    assert set(episode.actions) <= {4, 5, 6}
    assert episode.distribution.taken(episode.actions).sum() == len(episode)


class Calm(ActorCriticCnnPolicy):
    """Acts more evenly than its layers say."""

    def get_distribution(self, obs):
        distribution = super().get_distribution(obs)
        logits = distribution.distribution.logits * 0.5
        return distribution.proba_distribution(logits)


class Contrary(ActorCriticCnnPolicy):
    """Does the opposite."""

    def _predict(self, observation, deterministic=False):
        return self.get_distribution(observation).distribution.logits.argmin(dim=1)


class Optimist(ActorCriticCnnPolicy):
    """Values all more highly."""

    def predict_values(self, obs):
        return super().predict_values(obs) + 1


class Doubtful(ActorCriticCnnPolicy):
    """Draws its actions from other scores than its last layer's."""

    def _get_action_dist_from_latent(self, latent_pi):
        return super()._get_action_dist_from_latent(latent_pi.flip(1))


class Named(ActorCriticCnnPolicy):
    """Changes nothing."""


@pytest.mark.parametrize("kind", [Calm, Contrary, Optimist, Doubtful])
def test_what_is_explained_is_what_acts(tmp_path, kind):
    path = saved(PPO(kind, noise(40, 48, 3), **SHORT), tmp_path)
    with pytest.raises(InputError, match="of its own make"):
        load_policy(path)
    with pytest.raises(InputError, match="does not do what its layers do") as caught:
        load_policy(path, trust=True)
    assert "\n" not in str(caught.value)


def test_a_policy_class_that_changes_nothing_is_trusted(tmp_path):
    model, world = PPO(Named, noise(40, 48, 3), **SHORT), noise(40, 48, 3)
    play(saved(model, tmp_path), model, world, trust=True)


@pytest.mark.parametrize("shape", [(40, 40, 3), (36, 36, 1), (60, 80, 3)], ids=str)
@pytest.mark.parametrize("shared", [True, False])
def test_the_layer_is_the_actors_last_with_more_than_one_place(tmp_path, shape, shared):
    arguments = {"share_features_extractor": shared}
    world = noise(*shape)
    path = saved(PPO("CnnPolicy", world, policy_kwargs=arguments, **SHORT), tmp_path)
    plain, trusted = load_policy(path), load_policy(path, trust=True)
    last = 5 if min(shape[:2]) > 40 else 3
    assert plain.layer == trusted.layer == f"pi_features_extractor.cnn.{last}"
    episode = record(plain, world, max_steps=2, methods=["grad-cam"])
    assert episode.heatmaps(0, "grad-cam").std(axis=(-2, -1)).max() > 0


def test_the_layer_of_a_network_of_its_own_make_is_the_actors(tmp_path):
    arguments = {"features_extractor_class": OwnFeatures, "share_features_extractor": False}
    world = noise(40, 48, 3)
    path = saved(PPO("CnnPolicy", world, policy_kwargs=arguments, **SHORT), tmp_path)
    policy = load_policy(path, trust=True)
    recording = record(policy, world, max_steps=2, methods=["grad-cam", "saliency"])
    assert all(not each.layer or "pi_" in each.layer for each in recording.header.methods)
    assert any(each.layer for each in recording.header.methods)


def test_statistics_of_another_agent_are_refused(tmp_path):
    entries = spaces.Dict(view=IMAGE, speed=spaces.Box(-2, 2, (3,)))
    other = spaces.Dict(view=IMAGE, speed=spaces.Box(-2, 2, (4,)))
    path = saved(PPO("MultiInputPolicy", Noise(entries, spaces.Discrete(3)), **SHORT), tmp_path)
    for wrong in (other, spaces.Dict(view=IMAGE, pace=spaces.Box(-2, 2, (3,)))):
        keys = [key for key in wrong.spaces if key != "view"]
        envs = DummyVecEnv([partial(Noise, wrong, spaces.Discrete(3))])
        VecNormalize(envs, norm_obs_keys=keys).save(str(tmp_path / "x.pkl"))
        with pytest.raises(InputError, match=r"which .* does not see; give its own, or none"):
            load_policy(path, vec_normalize=tmp_path / "x.pkl")


def test_vectors_normalised_in_a_replay_are_noticed(tmp_path):
    entries = spaces.Dict(view=IMAGE, speed=spaces.Box(-0.1, 0.1, (3,)))
    inside = VecTransposeImage(DummyVecEnv([lambda: Noise(entries, STEERING)]))
    envs = VecNormalize(inside, norm_obs_keys=["speed"])
    path = saved(SAC("MultiInputPolicy", envs, **REPLAY), tmp_path)
    with pytest.raises(InputError, match=r"behind a VecNormalize.* speed"):
        load_policy(path)
    plain = SAC("MultiInputPolicy", Noise(entries, STEERING), **REPLAY)
    assert load_policy(saved(plain, tmp_path)).labels


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_policies_with_memory_are_evaluated_in_any_precision(tmp_path, dtype):
    from sb3_contrib import RecurrentPPO

    model = RecurrentPPO("CnnLstmPolicy", "rlvis_envs:CubeReach-v0", **SHORT)
    policy = load_policy(saved(model, tmp_path))
    policy.module.to(dtype)
    assert evaluate(policy, "rlvis_envs:CubeReach-v0", 2, step_limit=9).episodes == 2


def test_every_way_of_playing_gives_the_network_the_floats(tmp_path, monkeypatch):
    world = Floats()
    model = PPO("CnnPolicy", world, policy_kwargs={"normalize_images": False}, **SHORT)
    policy, seen = load_policy(saved(model, tmp_path)), []
    scores = policy.scores

    def watched(images, context):
        seen.append(images)
        return scores(images, context)

    monkeypatch.setattr(policy, "scores", watched)
    next(play_steps(policy, [CheckedEnv(world, "floats")], 1, seed=0))
    assert seen[0].is_floating_point()
