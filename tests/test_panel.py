"""Panels: what the colours stand for is chosen, and drawn so."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from rlvis import InputError, explain
from rlvis.display.panel import check_size, panel
from rlvis.targets import every, top


@pytest.fixture
def why(policy):
    pictures = torch.randint(0, 256, (1, 3, 24, 32), dtype=torch.uint8)
    return explain(policy, pictures, "saliency")


def colourful(picture: Image.Image) -> float:
    """How far the heatmaps' part of a panel is from grey."""
    pixels = np.asarray(picture).astype(int)[110:200, 370:]
    return float((pixels.max(axis=2) - pixels.min(axis=2)).mean())


def test_a_larger_fixed_scale_draws_the_same_map_weaker(why) -> None:
    most = float(why.maps.max())
    strengths = [colourful(why.panel(scale)) for scale in (most, 3 * most, 30 * most)]
    assert strengths[0] > strengths[1] > strengths[2]
    assert strengths[2] < 0.5 * strengths[0]


def test_each_map_on_its_own_scale_is_as_strong_as_the_strongest(why) -> None:
    why.maps[:, 1:] *= 0.01
    assert colourful(why.panel("cell")) > 1.3 * colourful(why.panel("row"))


def test_nothing_is_drawn_where_there_is_nothing(why) -> None:
    why.maps[:] = 0
    assert colourful(why.panel()) < 3


def test_several_images_and_methods_fit_on_one_panel(policy) -> None:
    pictures = torch.randint(0, 256, (2, 3, 24, 32), dtype=torch.uint8)
    explained = explain(policy, pictures, ["cam", "occlusion"], ["left", "right"])
    one = explain(policy, pictures[:1], ["cam"], ["left", "right"])
    assert panel(list(explained.values())).size[1] > panel(list(one.values())).size[1] * 2


def test_notebooks_show_it(why) -> None:
    assert why._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("count", [2, 6, 7, 9, 25, 40, 121, 1000])
def test_many_targets_wrap_and_stay_in_the_picture(why, count) -> None:
    many = replace(
        why,
        maps=np.repeat(why.maps[:, :1], count, axis=1),
        scores=np.zeros((1, count), np.float32),
        units=(),
        score_units=(),
        adds_up=(),
        targets=[[f"target {index}" for index in range(count)]],
    )
    width, height = many.panel().size
    assert width < 2400 or width < 1.5 * height
    assert height < 1000 or height < 1.5 * width
    pixels = np.asarray(many.panel()).astype(int)[58:, 357:]
    assert ((pixels.max(axis=2) - pixels.min(axis=2)) > 3).mean() > 0.2
    assert width * height < 40_000_000


def test_a_line_more_makes_the_panel_higher_not_wider(policy) -> None:
    pictures = torch.randint(0, 256, (1, 3, 24, 32), dtype=torch.uint8)
    sizes = [
        explain(policy, pictures, "cam", ["left"] * count).panel().size for count in (8, 16, 24)
    ]
    assert len({width for width, _ in sizes}) == 1
    assert sizes[0][1] < sizes[1][1] < sizes[2][1]


def test_a_picture_beyond_all_measure_is_refused() -> None:
    check_size(1000, 5)
    with pytest.raises(InputError, match="take fewer"):
        check_size(1000, 12)
    with pytest.raises(InputError, match="take fewer"):
        check_size(1000, 1, images=20)


def test_every_score_by_label_where_few_else_by_rank(policy, inputs) -> None:
    explained = explain(policy, inputs[:1], "saliency", every(policy.labels))
    assert explained.targets == [["left", "forward", "right"]]
    names = [f"label {index}" for index in range(11)]
    assert [each.name for each in every(names)] == [each.name for each in top(11)]
