"""The folder of a run of RL-Zoo is enough: agent, environment, wrappers, statistics."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_atari_env, make_vec_env
from stable_baselines3.common.vec_env import VecFrameStack, VecNormalize, VecTransposeImage

from rlvis import InputError, record
from rlvis.errors import Notice
from rlvis.rollouts.providers import check_provider
from rlvis_agents import load_policy

SHORT: dict[str, Any] = {"n_steps": 32, "batch_size": 32, "n_epochs": 1, "seed": 0}
STEPS = 8


def zoo_run(folder: Path, name: str, config: dict[str, Any], args: dict[str, Any]) -> Path:
    """A run's folder with its settings, as rl_zoo3's ExperimentManager writes them."""
    inside = folder / f"{name}_1" / name
    inside.mkdir(parents=True)
    for file, settings in (("config.yml", config), ("args.yml", args)):
        with (inside / file).open("w") as opened:
            yaml.dump(OrderedDict(sorted(settings.items())), opened)
    (inside / "command.txt").write_text("python -m rl_zoo3.train\n")
    return inside


def played(model: Any, envs: Any) -> list[Any]:
    envs.seed(0)
    observation, actions = envs.reset(), []
    for _ in range(STEPS):
        action, _ = model.predict(observation, deterministic=True)
        actions.append(action[0])
        observation = envs.step(action)[0]
    return actions


@pytest.mark.filterwarnings("ignore:the wrapper atari plays whole games")
def test_a_run_on_atari(tmp_path):
    name, options = "ALE-Breakout-v5", {"frameskip": 1, "repeat_action_probability": 0.0}
    config = {
        "env_wrapper": ["stable_baselines3.common.atari_wrappers.AtariWrapper"],
        "frame_stack": 4,
        "policy": "CnnPolicy",
        "n_timesteps": 1e7,
        "learning_rate": "lin_2.5e-4",
    }
    args = {
        "algo": "ppo",
        "env": "ALE/Breakout-v5",
        "env_kwargs": options,
        "gym_packages": ["ale_py"],
        "hyperparams": None,
        "track": False,
    }
    inside = zoo_run(tmp_path, name, config, args)
    envs = VecFrameStack(make_atari_env("ale_py:ALE/Breakout-v5", 1, env_kwargs=options), 4)
    model = PPO("CnnPolicy", envs, **SHORT).learn(64)
    model.save(inside.parent / f"{name}.zip")
    policy = load_policy(inside.parent)
    assert policy.name == "ALE-Breakout-v5_1"
    assert policy.frames == 4
    home = policy.description
    assert home["environment"] == "ale_py:ALE/Breakout-v5"
    assert home["wrappers"] == ["atari", "frame-stack:frames=4"]
    assert home["env_options"] == options
    recording = record(
        policy,
        home["environment"],
        wrappers=home["wrappers"],
        env_options=home["env_options"],
        max_steps=STEPS,
        deterministic=True,
        methods=["saliency"],
    )
    assert recording.header.frames == 4
    np.testing.assert_array_equal(recording.episode(0).actions, played(model, envs))
    envs.close()


def test_a_run_with_statistics(tmp_path):
    name = "CubeReach-v0"
    config = {"normalize": "{'norm_obs': True, 'norm_reward': False}", "policy": "CnnPolicy"}
    inside = zoo_run(tmp_path, name, config, {"env": "rlvis_envs:CubeReach-v0"})
    envs = VecNormalize(VecTransposeImage(make_vec_env("rlvis_envs:CubeReach-v0", 1)))
    arguments = {"normalize_images": False}
    model = PPO("CnnPolicy", envs, policy_kwargs=arguments, **SHORT).learn(64)
    model.save(inside.parent / "rl_model_64_steps.zip")
    model.save(inside.parent / "rl_model_128_steps.zip")
    with pytest.raises(InputError, match=r"vecnormalize.pkl is missing"):
        load_policy(inside.parent)
    envs.save(str(inside / "vecnormalize.pkl"))
    with pytest.warns(Notice, match=r"holds 2 agents; rl_model_128_steps\.zip is taken"):
        policy = load_policy(inside.parent)
    assert policy.description["file"] == "rl_model_128_steps.zip"
    model.save(inside.parent / "best_model.zip")
    with pytest.warns(Notice, match=r"holds 3 agents; best_model\.zip is taken"):
        assert load_policy(inside.parent).description["file"] == "best_model.zip"
    envs.training = False
    home = policy.description
    assert (home["wrappers"], home["env_options"]) == ([], {})
    episode = record(
        policy, home["environment"], max_steps=STEPS, deterministic=True, methods=["saliency"]
    ).episode(0)
    np.testing.assert_array_equal(episode.actions, played(model, envs))
    envs.close()


WRAPPERS: list[tuple[Any, list[str]]] = [
    (None, []),
    ("minigrid.wrappers.ImgObsWrapper", ["minigrid.wrappers.ImgObsWrapper"]),
    (
        [
            {"rl_zoo3.wrappers.FrameSkip": {"skip": 2}},
            {"rl_zoo3.wrappers.YAMLCompatResizeObservation": {"shape": [64, 48]}},
            {"gymnasium.wrappers.transform_observation.GrayscaleObservation": {"keep_dim": True}},
        ],
        ["frame-skip:frames=2", "resize:height=64,width=48", "grayscale"],
    ),
    (
        [{"stable_baselines3.common.atari_wrappers.AtariWrapper": {"terminal_on_life_loss": True}}],
        ["atari:terminal_on_life_loss=True"],
    ),
    (["mine.Own", {"mine.Other": None}], ["mine.Own", "mine.Other"]),
]


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    path = tmp_path_factory.mktemp("zoo") / "agent.zip"
    PPO("CnnPolicy", "rlvis_envs:CubeReach-v0", **SHORT).save(path)
    return path


@pytest.mark.parametrize(("told", "read"), WRAPPERS)
def test_wrappers_in_settings(tmp_path, agent, told, read):
    inside = zoo_run(tmp_path, "World-v0", {"env_wrapper": told}, {"env": "World-v0"})
    (inside.parent / "World-v0.zip").write_bytes(agent.read_bytes())
    policy = load_policy(inside.parent)
    assert policy.description["wrappers"] == read
    assert policy.description["environment"] == "World-v0"


def test_a_stack_among_the_wrappers_of_several_environments(tmp_path, agent):
    stack = {"stable_baselines3.common.vec_env.VecFrameStack": {"n_stack": 3}}
    told = {"vec_env_wrapper": [stack, "stable_baselines3.common.vec_env.VecMonitor"]}
    inside = zoo_run(tmp_path, "World-v0", told, {"env": "World-v0"})
    (inside.parent / "World-v0.zip").write_bytes(agent.read_bytes())
    assert load_policy(inside.parent).description["wrappers"] == ["frame-stack:frames=3"]


def test_modules_that_settings_may_not_choose():
    check_provider("grayscale", "-w")
    check_provider("frame-stack:frames=4", "-w")
    check_provider("minigrid.wrappers.ImgObsWrapper", "-w")
    check_provider("BreakoutNoFrameskip-v4", "--env")
    with pytest.raises(InputError, match=r"names 'mine.Own:a=1'.* add -w mine.Own:a=1"):
        check_provider("mine.Own:a=1", "-w")


def test_settings_make_no_objects(tmp_path, agent):
    inside = zoo_run(tmp_path, "World-v0", {}, {"env": "World-v0"})
    (inside.parent / "World-v0.zip").write_bytes(agent.read_bytes())
    ran = tmp_path / "ran"
    for text, message in (
        (f"a: !!python/object/apply:os.mkdir ['{ran}']", None),
        (f"a: !!python/object/new:os.mkdir\n  args: ['{ran}']", None),
        ("a: !!python/name:os.system", None),
        ("a: !!python/tuple [1, 2]", None),
        ("a: !mine {}", "cannot be read"),
        ("[" * 20_000, "cannot be read"),
        ("a: " + "9" * 5000, "cannot be read"),
        ("- 1\n- 2", "holds no settings"),
        ("a: &a {b: 1}\nc: {<<: [*a, *a]}", "cannot be read"),
        ("a: " + "x" * 2**19, "larger than"),
        ("vec_env_wrapper: mine.VecOther", "of several environments cannot be read"),
        ("frame_stack: 100000", "a stack of 100000 frames cannot be read"),
        ("env_wrapper: [{mine.Own: {shape: [1, 2]}}]", "the option shape of the wrapper"),
        ("env_kwargs: {a: [1]}", "the option a of its environment"),
    ):
        (inside / "config.yml").write_text(text)
        if message is None:
            assert load_policy(inside.parent).labels
            continue
        with pytest.raises(InputError, match=message) as caught:
            load_policy(inside.parent)
        assert "\n" not in str(caught.value)
    assert not ran.exists()


def test_a_run_without_an_agent(tmp_path):
    inside = zoo_run(tmp_path, "World-v0", {}, {})
    with pytest.raises(InputError, match=r"holds no best_model.zip, World-v0.zip or rl_model_"):
        load_policy(inside.parent)
    zoo_run(tmp_path / "World-v0_1", "Other-v0", {}, {})
    (tmp_path / "World-v0_1" / "Other-v0_1" / "Other-v0").rename(
        tmp_path / "World-v0_1" / "Other-v0"
    )
    with pytest.raises(InputError, match="holds 2 config"):
        load_policy(inside.parent)
