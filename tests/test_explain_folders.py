"""`rlvis explain` of many pictures: folders, patterns, tables, overlays, an index page."""

import csv
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from rlvis import explain, load_model
from rlvis.array_spool import ArraySpool
from rlvis.attribution.predictions import Prediction, Predictions
from rlvis.cli import main
from rlvis.images.paths import find_pictures
from tests.complaints import complaint
from tests.test_cli import refused

MODEL = ["--model", "cube-reach"]
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def rooms(tmp_path, monkeypatch) -> Path:
    """A folder of pictures in folders, two named as labels; all are of one colour or another."""
    monkeypatch.chdir(tmp_path)
    for folder, count in {"left": 2, "right": 1, "other": 1, "right/deeper": 1}.items():
        for number in range(count):
            path = tmp_path / "rooms" / folder / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(RNG.integers(0, 255, (60, 80 + number, 3), np.uint8)).save(path)
    (tmp_path / "rooms" / "notes.txt").write_text("no picture")
    return tmp_path / "rooms"


def rows(path: str) -> list[dict[str, str]]:
    with Path(path).open() as file:
        return list(csv.DictReader(file))


def test_folders_patterns_and_files_are_found_once_each_in_order(rooms) -> None:
    found = find_pictures(["rooms", "rooms/left/0.png", "missing.png"])
    assert [str(each.path) for each in found] == [
        "rooms/left/0.png",
        "rooms/left/1.png",
        "rooms/other/0.png",
        "rooms/right/0.png",
        "rooms/right/deeper/0.png",
        "missing.png",
    ]
    assert [each.folder for each in found[:5]] == ["left", "left", "other", "right", "right"]
    assert [str(each.path) for each in find_pictures(["rooms/*/0.png"])] == [
        "rooms/left/0.png",
        "rooms/other/0.png",
        "rooms/right/0.png",
    ]
    Path("a[1].png").write_bytes(Path("rooms/left/0.png").read_bytes())
    assert [each.path.name for each in find_pictures(["a[1].png"])] == ["a[1].png"]
    Path("empty").mkdir()
    assert "empty holds no pictures" in complaint(lambda: find_pictures(["empty"]))
    assert "nothing matches *.jpg" in complaint(lambda: find_pictures(["*.jpg"]))


def test_a_folder_is_explained_into_a_folder_of_its_form(capsys) -> None:
    main(["explain", "rooms", *MODEL, "-m", "cam", "--batch-size", "2"])
    said = capsys.readouterr()
    assert sorted(str(each) for each in Path("explained").rglob("*.png")) == [
        "explained/left/0-explained.png",
        "explained/left/1-explained.png",
        "explained/other/0-explained.png",
        "explained/right/0-explained.png",
        "explained/right/deeper/0-explained.png",
    ]
    assert "1 folders are no labels (other…)" in said.err
    assert re.search(r"^\d of 4 pictures correct", said.out, re.M)


def test_the_table_has_mistakes_first(capsys) -> None:
    main(["explain", "rooms", *MODEL, "--no-panels", "--table", "t.csv"])
    assert not Path("explained").exists()
    found = rows("t.csv")
    assert len(found) == 5
    order = {"false": 0, "true": 1, "": 2}
    assert [order[row["correct"]] for row in found] == sorted(
        order[row["correct"]] for row in found
    )
    model = load_model("cube-reach")
    for row in found:
        expected = model.scores(row["path"])
        assert row["predicted"] == model.labels[int(expected.logits.argmax())]
        assert float(row["probability"]) == pytest.approx(float(expected.probabilities.max()))
        if row["label"]:
            assert row["correct"] == str(row["label"] == row["predicted"]).lower()
            index = model.labels.index(row["label"])
            share = float(expected.probabilities[0, index])
            assert float(row["label_probability"]) == pytest.approx(share, rel=1e-3)


def prediction(name: str, probability: float, correct: bool | None) -> Prediction:
    label = None if correct is None else "cat" if correct else "dog"
    return Prediction(name, "cat", probability, label, correct=correct)


def test_the_worst_mistakes_are_at_the_top_and_sure_answers_at_the_end() -> None:
    given = [
        prediction("sure", 0.9, True),
        prediction("unknown", 0.5, None),
        prediction("slightly wrong", 0.4, False),
        prediction("unsure", 0.3, True),
        prediction("very wrong", 0.8, False),
        prediction("no number", float("nan"), None),
    ]
    found = Predictions("m", given)
    assert [row.path for row in found.rows] == [
        *("very wrong", "slightly wrong", "unsure", "sure", "unknown", "no number")
    ]
    assert found.accuracy == "2 of 4 pictures correct (50%)"
    assert Predictions("m", []).accuracy == ""


def test_overlays_are_bare_and_have_the_pictures_size(capsys) -> None:
    main(["explain", "rooms/left/1.png", *MODEL, "--overlay", "-m", "cam", "--out", "bare.png"])
    picture, drawn = Image.open("rooms/left/1.png"), np.asarray(Image.open("bare.png"))
    assert drawn.shape == (60, 81, 3)
    expected = explain(load_model("cube-reach"), picture, "cam", "highest").overlay()[0, 0]
    np.testing.assert_array_equal(drawn, expected)
    options = ["--overlay", "--colormap", "turbo", "--opacity", "0.9", "-t", "left", "-t", "value"]
    main(["explain", "rooms/left/1.png", *MODEL, *options, "-m", "cam", "-m", "saliency"])
    assert sorted(each.name for each in Path().glob("1-*.png")) == [
        "1-explained-cam-left.png",
        "1-explained-cam-value.png",
        "1-explained-saliency-left.png",
        "1-explained-saliency-value.png",
    ]


