"""Every tool's result, one set of tests for all: pages, files, rows, what notebooks show."""

import csv
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from html.parser import HTMLParser
from typing import Any

import gymnasium
import matplotlib
import numpy as np
import pandas
import pytest
import torch
from PIL import Image
from torch import nn

from rlvis import (
    EpisodeTable,
    ImageModel,
    InputError,
    Policy,
    Preprocess,
    Recording,
    compare,
    explain,
    features,
    find_moments,
    policy_field,
    record,
    what_if,
)
from rlvis.attribution.explanation import Explanations
from rlvis.display.colormaps import COLORMAPS, _colours, colour_table
from rlvis.display.overlays import grey
from rlvis.features.adversarial.attacked_policy import AttackedPolicy, AttackEvaluation
from rlvis.features.adversarial.result import together as attacks
from rlvis.features.synthesis.visualization import together as syntheses
from rlvis.results import by_name
from rlvis.rollouts.field import PolicyField
from rlvis_agents import load_policy
from tests.conftest import seeking_policy

LABELS = ("a", "b & c", "<i>")
RNG = np.random.default_rng(0)
IMAGES = features.ArrayImages(
    RNG.integers(0, 256, (24, 16, 20, 3), np.uint8), np.arange(24) % 3, LABELS, name="some"
)
ONE, FOUR = IMAGES.picture(0), np.stack([IMAGES.picture(number) for number in range(4)])


@lru_cache
def model() -> ImageModel:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    )
    return ImageModel(network, LABELS, Preprocess((16, 20)), name="<net>")


@lru_cache
def explained() -> Explanations:
    return Explanations(explain(model(), FOUR, ["cam", "occlusion"], ["a", "b & c"]))


@lru_cache
def patches() -> Any:
    return features.patches(model(), IMAGES, ["1", "3"], 3)


@lru_cache
def codes() -> Any:
    return features.codes(model(), IMAGES)


def synthesis(objective: str) -> Any:
    return features.synthesize(model(), objective, count=2, steps=2)


def evaluation() -> AttackEvaluation:
    policy = Policy(model().module, LABELS, observation_shape=(16, 20, 3))
    attacked = AttackedPolicy(policy, 0.9, steps=9)
    attacked.scores(FOUR)
    ways = ("as it is", "attacked")
    shares = {way: {"success": 0.5, "a": 0.25, "b & c": 0.75} for way in ways}
    measures = {way: {"success_rate": 0.5, "mean_return": None} for way in ways}
    return AttackEvaluation(attacked, shares, measures, ["a line"])


@lru_cache
def recording() -> Recording:
    policy = seeking_policy(shift=4)
    return record(policy, "tests.worlds:Corridor-v0", episodes=4, methods="none", seed=1)


def field() -> PolicyField:
    world = gymnasium.make("rlvis_envs:CubeReach-v0")
    world.reset(seed=1)
    return policy_field(load_policy("cube-reach"), world, places=4, headings=3)


RESULTS: dict[str, Callable[[], Any]] = {
    "explanation": lambda: explained()["cam"],
    "explanations": explained,
    "filters": lambda: features.filters(model()),
    "filters by channel": lambda: features.filters(model(), "2"),
    "maps": lambda: features.activation_maps(model(), ONE, "3"),
    "kernel": lambda: features.apply_kernel(ONE, "edge"),
    "patches": patches,
    "units": lambda: features.units(model(), IMAGES, ["1", "3"], 3),
    "codes": codes,
    "embedding": lambda: features.embed(codes(), "pca"),
    "projections": lambda: features.project(model(), ONE, "3", [0, 2]),
    "layers": lambda: features.project_layers(model(), ONE, ["1", "3"]),
    "projected patches": lambda: features.project_patches(model(), patches(), [1]),
    "synthesis": lambda: synthesis("a"),
    "syntheses": lambda: syntheses([synthesis(each) for each in ("a", "3:1", "a")]),
    "dream": lambda: features.dream(model(), "3", ONE, settings=features.DreamSettings(2, 1.4, 2)),
    "attack": lambda: features.attack(model(), FOUR[:2], steps=2),
    "attacks": lambda: attacks([features.attack(model(), each, steps=2) for each in FOUR]),
    "evaluation": evaluation,
    "episodes": lambda: EpisodeTable.of(recording()),
    "moments": lambda: find_moments(recording(), 3),
    "what if": lambda: what_if(recording(), seeking_policy(shift=4), 1, 1, futures=2),
    "comparison": lambda: compare(
        recording(), seeking_policy(0.3, 6), policy=seeking_policy(shift=4)
    ),
    "field": field,
}
WITHOUT_ROWS = {"kernel", "dream"}


