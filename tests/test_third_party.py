"""Agents of other libraries in environments of others: what they do here is what they do there."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sb3_contrib import QRDQN, MaskablePPO, RecurrentPPO
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3 import A2C, PPO, SAC
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from rlvis import Recording, explain, record
from rlvis.cli import main
from rlvis_agents import load_policy
from scripts.train_third_party import AGENTS, train

STEPS = 8
LIBRARY: dict[str, Any] = {
    "atari-quantiles": QRDQN,
    "car-racing-sac": SAC,
    "masked": MaskablePPO,
    "miniworld": A2C,
    "recurrent": RecurrentPPO,
}


def rollout(model: Any, world: VecEnv) -> tuple[list[np.ndarray], list[Any]]:
    """What an agent saw and did, as its own library runs it."""
    world.seed(0)
    observation, state, start = world.reset(), None, np.ones(1, bool)
    seen, taken = [], []
    for _ in range(STEPS):
        masks = {"action_masks": get_action_masks(world)} if is_masking_supported(world) else {}
        action, state = model.predict(observation, state, start, deterministic=True, **masks)
        whole = observation if isinstance(observation, dict) else {"image": observation}
        seen.append(whole["image"][0])
        taken.append(action[0])
        observation, _, _, _ = world.step(action)
        start = np.zeros(1, bool)
    return seen, taken


@pytest.mark.parametrize("name", AGENTS)
def test_acts_as_in_its_own_library(name, tmp_path):
    """In a process of its own: stock MiniWorld draws otherwise beside the worlds of other tests."""
    code = f"from tests.test_third_party import compare; compare({name!r}, {str(tmp_path)!r})"
    environment = {**os.environ, "PYGLET_HEADLESS": "true"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def compare(name: str, folder: str) -> None:
    """Train an agent, record it, and play the same steps with its own library."""
    tmp_path = Path(folder)
    command = train(name, 128, tmp_path, envs=1)
    out, film = tmp_path / "recording.zarr", tmp_path / "film.mp4"
    options = ["--out", out, "--video", film, "--max-steps", STEPS, "--episodes", 1]
    greedy = LIBRARY.get(name, PPO).__name__ in ("DQN", "QRDQN")
    main([*command, *([] if greedy else ["--deterministic"]), *map(str, options)])
    episode = Recording.open(out).episode(0)
    assert film.stat().st_size > 20_000

    world = AGENTS[name].learner(1).get_env()
    if isinstance(world, VecNormalize):
        world = VecNormalize.load(str(tmp_path / f"{name}.pkl"), world.venv)
        world.training = False
    model = LIBRARY.get(name, PPO).load(tmp_path / f"{name}.zip", env=world, device="cpu")
    seen, taken = rollout(model, world)
    world.close()
    np.testing.assert_allclose(episode.actions, np.stack(taken), rtol=1e-4, atol=1e-5)
    if not isinstance(world, VecNormalize):
        theirs = np.stack(seen).transpose(0, 2, 3, 1)
        np.testing.assert_array_equal(episode.observations, theirs)


def test_memory_and_entries_are_kept_with_each_frame(tmp_path):
    train("recurrent", 128, tmp_path, envs=1)
    policy = load_policy(tmp_path / "recurrent.zip")
    recording = record(policy, "rlvis_envs:CubeReach-v0", max_steps=5, methods=["saliency"])
    episode = recording.episode(0)
    assert set(episode.context) == {"actor_hidden", "actor_cell", "critic_hidden", "critic_cell"}
    assert not episode.context["actor_hidden"][0].any()
    assert episode.context["actor_hidden"][1:].any()
    again = policy.scores(episode.observations, episode.context)
    np.testing.assert_allclose(again.logits, episode.logits, rtol=1e-4, atol=1e-5)
    without = policy.scores(episode.observations)
    assert abs(without.logits[1:] - again.logits[1:]).max() > 1e-6
    alone = explain(
        policy,
        episode.observations[3],
        "saliency",
        context={name: each[3:4] for name, each in episode.context.items()},
    )
    kept = recording.heatmaps(0, "saliency")[3]
    np.testing.assert_allclose(alone.heatmaps[0], kept, rtol=1e-3, atol=1e-7)


def test_episodes_of_an_agent_of_others_are_attacked(tmp_path, capsys):
    command = train("minigrid", 128, tmp_path, envs=1)
    agent, world = command[2], command[3:]
    page = tmp_path / "attack.png"
    options = ["--method", "fgsm", "--episodes", "1", "--out", str(page)]
    main(["features", "attack", "--model", agent, *world, *options])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("minigrid as it is: 1 episodes")
    assert printed[1].startswith("minigrid attacked: 1 episodes")
    assert "forward" in printed[1]  # the environment's name of action 2
    assert page.stat().st_size > 1000
