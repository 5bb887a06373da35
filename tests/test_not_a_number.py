"""Maps that hold NaN or infinity: reported, drawn as nothing, and never as evidence."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rlvis import ImageModel, InputError, Preprocess, explain, features
from rlvis.attribution.explanation import Explanations
from rlvis.attribution.panel_parts import full_strengths, legend_of
from rlvis.display.legend import Legend
from rlvis.display.overlays import grey, level, limit
from rlvis.display.tiles import greys, largest
from rlvis.evaluation.maps import MapAudit
from rlvis.inspector.wire import quantised
from rlvis.rollouts.film.shown_maps import ShownMaps
from tests.test_results import FOUR, model

NAN = float("nan")


def spoilt(*wrong: float) -> Any:
    """An explanation whose first maps hold other things than numbers."""
    why = explain(model(), FOUR, "cam", ["a", "b & c"])
    maps = why.maps.copy()
    for image, value in enumerate(wrong):
        maps[image, 0, 1, 2] = value
    return replace(why, maps=maps)


@pytest.mark.parametrize("value", [NAN, np.inf, -np.inf])
def test_what_is_not_finite_is_drawn_as_nothing(value) -> None:
    why = spoilt(value)
    assert why.notes[0][0] == ["not a number"]
    assert "not a number" not in str(why.notes[0][1]) + str(why.notes[1:])
    ground = np.repeat(grey(FOUR[0])[..., None], 3, axis=2)
    np.testing.assert_allclose(why.overlay()[0, 0].astype(int), ground, atol=4)
    whole = explain(model(), FOUR, "cam", ["a", "b & c"])
    np.testing.assert_array_equal(why.overlay()[1:], whole.overlay()[1:])
    assert np.isfinite(full_strengths(why, 0, "row")).all()
    html = Explanations({"cam": why}).html()
    assert "not a number" in html
    words = legend_of(why, 0, full_strengths(why, 0, "row"), "row").words
    assert not re.search(r"\bnan\b", re.sub('src="[^"]*"', "", html) + str(words))
    assert why.panel().size == whole.panel().size or why.panel().size[1] > whole.panel().size[1]
    assert why.table()["note"][0] == "not a number"


def test_where_all_maps_are_not_numbers_nothing_is_coloured() -> None:
    why = spoilt(NAN)
    why = replace(why, maps=np.full_like(why.maps, NAN))
    words = " ".join(legend_of(why, 0, full_strengths(why, 0, "row"), "row").words[0])
    assert words.endswith("nothing is coloured: see each map")
    assert np.abs(why.overlay().astype(int) - why.overlay(opacity=0)).max() <= 4


def test_a_legend_without_a_scale_keeps_what_is_known_of_the_method() -> None:
    legend = Legend("m", (), True, False, False, (("logit", 0.0),), "the row", "take care")
    assert " ".join([*legend.words[0], *legend.words[1]]).endswith("see each map; take care")
    mixed = replace(legend, scales=(("logit", 0.0), ("value", 2.0)))
    assert " ".join([*mixed.words[0], *mixed.words[1]]).split()[:5] == [
        "-2",
        "against",
        "for",
        "2",
        "value",
    ]


@pytest.mark.parametrize("signed", [True, False])
def test_levels_and_limits_pass_over_what_is_not_finite(signed) -> None:
    heat = np.array([[1.0, NAN, -1.0, np.inf, 0.5]], np.float32)
    nothing = 128 if signed else 0
    assert limit(heat, 1.0) == 1.0
    assert level(heat, 1.0, signed)[0, 1] == nothing
    assert (level(heat, NAN, signed) == nothing).all()
    assert limit(np.full((2, 2), NAN)) == 0.0
    assert largest(heat) == 1.0
    assert largest(np.full((2, 2), NAN)) == 0.0
    assert greys(heat, 1.0, signed)[0, 1] == (128 if signed else 0)
    levels, scale = quantised(heat[None])
    assert levels[0, 0].tolist()[:3] == [127, 0, -127]
    assert scale.tolist() == [1.0]


@pytest.mark.parametrize("scale", ["episode", "frame"])
def test_what_is_full_strength_in_a_film_is_a_number(scale) -> None:
    maps = np.random.default_rng(0).random((40, 2, 4, 5)).astype(np.float32)
    maps[3, 0, 1, 1], maps[7] = np.inf, NAN
    shown = ShownMaps([maps], [0, 1], [[0]], [["logit", "logit"]], scale)
    for step in range(40):
        limits = shown.limits(0, step)
        assert np.isfinite(limits).all()
        assert limits.max() <= 1
    assert shown.limits(0, 0).min() > 0.9


class Rooted(nn.Module):
    """A network whose gradient is infinite where nothing is seen."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        rooted = x.sum(dim=(1, 2, 3)).sqrt() * 0
        return self.head(self.layer(x).mean(dim=(-2, -1))) + rooted[:, None]


def test_a_gradient_that_is_none_is_told_of() -> None:
    torch.manual_seed(0)
    found = explain(
        ImageModel(Rooted(), ["a", "b"], Preprocess((8, 8))), np.zeros((8, 8, 3), np.uint8),
        "saliency", ["a", "b"],
    )  # fmt: skip
    assert found.notes == [[["not a number"], ["not a number"]]]


class Logarithm(nn.Module):
    """One without a value for the second colour."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([x[:, 0], (-1 - x[:, 1]).log(), x[:, 2]], dim=1)


class Mended(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.nan_to_num()


def test_activations_that_are_not_numbers_are_told_of() -> None:
    network = nn.Sequential(Logarithm(), Mended(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    broken = ImageModel(network, ["a", "b", "c"], Preprocess((8, 8)))
    page = features.activation_maps(broken, FOUR[0], "0").page()
    (row,) = page.rows[0].beside
    assert [list(tile.shows.notes) for tile in row.tiles] == [[], ["not a number"], []]
    assert "nan" not in " ".join(page.lines)


def test_an_audit_refuses_maps_that_are_not_numbers(monkeypatch) -> None:
    """With the reason, in place of ranks of NaN."""
    wrong = [np.ones((3, 4, 5), np.float32)]
    wrong[0][1, 2, 3] = NAN
    monkeypatch.setattr("rlvis.evaluation.maps.maps_by", lambda *_: wrong)
    audit = MapAudit.__new__(MapAudit)
    audit._pictures = type("P", (), {"model": None, "context": {}})()
    audit._parts = type("Q", (), {"images": None})()
    monkeypatch.setattr(audit, "_remembered", None, raising=False)
    target = type("T", (), {"name": "left"})()
    with pytest.raises(InputError, match="maps of left that hold NaN or infinity in 1 of 3 images"):
        audit._maps("saliency", [target])
