"""What is to be known of a method's maps of a network stands under them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import rlvis
import rlvis_envs  # noqa: F401
from rlvis import ImageModel, Preprocess, explain
from rlvis.attribution.caveats import UNEVEN
from rlvis.attribution.panel_parts import legend_of
from rlvis.attribution.pooled_head import evenly_read
from rlvis.attribution.registry import METHODS
from rlvis.display.legend import Legend, draw_legend
from rlvis.inspector.maps import map_facts
from rlvis.instrument.network_trace import trace_of
from rlvis.rollouts.film import feet
from rlvis.rollouts.film.writing import frames_of

ONE_WEIGHT = ["grad-cam", "grad-cam++", "xgrad-cam", "score-cam", "ablation-cam"]
READ_EVENLY = {
    "pooled": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)),
    "pooled, then bent": nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3)
    ),
    "a convolution, then pooled": nn.Sequential(
        nn.Conv2d(8, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ),
    "the greatest": nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(8, 3)),
}
READ_UNEVENLY = {
    "flattened": nn.Sequential(nn.Flatten(), nn.Linear(8 * 36, 3)),
    "pooled in parts": nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 3)),
}


def model_of(head: nn.Module) -> ImageModel:
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())
    return ImageModel(nn.Sequential(trunk, head).eval(), ["a", "b", "c"], Preprocess((12, 12)))


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("how", READ_UNEVENLY)
def test_one_weight_a_channel_is_reported_where_places_do_not_count_alike(image, how) -> None:
    model = model_of(READ_UNEVENLY[how])
    methods = [*ONE_WEIGHT, "hires-cam", "layer-cam", "eigen-cam", "saliency", "occlusion"]
    found = explain(model, image, methods, 0, layer="0")
    assert {name for name, why in found.items() if why.caveat == UNEVEN} == set(ONE_WEIGHT)
    assert all(why.caveat in ("", UNEVEN) for why in found.values())


@pytest.mark.parametrize("how", READ_EVENLY)
def test_nothing_is_reported_where_they_do(image, how) -> None:
    model = model_of(READ_EVENLY[how])
    found = explain(model, image, ONE_WEIGHT, 0, layer="0")
    assert all(why.caveat == "" for why in found.values())


class Written(nn.Module):
    """A convolution, and a head that is written in `forward`, where no module stands for it."""

    def __init__(self, pool, inputs: int = 8) -> None:
        super().__init__()
        self.conv, self.fc, self.pool = nn.Conv2d(3, 8, 3, 2, 1), nn.Linear(inputs, 3), pool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.pool(self.conv(x)))


WRITTEN = {
    "relu, mean": (lambda maps: maps.relu().mean((2, 3)), 8, ""),
    "gelu, mean": (lambda maps: nn.functional.gelu(maps).mean((2, 3)), 8, ""),
    "the greatest": (lambda maps: maps.amax((2, 3)), 8, ""),
    "log of a sum of exp": (lambda maps: maps.flatten(2).logsumexp(2), 8, ""),
    "attention": (
        lambda maps: torch.einsum("ncp,np->nc", maps.flatten(2), maps.flatten(2)[:, 0].softmax(1)),
        8,
        "",
    ),
    "flattened": (lambda maps: maps.relu().flatten(1), 8 * 36, UNEVEN),
    "the middle": (lambda maps: maps[:, :, 2:4, 2:4].mean((2, 3)), 8, UNEVEN),
    "rows": (lambda maps: maps.mean(3).flatten(1), 8 * 6, UNEVEN),
}


@pytest.mark.parametrize("how", WRITTEN)
def test_heads_that_are_no_modules_are_tried(image, how) -> None:
    pool, inputs, expected = WRITTEN[how]
    torch.manual_seed(0)
    model = ImageModel(Written(pool, inputs).eval(), ["a", "b", "c"], Preprocess((12, 12)))
    assert explain(model, image, "grad-cam", 0, layer="conv").caveat == expected


class Compared(nn.Module):
    """Shows its trunk the image, then a reference that is no image of anybody's."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())
        self.head = nn.Linear(8 * 36, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.trunk(x)
        return self.head((maps - self.trunk(torch.zeros_like(x))).flatten(1))


@pytest.mark.parametrize("beside", [(), ("saliency",)], ids=str)
def test_it_is_about_the_run_that_sees_the_image(image, beside) -> None:
    torch.manual_seed(0)
    model = ImageModel(Compared().eval(), ["a", "b", "c"], Preprocess((12, 12)))
    found = explain(model, image, ["grad-cam", "hires-cam", *beside], 0)
    assert [why.caveat for why in found.values()] == [UNEVEN, "", *("" for _ in beside)]


class Checkpointed(nn.Module):
    """A head that flattens, behind an activation checkpoint through which no gradient goes."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())
        self.head = nn.Linear(8 * 36, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(checkpoint(self.trunk, x, use_reentrant=True).flatten(1))


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_where_no_gradient_can_be_taken_nothing_is_claimed(image) -> None:
    model = ImageModel(Checkpointed().eval(), ["a", "b", "c"], Preprocess((12, 12)))
    assert evenly_read(model, image, {}, trace_of(model, image, {})) == {}


def test_methods_of_one_weight_are_those_known() -> None:
    assert [name for name, each in METHODS.items() if each.one_weight] == ONE_WEIGHT


def test_it_stands_under_the_map(image) -> None:
    why = explain(model_of(READ_UNEVENLY["flattened"]), image, "grad-cam", 0, layer="0")
    _, after = legend_of(why, 0, [1.0], "row").words
    assert UNEVEN in " ".join(after)


def test_a_recording_keeps_it_and_its_film_shows_it(tmp_path: Path, monkeypatch) -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 8, 4), nn.ReLU(), nn.Flatten(), nn.Linear(2128, 3))
    policy = rlvis.Policy(network.eval(), ["left", "forward", "right"], Preprocess())
    path = tmp_path / "run.zarr"
    rlvis.record(
        policy,
        "rlvis_envs:CubeReach-v0",
        episodes=1,
        max_steps=3,
        methods=["grad-cam", "hires-cam"],
        out=path,
    )
    recording = rlvis.Recording.open(path)
    methods, images = recording.header.methods, recording.observations(0)
    assert [each.caveat for each in methods] == [UNEVEN, ""]
    found = [recording.explanations(0).explanation(each, images, slice(None)) for each in methods]
    assert [each.caveat for each in found] == [UNEVEN, ""]
    assert [map_facts(each)["caveat"] for each in found] == [UNEVEN, ""]
    legends = []

    def drawn(legend: Legend, *room: Any) -> np.ndarray:
        legends.append(legend)
        return draw_legend(legend, *room)

    monkeypatch.setattr(feet, "draw_legend", drawn)
    frames_of(recording, 0).draw(0)
    assert {each.method: each.caveat for each in legends} == {"grad-cam": UNEVEN, "hires-cam": ""}
