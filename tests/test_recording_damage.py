"""Recordings from elsewhere: nothing in them runs or fills the memory; damage is said."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import zarr

from rlvis import InputError, Recording, record
from rlvis.errors import Notice
from rlvis.features.image_sets.image_set import open_images
from rlvis.rollouts.zarr_array import zstd_content_size
from tests.complaints import complaint
from tests.old_recordings import write_as_before

ENVIRONMENT = "tests.worlds:Corridor-v0"
CHUNK = "episode_0001/observation/c.0.0.0.0"
NUMBERS = "episode_0001/numbers"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    import rlvis
    from tests.conftest import LABELS, PooledPolicy, randomise

    policy = rlvis.Policy(randomise(PooledPolicy()).eval(), LABELS)
    out = tmp_path_factory.mktemp("whole") / "r.zarr"
    record(policy, ENVIRONMENT, episodes=3, methods=["cam"], out=out)
    return out


@pytest.fixture
def copy(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "r.zarr"))


def edit(path: Path, **changes) -> None:
    metadata = json.loads(path.read_text())
    metadata.update(changes)
    path.write_text(json.dumps(metadata))


def edit_attributes(recording: Path, **changes) -> None:
    path = recording / "episode_0001/zarr.json"
    edit(path, attributes=json.loads(path.read_text())["attributes"] | changes)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    path.write_bytes(bytes(data))


def replaced_by_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES = {
    "a chunk is missing": lambda r: (r / CHUNK).unlink(),
    "numbers are missing": lambda r: (r / NUMBERS / "c.0.0").unlink(),
    "a bit of a number is flipped": lambda r: flip(r / NUMBERS / "c.0.0"),
    "a bit is flipped": lambda r: flip(r / CHUNK),
    "a bit of a map is flipped": lambda r: flip(r / "episode_0001/heatmaps/cam/c.0.0.0.0"),
    "a chunk is cut": lambda r: (r / CHUNK).write_bytes((r / CHUNK).read_bytes()[:-9]),
    "a chunk is empty": lambda r: (r / CHUNK).write_bytes(b""),
    "a chunk is text": lambda r: (r / CHUNK).write_bytes(b"hello" * 20),
    "a chunk of another array": lambda r: shutil.copy(r / NUMBERS / "c.0.0", r / CHUNK),
    "a chunk is a folder": lambda r: ((r / CHUNK).unlink(), (r / CHUNK).mkdir()),
    "a chunk is a pipe": lambda r: replaced_by_a_pipe(r / CHUNK),
    "a chunk is a device": lambda r: (
        (r / CHUNK).unlink(),
        (r / CHUNK).symlink_to("/dev/zero"),
    ),
    "an array is missing": lambda r: shutil.rmtree(r / "episode_0001/observation"),
    "the picture is missing": lambda r: shutil.rmtree(r / "episode_0001/render"),
    "maps are missing": lambda r: shutil.rmtree(r / "episode_0001/heatmaps"),
    "an episode is missing": lambda r: shutil.rmtree(r / "episode_0001"),
    "metadata are cut": lambda r: (r / "episode_0001/observation/zarr.json").write_text('{"sh'),
    "metadata are deep": lambda r: (r / "episode_0001/zarr.json").write_text("[" * 10**5),
    "metadata are a list": lambda r: (r / NUMBERS / "zarr.json").write_text("[]"),
    "attributes are none": lambda r: edit(r / "episode_0001/zarr.json", attributes={}),
    "a step is missing": lambda r: edit(r / NUMBERS / "zarr.json", shape=[1, 12]),
    "a step too many": lambda r: edit(r / NUMBERS / "zarr.json", shape=[99, 12]),
    "too large a shape": lambda r: edit(r / NUMBERS / "zarr.json", shape=[10**12, 12]),
    "a shape of text": lambda r: edit(r / NUMBERS / "zarr.json", shape="big"),
    "another type": lambda r: edit(r / NUMBERS / "zarr.json", data_type="string"),
    "keys of text": lambda r: edit(r / NUMBERS / "zarr.json", chunk_key_encoding="v2"),
    "codecs of numbers": lambda r: edit(r / NUMBERS / "zarr.json", codecs=[1]),
    "no codecs": lambda r: edit(r / NUMBERS / "zarr.json", codecs=None),
    "an array of a path": lambda r: edit_attributes(r, arrays=["../../../etc"]),
    "numbers of a list": lambda r: edit_attributes(r, numbers=[]),
    "a number of text": lambda r: edit_attributes(r, numbers={"reward": ["a", [], "float32"]}),
    "a number of objects": lambda r: edit_attributes(r, numbers={"reward": [0, [], "object"]}),
    "a number too far": lambda r: edit_attributes(r, numbers={"reward": [99, [], "float32"]}),
    "a number too large": lambda r: edit_attributes(r, numbers={"reward": [0, [10**9], "int8"]}),
    "maps of no part of the image": lambda r: edit_attributes(r, windows={"cam": [999, 0, 9, 9]}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_episode_is_named_and_the_others_are_given(copy, damage) -> None:
    DAMAGES[damage](copy)
    recording = Recording.open(copy)
    assert list(recording.damage()) == [1]
    line = recording.damage()[1]
    assert line.startswith(f"episode 1 of {copy} is damaged: ")
    assert "\n" not in line
    assert "trust" not in line
    assert len(recording.episode(0))
    assert len(recording.heatmaps(2, "cam"))
    with pytest.warns(Notice, match="episode 1 of .* is damaged"):
        images = open_images(copy)
    assert set(images.metadata["episode"]) == {0, 2}


def test_a_film_of_a_damaged_recording_shows_the_others(copy, capsys) -> None:
    from rlvis.cli import main

    (copy / CHUNK).unlink()
    film = copy.with_name("film.gif")
    with pytest.raises(SystemExit) as ended:
        main(["video", str(copy), "--out", str(film)])
    assert ended.value.code == 2
    assert film.exists()
    said = capsys.readouterr().err
    assert "episode 1 of" in said
    assert "1 of 3 episodes are damaged" in said
    with pytest.raises(SystemExit) as ended:
        main(["video", str(copy), "--episode", "1", "--out", str(film)])
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"zarr_format": 2}, "no recording"),
        ({"node_type": "array"}, "no recording"),
        ({"consolidated_metadata": {"kind": "inline", "metadata": {}}}, "consolidated"),
        ({"attributes": {}}, "no recording"),
        ({"attributes": []}, "no recording"),
        ({"version": 99}, "is of version 99"),
        ({"version": None}, "is of version None"),
        ({"version": [1]}, "is of version"),
        ({"episodes": ["../secret"]}, "index of episodes"),
        ({"episodes": 7}, "index of episodes"),
        ({"episodes": [[0, 10**12]]}, "index of episodes"),
        ({"episodes": [[0, 2], [1, 3]]}, "index of episodes"),
        ({"episodes": [[0.0, 2]]}, "index of episodes"),
        ({"actions": []}, "is damaged"),
        ({"actions": "left"}, "is damaged"),
        ({"methods": [{"name": "cam"}]}, "is damaged"),
        ({"distribution": {"kind": "categorical", "count": 10**12}}, "counts other actions"),
        ({"distribution": {"kind": "multi-categorical", "sizes": [10**12]}}, "counts other"),
        ({"distribution": {"kind": "os.system"}}, "is damaged"),
        ({"distribution": 4}, "is damaged"),
        ({"distribution": {"kind": "categorical", "count": 2.5}}, "is damaged"),
        ({"distribution": {"kind": "categorical", "count": "3"}}, "is damaged"),
        ({"distribution": {"kind": "categorical", "count": -3}}, "counts other"),
        ({"distribution": {"kind": "bernoulli", "count": 10**12}}, "counts other"),
        ({"distribution": {"kind": "multi-categorical", "sizes": 3}}, "is damaged"),
        (
            {
                "distribution": {
                    "kind": "diagonal-gaussian",
                    "log_std": [],
                    "low": [],
                    "high": [],
                    "shape": [10**9, 10**9],
                }
            },
            "counts other",
        ),
    ],
)
def test_what_is_no_recording_is_refused(copy, change, message) -> None:
    path = copy / "zarr.json"
    metadata = json.loads(path.read_text())
    inside = metadata if next(iter(change)) in (*metadata, "consolidated_metadata") else None
    (metadata["attributes"] if inside is None else metadata).update(change)
    path.write_text(json.dumps(metadata))
    line = complaint(lambda: Recording.open(copy))
    assert message in line
    assert "\n" not in line


def test_a_codec_that_runs_code_is_not_let_near_zarr(copy) -> None:
    codecs = [{"name": "bytes"}, {"name": "numcodecs.pickle", "configuration": {}}]
    edit(copy / "episode_0001/observation/zarr.json", codecs=codecs)
    with pytest.raises(InputError, match=r"packed by numcodecs\.pickle"):
        Recording.open(copy).episode(1)


def test_a_store_of_format_2_is_refused(tmp_path) -> None:
    root = zarr.create_group(str(tmp_path / "old.zarr"), zarr_format=2)
    root.attrs.update({"format": "rlvis-recording", "version": 1, "episodes": ["episode_0000"]})
    with pytest.raises(InputError, match="is no recording"):
        Recording.open(tmp_path / "old.zarr")


def test_a_chunk_that_would_fill_the_memory_is_refused(copy) -> None:
    from zarr.codecs import ZstdCodec

    bomb = zarr.create_array(
        str(copy.with_name("bomb.zarr")),
        data=np.zeros(2**26, np.uint8),
        chunks=(2**26,),
        compressors=[ZstdCodec()],
        config={"write_empty_chunks": True},
    )
    assert bomb.nbytes == 2**26
    packed = copy.with_name("bomb.zarr") / "c" / "0"
    assert packed.stat().st_size < 2**14
    assert zstd_content_size(packed.read_bytes()[:18]) == 2**26
    shutil.copy(packed, copy / CHUNK)
    with pytest.raises(InputError, match=r"chunk 0\.0\.0\.0 is damaged"):
        Recording.open(copy).episode(1)


def test_flipped_bits_anywhere_never_give_another_recording(copy, whole) -> None:
    """Of everything in an episode's arrays; metadata have no checksum, so that what they say may
    change, but not what arrays hold."""
    before = Recording.open(whole).episode(1)
    rng = np.random.default_rng(0)
    files = sorted(path for path in (copy / "episode_0001").rglob("c.*") if path.is_file())
    for _ in range(150):
        path = files[rng.integers(len(files))]
        kept = path.read_bytes()
        data = bytearray(kept)
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        path.write_bytes(bytes(data))
        recording = Recording.open(copy)
        line = recording.damage().get(1, "")
        assert "\n" not in line
        if not line:
            np.testing.assert_array_equal(recording.episode(1).observations, before.observations)
        path.write_bytes(kept)


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("targets", [None, ["left - right", "margin"]])
def test_recordings_of_earlier_versions_are_read(policy, tmp_path, version, targets) -> None:
    made = record(policy, ENVIRONMENT, episodes=2, methods=["cam", "saliency"], targets=targets)
    opened = Recording.open(write_as_before(made, tmp_path / "old.zarr", version))
    assert opened.damage() == {}
    for number, episode in enumerate(made):
        again = opened.episode(number)
        for name in ("observations", "renders", "actions", "rewards", "logits", "values"):
            np.testing.assert_array_equal(getattr(again, name), getattr(episode, name))
        assert again.info.keys() == episode.info.keys()
        for method in ("cam", "saliency"):
            expected = made.heatmaps(number, method)
            np.testing.assert_array_equal(opened.heatmaps(number, method), expected)
            if version == 3:
                assert opened.notes(number, method) == made.notes(number, method)
        told, before = opened.targets(number), made.targets(number)
        assert (told and told.names) == (before and before.names)
    assert opened.states(0) is None
    assert opened.to_video(tmp_path / "old.mp4").stat().st_size > 10_000


SLOW = f"""
import sys, time, torch, rlvis
from tests.conftest import LABELS, PooledPolicy, randomise
policy = rlvis.Policy(randomise(PooledPolicy()).eval(), LABELS)
def slowly(*_):
    print("step", flush=True)
    time.sleep(0.02)
