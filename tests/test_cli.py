"""The commands as a user types them: what they write, and what they say when the input is wrong."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rlvis import Recording
from rlvis.cli import main

PHOTOS = Path(__file__).parent.parent / "docs" / "photos"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(capsys, *arguments: str) -> str:
    """The one line with which the command refuses these arguments."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main([str(each) for each in arguments])
    assert caught.value.code == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    assert said.startswith("rlvis: ")
    return said


def test_a_photo_is_explained(capsys) -> None:
    main(
        ["explain", str(PHOTOS / "cat.jpg"), "--method", "grad-cam", "-m", "saliency", "--top", "5"]
    )
    written, *found = capsys.readouterr().out.splitlines()
    assert written == "cat-explained.png"
    assert len(found) == 5
    assert re.fullmatch(r"    Egyptian cat +logit \d+\.\d\d  \d+%", found[0])
    with Image.open("cat-explained.png") as panel:
        assert panel.size[0] > 5 * 300
        assert panel.size[1] > 2 * 300


def test_several_photos_go_into_a_folder_and_bad_ones_are_named(capsys) -> None:
    Path("bad.jpg").write_bytes(b"no picture")
    with pytest.raises(SystemExit) as caught:
        main(
            [
                "explain",
                str(PHOTOS / "cat.jpg"),
                "bad.jpg",
                str(PHOTOS / "coffee.jpg"),
                "--out",
                "o",
            ]
        )
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert "bad.jpg is not a picture" in said
    assert "1 of 3 pictures could not be explained" in said
    assert sorted(os.listdir("o")) == ["cat-explained.png", "coffee-explained.png"]


def test_a_policy_explains_a_picture_too() -> None:
    main(["explain", str(PHOTOS / "cat.jpg"), "--model", "cube-reach", "-m", "cam", "-t", "left"])
    assert Path("cat-explained.png").exists()


def test_a_photo_is_explained_for_many_classes() -> None:
    main(["explain", str(PHOTOS / "cat.jpg"), "--top", "40", "-m", "cam"])
    with Image.open("cat-explained.png") as panel:
        assert panel.size[0] < 2400
        assert panel.size[1] > 4 * 160
    main(["explain", str(PHOTOS / "cat.jpg"), "--model", "cube-reach", "-m", "cam", "--every"])
    with Image.open("cat-explained.png") as panel:
        assert panel.size[0] > 4 * 300


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.jpg"], "no file missing.jpg"),
        (["one.png"], "1×1 pixels"),
        (["cat.jpg", "--method", "gradcam"], "did you mean 'grad-cam'"),
        (["cat.jpg", "--method", "occlusion:pach=8"], "did you mean 'patch'"),
        (["cat.jpg", "--method", "occlusion:patch=900"], "patch 900"),
        (["cat.jpg", "--target", "Egyptian cta"], "did you mean 'Egyptian cat'"),
        (["cat.jpg", "--layer", "_blocks.0._bn"], "'_blocks.0._bn1'"),
        (["cat.jpg", "--layer", "_fc"], "not a map"),
        (["cat.jpg", "--model", "efficientnet-lite"], "did you mean 'efficientnet-lite0'"),
        (["cat.jpg", "--top", "0"], "top is 0"),
        (["cat.jpg", "--every", "--top", "5"], "leave --target and --top out"),
        (["cat.jpg", "--every", *["-m", "cam"] * 12], "take fewer"),
        (["cat.jpg", "--model", "timm/test_vitt"], "did you mean 'timm/test_vit"),
        (["cat.jpg", "-m", "attention-rollout"], "need a transformer"),
        (["cat.jpg", "--out", "x.bmp"], "ends in .png"),
        (["cat.jpg", "--scale", "column"], "choose row, cell or a positive number"),
        (["cat.jpg", "--scale", "-1"], "choose row, cell or a positive number"),
        (["cat.jpg", "--weights", "missing.pt"], "no file missing.pt"),
        (["cat.jpg", "--weights", "cat.jpg"], "cat.jpg"),
        ([], "no picture given"),
    ],
)
def test_wrong_input_of_explain_is_refused_in_one_line(capsys, arguments, message) -> None:
    Image.new("RGB", (1, 1)).save("one.png")
    Path("cat.jpg").write_bytes((PHOTOS / "cat.jpg").read_bytes())
    assert message in refused(capsys, "explain", *arguments)


def test_a_rollout_is_recorded_and_filmed_again(capsys) -> None:
    main(["record", "--policy", "cube-reach", "--episodes", "2", "--gif", "r.gif"])
    printed = capsys.readouterr().out
    assert "2 episodes" in printed
    assert all(Path(name).exists() for name in ("rollout.mp4", "r.gif"))
    recording = Recording.open("recording.zarr")
    assert [each.name for each in recording.header.methods] == ["cam", "saliency"]
    assert recording.header.actions == ["left", "forward", "right"]
    assert "--overwrite" in refused(capsys, "record", "--policy", "cube-reach")
    main(["video", "recording.zarr", "--method", "cam", "--episode", "1", "--out", "one.mp4"])
    assert Path("one.mp4").exists()
    assert "did you mean 'saliency'" in refused(
        capsys, "video", "recording.zarr", "--method", "salency"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["record", "--policy", "cube-rech"], "did you mean 'cube-reach'"),
        (["record", "--env", "CartPole-v1"], "not uint8 images"),
        (["record", "--env", "rlvis_envs:CubeReech-v0"], "did you mean 'rlvis_envs:CubeReach-v0'"),
        (["record", "--env", "tests.worlds:Corridor-v0"], "trained on images 60×80×3"),
        (["record", "--env-option", "room_size=1"], "room_size"),
        (["record", "--env-option", "rooms=1"], "rooms"),
        (["record", "--env-option", "room_size"], "name=value"),
        (["record", "--episodes", "0"], "episodes is 0"),
        (["record", "--video", "x.avi"], "ends in .mp4, .gif"),
        (["record", "--scale", "row"], "choose episode, frame"),
        (["record", "--method", "grad-cam--"], "did you mean 'grad-cam"),
        (["record", "--policy", "noise.zip"], "noise.zip"),
        (["record", "--out", "/proc/nowhere/x.zarr"], "cannot write"),
        (["video", "nothing.zarr"], "is no recording"),
        (["train", "--env", "CartPole-v1"], "uint8 images"),
        (["evaluate", "--policy", "cube-rech"], "did you mean 'cube-reach'"),
    ],
)
def test_wrong_input_of_the_others_is_refused_in_one_line(capsys, arguments, message) -> None:
    Path("noise.zip").write_bytes(b"PK\x03\x04 and then nothing")
    assert message in refused(capsys, *arguments)
    assert not Path("recording.zarr").exists()


