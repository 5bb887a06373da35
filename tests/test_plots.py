"""Numbers of any size at the axes of plots and in texts, and pages of them."""

import numpy as np
import pytest

from rlvis.display.page_html import write_html
from rlvis.display.plots import FINE, Axis, draw_scatter
from rlvis.display.shown import Shown
from rlvis.display.tiles import Row, Tile
from rlvis.evaluation.audit_page import _ends, _side_by_side
from rlvis.evaluation.estimates import Estimate


@pytest.mark.parametrize(("scale", "power"), [(1.0, 0), (-1e6, 6), (1e12, 12), (1e-7, -9)])
def test_ticks_are_short_and_differ_whatever_the_size_of_the_numbers(scale, power) -> None:
    axis = Axis("worth", *sorted((0.0, 8 * scale)))
    written = [axis.written(tick) for tick in axis.ticks()]
    assert axis.power == power
    assert max(map(len, written)) <= 5
    assert len(set(written)) == len(written)
    assert axis.heading == ("worth" if power == 0 else f"worth (× 1e{power})")


@pytest.mark.parametrize("numbers", [[1e12, 1e12], [1.0, 1 + 1e-15], [0.0, 0.0]])
def test_numbers_that_are_all_one_have_ends_that_tell_ticks_apart(numbers) -> None:
    axis = Axis("worth", *_ends(np.array(numbers)))
    assert len({axis.written(tick) for tick in axis.ticks()}) > 2


def test_long_ticks_have_room() -> None:
    near = Axis("worth", 10000.001, 10000.004)
    short = draw_scatter(np.zeros(1), np.zeros(1), near, Axis("it", 0, 1), side=100)
    long = draw_scatter(np.zeros(1), np.zeros(1), Axis("it", 0, 1), near, side=100)
    assert long.shape[1] > short.shape[1]
    assert (long[60:-80, :FINE] == 255).all()


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((0.5, 0.25, 0.75), "0.5000 [0.2500, 0.7500]"),
        ((83333.3333, 0.0, 90000.0), "83333 [0, 90000]"),
        ((666666.7, 324490.0, 1.009e6), "6.667e+05 [3.245e+05, 1.009e+06]"),
        ((83333333333.3333, np.nan, np.nan), "8.333e+10 (too few for an interval)"),
        ((np.inf, np.nan, np.nan), "∞"),
    ],
)
def test_estimates_are_written_with_as_many_digits_as_say_something(numbers, text) -> None:
    assert Estimate(*numbers).written(4) == text


def test_small_pictures_side_by_side_are_enlarged_before_the_gap() -> None:
    one = np.zeros((24, 32, 3), np.uint8)
    one[:, ::2] = 200
    both = _side_by_side(one, one)
    height, width = 9 * 24, 9 * 32
    assert both.shape == (height, 2 * width + width // 40, 3)
    np.testing.assert_array_equal(both[:, :width], one.repeat(9, 0).repeat(9, 1))
    assert (both[:, width : width + width // 40] == 255).all()


def test_plots_are_moved_sideways_where_they_would_be_too_small() -> None:
    row = Row(
        [Tile(np.zeros((20, 1200, 3), np.uint8), Shown())], "it", tile=(20, 1200), scrolls=True
    )
    page = write_html("a page", [], [row])
    assert '<figure class="scroll" style="width: 1200px">' in page
    assert "min-width: 900px" in page
