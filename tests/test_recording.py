"""Recordings: what is written is what happened, xarray opens it, and nothing finished is lost."""

import json
import subprocess
import sys
import time
from dataclasses import fields
from typing import Any

import gymnasium
import numpy as np
import pytest
import xarray

import rlvis
from rlvis import InputError, Recording, explain, record
from rlvis.images.observations import as_image
from rlvis.models.distributions import Categorical
from rlvis.progress import Progress
from rlvis.rollouts.header import Header, MethodRecord
from rlvis.rollouts.pipeline import Pipeline
from tests.conftest import LABELS

ENVIRONMENT = "tests.worlds:Corridor-v0"


def test_a_recording_is_what_happened(policy, tmp_path) -> None:
    methods = ["cam", "saliency"]
    recording = record(
        policy, ENVIRONMENT, episodes=2, methods=methods, out=tmp_path / "r.zarr", seed=3
    )
    assert len(recording) == 2
    for number, episode in enumerate(recording):
        world = gymnasium.make(ENVIRONMENT, render_mode="rgb_array")
        observation, info = world.reset(seed=3 + number)
        for step, action in enumerate(episode.actions):
            np.testing.assert_array_equal(episode.observations[step], observation)
            np.testing.assert_array_equal(episode.renders[step], world.render())
            assert episode.info["place"][step] == info["place"]
            observation, reward, terminated, truncated, info = world.step(action)
            assert episode.rewards[step] == np.float32(reward)
        assert (episode.terminated, episode.truncated) == (terminated, truncated)
        assert episode.success == info["success"]
        scores = policy.scores(episode.observations)
        np.testing.assert_allclose(episode.logits, scores.logits, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(episode.values, scores.value, rtol=1e-5, atol=1e-5)
        for method in methods:
            expected = explain(policy, episode.observations, method, [0, 1, 2]).heatmaps
            np.testing.assert_allclose(
                recording.heatmaps(number, method), expected, rtol=1e-4, atol=1e-6
            )


def test_nothing_of_a_header_is_lost() -> None:
    methods = [
        MethodRecord("cam", "features", True),
        MethodRecord("rise", None, False, 2, True, True, "a"),
    ]
    header = Header(
        environment="a",
        policy="b",
        actions=["left", "right"],
        methods=methods,
        distribution=Categorical(2, start=1),
        frames=4,
        wrappers=["grayscale"],
        targets=["left - right"],
        success="return > 0.5",
        contrast=True,
        units=["logit"],
        env_options={"width": 48},
        source={"model": "cube-reach"},
        fingerprint="abc",
        states="json",
        no_states="none",
        no_environment="none",
        no_views="none",
    )
    assert Header.from_record(json.loads(json.dumps(header.record()))) == header
    empty = {field.name for field in fields(Header) if not getattr(header, field.name)}
    assert not empty, "each field differs from what it is where nothing is said"


def test_actions_are_drawn_by_their_probabilities_and_the_seed(policy) -> None:
    def taken(**how) -> np.ndarray:
        recording = record(policy, ENVIRONMENT, episodes=20, methods=["saliency"], **how)
        return np.concatenate([episode.actions for episode in recording])

    first, again, other = taken(seed=0), taken(seed=0), taken(seed=1)
    np.testing.assert_array_equal(first, again)
    assert len(first) != len(other) or (first != other).any()
    recording = record(policy, ENVIRONMENT, episodes=20, methods=["saliency"])
    expected = np.concatenate([episode.probabilities for episode in recording]).mean(axis=0)
    shares = np.bincount(first, minlength=3) / len(first)
    np.testing.assert_allclose(shares, expected, atol=4 * 0.5 / np.sqrt(len(first)))
    greedy = record(policy, ENVIRONMENT, methods=["saliency"], deterministic=True).episode(0)
    np.testing.assert_array_equal(greedy.actions, greedy.logits.argmax(axis=1))


def test_xarray_opens_it_with_its_dimensions(policy, tmp_path) -> None:
    record(policy, ENVIRONMENT, methods=["grad-cam"], out=tmp_path / "r.zarr")
    tree = xarray.open_datatree(tmp_path / "r.zarr", engine="zarr", consolidated=False)
    episode = tree["episode_0000"]
    assert tree.attrs["actions"] == list(LABELS)
    assert episode["observation"].dims == ("time", "y", "x", "channel")
    assert episode["numbers"].dims == ("time", "number")
    first, shape, kind = episode.attrs["numbers"]["logit"]
    logits = episode["numbers"][:, first : first + shape[0]].astype(kind)
    made = Recording.open(tmp_path / "r.zarr").episode(0)
    np.testing.assert_array_equal(logits, made.logits)
    np.testing.assert_array_equal(episode["observation"], made.observations)
    height, width = made.observations.shape[1] // 4, made.observations.shape[2] // 4
    maps = episode["heatmaps/grad-cam"]
    assert maps.dims == ("time", "action", f"y_{height}", f"x_{width}")
    assert xarray.open_zarr(tmp_path / "r.zarr", "episode_0000", consolidated=False).sizes


def test_reopened_it_is_the_same(policy, tmp_path) -> None:
    made = record(policy, ENVIRONMENT, methods=["cam"], out=tmp_path / "r.zarr")
    opened = Recording.open(tmp_path / "r.zarr")
    assert opened.header == made.header
    np.testing.assert_array_equal(opened.episode(0).observations, made.episode(0).observations)
    with pytest.raises(InputError, match="no episode 1; the recording has 1"):
        opened.episode(1)


def test_an_old_recording_is_not_overwritten_unasked(policy, tmp_path) -> None:
    path = tmp_path / "r.zarr"
    record(policy, ENVIRONMENT, methods=["cam"], out=path, seed=1)
    with pytest.raises(InputError, match="--overwrite"):
        record(policy, ENVIRONMENT, methods=["cam"], out=path, seed=2)
    assert Recording.open(path).episode(0).seed == 1
    record(policy, ENVIRONMENT, methods=["cam"], out=path, seed=2, overwrite=True)
    assert Recording.open(path).episode(0).seed == 2
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="is no recording"):
        record(policy, ENVIRONMENT, methods=["cam"], out=tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_a_killed_run_keeps_its_finished_episodes(tmp_path) -> None:
    code = f"""
import os, torch, rlvis
from tests.conftest import LABELS, PooledPolicy, randomise
from rlvis.progress import Progress
from rlvis.rollouts.recording import Recording
policy = rlvis.Policy(randomise(PooledPolicy()).eval(), LABELS)
finish = Recording.finish
def dying(self, number, writer, last):
    if len(self) == 2:
        writer.finish(last)
        os._exit(9)
    finish(self, number, writer, last)
Recording.finish = dying
rlvis.record(policy, {ENVIRONMENT!r}, episodes=5, methods=["cam"], out={str(tmp_path / "r.zarr")!r})
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    recording = Recording.open(tmp_path / "r.zarr")
    assert len(recording) == 2
    assert [len(recording.heatmaps(number, "cam")) for number in range(2)] == [
        len(episode) for episode in recording
    ]


def test_a_full_disk_is_said_and_earlier_episodes_stay(policy, tmp_path, monkeypatch) -> None:
    finish = Recording.finish

    def full(self, number, writer, last):
        if len(self) == 1:
            raise OSError(28, "No space left on device")
        finish(self, number, writer, last)

    monkeypatch.setattr(Recording, "finish", full)
    with pytest.raises(InputError, match="the disk is full"):
        record(policy, ENVIRONMENT, episodes=3, methods=["cam"], out=tmp_path / "r.zarr")
    assert len(Recording.open(tmp_path / "r.zarr")) == 1


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ("CartPole-v1", "not uint8 images"),
        ("tests.worlds:Coridor-v0", "did you mean 'tests.worlds:Corridor-v0'"),
        ("tests.worlds:Corridor-v7", "there is tests.worlds:Corridor-v0"),
        ("nowhere:Corridor-v0", "nowhere"),
        ("tests.worlds:Wide-v0", "trained on images 24×32×3, but .* gives 24×48×3"),
        ("tests.worlds:FourActions-v0", "knows 3 actions, but .* has 4"),
        ("tests.worlds:Steering-v0", "24×32×3, but .* gives 40×48×3"),
        ("tests.worlds:Buttons-v0", r"knows 3 actions, but .* has 2×2×2 actions"),
    ],
)
def test_environments_that_do_not_fit_are_refused(policy, environment, message) -> None:
    with pytest.raises(InputError, match=message) as caught:
        record(policy, environment, methods=["cam"])
    assert "\n" not in str(caught.value)


def test_channels_first_and_grayscale_observations_become_images() -> None:
    picture = np.arange(24 * 32 * 3, dtype=np.uint8).reshape(24, 32, 3)
    np.testing.assert_array_equal(as_image(picture.transpose(2, 0, 1)), picture)
    np.testing.assert_array_equal(as_image(picture), picture)
    assert as_image(picture[..., 0]).shape == (24, 32, 1)
    assert as_image(np.zeros((4, 84, 84), np.uint8)).shape == (84, 84, 4)


def test_the_index_names_an_episode_last(policy, tmp_path) -> None:
    record(policy, ENVIRONMENT, methods=["cam"], out=tmp_path / "r.zarr")
    attributes = json.loads((tmp_path / "r.zarr" / "zarr.json").read_text())["attributes"]
    assert attributes["episodes"] == [[0, 1]]
    assert attributes["format"] == "rlvis-recording"
    assert rlvis.Recording is Recording


def test_a_recording_shows_itself(policy, tmp_path) -> None:
    recording = record(policy, ENVIRONMENT, episodes=2, methods=["cam"], seed=3, max_steps=4)
    first, second = recording
    assert repr(recording) == f"<Recording: {recording.summary}>"
    assert "2 episodes" in recording.summary
    rows = recording.table()
    steps = len(first) + len(second)
    assert {len(column) for column in rows.values()} == {steps}
    np.testing.assert_array_equal(rows["action"], np.concatenate([first.actions, second.actions]))
    np.testing.assert_allclose(rows["probability left"][: len(first)], first.probabilities[:, 0])
    lines = recording.save(tmp_path / "steps.csv").read_text().splitlines()
    assert len(lines) == steps + 1
    page = recording.page([1])
    assert f"seed {second.seed}" in page.html()
    assert f"seed {first.seed}" not in page.html()
    assert recording.save(tmp_path / "page.html").read_text().count("<img") >= 4
    assert recording.save(tmp_path / "x.gif", fps=5).read_bytes()[:3] == b"GIF"
    with pytest.raises(InputError, match=r"ends in .*\.png"):
        recording.save(tmp_path / "x.txt")


def test_progress_counts_what_is_on_disk(policy, tmp_path) -> None:
    reports: list[Progress] = []

    def stop_in_the_third(progress: Progress) -> None:
        reports.append(progress)
        if progress.note:
            assert len(Recording.open(tmp_path / "r.zarr")) >= progress.done
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"stopped; \d+ of 400 episodes are in .*r\.zarr"):
        record(
            policy,
            ENVIRONMENT,
            episodes=400,
            methods="none",
            max_steps=2,
            out=tmp_path / "r.zarr",
            on_progress=stop_in_the_third,
        )
    kept = len(Recording.open(tmp_path / "r.zarr"))
    assert [each.done for each in reports if each.note] == list(range(1, kept + 1))
    assert kept < 400
    assert reports[-1].total == 400


def test_no_more_waits_to_be_written_than_a_few_episodes(policy, monkeypatch) -> None:
    played, behind = 0, 0
    write = Pipeline._write

    def slow(self: Pipeline, *block: Any) -> None:
        time.sleep(0.02)
        write(self, *block)

    def count(progress: Progress) -> None:
        nonlocal behind
        behind = max(behind, played // 2 - progress.done)

    def step() -> None:
        nonlocal played
        played += 1

    monkeypatch.setattr(Pipeline, "_write", slow)
    record(
        policy,
        ENVIRONMENT,
        episodes=600,
        methods="none",
        max_steps=2,
        on_step=step,
        on_progress=count,
    )
    assert 32 < behind < 250


def test_a_stop_before_the_first_episode_leaves_nothing(policy, tmp_path) -> None:
    def stop(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="nothing was recorded"):
        record(policy, ENVIRONMENT, out=tmp_path / "r.zarr", on_progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_two_writers_to_one_place(policy, tmp_path, overwrite) -> None:
    out = tmp_path / "r.zarr"
    how = {"methods": "none", "max_steps": 2, "out": out, "overwrite": overwrite}

    def second() -> None:
        with pytest.raises(InputError, match=r"another process is writing .*r\.zarr"):
            record(policy, ENVIRONMENT, episodes=1, **how)

    record(policy, ENVIRONMENT, episodes=3, on_step=second, **how)
    assert len(Recording.open(out)) == 3
    record(policy, ENVIRONMENT, episodes=1, **{**how, "overwrite": True})
    assert len(Recording.open(out)) == 1


def test_methods_and_targets_have_the_words_of_explain(policy) -> None:
    short = {"episodes": 1, "max_steps": 2}
    recording = record(policy, ENVIRONMENT, method="saliency", target="margin", **short)
    assert [each.name for each in recording.header.methods] == ["saliency"]
    assert recording.header.targets == ["margin"]
    with pytest.raises(InputError, match="method and methods are one parameter"):
        record(policy, ENVIRONMENT, method="cam", methods=["saliency"], **short)