@pytest.fixture(scope="module", params=RESULTS)
def named_result(request: pytest.FixtureRequest) -> tuple[str, Any]:
    return request.param, RESULTS[request.param]()


@pytest.fixture(scope="module")
def result(named_result) -> Any:
    return named_result[1]


class Checker(HTMLParser):
    """Whether tags are closed in order, pictures have words, and nothing is fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.pictures, self.text = list[str](), 0, ""

    def handle_starttag(self, tag: str, attributes: list) -> None:
        given = dict(attributes)
        assert "http" not in str(given)
        if tag == "img":
            assert given["src"].startswith("data:image/")
            assert given["alt"]
            self.pictures += 1
        elif tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_stands_alone_and_says_what_the_picture_says(result) -> None:
    html = result.html()
    page = Checker()
    page.feed(html)
    page.close()
    assert page.open == []
    assert page.pictures > 0
    assert html.startswith("<!doctype html>")
    assert 'name="viewport"' in html
    assert "<i>" not in html
    assert "<net>" not in html


def test_every_file_kind(named_result, tmp_path) -> None:
    name, result = named_result
    picture = result.picture()
    assert np.asarray(picture.convert("L")).std() > 5
    with Image.open(result.save(tmp_path / "x.png")) as read:
        np.testing.assert_array_equal(np.asarray(read), np.asarray(picture))
    for ending, start in {"jpg": b"\xff\xd8", "webp": b"RIFF", "pdf": b"%PDF"}.items():
        assert result.save(tmp_path / f"x.{ending}").read_bytes().startswith(start)
    assert result.save(tmp_path / "x.html").read_text() == result.html()
    arrays = result.arrays()
    assert arrays
    with np.load(result.save(tmp_path / "x.npz")) as kept:
        assert set(kept) == set(arrays)
        for each in arrays:
            np.testing.assert_array_equal(kept[each], arrays[each])
    assert result.save_data(tmp_path / "x.safetensors").stat().st_size > 100
    fitting = ".html, .npz, .safetensors" + ("" if name in WITHOUT_ROWS else ", .csv, .json")
    with pytest.raises(InputError, match=f"{fitting}$"):
        result.save(tmp_path / "x.txt")
    with pytest.raises(InputError, match=f"{fitting}$"):
        result.check_savable(tmp_path / "x.txt")


def test_rows(named_result, tmp_path) -> None:
    name, result = named_result
    if name in WITHOUT_ROWS:
        with pytest.raises(InputError, match=r"has no rows; use arrays\(\)"):
            result.to_dataframe()
        with pytest.raises(InputError, match=r"give a name that ends in \.png"):
            result.save(tmp_path / "x.csv")
        return
    table = result.table()
    (length,) = {len(column) for column in table.values()}
    assert length > 0
    frame = result.to_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == list(table)
    with result.save(tmp_path / "x.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == list(table)
    cells = [["" if cell is None else str(cell) for cell in column] for column in table.values()]
    assert rows[1:] == [list(row) for row in zip(*cells, strict=True)]


def test_notebooks_and_prompts(result) -> None:
    assert result._repr_png_().startswith(b"\x89PNG")
    html = result._repr_html_()
    assert "<html" not in html
    assert "body {" not in html
    assert '<div class="rlvis">' in html
    assert len(repr(result)) < 160
    assert repr(result).startswith(f"<{type(result).__name__}: ")


def test_results_of_one_name_are_numbered() -> None:
    made = syntheses([synthesis(each) for each in ("a", "3:1", "a")])
    assert list(made) == ["a", "3:1", "a (2)"]
    assert set(made.arrays()) == {f"{name}/{key}" for name in made for key in ("images", "values")}
    assert made.table()["objective"] == ["a", "a", "3:1", "3:1", "a", "a"]
    assert set(syntheses([made["a"]]).arrays()) == {"images", "values"}
    assert list(by_name([made["a"]] * 3, ["x", "x (2)", "x"])) == ["x", "x (2)", "x (3)"]


def test_an_explanation_of_some_images() -> None:
    why = explained()["cam"]
    assert len(why) == 4
    for index, one in enumerate(why):
        np.testing.assert_array_equal(one.maps, why.maps[index : index + 1])
        assert one.targets == [why.targets[index]]
    np.testing.assert_array_equal(why[-1].scores, why.scores[3:])
    np.testing.assert_array_equal(why[1:3].heatmaps, why.heatmaps[1:3])
    with pytest.raises(IndexError):
        why[4]
    assert "4 images, 2 targets (a, b & c)" in repr(why)
    table = why.table()
    np.testing.assert_array_equal(table["score"], why.scores.ravel())
    np.testing.assert_allclose(
        np.reshape(table["probability"], (4, 2)), why.probabilities[:, :2], rtol=1e-6
    )


@pytest.mark.parametrize("colormap", [None, *COLORMAPS])
def test_overlays_are_grey_where_nothing_is(colormap) -> None:
    signed, unsigned = explained()["cam"], explain(model(), FOUR, "grad-cam", ["a", "b & c"])
    for why in (signed, unsigned):
        drawn = why.overlay(colormap=colormap)
        assert drawn.shape == (4, 2, 16, 20, 3)
        bare = why.overlay(colormap=colormap, opacity=0)
        np.testing.assert_array_equal(bare[0, 0], grey(FOUR[0])[..., None].repeat(3, axis=2))
        assert (drawn != bare).any()
        weak = why.overlay(colormap=colormap, scale=1e9)
        assert np.abs(weak.astype(int) - bare).max() <= 4
        assert why.to_pil(colormap=colormap)[3][1].size == (20, 16)


def test_overlays_of_signed_maps_part_their_colours() -> None:
    maps = np.full((4, 2, 16, 20), 1.0, np.float32)
    why = replace(explained()["cam"], maps=maps, places=())
    why.maps[..., 10:] = -1
    drawn = why.overlay(colormap="red-blue", opacity=1).astype(int)
    assert (drawn[..., :10, 0] > drawn[..., :10, 2]).all()
    assert (drawn[..., 10:, 2] > drawn[..., 10:, 0]).all()


@pytest.mark.parametrize("name", ["turbo", "viridis", "magma"])
def test_colour_maps_are_matplotlibs(name) -> None:
    seen = colour_table(name, True, 1.0).view(np.uint8).reshape(256, 256, 4)
    expected = matplotlib.colormaps[name](np.arange(256))[:, :3] * 255
    for level in (0, 255):
        np.testing.assert_allclose(seen[level, 0, :3], expected[level], atol=2)
    opaque = _colours(name, np.linspace(0, 1, 256))
    np.testing.assert_allclose(opaque, expected, atol=7)


def test_wrong_overlays_are_one_line() -> None:
    why = explained()["cam"]
    for wrong, message in (
        ({"colormap": "turb"}, "did you mean 'turbo'"),
        ({"opacity": 1.5}, "opacity is 1.5; give a number from 0 to 1"),
        ({"scale": "all"}, "no scale 'all'"),
    ):
        with pytest.raises(InputError, match=message):
            why.overlay(**wrong)


@pytest.mark.parametrize(
    ("owner", "former", "new"),
    [
        (lambda: RESULTS["attack"](), "size", "eps"),
        (lambda: IMAGES, "facts", "metadata"),
        (lambda: RESULTS["units"]().layer("3"), "answers", "peak_activations"),
        (lambda: RESULTS["units"]().layer("3"), "areas", "roc_auc"),
        (lambda: RESULTS["units"]().layer("3"), "information", "mutual_information"),
    ],
)
def test_attributes_keep_their_former_names(owner, former, new) -> None:
    owned = owner()
    with pytest.warns(DeprecationWarning, match=f"{former} is now {new}"):
        assert getattr(owned, former) is getattr(owned, new)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: explained()["cam"][4:].page(), "an explanation of no images"),
        (lambda: explained()["cam"][4:]._repr_html_(), "an explanation of no images"),
        (lambda: Explanations().page(), "no explanations"),
        (lambda: Explanations().table(), "no rows"),
        (lambda: explain(model(), []), "no images given"),
        (lambda: features.patches(model(), IMAGES, []), "no layer named"),
        (lambda: features.units(model(), IMAGES, []), "no layer named"),
        (lambda: features.project(model(), ONE, "3", []), "no unit given"),
        (
            lambda: features.apply_kernel(ONE, np.zeros((2, 3, 3))),
            r"no kernel of shape \(2, 3, 3\)",
        ),
        (lambda: features.apply_kernel(ONE, np.full((3, 3), np.nan)), "give finite numbers"),
    ],
)
def test_nothing_to_show_is_said(ask, message) -> None:
    with pytest.raises(InputError, match=message):
        ask()


@pytest.mark.parametrize("shape", [(1, 300), (300, 1)])
def test_thin_pictures_have_pages(shape) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1))
    free = ImageModel(nn.Sequential(network, nn.AdaptiveAvgPool2d(1), nn.Flatten()), ["a", "b"])
    picture = RNG.integers(0, 256, (*shape, 3), np.uint8)
    for found in (
        explain(free, picture, "saliency"),
        features.activation_maps(free, picture, "0.0"),
        features.project(free, picture, "0.0", [0]),
        features.apply_kernel(picture, "edge"),
    ):
        assert max(found.picture().size) < 2000
        assert found.html()
