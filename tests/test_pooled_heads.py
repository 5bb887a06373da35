"""Plain CAM of heads that are linear in pooled channels, however they are written."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rlvis import ImageModel, InputError, Preprocess, explain

LABELS = ["a", "b", "c"]
BENT = {"hardswish": nn.Hardswish, "relu": nn.ReLU, "tanh": nn.Tanh}


class Headed(nn.Module):
    """A trunk, and a head of some kind."""

    def __init__(self, how: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.how = how
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())
        self.pool = nn.MaxPool2d(2)
        self.head: nn.Module = nn.Conv2d(8, 3, 1) if how.startswith("pooled") else nn.Linear(8, 3)
        if how in BENT:
            self.head = nn.Sequential(nn.Linear(8, 16), BENT[how](), nn.Linear(16, 3))
            with torch.no_grad():
                self.head[0].weight.mul_(0.01)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.trunk(x)
        if self.how == "pooled before":
            return self.head(maps.mean((2, 3), keepdim=True)).flatten(1)
        if self.how == "pooled behind":
            return self.head(maps).mean((2, 3))
        pooled = self.pool(maps).mean((2, 3))
        return self.head(pooled.square() if self.how == "nonlinear" else pooled)


def model_of(how: str) -> ImageModel:
    return ImageModel(Headed(how).eval(), LABELS, Preprocess((24, 32)))


@pytest.fixture
def inputs() -> Tensor:
    return torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("how", "layer"), [("pooled before", None), ("pooled behind", "trunk"), ("max", "pool")]
)
def test_the_map_sums_to_the_score_less_the_bias(inputs, how, layer) -> None:
    model = model_of(how)
    why = explain(model, inputs, "cam", [0, 2], layer=layer)
    bias = model.module.head.bias.detach().numpy()[[0, 2]]
    np.testing.assert_allclose(why.maps.sum((2, 3)), why.scores - bias, atol=1e-5)
    matrix = model.module.head.weight.detach().flatten(1)[[0, 2]]
    maps = model.module.trunk(inputs)
    maps = model.module.pool(maps) if how == "max" else maps
    expected = torch.einsum("tc,nchw->nthw", matrix, maps) / maps[0, 0].numel()
    np.testing.assert_allclose(why.maps, expected.detach().numpy(), atol=1e-6)


def test_a_layer_before_a_max_pool_is_refused_and_the_right_one_named(inputs) -> None:
    with pytest.raises(InputError, match="use grad-cam, or name layer 'pool'"):
        explain(model_of("max"), inputs, "cam", 0)


@pytest.mark.parametrize("how", ["nonlinear", *BENT])
@pytest.mark.parametrize("layer", ["trunk", "pool"])
def test_what_is_not_linear_is_refused(inputs, how, layer) -> None:
    with pytest.raises(InputError, match="plain CAM needs global average pooling"):
        explain(model_of(how), inputs, "cam", 0, layer=layer)
