"""The networks of the lectures and their successors: the layer is found, the methods run."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rlvis import ImageModel, InputError, explain, load_classifier
from rlvis.zoo.state_dict import load_weights
from tests.test_references import PHOTOS


@pytest.mark.parametrize(
    ("name", "layer", "size", "plain_cam"),
    [
        ("alexnet", "features.11", 13, False),
        ("vgg16", "features.29", 14, False),
        ("googlenet", "inception5b", 7, True),
        ("inception_v3", "Mixed_7c", 8, True),
        ("resnet18", "layer4", 7, True),
        ("densenet121", "features", 7, False),
    ],
)
def test_the_networks_of_the_lectures(name, layer, size, plain_cam) -> None:
    model = load_classifier(name, weights="random")
    explained = explain(model, PHOTOS / "cat.jpg", ["grad-cam", "guided-backprop"], [0, 281])
    assert explained["grad-cam"].layer == layer
    assert explained["grad-cam"].maps.shape == (1, 2, size, size)
    assert np.isfinite(explained["guided-backprop"].maps).all()
    assert explained["guided-backprop"].maps.max() > 0
    assert len(model.labels) == 1000
    if plain_cam:
        maps = explain(model, PHOTOS / "cat.jpg", "cam", 281)
        bias = model.module.fc.bias[281].item()
        np.testing.assert_allclose(maps.maps.sum(), maps.scores[0, 0] - bias, rtol=1e-3, atol=1e-4)
    else:
        with pytest.raises(InputError, match="use grad-cam"):
            explain(model, PHOTOS / "cat.jpg", "cam", 281)


class Told(nn.Module):
    """Takes a number beside the image, and cannot do without."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)

    def forward(self, x: Tensor, *, gear: Tensor) -> Tensor:
        return self.two(self.one(x).relu()).mean(dim=(2, 3)) * gear[:, None]


def test_the_layer_is_found_with_what_comes_beside_the_image() -> None:
    model = ImageModel(Told(), list("abcd"), context={"gear": ()})
    found = explain(model, torch.rand(2, 3, 12, 12), "grad-cam", 0, context={"gear": np.ones(2)})
    assert found.layer == "two"


def test_the_real_weights_know_a_cat_and_a_coffee() -> None:
    model = load_classifier("efficientnet-lite0")
    why = explain(model, [PHOTOS / "cat.jpg"], "grad-cam")
    assert why.targets[0][0] in ("Egyptian cat", "tiger cat", "tabby")
    why = explain(model, PHOTOS / "coffee.jpg", "grad-cam")
    assert why.targets == [["espresso"]]
    assert why.probabilities.max() > 0.5
    rows, columns = np.nonzero(why.heatmaps[0, 0] > 0.5 * why.heatmaps.max())
    assert 100 < rows.mean() < 300
    assert 200 < columns.mean() < 400


def test_weights_come_from_files_without_running_code(tmp_path) -> None:
    model = load_classifier("resnet18", weights="random")
    torch.save(model.module.state_dict(), tmp_path / "own.pth")
    again = load_classifier("resnet18", weights=tmp_path / "own.pth")
    torch.testing.assert_close(again.module.state_dict(), model.module.state_dict())
    torch.save(model.module, tmp_path / "whole.pth")
    (tmp_path / "noise.pth").write_bytes(b"noise")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00")
    for name, message in {
        "whole.pth": "more than weights",
        "noise.pth": "noise.pth",
        "cut.safetensors": "cannot be read as weights",
        "none.pth": "no file",
    }.items():
        with pytest.raises(InputError, match=message):
            load_weights(model.module, tmp_path / name)
    with pytest.raises(InputError, match="another network"):
        load_classifier("alexnet", weights=tmp_path / "own.pth")