from rlvis.cli import _end_orderly_on_signals
_end_orderly_on_signals()
rlvis.record(policy, {ENVIRONMENT!r}, episodes=50, methods=["cam"], out=sys.argv[1], overwrite=True,
             on_step=slowly, on_episode=lambda e: print("episode", flush=True), seed=7)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("after", ["step", "episode"])
def test_the_old_recording_stays_until_the_new_one_is_worth_more(copy, number, after) -> None:
    running = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(copy)], stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    for line in running.stdout:
        if line.strip() == after:
            break
    running.send_signal(number)
    running.stdout.close()
    running.wait(60)
    recording = Recording.open(copy)
    assert recording.damage() == {}
    of_before = recording.episode(0).seed < 7
    assert of_before == (after == "step")
    left = [each.name for each in copy.parent.iterdir() if each.name.startswith(".rlvis")]
    assert not left or number == signal.SIGKILL


@pytest.mark.parametrize("leftover", ["", "{", '{"zarr_format": 3, "node_type": "group"}'])
def test_what_an_old_kill_left_can_be_overwritten(policy, tmp_path, leftover) -> None:
    out = tmp_path / "r.zarr"
    out.mkdir()
    (out / "zarr.json").write_text(leftover)
    with pytest.raises(InputError, match="--overwrite"):
        record(policy, ENVIRONMENT, methods=["cam"], out=out)
    record(policy, ENVIRONMENT, methods=["cam"], out=out, overwrite=True)
    assert len(Recording.open(out)) == 1


def test_a_recording_at_a_symbolic_link_goes_where_it_leads(policy, tmp_path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "r.zarr").symlink_to(tmp_path / "disk" / "real.zarr")
    record(policy, ENVIRONMENT, methods=["cam"], out=tmp_path / "r.zarr")
    assert (tmp_path / "r.zarr").is_symlink()
    assert len(Recording.open(tmp_path / "disk" / "real.zarr")) == 1


@pytest.mark.parametrize("place", ["file/r.zarr", "file", "x" * 300, "/proc/r.zarr", "pipe"])
def test_where_no_recording_can_be_is_said(policy, tmp_path, place) -> None:
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    started = time.monotonic()
    line = complaint(
        lambda: record(policy, ENVIRONMENT, methods=["cam"], out=tmp_path / place, overwrite=True)
    )
    assert line
    assert "\n" not in line
    assert time.monotonic() - started < 20
    with warnings.catch_warnings():
        assert complaint(lambda: Recording.open(tmp_path / place))
