"""Recordings revisited: states, and the maps and pictures that are made when they are looked at."""

import json
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from rlvis import InputError, Policy, Recording, explain, record
from rlvis.errors import Notice
from rlvis.rollouts.film.writing import frames_of
from rlvis.rollouts.recorded_policy import fingerprint
from rlvis_agents import load_policy
from rlvis_agents.loading import SHIPPED
from tests.complaints import complaint
from tests.conftest import PooledPolicy, randomise
from tests.old_recordings import write_as_before

CORRIDOR, RECALLED = "tests.worlds:Corridor-v0", "tests.worlds:Recalled-v0"


@pytest.fixture(scope="module")
def agent() -> Policy:
    return load_policy("cube-reach")


@pytest.fixture(scope="module")
def bare(agent, tmp_path_factory) -> Path:
    """A recording of CubeReach without maps."""
    out = tmp_path_factory.mktemp("bare") / "r.zarr"
    options = {"room_size": 6.0}
    record(agent, "rlvis_envs:CubeReach-v0", methods="none", out=out, env_options=options, seed=2)
    return out


def edit_header(path: Path, **changes) -> None:
    metadata = json.loads((path / "zarr.json").read_text())
    metadata["attributes"].update(changes)
    (path / "zarr.json").write_text(json.dumps(metadata))


def test_episodes_side_by_side_are_those_one_after_the_other(policy, tmp_path) -> None:
    how = {"episodes": 20, "methods": ["cam"], "seed": 5}
    alone = record(policy, CORRIDOR, parallel=1, **how)
    ended: list[int] = []
    together = record(
        policy,
        CORRIDOR,
        parallel=16,
        out=tmp_path / "r.zarr",
        on_episode=lambda episode: ended.append(episode.seed),
        **how,
    )
    assert sorted(ended) == list(range(5, 25)) != ended
    assert [each.seed for each in together] == list(range(5, 25))
    for number, episode in enumerate(alone):
        again = together.episode(number)
        np.testing.assert_array_equal(again.observations, episode.observations)
        np.testing.assert_array_equal(again.actions, episode.actions)
        np.testing.assert_allclose(
            together.heatmaps(number, "cam"), alone.heatmaps(number, "cam"), atol=1e-5
        )


