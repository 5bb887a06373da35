"""Kernels, what they do to images, activation maps: against SciPy and torch's own layers."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch import nn

from rlvis import ImageModel, InputError, Preprocess
from rlvis.features.activations.maps import activation_maps
from rlvis.features.kernels.applied import CLASSICAL, apply_kernel
from rlvis.features.kernels.weights import filters

PICTURE = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)


@pytest.fixture
def model() -> ImageModel:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3),
        nn.ReLU(inplace=True),
        nn.Conv2d(6, 4, 5),
        nn.Flatten(),
        nn.LazyLinear(2),
    )
    network(torch.zeros(1, 3, 20, 24))
    return ImageModel(network, ["a", "b"], Preprocess(mean=(0.5,) * 3, std=(0.25,) * 3))


def test_statistics_of_kernels(model, tmp_path):
    with torch.no_grad():
        model.module[0].weight[2] *= 1e-4
        model.module[0].weight[4] *= 50
    found = filters(model)
    assert found.layer == "0"
    weights = model.module[0].weight.detach().numpy()
    np.testing.assert_allclose(found.norms, np.linalg.norm(weights.reshape(6, -1), axis=1), 1e-5)
    assert np.flatnonzero(found.dead).tolist() == [2]
    assert np.flatnonzero(found.saturated).tolist() == [4]
    kept = np.load(found.save_data(tmp_path / "filters.npz"))
    np.testing.assert_array_equal(kept["weights"], weights)
    with Image.open(found.save(tmp_path / "filters.png")) as page:
        assert page.size[0] <= 1280
    assert filters(model, "2").save(tmp_path / "deep.png").exists()


def test_smooth_kernels_and_noise(model):
    with torch.no_grad():
        model.module[2].weight[0] = 1.0
        model.module[2].weight[1] = torch.tensor([1.0, -1, 1, -1, 1])
        model.module[2].weight[1] *= torch.tensor([1.0, -1, 1, -1, 1])[:, None]
    smoothness = filters(model, "2").smoothness
    np.testing.assert_allclose(smoothness[:2], [1, -1], atol=1e-5)
    assert abs(smoothness[2:]).max() < 0.3


@pytest.mark.parametrize("name", CLASSICAL)
def test_classical_kernels(name):
    found = apply_kernel(PICTURE, name)
    for colour in range(3):
        expected = ndimage.correlate(
            PICTURE[..., colour].astype(float), CLASSICAL[name].astype(float), mode="nearest"
        )
        np.testing.assert_allclose(found.result[..., colour], expected, atol=1e-3)


def test_the_classical_kernels_are_those_of_the_lectures():
    assert (CLASSICAL["blur"] * 16).tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
    assert CLASSICAL["edge"].tolist() == [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]
    assert CLASSICAL["sharpen"].tolist() == [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]


def test_a_learned_kernel(model, tmp_path):
    found = apply_kernel(PICTURE, "0:3", model)
    inputs = model.inputs(PICTURE)
    expected = nn.functional.conv2d(inputs, model.module[0].weight[3:4])[0, 0].detach()
    np.testing.assert_allclose(found.result[1:-1, 1:-1], expected, atol=1e-4)
    assert found.save(tmp_path / "kernel.png").exists()


def test_maps_are_as_before_an_operation_in_place(model, tmp_path):
    found = activation_maps(model, PICTURE, "0")
    expected = model.module[0](model.inputs(PICTURE))[0].detach()
    np.testing.assert_allclose(found.maps, expected, atol=1e-5)
    assert found.maps.min() < 0
    assert found.save(tmp_path / "maps.png").exists()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: filters(model, "9"), "no layer '9'"),
        (lambda model: filters(model, "1"), "no convolution '1'; there are: 0, 2"),
        (lambda model: apply_kernel(PICTURE, "blurr"), "no kernel 'blurr'; did you mean 'blur'"),
        (lambda model: apply_kernel(PICTURE, "0:9", model), "layer 0 has units 0 to 5, no 9"),
        (lambda model: apply_kernel(PICTURE, "2:0", model), "reads 6 channels, not the image's 3"),
        (lambda model: activation_maps(model, PICTURE, "9"), "no layer '9'"),
    ],
)
def test_wrong_names(model, call, message):
    with pytest.raises(InputError, match=message):
        call(model)


def test_a_network_without_filters():
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    with pytest.raises(InputError, match="has no convolution"):
        filters(ImageModel(network, ["a", "b"]))


def test_kernels_of_one_pixel_are_a_table(tmp_path):
    network = nn.Sequential(nn.Conv2d(40, 30, 1), nn.Flatten())
    found = filters(ImageModel(network, ["a"]))
    assert np.isnan(found.smoothness).all()
    strongest = found.norms.argmax()
    weights = found.weights[strongest, :, 0, 0]
    largest = np.abs(weights).argmax()
    rows = found._mixtures(1.0)
    assert rows[0].tiles[0].picture.shape == (30, 40)
    assert rows[1].heading == f"unit {strongest}"
    assert rows[1].note.startswith(f"{weights[largest]:+.2g} × channel {largest} ")
    assert found.save(tmp_path / "table.png").exists()
