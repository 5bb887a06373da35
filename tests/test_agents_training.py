"""Training: it runs, stops, goes on, and keeps what it has."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rlvis import InputError
from rlvis_agents import TrainConfig, evaluate, load_policy, train
from rlvis_agents.checkpoints import read_card, read_optimizer, saved_checkpoints
from rlvis_agents.training.trainer import _way_on

SHORT = TrainConfig(
    steps=512, envs=4, rollout=64, batch=64, epochs=2, evaluate_every=256, evaluation_episodes=4
)


def short(folder: Path, **changes: object) -> TrainConfig:
    return replace(SHORT, out=folder, progress=False, **changes)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "short"
    train(short(folder))
    return folder


@pytest.fixture
def copy(run, tmp_path):
    return Path(shutil.copytree(run, tmp_path / "copy"))


def weights(folder: Path) -> torch.Tensor:
    module = load_policy(folder).module
    return torch.cat([each.detach().flatten() for each in module.parameters()])


def test_checkpoints_hold_a_policy_and_what_it_did(run):
    cards = [read_card(each / "policy.safetensors") for each in saved_checkpoints(run)]
    assert [card["steps"] for card in cards] == [256, 512]
    assert cards[0]["seconds"] < cards[1]["seconds"]
    assert cards[0]["evaluation"]["episodes"] == 4
    assert load_policy(run).labels == ("left", "forward", "right")
    assert load_policy(run).observation_shape == (60, 80, 3)
    assert not torch.equal(*(weights(each) for each in saved_checkpoints(run)))


def test_what_train_returns_is_what_it_kept(tmp_path):
    policy = train(short(tmp_path / "run", evaluation_episodes=0))
    kept = load_policy(tmp_path / "run").module.state_dict()
    assert all(torch.equal(each, kept[name]) for name, each in policy.module.state_dict().items())


def test_resuming_counts_on_from_weights_and_optimizer(copy):
    before = weights(copy)
    moments = read_optimizer(saved_checkpoints(copy)[-1])["state"][0]["step"]
    train(short(copy, steps=768, resume=True, learning_rate=1e-12))
    assert [int(each.name) for each in saved_checkpoints(copy)] == [256, 512, 768]
    assert torch.allclose(weights(copy), before, atol=1e-6)
    assert read_optimizer(saved_checkpoints(copy)[-1])["state"][0]["step"] > moments
    cards = [read_card(each / "policy.safetensors") for each in saved_checkpoints(copy)]
    assert cards[1]["seconds"] < cards[2]["seconds"]


def test_curves_for_tensorboard(tmp_path):
    train(short(tmp_path / "run", steps=256, tensorboard=True))
    (events,) = (tmp_path / "run" / "tensorboard").iterdir()
    assert b"time/fps" in events.read_bytes()


def test_ctrl_c_leaves_a_checkpoint_and_says_how_to_go_on(tmp_path):
    folder = tmp_path / "run"
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from pathlib import Path\nfrom rlvis_agents import TrainConfig, train\n"
        "train(TrainConfig(steps=10**6, envs=4, rollout=64, batch=64, "
        f"out=Path({str(folder)!r})))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not (folder / "checkpoints").exists() and process.poll() is None:
        time.sleep(0.1)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert err.strip().endswith("KeyboardInterrupt")
    (kept,) = saved_checkpoints(folder)
    (line,) = [line for line in out.splitlines() if line.startswith("stopped")]
    assert str(kept) in line
    assert line.endswith(f"--out {folder} --envs 4 --rollout 64 --batch 64 --resume")
    assert load_policy(folder).description["steps"] == int(kept.name) > 0
    assert "evaluation" not in read_card(kept / "policy.safetensors")


def test_a_failed_write_loses_nothing(copy, monkeypatch):
    before = weights(copy)

    def full(*arguments: object) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="the disk is full; free some space"):
        train(short(copy, steps=768, resume=True))
    assert torch.equal(weights(copy), before)
    assert [each.name for each in (copy / "checkpoints").iterdir() if each.name[0] == "."] == []


def test_refusals_before_any_work(run, copy, tmp_path):
    for config, message in (
        (short(run), "holds a run of 512 steps; go on with --resume"),
        (short(tmp_path / "none", resume=True), "no checkpoint to go on from"),
        (short(copy, resume=True), "has done 512 steps already; ask for more --steps"),
        (short(tmp_path / "x", envs=0), "envs is 0; give a whole number from 1"),
        (short(tmp_path / "x", batch=100), "envs × rollout is 256; it must be a multiple of batch"),
        (short(tmp_path / "x", gamma=1.5), "gamma is 1.5; give a number from 0 to 1"),
        (short(tmp_path / "x", env="rlvis_envs:CubeReech-v0"), "did you mean"),
        (short(tmp_path / "x", env="nowhere:Env-v0"), "cannot make 'nowhere:Env-v0'"),
        (short(tmp_path / "x", env="CartPole-v1"), "not uint8 images (H, W, C)"),
        (short(copy, steps=768, resume=True, channels=(8, 8, 8)), "was trained with channels"),
        (
            short(copy, steps=768, resume=True, env="rlvis_envs:CubeReachDistractors-v0"),
            "was trained with environment rlvis_envs:CubeReach-v0, not rlvis_envs:CubeReachDist",
        ),
    ):
        with pytest.raises(InputError, match=re.escape(message)) as caught:
            train(config)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "x").exists()


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write .*not a directory; choose another"):
        train(short(tmp_path / "file" / "run"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("policy.safetensors", "is damaged or no safetensors file"),
        ("policy.json", "cannot be read"),
        ("optimizer.pt", "is damaged or foreign"),
    ],
)
def test_a_truncated_checkpoint_is_not_taken_up(copy, name, message):
    path = saved_checkpoints(copy)[-1] / name
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match=message) as caught:
        train(short(copy, steps=768, resume=True))
    assert "\n" not in str(caught.value)


def test_an_optimizer_with_code_in_it_does_not_run(copy):
    path = saved_checkpoints(copy)[-1] / "optimizer.pt"
    torch.save(Bomb(copy / "ran"), path)
    with pytest.raises(InputError, match="is damaged or foreign"):
        train(short(copy, steps=768, resume=True))
    assert not (copy / "ran").exists()


class Bomb:
    """Unpickled, it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_weights_of_another_network_are_refused(copy):
    path = saved_checkpoints(copy)[-1] / "policy.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "channels": [8, 8, 8]}))
    with pytest.raises(InputError, match="do not fit the network"):
        load_policy(copy)