def test_states_are_those_that_the_world_was_in(bare) -> None:
    recording = Recording.open(bare)
    states, episode = recording.states(0), recording.episode(0)
    assert states is not None
    assert len(states) == len(episode)
    world = recording.make_environment()
    world.reset(seed=0)
    inner: Any = world.unwrapped
    for step in (0, len(episode) // 2, len(episode) - 1):
        assert recording.state(0, step) == states[step]
        observation, _ = inner.set_state(states[step])
        np.testing.assert_array_equal(observation, episode.observations[step])
    middle = len(episode) // 2
    inner.set_state(states[middle])
    for step in range(middle, len(episode) - 1):
        observation, *_ = world.step(episode.actions[step])
        np.testing.assert_array_equal(observation, episode.observations[step + 1])
    world.close()
    assert "no step" in complaint(lambda: recording.state(0, len(episode)))


@pytest.mark.parametrize(
    ("form", "kept", "why"),
    [
        ("dict", "json", ""),
        ("bytes", "bytes", ""),
        ("array", "", "neither bytes nor plain dicts"),
        ("set", "", "neither bytes nor plain dicts"),
        ("numbered", "", "neither bytes nor plain dicts"),
        ("broken", "", "no state today"),
    ],
)
def test_only_states_that_survive_are_kept(policy, tmp_path, form, kept, why) -> None:
    out, options = tmp_path / "r.zarr", {"form": form}
    record(policy, RECALLED, methods="none", out=out, env_options=options, max_steps=5)
    recording = Recording.open(out)
    assert recording.header.states == kept
    assert why in recording.header.no_states
    states, places = recording.states(0), recording.numbers(0).info["place"]
    if kept == "json":
        assert states == [{"place": place, "steps": step} for step, place in enumerate(places)]
    elif kept:
        assert states == [bytes([place, step]) for step, place in enumerate(places)]
    else:
        assert states is None
        assert recording.state(0, 0) is None


def test_where_there_are_no_states_it_is_said(policy) -> None:
    plain = record(policy, CORRIDOR, methods="none", max_steps=3)
    assert "no get_state" in plain.header.no_states
    unasked = record(policy, RECALLED, methods="none", max_steps=3, states=False)
    assert "not asked for" in unasked.header.no_states
    assert unasked.states(0) is None


def test_pictures_drawn_later_are_those_of_then(agent) -> None:
    how = {"methods": ["cam"], "seed": 4, "max_steps": 40}
    later = record(agent, "rlvis_envs:CubeReach-v0", **how)
    kept = record(agent, "rlvis_envs:CubeReach-v0", render=True, **how)
    pictures = kept.episode(0).renders
    assert pictures is not None
    assert later.episode(0).renders is None
    drawn = later.renders(0)
    assert drawn is not None
    np.testing.assert_array_equal(drawn, pictures)
    some = later.renders(0, slice(2, 4))
    assert some is not None
    np.testing.assert_array_equal(some, pictures[2:4])
    np.testing.assert_array_equal(frames_of(later, 0).draw(3), frames_of(kept, 0).draw(3))


def test_maps_made_later_are_those_of_then(agent, bare) -> None:
    recording, kept = Recording.open(bare), None
    kept = record(
        agent, "rlvis_envs:CubeReach-v0", methods=["cam", "saliency"], seed=2, render=False,
        env_options={"room_size": 6.0},
    )  # fmt: skip
    for steps in (slice(3, 6), slice(None)):
        made = recording.explained(0, steps, ["cam", "saliency"])
        stored = kept.explained(0, steps)
        assert list(made) == list(stored) == ["cam", "saliency"]
        for method, why in made.items():
            np.testing.assert_allclose(stored[method].heatmaps, why.heatmaps, atol=1e-6)
            np.testing.assert_allclose(stored[method].scores, why.scores, atol=1e-5)
            np.testing.assert_allclose(stored[method].evidence, why.evidence, atol=1e-5)
            for name in ("targets", "notes", "map_units", "score_units", "signed", "layer"):
                assert getattr(stored[method], name) == getattr(why, name), name
    frames, expected = frames_of(recording, 0), frames_of(kept, 0)
    view = (slice(62, None), slice(384, None))
    for step in (0, 3, len(expected) - 1):
        difference = frames.draw(step)[view].astype(int) - expected.draw(step)[view]
        assert np.abs(difference).max() <= 2
    direct = explain(agent, recording.observations(0, slice(5)), "saliency", "value")
    found = recording.explained(0, slice(5), "saliency", "value")["saliency"]
    np.testing.assert_allclose(found.maps, direct.maps, atol=1e-7)


def test_maps_are_kept_as_they_are_and_shown_as_explain_shows_them(policy, tmp_path) -> None:
    recording = record(policy, CORRIDOR, methods=["cam", "saliency"], out=tmp_path / "r.zarr")
    observations = recording.episode(0).observations
    for method in ("cam", "saliency"):
        why = explain(policy, observations, method)
        found = recording.explanations(0).maps(method)
        assert found.own(slice(None)).shape[-2:] == why.maps.shape[-2:]
        np.testing.assert_allclose(recording.heatmaps(0, method), why.heatmaps, atol=1e-6)
        np.testing.assert_allclose(found[3:5], recording.explanations(0).maps(method)[:][3:5])


def test_the_policy_is_found_where_it_was(bare, tmp_path) -> None:
    recording = Recording.open(bare)
    assert recording.header.source == {"model": "cube-reach"}
    assert recording.policy().labels == ("left", "forward", "right")
    for ending in (".safetensors", ".json"):
        content = (SHIPPED / f"cube-reach{ending}").read_bytes()
        (tmp_path / f"mine{ending}").write_bytes(content)
    mine = load_policy(tmp_path / "mine.safetensors")
    out = tmp_path / "r.zarr"
    record(mine, "rlvis_envs:CubeReach-v0", methods="none", out=out, max_steps=3)
    assert Recording.open(out).explained(0, slice(1), "cam")["cam"].maps.any()
    (tmp_path / "mine.safetensors").unlink()
    line = complaint(lambda: Recording.open(out).explained(0, slice(1), "cam"))
    assert "mine.safetensors" in line
    assert "--policy" in line
    assert Recording.open(out).explained(0, slice(1), "cam", policy=mine)["cam"].maps.any()


def test_another_policy_is_refused(policy, bare, tmp_path) -> None:
    other = load_policy("cube-reach-distractors")
    line = complaint(lambda: Recording.open(bare).explained(0, policy=other))
    assert "is another policy than cube-reach" in line
    made = record(policy, CORRIDOR, methods=["cam"], max_steps=4)
    old = Recording.open(write_as_before(made, tmp_path / "old.zarr", 3))
    assert old.explained(0, slice(2), "saliency", policy=policy)
    torch.manual_seed(99)
    stranger = Policy(randomise(PooledPolicy()).eval(), policy.labels)
    with torch.no_grad():
        stranger.module.policy.bias += 1
    for given in (stranger, other):
        assert "another policy" in complaint(
            lambda: old.explained(0, slice(2), "saliency", policy=given)  # noqa: B023
        )
    alone = Recording.open(tmp_path / "old.zarr")
    assert "does not say where" in complaint(lambda: alone.explained(0, slice(2), "saliency"))


@pytest.mark.parametrize(
    "source",
    [
        {"model": "os.path:join"},
        {"model": "x.pt", "arch": "os.path:join"},
        {"model": "cube-reach", "trust": True},
        {"model": "cube-reach", "preprocess": "os.path:join"},
        {"model": 3},
        {"kind": "cube-reach"},
    ],
)
def test_a_recording_chooses_no_code(bare, tmp_path, source) -> None:
    import shutil

    copy = Path(shutil.copytree(bare, tmp_path / "r.zarr"))
    edit_header(copy, source=source)
    line = complaint(lambda: Recording.open(copy).policy())
    assert "name it with --policy" in line
    edit_header(copy, environment="antigravity:CubeReach-v0")
    recording = Recording.open(copy)
    assert "may not choose what code is imported" in complaint(recording.make_environment)
    with pytest.warns(Notice, match="the environment's own view is left out"):
        assert recording.renders(0) is None


def test_an_environment_is_made_as_it_was(policy, tmp_path) -> None:
    wide = "tests.worlds:Wide-v0"
    recording = record(
        policy, wide, methods="none", max_steps=3, wrappers=["frame-skip:frames=2"],
        env_options={"width": 32}, out=tmp_path / "r.zarr",
    )  # fmt: skip
    world = recording.make_environment()
    inner: Any = world.unwrapped
    assert inner.width == 32
    assert "FrameSkip" in str(world)
    assert "may not choose" in complaint(Recording.open(tmp_path / "r.zarr").make_environment)
    opened = Recording.open(tmp_path / "r.zarr").make_environment(trust=True)
    assert opened.observation_space == world.observation_space
    made = record(policy, gymnasium.make(CORRIDOR), methods="none", max_steps=3)
    assert "given as an object" in complaint(made.make_environment)


def test_weights_have_a_fingerprint(policy) -> None:
    torch.manual_seed(0)
    first = fingerprint(policy)
    assert first == fingerprint(policy)
    with torch.no_grad():
        policy.module.policy.bias[0] += 1e-6
    assert fingerprint(policy) != first


def test_what_would_do_nothing_without_maps_is_refused(policy) -> None:
    with pytest.raises(InputError, match="targets does nothing where no maps are made"):
        record(policy, CORRIDOR, methods="none", targets=["left"])


def test_a_table_of_numbers_needs_nothing_that_was_seen(bare, monkeypatch) -> None:
    import rlvis.rollouts.stored_episode as stored

    opened: list[str] = []
    open_array = stored.StoredEpisode.open

    def told(self, name):
        opened.append(name)
        return open_array(self, name)

    monkeypatch.setattr(stored.StoredEpisode, "open", told)
    episode = Recording.open(bare).numbers(0)
    assert len(episode.rewards) == len(episode.info["distance"]) == len(episode)
    assert opened == ["numbers"]
