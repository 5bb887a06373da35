"""Agents with memory, Dict observations and normalised ones, rebuilt, against their own library."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from sb3_contrib import QRDQN, RecurrentPPO
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from rlvis import InputError, explain, record
from rlvis_agents import load_policy
from rlvis_agents.sb3.vec_normalize import read_vec_normalize
from tests.test_agents_sb3 import Noise

IMAGE = spaces.Box(0, 255, (40, 48, 3), np.uint8)
ENTRIES: dict[str, spaces.Space] = {
    "view": IMAGE,
    "speed": spaces.Box(-2, 2, (3,)),
    "gear": spaces.Discrete(4),
    "levers": spaces.MultiDiscrete([2, 3]),
    "lamps": spaces.MultiBinary(5),
}
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def world(**entries: spaces.Space) -> Noise:
    return Noise(spaces.Dict(entries) if entries else IMAGE, spaces.Discrete(3))


def draws(count: int = 5, **entries: spaces.Space) -> dict[str, np.ndarray]:
    space = spaces.Dict(entries)
    space.seed(0)
    samples = [space.sample() for _ in range(count)]
    return {key: np.stack([each[key] for each in samples]) for key in entries}


def theirs_of(model: Any, observation: Any) -> torch.Tensor:
    """An observation as the policy of a library takes it."""
    if isinstance(observation, dict):
        swapped = {
            key: each.transpose(0, 3, 1, 2) if each.ndim == 4 else each
            for key, each in observation.items()
        }
        return model.policy.obs_to_tensor(swapped)[0]
    return model.policy.obs_to_tensor(observation.transpose(0, 3, 1, 2))[0]


RECURRENT = {
    "apart": {},
    "shared": {"shared_lstm": True, "enable_critic_lstm": False},
    "critic without": {"enable_critic_lstm": False},
    "two layers": {"n_lstm_layers": 2, "lstm_hidden_size": 16},
    "without bias": {"lstm_kwargs": {"bias": False}},
    "features apart": {"share_features_extractor": False},
}


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("arguments", RECURRENT.values(), ids=RECURRENT)
def test_recurrent_policies(tmp_path, arguments, trust):
    model: Any = RecurrentPPO("CnnLstmPolicy", world(), policy_kwargs=arguments)
    model.save(tmp_path / "agent.zip")
    policy = load_policy(tmp_path / "agent.zip", trust=trust)
    batch = draws(view=IMAGE)["view"]
    generator = torch.Generator().manual_seed(0)
    memory = {
        name: torch.randn(5, *shape, generator=generator) for name, shape in policy.memory.items()
    }
    scores = policy.scores(batch, memory)
    states = [
        tuple(memory.get(f"{role}_{part}", torch.empty(0)).transpose(0, 1) for part in PARTS)
        if f"{role}_hidden" in memory
        else tuple(memory[f"actor_{part}"].transpose(0, 1) for part in PARTS)
        for role in ("actor", "critic")
    ]
    seen, starts = theirs_of(model, batch), torch.zeros(5)
    with torch.no_grad():
        logits, after = model.policy.get_distribution(seen, states[0], starts)
        values = model.policy.predict_values(seen, states[1], starts)
    torch.testing.assert_close(scores.log_probabilities, logits.distribution.logits, **CLOSE)
    torch.testing.assert_close(scores.value, values.squeeze(1), **CLOSE)
    torch.testing.assert_close(scores.memory["actor_hidden"].transpose(0, 1), after[0], **CLOSE)


PARTS = ("hidden", "cell")


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("algorithm", [PPO, DQN, QRDQN, RecurrentPPO])
def test_entries_beside_the_image(tmp_path, algorithm, trust):
    kind = "MultiInputLstmPolicy" if algorithm is RecurrentPPO else "MultiInputPolicy"
    replay = {} if "PPO" in algorithm.__name__ else {"buffer_size": 1}
    entries = dict(ENTRIES)
    if algorithm is RecurrentPPO:
        del entries[
            "levers"
        ]  # sb3-contrib counts their features in NumPy's integers, torch refuses
    model = algorithm(kind, world(**entries), **replay)
    model.save(tmp_path / "agent.zip")
    policy = load_policy(tmp_path / "agent.zip", trust=trust)
    assert policy.image_key == "view"
    shapes = {"speed": (3,), "gear": (), "levers": (2,), "lamps": (5,)}
    assert policy.context == {key: each for key, each in shapes.items() if key in entries}
    batch = draws(**entries)
    context = {key: each for key, each in batch.items() if key != "view"}
    scores = policy.scores(batch["view"], context)
    seen = theirs_of(model, batch)
    with torch.no_grad():
        if algorithm is DQN:
            expected = model.policy.q_net(seen)
        elif algorithm is QRDQN:
            expected = model.policy.quantile_net(seen).mean(dim=1)
        elif algorithm is PPO:
            expected = model.policy.get_distribution(seen).distribution.logits
        else:
            blank = torch.zeros(1, 5, 256), torch.zeros(1, 5, 256)
            expected = model.policy.get_distribution(seen, blank, torch.zeros(5))[0]
            expected = expected.distribution.logits
    ours = scores.logits if algorithm in (DQN, QRDQN) else scores.log_probabilities
    torch.testing.assert_close(ours, expected, **CLOSE)

    one = {key: each[0] for key, each in batch.items()}
    decision = policy.act(one, deterministic=True)
    assert decision.action == int(expected[0].argmax())
    why = explain(policy, batch["view"], ["saliency", "occlusion"], 0, context=context)
    single = explain(
        policy, batch["view"][2], "saliency", 0, context={k: v[2:3] for k, v in context.items()}
    )
    np.testing.assert_allclose(single.maps[0], why["saliency"].maps[2], rtol=1e-4, atol=1e-9)


def test_the_image_is_named_where_there_are_several(tmp_path):
    cameras = {"left": IMAGE, "right": IMAGE, "speed": ENTRIES["speed"]}
    path = tmp_path / "agent.zip"
    model = PPO("MultiInputPolicy", world(**cameras))
    model.save(path)
    with pytest.raises(InputError, match=r"sees 2 images \(left.*name one with --image-key"):
        load_policy(path)
    with pytest.raises(InputError, match=r"no image in .*'middle'.*left"):
        load_policy(path, image_key="middle")
    policy = load_policy(path, image_key="right")
    assert policy.context == {"left": (40, 48, 3), "speed": (3,)}
    batch = draws(**cameras)
    scores = policy.scores(batch["right"], {key: batch[key] for key in ("left", "speed")})
    with torch.no_grad():
        expected = model.policy.get_distribution(theirs_of(model, batch)).distribution.logits
    torch.testing.assert_close(scores.log_probabilities, expected, **CLOSE)


def test_normalised_entries(tmp_path):
    entries = {"view": IMAGE, "speed": ENTRIES["speed"]}
    normalised = VecNormalize(DummyVecEnv([lambda: world(**entries)]), norm_obs_keys=["speed"])
    model = PPO("MultiInputPolicy", normalised, n_steps=32, batch_size=16, n_epochs=1).learn(32)
    model.save(tmp_path / "agent.zip")
    normalised.save(str(tmp_path / "statistics.pkl"))
    policy = load_policy(tmp_path / "agent.zip", vec_normalize=tmp_path / "statistics.pkl")
    batch = draws(**entries)
    scores = policy.scores(batch["view"], {"speed": batch["speed"]})
    normalised.training = False
    seen = theirs_of(model, normalised.normalize_obs(batch))
    with torch.no_grad():
        expected = model.policy.get_distribution(seen).distribution.logits
    torch.testing.assert_close(scores.log_probabilities, expected, **CLOSE)
    with pytest.raises(InputError, match=r"behind a VecNormalize.* speed;.*--vec-normalize"):
        load_policy(tmp_path / "agent.zip")


def test_statistics_that_do_not_fit(tmp_path):
    envs = VecNormalize(DummyVecEnv([world]), norm_obs=False)
    envs.save(str(tmp_path / "rewards.pkl"))
    assert read_vec_normalize(tmp_path / "rewards.pkl") == {}
    (tmp_path / "text.pkl").write_text("not a pickle")
    PPO("CnnPolicy", world()).save(tmp_path / "agent.zip")
    for name, message in (
        ("text.pkl", "holds no VecNormalize statistics"),
        ("agent.zip", "holds no VecNormalize statistics"),
        ("none.pkl", "no file"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            load_policy(tmp_path / "agent.zip", vec_normalize=tmp_path / name)
        assert "\n" not in str(caught.value)
    assert load_policy(tmp_path / "agent.zip", vec_normalize=tmp_path / "rewards.pkl").labels


def test_context_that_is_missing_or_wrong(tmp_path):
    PPO("MultiInputPolicy", world(**ENTRIES)).save(tmp_path / "agent.zip")
    policy = load_policy(tmp_path / "agent.zip")
    batch = draws(**ENTRIES)
    known = {key: each for key, each in batch.items() if key != "view"}
    with pytest.raises(InputError, match="takes 'gear' besides the image"):
        policy.scores(batch["view"])
    with pytest.raises(InputError, match="no context 'sped'; did you mean 'speed'"):
        policy.scores(batch["view"], {**known, "sped": batch["speed"]})
    with pytest.raises(InputError, match=r"speed of 5 images is \(4, 3\); expected \(5, 3\)"):
        explain(policy, batch["view"], context={**known, "speed": batch["speed"][:4]})
    with pytest.raises(InputError, match="needs an entry 'view'"):
        policy.act({"speed": batch["speed"][0]})


def test_a_world_without_its_entries_is_refused(tmp_path):
    PPO("MultiInputPolicy", world(**ENTRIES)).save(tmp_path / "agent.zip")
    policy = load_policy(tmp_path / "agent.zip")
    with pytest.raises(InputError, match=r"sees the entry 'view', but .* gives plain images"):
        record(policy, "rlvis_envs:CubeReach-v0")
