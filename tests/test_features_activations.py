"""Units wherever layers keep their channels: first, last, or in a row of tokens."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rlvis import ImageModel, InputError
from rlvis.features.activations.units import activations_of, unit_activations
from rlvis.features.image_sets.batches import BatchReader
from rlvis.features.image_sets.image_set import ArrayImages
from rlvis.features.projection.backward import project
from rlvis.features.synthesis.network import ObjectiveNetwork
from rlvis.features.synthesis.objectives import channel
from rlvis.features.top_patches.search import patches


class Mixed(nn.Module):
    """The same maps in all three orders, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 6, 4, stride=4)
        self.last = nn.Linear(6, 5)
        self.norm = nn.LayerNorm(5)
        self.head = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.last(self.patches(x).movedim(1, -1))
        first = x.new_ones(len(x), 1, 5)
        tokens = self.norm(torch.cat([first, x.flatten(1, 2)], dim=1))
        return self.head(tokens[:, 1:].mean(dim=1))


@pytest.fixture
def model() -> ImageModel:
    torch.manual_seed(0)
    return ImageModel(Mixed().eval(), ["a", "b"], name="mixed")


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (7, 12, 20, 3), dtype=np.uint8)


@torch.no_grad()
def by_hand(model: ImageModel, pictures: np.ndarray) -> dict[str, Tensor]:
    """The maps (N, units, 3, 5) of the layers."""
    network = model.module
    first = network.patches(model.inputs(pictures))
    last = network.last(first.movedim(1, -1))
    return {
        "patches": first,
        "last": last.movedim(-1, 1),
        "norm": network.norm(last).movedim(-1, 1),
    }


@pytest.mark.parametrize("layer", ["patches", "last", "norm"])
def test_units_are_channels(model, pictures, layer) -> None:
    expected = by_hand(model, pictures)[layer]
    seen = unit_activations(BatchReader(ArrayImages(pictures), model, batch_size=3), [layer])
    found = torch.cat([each.activations[layer] for each in seen])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(activations_of(model, pictures[2], layer), expected[2])
    mean = ObjectiveNetwork(model, channel(layer, 4))(model.inputs(pictures))
    torch.testing.assert_close(mean.detach(), expected[:, 4].mean(dim=(1, 2)))


@pytest.mark.parametrize("layer", ["last", "norm"])
def test_patches_and_projections_of_them(model, pictures, layer) -> None:
    expected = by_hand(model, pictures)[layer].flatten(2)
    found = patches(model, ArrayImages(pictures), [layer], 1).layers[layer]
    best, image = expected.amax(dim=2).max(dim=0)
    np.testing.assert_allclose(found.values[:, 0], best, rtol=1e-5)
    np.testing.assert_array_equal(found.images[:, 0], image)
    unit = 3
    place = int(expected[image[unit], unit].argmax())
    top, left = 4 * (place // 5), 4 * (place % 5)
    assert found.boxes[unit, 0].tolist() == [top, left, top + 4, left + 4]
    projected = project(model, pictures[image[unit]], layer, [unit], "plain").maps[0]
    cut = projected[top : top + 4, left : left + 4].copy()
    assert np.abs(cut).max() > 0
    projected[top : top + 4, left : left + 4] = 0
    assert np.abs(projected).max() == 0


def test_what_has_no_units_is_said() -> None:
    flat = nn.Sequential(nn.Flatten(2), nn.Flatten(), nn.Linear(192, 2))
    with pytest.raises(InputError, match="no rows and columns"):
        activations_of(ImageModel(flat, ["a", "b"]), np.zeros((8, 8, 3), np.uint8), "0")