def _recorded() -> int:
    return len(Recording.open("recording.zarr")) if Path("recording.zarr").exists() else 0


def test_ctrl_c_keeps_finished_episodes() -> None:
    command = [sys.executable, "-m", "rlvis.cli", "record", "--episodes", "500"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.time() + 60
    while time.time() < deadline and _recorded() < 2:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    recording = Recording.open("recording.zarr")
    assert 2 <= len(recording) < 500
    assert np.isfinite(recording.heatmaps(len(recording) - 1, "cam")).all()


def test_methods_are_listed_with_their_papers(capsys) -> None:
    main(["methods"])
    assert re.search(r"^grad-cam\+\+ +Chattopadhyay", capsys.readouterr().out, re.M)


def test_pictures_of_one_name_get_a_file_each(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    for name in ("same.png", "same.jpg", "other.png", "folder/same.png"):
        Path(name).parent.mkdir(exist_ok=True)
        Image.fromarray(noise).save(name)
    pictures = ["same.png", "same.jpg", "other.png", "folder/same.png"]
    main(["explain", *pictures, "--model", "cube-reach", "--out", "out"])
    assert sorted(each.name for each in Path("out").iterdir()) == [
        "other-explained.png",
        "same-explained-2.png",
        "same-explained-3.png",
        "same-explained.png",
    ]


PHOTO = str(PHOTOS / "cat.jpg")


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("explain PHOTO --trust", "--trust"),
        ("explain PHOTO --image-key camera", "--image-key"),
        ("explain PHOTO --model cube-reach --weights random", "--weights"),
        ("explain PHOTO --model cube-reach --trust", "--trust"),
        ("explain PHOTO --method saliency --layer _conv_stem", "--layer"),
        ("explain PHOTO --target tabby --top 3", "--top"),
        ("record --trust", "--trust"),
        ("record --vec-normalize x.pkl", "--vec-normalize"),
        ("record --method saliency --layer features.relu3", "'features.relu3'"),
        ("record --frames last", "frames=last"),
        ("features filters --image PHOTO --kernel blur --layer _conv_stem", "--layer"),
        ("features attack PHOTO --episodes 3", "--episodes"),
        ("features attack PHOTO --seed 3", "--seed"),
        ("features attack PHOTO --size 0.1 --method fgsm --steps 3", "--steps"),
        ("features attack PHOTO --count 3", "--count"),
        ("features dream PHOTO --frames 3", "--frames"),
        ("features dream PHOTO --size 90 90", "--size"),
        ("features synthesize tabby --diverse 3", "--diverse"),
        ("features project PHOTO --count 3", "--count"),
        ("features embed mnist --method pca --perplexity 9", "--perplexity"),
    ],
)
def test_options_that_would_do_nothing_are_refused(capsys, command, option) -> None:
    said = refused(capsys, *command.replace("PHOTO", PHOTO).split())
    assert option in said
    assert "leave" in said


def test_a_window_is_for_pictures_of_more_than_8_bits(capsys) -> None:
    levels = np.random.default_rng(0).integers(0, 4000, (60, 80)).astype(np.uint16)
    Image.fromarray(levels).save("deep.png")
    np.save("flat.npy", np.zeros((9, 60, 80, 3), np.uint8))
    shown = ["explain", "deep.png", "--model", "cube-reach"]
    main([*shown, "--out", "found.png"])
    assert "from 0 (black) to 4095 (white)" in capsys.readouterr().err
    main([*shown, "--window", "0,500", "--out", "chosen.png"])
    assert capsys.readouterr().err == ""
    pictures = [
        np.asarray(Image.open(name))[110:200, 40:300] for name in ("found.png", "chosen.png")
    ]
    assert pictures[1].mean() > pictures[0].mean() + 50
    for wrong in ("5,1", "a,b", "1"):
        assert "no window" in refused(capsys, *shown, "--window", wrong)
        of_a_set = ("features", "patches", "flat.npy", "--model", "cube-reach", "--window", wrong)
        assert "no window" in refused(capsys, *of_a_set)
    cat = PHOTOS / "cat.jpg"
    for arguments in (
        ("explain", cat),
        ("features", "patches", "flat.npy", "--model", "cube-reach"),
        ("features", "attack", cat, "--size", "0.1"),
    ):
        assert "8 bits" in refused(capsys, *arguments, "--window", "0,99")
    assert "does nothing" in refused(
        capsys, "features", "synthesize", "espresso", "--window", "0,99"
    )
