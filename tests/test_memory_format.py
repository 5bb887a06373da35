"""Networks that take images only as they usually lie in memory are explained like any other."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rlvis import METHODS, ImageModel, InputError, Policy, explain, features, list_layers, record
from rlvis.models.habits import in_format
from rlvis.models.replica import replicate
from tests.conftest import randomise

LABELS = ("left", "forward", "right")
METHODS_OF_ALL = [name for name, each in METHODS.items() if not each.reads_attention]

Flatten = Callable[[Tensor], Tensor]
FLATTENED: dict[str, Flatten] = {
    "view": lambda x: x.view(x.size(0), -1),
    "all but the batch": lambda x: x.view(-1, x.shape[1] * x.shape[2] * x.shape[3]),
    "planes": lambda x: x.view(x.shape[0] * x.shape[1], -1).view(len(x), -1),
}


class Flattening(nn.Module):
    """Two convolutions and a linear layer, as in many a tutorial."""

    def __init__(self, flatten: Flatten, channels: int = 3) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(channels, 4, 5, 2), nn.Conv2d(4, 5, 3, 2)
        self.policy = nn.Linear(5 * 4 * 6, 3)
        self._flatten = flatten

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.two(torch.relu(self.one(x))))
        scores: Tensor = self.policy(self._flatten(x))
        return scores


class Frames(nn.Module):
    """Takes four grey frames apart before anything else."""

    def __init__(self, flatten: Flatten) -> None:
        super().__init__()
        self.inner = Flattening(flatten, 1)

    def forward(self, x: Tensor) -> Tensor:
        apart = x.view(len(x) * 4, 1, *x.shape[2:])
        scores: Tensor = self.inner(apart).view(len(x), 4, 3).mean(dim=1)
        return scores


def of(module: nn.Module) -> ImageModel:
    return ImageModel(randomise(module).eval(), LABELS, name="flattening")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("way", ["view", "all but the batch", "planes"])
@pytest.mark.parametrize("method", METHODS_OF_ALL)
def test_a_network_that_flattens_by_a_view(method, way, channels) -> None:
    images = np.random.default_rng(0).integers(0, 255, (3, 24, 32, channels), np.uint8)
    usual, viewing = (
        of(Flattening(each, channels)) for each in (lambda x: x.flatten(1), FLATTENED[way])
    )
    if method == "cam":
        with pytest.raises(InputError, match="plain CAM needs global average pooling"):
            explain(viewing, images, method, "left")
        return
    expected = explain(usual, images, method, "left")
    found = explain(viewing, images, method, "left")
    assert (
        usual.memory_format(replicate(usual.module), usual.inputs(images), {})
        is torch.channels_last
    )
    assert (
        viewing.memory_format(replicate(viewing.module), viewing.inputs(images), {})
        is torch.contiguous_format
    )
    assert found.layer == expected.layer
    largest = np.abs(expected.maps).max()
    assert largest > 0
    np.testing.assert_allclose(found.maps, expected.maps, atol=1e-4 * largest, rtol=0)


@pytest.mark.parametrize("method", ["saliency", "guided-backprop", "occlusion", "smoothgrad"])
def test_frames_that_are_taken_apart_by_a_view(method) -> None:
    images = torch.rand(2, 4, 24, 32, generator=torch.Generator().manual_seed(0))
    usual, viewing = (
        explain(of(Frames(each)), images, method, "left").maps
        for each in (lambda x: x.flatten(1), FLATTENED["view"])
    )
    assert np.abs(usual).max() > 0
    np.testing.assert_array_equal(viewing, usual)


def test_scripted_networks_and_all_other_tools() -> None:
    class Viewing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3, 2), nn.Linear(4 * 11 * 15, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = torch.relu(self.conv(x))
            scores: Tensor = self.head(x.view(x.size(0), -1))
            return scores

    images = np.random.default_rng(0).integers(0, 255, (4, 24, 32, 3), np.uint8)
    scripted = ImageModel(torch.jit.script(randomise(Viewing()).eval()), LABELS)
    assert explain(scripted, images, "saliency", "left").maps.any()
    model = of(Viewing())
    assert [each.name for each in list_layers(model, images[0]) if each.usual] == ["conv"]
    features.attack(model, images)
    features.project(model, images[0], "conv", [0])
    features.synthesize(model, "left", size=(24, 32), steps=2)
    features.patches(model, features.ArrayImages(images), ["conv"], k=2)
    policy = Policy(randomise(Viewing()).eval(), LABELS, observation_shape=(24, 32, 3))
    run = record(policy, "tests.worlds:Corridor-v0", episodes=1, methods="grad-cam")
    assert run.steps()


def test_what_fails_in_either_format_is_told_as_ever() -> None:
    model = of(Flattening(FLATTENED["view"]))
    with pytest.raises(InputError, match="takes no input of 3 channels and 40×40"):
        explain(model, torch.rand(1, 3, 40, 40), "saliency", "left")
    assert explain(model, torch.rand(1, 3, 24, 32), "saliency", "left").maps.any()


def test_a_single_channel_lies_as_the_format_says() -> None:
    narrow = torch.rand(2, 24, 32, 1).movedim(-1, 1)
    assert in_format(narrow, torch.contiguous_format).stride() == (768, 768, 32, 1)
    wide = torch.rand(2, 3, 24, 32)
    assert in_format(wide, torch.channels_last).stride() == (2304, 1, 96, 3)
