"""Panels: what the colours stand for is chosen, and drawn so."""

import numpy as np
import pytest
import torch
from PIL import Image

from rlvis import explain
from rlvis.display.panel import panel


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
