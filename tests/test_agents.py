"""The policy network and the policies that are shipped."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import rlvis
from rlvis import InputError, NonFiniteError
from rlvis_agents import PolicyNetwork, evaluate, load_policy, shipped_policies
from rlvis_agents.checkpoints import read_policy, save_policy
from rlvis_agents.loading import SHIPPED
from rlvis_agents.network import AppendXProduct

LEAST = {
    "cube-reach": 0.99,
    "cube-reach-distractors": 0.97,
    "cube-reach-choice": 0.98,
}
NAMES = (*LEAST, "cube-reach-choice-shortcut")


@pytest.fixture
def network():
    torch.manual_seed(0)
    return PolicyNetwork(image_channels=3, actions=3).double()


def test_the_map_of_an_action_sums_to_its_score(network):
    images = torch.rand(2, 3, 60, 80, dtype=torch.float64)
    logits, value = network(images)
    maps = network.features(images)
    cells = maps.shape[-2] * maps.shape[-1]
    assert maps.shape == (2, 32, 15, 20)
    for scores, head in ((logits, network.policy), (value[:, None], network.value)):
        cam = torch.einsum("kc,nchw->nkhw", head.weight, maps) / cells
        torch.testing.assert_close(cam.sum((-2, -1)), scores - head.bias)


def test_the_tools_see_the_same_map():
    policy = load_policy("cube-reach")
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    evidence = rlvis.explain(policy, image, method="cam", target=list(policy.labels))
    scores = policy.scores(image[None]).logits[0] - policy.module.policy.bias.detach()
    share = evidence.heatmaps[0].mean((-2, -1)) * 15 * 20
    np.testing.assert_allclose(share, scores.numpy(), rtol=1e-3, atol=1e-2)


def test_features_are_given_as_they_are_and_by_side():
    given = AppendXProduct()(torch.full((2, 1, 3, 5), 2.0))[1]
    assert given[0].tolist() == [[2.0] * 5] * 3
    assert given[1].tolist() == [[-2, -1, 0, 1, 2]] * 3


def test_left_and_right_differ_only_through_the_sides(network):
    images = torch.rand(1, 3, 60, 80, dtype=torch.float64)
    for conv in (network.features.conv1, network.features.conv2):
        conv.weight.data = (conv.weight.data + conv.weight.data.flip(-1)) / 2
    assert not torch.allclose(network(images)[0], network(images.flip(-1))[0])
    network.features.conv3.weight.data[:, 32:] = 0
    torch.testing.assert_close(network(images), network(images.flip(-1)))


@pytest.mark.parametrize("name", NAMES)
def test_shipped_policies_are_small_and_described(name):
    policy = load_policy(name)
    assert policy.labels == ("left", "forward", "right")
    assert policy.observation_shape == (60, 80, 3)
    files = [SHIPPED / f"{name}{suffix}" for suffix in (".safetensors", ".json")]
    assert sum(path.stat().st_size for path in files) < 1_000_000
    for figures in policy.description["evaluations"]:
        assert figures["episodes"] == 500


@pytest.mark.parametrize(("name", "least"), LEAST.items())
def test_shipped_policies_reach_the_cube(name, least):
    policy = load_policy(name)
    for figures in policy.description["evaluations"]:
        assert figures["success_rate"] >= least
        assert figures["mean_length"] <= 1.3 * figures["oracle_length"]
    environment = policy.description["environment"]
    assert evaluate(policy, environment, 50, seed=7_000_000).success_rate >= 0.94


def test_the_policy_with_a_shortcut_goes_by_the_floor_and_its_card_says_so():
    policy = load_policy("cube-reach-choice-shortcut")
    card = policy.description
    assert card["note"].startswith("Took a shortcut: ")
    assert card["env_options"] == {"cue": "floor", "marker_scale": 0.5}
    shares: dict[float, list[float]] = {}
    for figures in card["evaluations"]:
        shares.setdefault(figures["env_options"]["cue_agreement"], []).append(
            figures["success_rate"]
        )
    assert min(shares[1.0]) > 0.9
    assert max(shares[0.0]) < 0.6
    environment = card["environment"]
    agreeing, opposed = (
        evaluate(
            policy, environment, 30, seed=7_000_000, **card["env_options"], cue_agreement=agreement
        )
        for agreement in (1.0, 0.0)
    )
    assert agreeing.success_rate > 0.85
    assert opposed.success_rate < 0.7


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_the_figures_on_the_card_are_true(name):
    policy = load_policy(name)
    for figures in policy.description["evaluations"]:
        again = evaluate(
            policy,
            figures["environment"],
            figures["episodes"],
            seed=figures["seed"],
            deterministic=figures["deterministic"],
            **figures.get("env_options", {}),
        )
        assert again.success_rate == pytest.approx(figures["success_rate"], abs=0.004)
        assert again.mean_length == pytest.approx(figures["mean_length"], rel=0.02)
        assert again.oracle_length == pytest.approx(figures["oracle_length"])


def test_loading_imports_neither_gymnasium_nor_stable_baselines():
    code = (
        "import sys, rlvis_agents; rlvis_agents.load_policy('cube-reach'); "
        "sys.exit(bool({'gymnasium', 'stable_baselines3'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_policy_by_its_file(tmp_path):
    for suffix in (".safetensors", ".json"):
        shutil.copy(SHIPPED / f"cube-reach{suffix}", tmp_path / f"mine{suffix}")
    for path in (tmp_path / "mine.safetensors", str(tmp_path / "mine.json")):
        assert load_policy(path).name == "cube-reach"


def test_names_and_paths_that_lead_nowhere(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "alone.safetensors").write_bytes(b"")
    (tmp_path / "foreign.json").write_text("{}")
    for name, message in (
        ("cube-reech", "no policy 'cube-reech'; did you mean 'cube-reach'"),
        (tmp_path / "none.zip", "no file or folder"),
        (tmp_path, "holds no policy.safetensors and no checkpoints"),
        (tmp_path / "notes.txt", "is no policy; give a shipped name"),
        (tmp_path / "alone.safetensors", "alone.json is missing"),
        (tmp_path / "foreign.json", "does not describe a policy"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            load_policy(name)
        assert "\n" not in str(caught.value)


def test_weights_that_are_no_numbers(tmp_path, network):
    _, card = read_policy(SHIPPED / "cube-reach.safetensors")
    network.value.bias.data.fill_(float("nan"))
    save_policy(tmp_path / "nan.safetensors", network, card)
    with pytest.raises(NonFiniteError, match=r"value.bias"):
        load_policy(tmp_path / "nan.safetensors")


def test_a_card_that_lacks_something(tmp_path):
    card = json.loads((SHIPPED / "cube-reach.json").read_text())
    shutil.copy(SHIPPED / "cube-reach.safetensors", tmp_path / "x.safetensors")
    for broken in ({"labels": None}, {"channels": [1]}, {"observation_shape": "60x80"}):
        Path(tmp_path / "x.json").write_text(json.dumps({**card, **broken}))
        with pytest.raises(InputError, match="does not hold a sound"):
            load_policy(tmp_path / "x.safetensors")


def test_the_shipped_names():
    assert set(NAMES) <= set(shipped_policies())
