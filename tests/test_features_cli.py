"""`rlvis features …` as a user types it: what is written, and the one line where input is wrong."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence
from safetensors import safe_open
from safetensors.torch import save_file

from rlvis import Policy, record
from rlvis.cli import main
from rlvis.cli.bars import stoppable_progress
from rlvis.progress import OnProgress, Progress
from rlvis.zoo.digits import DigitNetwork
from tests.conftest import LABELS, PooledPolicy, randomise
from tests.worlds import Corridor

DIGITS = ("--model", "digits", "--weights", "w.safetensors")
LAYER = "features.relu2"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch) -> None:
    """With weights, an array of 40 digits, a picture, and a folder with one bad picture."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    save_file(DigitNetwork().state_dict(), "w.safetensors")
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (40, 28, 28), dtype=np.uint8)
    np.savez("d.npz", images=pictures, labels=np.arange(40) % 10)
    Image.fromarray(pictures[0]).save("one.png")
    for number in range(10):
        path = Path("good", "even" if number % 2 == 0 else "odd", f"{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pictures[number]).save(path)
    Path("good/odd/bad.png").write_bytes(b"no picture")
    Path("empty").mkdir()


@pytest.fixture
def recording() -> str:
    """Three episodes of a policy of random weights, none of its actions preferred by and large."""
    network, world = randomise(PooledPolicy()).eval(), Corridor()
    frames = np.stack([world.reset(seed=seed)[0] for seed in range(8)])
    with torch.no_grad():
        logits, _ = network(torch.from_numpy(frames).permute(0, 3, 1, 2) / 255)
        network.get_parameter("policy.bias").sub_(logits.mean(dim=0))
    policy = Policy(network, LABELS, name="pooled", observation_shape=(24, 32, 3))
    record(policy, "Corridor-v0", episodes=3, out="r.zarr")
    return "r.zarr"


def run(capsys, *arguments: str) -> tuple[list[str], str]:
    """The paths that a command prints, and what it says besides."""
    capsys.readouterr()
    main(["features", *map(str, arguments)])
    said = capsys.readouterr()
    return said.out.splitlines(), said.err.strip()


def refused(capsys, *arguments: str) -> str:
    """The one line with which a command refuses these arguments."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main(["features", *map(str, arguments)])
    assert caught.value.code == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("rlvis: ")
    assert "\n" not in said
    return said.removeprefix("rlvis: ")


def check_pictures(paths: list[str]) -> None:
    """Whether they are pictures with something on them."""
    for path in paths:
        with Image.open(path) as page:
            assert np.asarray(page.convert("L")).std() > 5, path


COMMANDS = [
    ("filters",),
    ("filters", "--layer", "features.conv2"),
    ("filters", "--image", "one.png", "--layer", LAYER),
    ("filters", "--image", "one.png", "--kernel", "edge"),
    ("filters", "--image", "one.png", "--kernel", "features.conv1:3"),
    ("patches", "d.npz", "--layer", LAYER, "--rows", "3"),
    ("units", "d.npz", "--layer", LAYER, "--rows", "2"),
    ("embed", "d.npz", "--method", "pca", "--layer", LAYER, "--pool", "max"),
    ("synthesize", "3", "--steps", "3", "--count", "2", "--diverse", "1", "--images", "d.npz"),
    ("synthesize", f"{LAYER}:2", "--steps", "3", "--images", "d.npz"),
    ("dream", "one.png", "--what", LAYER, "--iterations", "2", "--guide", "one.png"),
    ("project", "one.png", "--layer", LAYER, "--unit", "3", "--rule", "guided"),
    ("attack", "one.png", "--steps", "2"),
    ("attack", "one.png", "--size", "0.1", "--norm", "l2", "--target", "7", "--method", "fgsm"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_picture_and_its_numbers(capsys, command) -> None:
    paths, said = run(capsys, *command, *DIGITS, "--out", "o/page.png", "--data", "o/page.npz")
    assert paths == ["o/page.png", "o/page.npz"]
    assert said == ""
    check_pictures(paths[:1])
    with np.load("o/page.npz") as kept:
        assert all(each.size for each in kept.values())
    assert sorted(os.listdir("o")) == ["page.npz", "page.png"]


def test_several_layers_and_objectives(capsys) -> None:
    layers = ("-l", "features.relu1", "-l", LAYER)
    paths, _ = run(capsys, "patches", "d.npz", *layers, *DIGITS, "--count", "2")
    assert paths == ["patches-features.relu1.png", f"patches-{LAYER}.png"]
    projected, _ = run(
        capsys, "project", "--images", "d.npz", *layers, *DIGITS, "--count", "2", "-u", "1"
    )
    made, _ = run(capsys, "synthesize", "3", "3 - 8", *DIGITS, "--steps", "2")
    check_pictures([*paths, *projected, *made])


@pytest.mark.parametrize("command", ["patches", "units"])
def test_numbers_as_safetensors(capsys, command) -> None:
    options = (command, "d.npz", "--layer", LAYER, "--rows", "1", *DIGITS, "--count", "2")
    paths, _ = run(capsys, *options, "--data", "a.safetensors")
    run(capsys, *options, "--data", "a.npz")
    with np.load("a.npz") as arrays, safe_open(paths[1], "numpy") as stored:
        assert set(stored.keys()) | set(stored.metadata()) == set(arrays)
        for name in arrays:
            text = name in stored.metadata()
            found = json.loads(stored.metadata()[name]) if text else stored.get_tensor(name)
            np.testing.assert_array_equal(found, arrays[name])


def test_a_film_and_a_bare_dream(capsys) -> None:
    quick = ("--iterations", "1", "--octaves", "1", "--what", LAYER, "--size", "40", "48")
    paths, _ = run(capsys, "dream", *DIGITS, *quick, "--video", "d.gif", "--frames", "3")
    with Image.open(paths[0]) as film:
        assert sum(1 for _ in ImageSequence.Iterator(film)) == 3
    paths, _ = run(capsys, "dream", *DIGITS, *quick, "--bare")
    with Image.open(paths[0]) as picture:
        assert picture.size == (48, 40)


def test_the_frames_of_a_recording(capsys, recording) -> None:
    """With the shipped policy; any recording's frames are images."""
    policy = ("--model", "cube-reach")
    paths, said = run(capsys, "units", recording, *policy, "--rows", "2", "--out", "u.html")
    assert (paths, said) == (["u.html"], "")
    assert "classes by preferred action" in Path("u.html").read_text()
    embedding = ("--perplexity", "3", "--colour", "value", "--grid", "g.png")
    paths, _ = run(capsys, "embed", recording, *policy, *embedding)
    assert paths == ["embedding.png", "g.png"]
    paths += run(capsys, "attack", "--images", recording, "--count", "2", *policy)[0]
    check_pictures(paths)


def test_a_policy_attacked_in_every_frame(capsys) -> None:
    paths, _ = run(
        capsys,
        *("attack", "--model", "cube-reach", "--episodes", "1", "--steps", "1"),
        *("--data", "a.npz"),
    )
    assert paths[0].startswith("cube-reach as it is: 1 episodes")
    assert paths[2:] == ["attack.png", "a.npz"]
    check_pictures(paths[2:3])
    with np.load("a.npz") as kept:
        assert kept["success_rate"].shape == (2,)
        assert kept["action_shares"].shape == (2, 3)
        assert 0 < kept["frames_turned"] <= 1


@pytest.mark.parametrize(
    "command",
    [
        ("patches", "good", "--layer", LAYER, "--count", "3"),
        ("units", "good", "--layer", LAYER),
        ("embed", "good", "--method", "pca"),
        ("project", "--images", "good", "--layer", LAYER, "--count", "2"),
        ("synthesize", "3", "--steps", "2", "--images", "good"),
        ("synthesize", f"{LAYER}:1", "--steps", "2", "--images", "good"),
    ],
    ids=" ".join,
)
def test_unreadable_images_are_passed_over_and_named(capsys, command) -> None:
    paths, said = run(capsys, *command, *DIGITS)
    assert said == "rlvis: 1 of 11 images could not be read: bad.png"
    check_pictures(paths)


def test_pictures_that_cannot_be_attacked_leave_the_others(capsys) -> None:
    said = refused(capsys, "attack", "one.png", "good/odd/bad.png", *DIGITS, "--steps", "1")
    assert said.startswith("1 could not be attacked, the first: good/odd/bad.png is not a picture")
    check_pictures(["attack.png"])


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("patches", "empty"), "empty holds no pictures"),
        (("patches", "nowhere"), "no nowhere; give a folder of pictures"),
        (("patches", "w.safetensors"), "holds no array of images"),
        (("patches", "d.npz", "--count", "41"), "41 patches from different images asked for"),
        (("patches", "d.npz", "--resume"), "holds no unfinished work"),
        (("patches", "d.npz", "--layer", "features.relu9"), "did you mean 'features.relu"),
        (("patches", "d.npz", "--unit", "99"), "units 0 to 63, no 99"),
        (("patches", "d.npz", "--out", "x.txt"), "give a name that ends in .png"),
        (("patches", "d.npz", "--data", "x.txt"), "give a name that ends in .png"),
        (("dream", "one.png", "--data", "x.csv"), ".html, .npz, .safetensors"),
        (("units", "d.npz", "--by", "hue"), "no metadata 'hue'"),
        (("embed", "d.npz", "--perplexity", "30"), "perplexity of 30 does not fit 40 images"),
        (
            ("embed", "d.npz", "--method", "pca", "--colour", "hue"),
            "no metadata to colour by 'hue'",
        ),
        (("embed", "empty"), "empty holds no pictures"),
        (("embed", "d.npz", "--out", "x.txt"), "give a name that ends in .png"),
        (("filters", "--layer", LAYER), "no convolution 'features.relu2'"),
        (("filters", "--image", "none.png", "--layer", LAYER), "no file none.png"),
        (("filters", "--kernel", "blur"), "needs a picture"),
        (("filters", "--image", "one.png", "--kernel", "bluer"), "did you mean 'blur'"),
        (("filters", "--image", "one.png", "--kernel", "features.conv2:0"), "reads 16 channels"),
        (("synthesize", "ten", "--steps", "1"), "no target 'ten'"),
        (("synthesize", LAYER, "--steps", "1"), "is a layer; name a unit of it"),
        (("synthesize", f"{LAYER}:99", "--steps", "1"), "units 0 to 31, no 99"),
        (("synthesize",), "nothing to excite"),
        (("dream", "none.png"), "no file none.png"),
        (("dream", "--octaves", "0"), "octaves is 0"),
        (("dream", "--what", "nothing"), "no target 'nothing'"),
        (("project",), "name either a picture or a set of images"),
        (("project", "one.png", "--unit", "64"), "units 0 to 63, no 64"),
        (("project", "--images", "d.npz", "--unit", "64"), "units 0 to 63, no 64"),
        (("attack", "one.png", "--target", "ten"), "no target 'ten'"),
        (("attack", "one.png", "--eps", "0"), "eps is 0"),
        (("attack",), "no picture given"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_input_is_one_line(capsys, command, message) -> None:
    assert message in refused(capsys, *command, *DIGITS)
    assert list(Path().glob("*.png")) == [Path("one.png")]


def test_nan_in_a_later_objective_keeps_what_was_made(capsys) -> None:
    weights = DigitNetwork().state_dict()
    weights["classes.weight"][7] = 3e38  # too much for float32 as soon as it is added up
    save_file(weights, "w.safetensors")
    said = refused(capsys, "synthesize", f"{LAYER}:1", "7", *DIGITS, "--steps", "2")
    assert "7 is NaN or infinite at step 1" in said
    check_pictures(["synthesis.png"])


@contextmanager
def interrupting() -> Iterator[OnProgress]:
    """A progress bar that is answered with Ctrl-C, half-way through the work proper."""
    with stoppable_progress() as on_progress:

        def interrupt(progress: Progress) -> None:
            if (progress.unit, progress.done) in {
                ("images", 16),
                ("images", 64),
                ("iterations", 300),
            }:
                os.kill(os.getpid(), signal.SIGINT)
            on_progress(progress)

        yield interrupt


@pytest.mark.parametrize(
    ("command", "unfinished"),
    [
        (("patches", "d.npz", "--layer", LAYER, "--batch-size", "8"), "patches.unfinished.npz"),
        (("units", "d.npz", "--layer", LAYER, "--batch-size", "8"), "units.unfinished.npz"),
        (("embed", "d.npz", "--perplexity", "5"), "embedding.unfinished.npz"),
        (("embed", "many.npz", "--perplexity", "5"), "embedding.codes.npz"),
    ],
)
def test_stopped_work_goes_on_with_resume(capsys, monkeypatch, command, unfinished) -> None:
    with np.load("d.npz") as few:
        np.savez("many.npz", images=np.tile(few["images"], (4, 1, 1)))
    run(capsys, *command, *DIGITS, "--data", "whole.npz", "--out", "whole.png")
    monkeypatch.setattr(f"rlvis.cli.features.{command[0]}.stoppable_progress", interrupting)
    with pytest.raises(SystemExit) as caught:
        main(["features", *command, *DIGITS])
    assert caught.value.code == 130
    said = capsys.readouterr().err
    assert f"{unfinished} keeps the work, --resume" in said
    monkeypatch.setattr(f"rlvis.cli.features.{command[0]}.stoppable_progress", stoppable_progress)
    paths, _ = run(capsys, *command, *DIGITS, "--resume", "--data", "part.npz")
    check_pictures(paths[:1])
    assert not list(Path().glob("*unfinished*")) + list(Path().glob("*codes*"))
    with np.load("whole.npz") as whole, np.load("part.npz") as part:
        for key in set(whole) - ({"points"} if "iteration" in said else set()):
            np.testing.assert_array_equal(whole[key], part[key])
