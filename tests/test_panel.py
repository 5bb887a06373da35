"""Panels: what the colours stand for is chosen, and drawn so."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from rlvis import InputError, explain
from rlvis.attribution.panel_parts import picture_size, seen_notes
from rlvis.attribution.panel_picture import check_size, draw_panel
from rlvis.display.legend import Legend, draw_legend
from rlvis.display.page_picture import draw_page
from rlvis.display.shown import Shown
from rlvis.display.theme import LIGHT
from rlvis.display.tiles import Row, Tile
from rlvis.errors import Notice
from rlvis.images.depth import read_window
from rlvis.models.targets import every, top


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
    assert draw_panel(list(explained.values())).size[1] > draw_panel(list(one.values())).size[1] * 2


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


@pytest.mark.parametrize("width", [112, 160, 300])
def test_no_word_of_a_legend_is_cut_off(width) -> None:
    legend = Legend("cam", ("layer features",), True, True, True, (("logit", 0.427),), "the row")

    def ink(across: int) -> int:
        return int((draw_legend(legend, across, LIGHT)[..., 0] < 200).sum())

    assert draw_legend(legend, width, LIGHT).shape[1] == width
    assert ink(width) == ink(2000)
    words = " ".join(part for side in legend.words for part in side)
    assert "-0.427 against for 0.427 logit (99.5% quantile of the row)" in " ".join(words.split())
    assert "first of a difference" in words


def test_each_unit_has_a_scale_of_its_own(policy) -> None:
    pictures = torch.randint(0, 256, (1, 3, 24, 32), dtype=torch.uint8)
    found = explain(policy, pictures, "saliency", ["left", "left - right", "value"])
    assert found.score_units == ("logit", "logit", "value")

    def value_tile(factor: float) -> np.ndarray:
        maps = found.maps * np.array([1, 1, factor], np.float32)[None, :, None, None]
        return np.asarray(replace(found, maps=maps).panel())[110:300, 370 + 2 * 314 : 640 + 2 * 314]

    np.testing.assert_allclose(value_tile(0.05), value_tile(1), atol=3)


def test_maps_that_say_little_are_grey_and_say_so(policy) -> None:
    pictures = torch.randint(0, 256, (1, 3, 24, 32), dtype=torch.uint8)
    cam = explain(policy, pictures, "cam", "left")
    plain = colourful(replace(cam, maps=np.zeros_like(cam.maps)).panel())
    for maps in (np.ones_like(cam.maps), cam.maps * 1e-6):
        assert colourful(replace(cam, maps=maps).panel()) < plain + 1
    assert colourful(cam.panel()) > plain + 10
    constant = np.asarray(replace(cam, maps=np.ones_like(cam.maps)).panel())
    empty = np.asarray(replace(cam, maps=np.zeros_like(cam.maps)).panel())
    assert (constant != empty).any()


@pytest.mark.parametrize(("height", "width"), [(20, 300), (300, 20), (24, 32), (9, 9)])
def test_pictures_keep_their_proportions(height, width) -> None:
    across, down = picture_size(np.zeros((height, width, 3), np.uint8), 300)
    assert across / down == pytest.approx(width / height, rel=0.03)
    assert 300 <= max(across, down) <= 600


def test_the_window_is_chosen_and_told(policy) -> None:
    deep = np.random.default_rng(0).integers(0, 4000, (24, 32, 3)).astype(np.uint16)
    with pytest.warns(Notice, match="from 0 "):
        found = explain(policy, deep, "saliency", "left")
    assert found.levels == ((0.0, 4095.0),)
    chosen = explain(policy, deep, "saliency", "left", window=(0, 1000))
    assert chosen.levels == ((0.0, 1000.0),)
    assert chosen.images.mean() > 1.5 * found.images.mean()
    alike = replace(found, levels=chosen.levels)
    panels = [np.asarray(each.panel()) for each in (found, alike)]
    assert (panels[0] != panels[1]).any()
    assert seen_notes(chosen)[1:] == ["black to white: 0 to 1,000"]
    shallow = np.zeros((24, 32, 3), np.uint8)
    with pytest.raises(InputError, match="8 bits"):
        explain(policy, shallow, "saliency", "left", window=(0, 1000))
    assert explain(policy, shallow, "saliency", "left").levels == ()
    for wrong in ((1, 0), (0, 0), (0, np.nan), (0,), ("a", "b"), 5, (0, 1, 2)):
        with pytest.raises(InputError, match="no window"):
            explain(policy, deep, "saliency", "left", window=wrong)


@pytest.mark.parametrize("text", ["", "1", "1,2,3", "a,b", "2,1", "0,inf", "nan,1", "1,1"])
def test_wrong_windows_are_one_line(text) -> None:
    with pytest.raises(InputError, match="no window") as told:
        read_window(text)
    assert "\n" not in str(told.value)
    assert read_window("-5,4e3") == (-5.0, 4000.0)


@pytest.mark.parametrize("rows", [1, 4, 12])
@pytest.mark.parametrize("count", [1, 2, 9, 20])
@pytest.mark.parametrize("side", [48, 124, 224])
def test_pages_are_full(rows, count, side) -> None:
    tile = Tile(np.full((10, 10, 3), 90, np.uint8), Shown(image="an image", values={"": "1.5"}))
    page = np.asarray(
        draw_page(
            "Title",
            ["a line"],
            [Row([tile] * count, f"unit {n}", "", (side, side)) for n in range(rows)],
        )
    )
    drawn = (page == 90).all(axis=2)
    across = drawn[drawn.any(axis=1)].mean()
    assert across > (0.28 if rows * count == 1 else 0.55)
    assert drawn.sum() >= rows * count * (side - 1) ** 2
    assert page.shape[1] <= 1280


def test_what_stands_on_a_page_is_not_cut(policy) -> None:
    note = "a long note " * 30
    narrow = draw_page(
        "A title that is longer than a narrow page can hold in one line of it", [], []
    )
    assert narrow.size[0] <= 1280
    tile = Tile(np.full((10, 10, 3), 90, np.uint8), Shown())
    one = np.asarray(draw_page("T", [], [Row([tile], "unit", note)]))
    wide = np.asarray(draw_page("T", [], [Row([tile] * 9, "unit", note)]))

    def ink(page: np.ndarray) -> int:
        return int(((page < 200).any(axis=2) & ~(page == 90).all(axis=2)).sum())

    assert ink(one) == pytest.approx(ink(wide), rel=0.02)