@pytest.mark.parametrize("name", ["d.npz", "d.safetensors"])
def test_the_data_are_those_of_explain(name, capsys) -> None:
    main(["explain", "rooms/right", *MODEL, "--no-panels", "--data", name, "-t", "left"])
    data = dict(np.load(name)) if name.endswith("npz") else load_file(name)
    paths = ["rooms/right/0.png", "rooms/right/deeper/0.png"]
    expected = explain(load_model("cube-reach"), paths, "grad-cam", "left")
    np.testing.assert_allclose(data["maps"], expected.maps, atol=1e-5)
    np.testing.assert_allclose(data["scores"], expected.scores, rtol=1e-5)
    if name.endswith("npz"):
        assert data["pictures"].tolist() == paths
        assert data["labels"].tolist() == ["left", "forward", "right"]


def test_the_index_leads_to_every_panel(capsys) -> None:
    main(["explain", "rooms", *MODEL, "-m", "cam", "--out", "p q", "--index", "pages/index.html"])
    page = Path("pages/index.html").read_text()
    links = re.findall(r'<a href="([^"]+)"', page)
    assert len(links) == 5
    assert "../p%20q/left/0-explained.png" in links
    assert page.count("data:image/jpeg") + page.count("data:image/png") == 5
    assert 'src="http' not in page


def test_one_bad_picture_does_not_end_the_others(rooms, capsys) -> None:
    (rooms / "left" / "0.png").write_bytes(b"no picture")
    arguments = ["rooms", *MODEL, "--no-panels", "--table", "t.csv"]
    with pytest.raises(SystemExit) as caught:
        main(["explain", *arguments])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert "rooms/left/0.png is not a picture" in said
    assert "1 of 5 pictures could not be explained" in said
    assert {row["path"] for row in rows("t.csv")} == {
        *("rooms/left/1.png", "rooms/other/0.png", "rooms/right/0.png", "rooms/right/deeper/0.png")
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--colormap", "turbo"], "--colormap does nothing without --overlay"),
        (["--opacity", "0"], "--opacity does nothing without --overlay"),
        (["--overlay", "--colormap", "turbu"], "did you mean 'turbo'"),
        (["--overlay", "--opacity", "2"], "opacity"),
        (["--overlay", "--out", "x.html"], "ends in .png"),
        (["--no-panels"], "nothing is left"),
        (["--no-panels", "--table", "t.csv", "--out", "x.png"], "--out does nothing"),
        (["--table", "t.png"], "ends in .csv"),
        (["--data", "d.csv"], "ends in .npz"),
        (["--index", "i.npz"], "ends in .png"),
        (["--batch-size", "0"], "batch_size is 0"),
    ],
)
def test_wrong_outputs_are_refused_before_the_work(capsys, arguments, message) -> None:
    assert message in refused(capsys, "explain", "rooms/left/0.png", *MODEL, *arguments)


def test_arrays_grow_on_the_disk(tmp_path) -> None:
    whole = RNG.random((7, 2, 3), np.float32)
    with ArraySpool() as spool:
        for part in (whole[:3], whole[3:4], whole[4:]):
            spool.append(values=part, names=np.array([f"of {len(part)}"] * len(part)))
        saved = np.load(spool.save(tmp_path / "x.npz", more=np.arange(3)))
        assert "those before 2×3" in complaint(lambda: spool.append(values=whole[:1, :1]))
    np.testing.assert_array_equal(saved["values"], whole)
    assert saved["names"][[0, 3]].tolist() == ["of 3", "of 1"]
    assert saved["more"].tolist() == [0, 1, 2]


def test_a_picture_that_does_not_fit_the_data_is_told(rooms, capsys) -> None:
    shutil.rmtree(rooms / "right")
    own = rooms.parent / "own_model.py"
    own.write_text(
        "import rlvis, torch\n"
        "def make():\n"
        "    body = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.AdaptiveAvgPool2d(1),"
        " torch.nn.Flatten())\n"
        "    return rlvis.ImageModel(body, ['a', 'b'])\n"
    )
    with pytest.raises(SystemExit):
        main(
            ["explain", "rooms/left", "--model", "own_model:make", "--no-panels", "--data", "d.npz"]
        )
    said = capsys.readouterr().err
    assert "rooms/left/1.png: its maps are 1×58×79, those before 1×58×78" in said
    assert len(np.load("d.npz")["maps"]) == 1


def test_ctrl_c_keeps_what_is_done(tmp_path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (300, 60, 80, 3), np.uint8)
    (tmp_path / "many").mkdir()
    for number, each in enumerate(noise):
        Image.fromarray(each).save(tmp_path / "many" / f"{number:03}.png")
    options = ["many", "--model", "cube-reach", "--batch-size", "2", "--table", "table.csv"]
    running = subprocess.Popen(
        [sys.executable, "-m", "rlvis.cli", "explain", *options],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    first = tmp_path / "explained" / "000-explained.png"
    while not first.exists() and running.poll() is None:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert re.search(r"stopped after \d+ of 300 pictures", said)
    rows = (tmp_path / "table.csv").read_text().splitlines()
    assert 2 <= len(rows) < 301
