"""Projections of units back to pixels: the deconvnet by hand, with torch's own unpooling."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from rlvis import ImageModel, InputError
from rlvis.features.projection.backward import project, projection_sheet
from rlvis.features.projection.figure import reached

IMAGE = np.random.default_rng(0).integers(0, 256, (24, 28, 3), dtype=np.uint8)


class Functional(nn.Module):
    """Two convolutions with functional ReLU and pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 5, 3, padding=1), nn.Conv2d(5, 4, 3, stride=2)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.relu(self.conv2(x))
        return self.head(x.mean(dim=(-2, -1)))


@pytest.fixture
def model() -> ImageModel:
    torch.manual_seed(1)
    return ImageModel(Functional(), ["a", "b"])


def deconvnet(network: Functional, x: torch.Tensor, unit: int) -> torch.Tensor:
    """Zeiler & Fergus 2014, section 2.1, from the second convolution down."""
    first = F.relu(network.conv1(x))
    pooled, switches = F.max_pool2d(first, 2, return_indices=True)
    second = network.conv2(pooled)
    kept = torch.zeros_like(second).flatten(1)
    place = second[0, unit].argmax() + unit * second[0, 0].numel()
    kept[0, place] = second.flatten(1)[0, place]
    kept = kept.view_as(second)
    size = [(length - 1) * 2 + 3 for length in second.shape[-2:]]
    missing = [whole - part for whole, part in zip(pooled.shape[-2:], size, strict=True)]
    below = F.conv_transpose2d(kept, network.conv2.weight, stride=2, output_padding=missing)
    unpooled = F.max_unpool2d(below, switches, 2, output_size=first.shape)
    return F.conv_transpose2d(unpooled.clamp(min=0), network.conv1.weight, padding=1)


@pytest.mark.parametrize("unit", range(4))
def test_the_deconvnet_by_hand(model, unit):
    found = project(model, IMAGE, "conv2", [unit])
    with torch.no_grad():
        expected = deconvnet(model.module, model.inputs(IMAGE), unit)[0]
    np.testing.assert_allclose(found.maps[0], expected.permute(1, 2, 0), atol=1e-5)
    values = model.module.conv2(
        F.max_pool2d(F.relu(model.module.conv1(model.inputs(IMAGE))), 2)
    ).detach()
    assert found.activations[0] == pytest.approx(float(values[0, unit].max()), rel=1e-5)
    row, column = found.places[0]
    assert values[0, unit, row, column] == values[0, unit].max()


def test_the_plain_rule_is_the_gradient(model):
    found = project(model, IMAGE, "conv2", [2], "plain")
    x = model.inputs(IMAGE).requires_grad_(True)
    peak = model.module.conv2(F.max_pool2d(F.relu(model.module.conv1(x)), 2))[0, 2].max()
    (0.5 * peak**2).backward()
    np.testing.assert_allclose(found.maps[0], x.grad[0].permute(1, 2, 0), atol=1e-5)


def test_guided_is_where_both_are(model):
    plain, guided, decon = (
        project(model, IMAGE, "conv2", [0], rule).maps for rule in ("plain", "guided", "deconvnet")
    )
    assert abs(plain - guided).max() > 1e-6
    assert abs(guided - decon).max() > 1e-6


def test_a_page_layer_after_layer(model, tmp_path):
    page, found = projection_sheet(model, IMAGE, ["conv1", "conv2"])
    assert page.size[0] <= 1280
    for each, wanted in zip(found, (5, 4), strict=True):
        everything = project(model, IMAGE, each.layer, range(wanted))
        assert len(each.units) == (everything.activations > 0).sum()
        assert (each.activations > 0).all()
    assert (np.diff(found[0].activations) <= 0).all()
    kept = np.load(found[0].save_data(tmp_path / "maps.npz"))
    assert kept["maps"].shape == (5, 24, 28, 3)


def test_what_a_projection_reaches():
    projection = np.zeros((20, 30, 3), np.float32)
    assert reached(projection) == (0, 0, 20, 30)
    projection[4:14, 10:15] = 1
    assert reached(projection) == (4, 7, 10, 10)
    projection[0, 0] = 1
    assert reached(projection) == (0, 0, 15, 15)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("conv3",), "no layer 'conv3'; did you mean 'conv"),
        (("conv2", [4]), "layer conv2 has units 0 to 3, no 4"),
        (("conv2", None, "guide"), "no rule 'guide'; did you mean 'guided'"),
    ],
)
def test_wrong_names(model, arguments, message):
    with pytest.raises(InputError, match=message):
        project(model, IMAGE, *arguments)


def test_the_rule_is_refused_for_smooth_activations():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.Flatten(), nn.LazyLinear(2))
    network(torch.zeros(1, 3, 24, 28))
    with pytest.raises(InputError, match="deconvnet backpropagation is defined for ReLUs only"):
        project(ImageModel(network, ["a", "b"]), IMAGE, "1")