def test_options_of_the_environment_are_kept_and_come_back(tmp_path):
    folder, options = tmp_path / "run", {"room_size": 4.5, "step_limit": 9}
    train(short(folder, steps=256, env_options=options))
    policy = load_policy(folder)
    assert policy.description["env_options"] == options
    assert policy.description["evaluation"]["env_options"] == options
    assert policy.description["evaluation"]["mean_length"] <= 9
    with pytest.raises(InputError, match=r"was trained with env_options \{'room_size': 4.5, "):
        train(short(folder, resume=True))
    train(short(folder, resume=True, env_options=options))
    assert load_policy(folder).description["steps"] == 512


def test_the_way_on_has_the_options_of_the_environment(tmp_path):
    config = short(tmp_path / "run", env_options={"cue": "floor", "cue_agreement": 0.9})
    words = _way_on(config, tmp_path / "run" / "checkpoints" / "256")
    assert "--env-option cue=floor --env-option cue_agreement=0.9 " in words


def test_a_run_of_before_there_were_options_goes_on(copy):
    for path in saved_checkpoints(copy):
        card = json.loads((path / "policy.json").read_text())
        assert card.pop("env_options") == {}
        (path / "policy.json").write_text(json.dumps(card))
    train(short(copy, steps=768, resume=True))


def test_evaluation_does_not_depend_on_what_is_played_beside(run):
    policy = load_policy(run)
    alone, beside = (
        evaluate(policy, "rlvis_envs:CubeReach-v0", 5, parallel=n, step_limit=40) for n in (1, 4)
    )
    assert alone == beside
    assert sum(alone.action_shares.values()) == pytest.approx(1)
    assert alone.oracle_length is not None
    assert 2 < alone.oracle_length < 40
    greedy = evaluate(policy, "rlvis_envs:CubeReach-v0", 5, deterministic=True, step_limit=40)
    assert greedy.action_shares != alone.action_shares


def test_evaluation_wants_an_environment_that_fits(run):
    policy = load_policy(run)
    with pytest.raises(InputError, match="gives 40×40×3"):
        evaluate(policy, "rlvis_envs:CubeReach-v0", 1, obs_height=40, obs_width=40)
