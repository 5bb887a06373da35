"""Synthesis and dreams: objectives by hand, optima that are known, and early ends."""

import numpy as np
import pytest
import torch
from torch import nn

from rlvis import ImageModel, InputError, NonFiniteError, Preprocess
from rlvis.features.image_sets.image_set import ArrayImages
from rlvis.features.synthesis import objectives, transforms
from rlvis.features.synthesis.deep_dream import DreamSettings, dream, dream_film
from rlvis.features.synthesis.network import ObjectiveNetwork
from rlvis.features.synthesis.objectives import channel, direction, label, neuron, parse
from rlvis.features.synthesis.parametrization import FourierImages, PixelImages
from rlvis.features.synthesis.real_images import strongest
from rlvis.features.synthesis.visualization import save_synthesis, synthesize

SIZE = (16, 20)


@pytest.fixture
def model() -> ImageModel:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3),
        nn.ReLU(),
        nn.Conv2d(6, 4, 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    )
    return ImageModel(network, ["left", "right"], name="small")


def value(model: ImageModel, objective, inputs: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return ObjectiveNetwork(model, objective)(inputs)


def test_objectives_by_hand(model):
    x = torch.rand(3, 3, *SIZE)
    with torch.no_grad():
        maps, logits = model.module[:3](x), model.module(x)
    middle = maps[:, 1, maps.shape[2] // 2, maps.shape[3] // 2]
    vector = torch.tensor([1.0, -2, 0, 0.5])
    cases = {
        label("right"): logits[:, 1],
        channel("2", 3): maps[:, 3].mean((1, 2)),
        neuron("2", 1): middle,
        direction("2", vector): (maps * vector[:, None, None]).sum(1).mean((1, 2)),
        channel("2", 0) + 2 * channel("2", 1) - label("left"): maps[:, 0].mean((1, 2))
        + 2 * maps[:, 1].mean((1, 2))
        - logits[:, 0],
        objectives.whole_layer("2"): maps.square().mean((1, 2, 3)),
    }
    for objective, expected in cases.items():
        torch.testing.assert_close(value(model, objective, x), expected)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("right", "right"),
        ("2:3", "2:3"),
        ("2:3@middle", "2:3@middle"),
        ("left - right", "left - right"),
        ("left + 2:1 - 2:0", "left + 2:1 - 2:0"),
    ],
)
def test_objectives_are_written_as_pictures_call_them(model, written, name):
    assert parse(written, model).name == name


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("middle", "no target 'middle'"),
        ("2", "'2' is a layer; name a unit of it as 2:0"),
        ("2:9", "layer 2 has units 0 to 3, no 9"),
        ("9:1", "no target '9:1'"),
    ],
)
def test_wrong_objectives(model, written, message):
    with pytest.raises(InputError, match=message):
        synthesize(model, written, size=SIZE, steps=2)


def test_the_network_runs_no_further_than_needed(model):
    torch.manual_seed(0)
    odd = torch.rand(1, 3, 40, 40)
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 14 * 18, 2))
    flat = ImageModel(network, ["a", "b"])
    assert value(flat, channel("0", 1), odd).shape == (1,)
    with pytest.raises(InputError, match="takes no input of 3 channels and 40×40 pixels"):
        value(flat, label("a"), odd)


def test_fourier_images_by_their_formula():
    images = FourierImages((2, 3, 15, 20), seed=3)
    made = images(images.parameters)
    assert made.shape == (2, 3, 15, 20)
    spectrum = images.parameters[..., 0].numpy() + 1j * images.parameters[..., 1].numpy()
    rows, columns = np.fft.fftfreq(15)[:, None], np.fft.rfftfreq(20)[None]
    scale = 1 / np.maximum(np.sqrt(rows**2 + columns**2), 1 / 20) / 4
    planes = np.fft.irfft2(spectrum * scale, s=(15, 20), norm="ortho")
    matrix = np.array([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]])
    matrix = matrix / np.linalg.norm(matrix, axis=0).max()
    colours = np.einsum("nchw,dc->ndhw", planes, matrix)
    np.testing.assert_allclose(made, 1 / (1 + np.exp(-colours)), atol=1e-5)


def moved(images: torch.Tensor, draw: list[float], monkeypatch) -> torch.Tensor:
    monkeypatch.setattr(torch, "rand", lambda *_, **__: (torch.tensor(draw) + 1) / 2)
    return transforms.moved(images, torch.Generator())


def test_moves(monkeypatch):
    coarse = torch.rand(2, 3, 12, 12)
    images = torch.nn.functional.interpolate(coarse, (224, 224), mode="bicubic").clamp(0, 1)
    torch.testing.assert_close(moved(images, [0.0] * 6, monkeypatch), images, atol=1e-4, rtol=0)
    right = moved(images, [0, 0, 1, 0, 0, 0], monkeypatch)  # the first jitter, 8 pixels
    torch.testing.assert_close(right[..., :-8], images[..., 8:], atol=1e-3, rtol=0)
    assert (right[..., -7:] == 0.5).all()
    larger = moved(images, [1, 0, 0, 0, 0, 0], monkeypatch)
    expected = torch.nn.functional.interpolate(images, scale_factor=1.1, mode="bilinear")
    middle = expected[..., 11:235, 11:235]
    assert (larger - middle).abs().mean() < 0.01
    turned = moved(images, [0, 1, 0, 0, 0, 0], monkeypatch)
    back = moved(turned, [0, -1, 0, 0, 0, 0], monkeypatch)
    assert (back - images)[..., 60:160, 60:160].abs().mean() < 0.01
    assert (turned - images)[..., 60:160, 60:160].abs().mean() > 0.03
    grey = torch.full((1, 3, 60, 80), 0.5)
    torch.testing.assert_close(moved(grey, [1, 1, 1, 1, 1, 1], monkeypatch), grey)


def test_the_optimum_of_a_linear_model_is_found(tmp_path):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 20, 2))
    linear = ImageModel(network, ["a", "b"], name="linear")
    made = synthesize(
        linear, "b", size=SIZE, steps=300, learning_rate=0.2, parametrization="pixels", robust=False
    )
    weight = network[1].weight[1].detach().view(3, *SIZE).numpy()
    clear = abs(weight) > 2e-3
    np.testing.assert_array_equal((made.images[0] > 0.5)[clear], (weight > 0)[clear])
    best = weight.clip(0).sum() + network[1].bias[1].item()
    assert made.values[0] > 0.97 * best
    assert save_synthesis([made], tmp_path / "page.png").stat().st_size > 1000
    assert np.load(made.save_data(tmp_path / "made.npz"))["images"].shape == (1, 3, *SIZE)


@pytest.mark.parametrize("parametrization", ["fourier", "pixels"])
@pytest.mark.parametrize("robust", [False, True])
def test_objectives_grow(model, parametrization, robust):
    grey = float(value(model, channel("2", 1), torch.full((1, 3, *SIZE), 0.5)))
    made = synthesize(
        model,
        "2:1",
        count=2,
        size=SIZE,
        steps=40,
        learning_rate=0.3,
        parametrization=parametrization,
        robust=robust,
    )
    assert made.images.shape == (2, 3, *SIZE)
    assert (made.values > 1.1 * grey).all()
    assert made.steps == 40


def test_diverse_images_differ_more(model):
    apart, alike = (
        synthesize(model, "2:1", count=3, size=SIZE, steps=40, diverse=diverse, robust=False)
        for diverse in (3.0, 0.0)
    )
    spread = [np.std(each.images, axis=0).mean() for each in (apart, alike)]
    assert spread[0] > 1.2 * spread[1]
    apart, alike = (
        synthesize(model, "left", count=3, size=SIZE, steps=40, diverse=diverse, robust=False)
        for diverse in (3.0, 0.0)
    )
    spread = [np.std(each.images, axis=0).mean() for each in (apart, alike)]
    assert spread[0] > 1.2 * spread[1]


def test_a_unit_that_is_off_is_turned_on(model, monkeypatch):
    with torch.no_grad():
        model.module[0].bias[:] = -0.7
    options = {"size": SIZE, "steps": 60, "learning_rate": 0.3}
    assert synthesize(model, "1:2", **options).values[0] > 0
    monkeypatch.setattr("rlvis.features.synthesis.visualization._REDIRECTED_STEPS", 0)
    assert synthesize(model, "1:2", **options).values[0] == 0


class Cliff(nn.Module):
    """NaN where the image is bright."""

    def __init__(self, edge: float) -> None:
        super().__init__()
        self.scale, self.edge = nn.Parameter(torch.ones(1)), edge

    def forward(self, x):
        bright = x.mean((1, 2, 3)) * self.scale
        return torch.stack([bright + 0 * (self.edge - bright).log(), -bright], dim=1)


def test_nan_keeps_the_last_good_image():
    network = ImageModel(Cliff(0.8), ["a", "b"])
    options = {"parametrization": "pixels", "robust": False, "learning_rate": 0.1}
    with pytest.raises(NonFiniteError, match="at step 1"):
        synthesize(ImageModel(Cliff(0.3), ["a", "b"]), "a", size=SIZE, **options)
    made = synthesize(network, "a", size=SIZE, **options)
    assert "at step" in made.fault
    assert 5 < made.steps < 100
    assert 0.7 < made.images.mean() < 0.8


def test_wrong_numbers(model):
    for options in ({"steps": 0}, {"count": 0}, {"learning_rate": 0}):
        with pytest.raises(InputError, match=" is 0; give a"):
            synthesize(model, "left", size=SIZE, **options)
    with pytest.raises(InputError, match="input size of small is not known"):
        synthesize(model, "left")
    with pytest.raises(InputError, match="no parametrization 'cppn'"):
        synthesize(model, "left", size=SIZE, parametrization="cppn")


def test_the_strongest_real_images(model):
    rng = np.random.default_rng(0)
    images = ArrayImages(rng.integers(0, 256, (30, *SIZE, 3), dtype=np.uint8))
    inputs = torch.cat([model.inputs(images.picture(index)) for index in range(30)])
    with torch.no_grad():
        peaks = model.module[:3](inputs)[:, 1].amax(dim=(1, 2))
    cases = {"left - right": value(model, parse("left - right", model), inputs), "2:1": peaks}
    for written, values in cases.items():
        row = strongest(model, images, written, 4, batch_size=8)
        expected = values.sort(descending=True)
        assert [tile.caption for tile in row.tiles] == [
            [f"{number:.3g}", str(index)]
            for number, index in zip(*(each[:4].tolist() for each in expected), strict=True)
        ]
    height, width = row.tiles[0].picture.shape[:2]
    assert height == width  # the receptive field, 5×5, not the whole image
    assert PixelImages((1, 1, 2, 2)).parameters.shape == (1, 1, 2, 2)


QUICK = DreamSettings(octaves=2, iterations=3, jitter=4)


def test_dreams_strengthen_what_is_there(model):
    rng = np.random.default_rng(0)
    picture = rng.integers(90, 160, (50, 70, 3), dtype=np.uint8)
    before = value(model, objectives.whole_layer("2"), model.inputs(picture))
    dreamt = dream(model, "2", picture, settings=QUICK)
    assert dreamt.after.shape == picture.shape
    np.testing.assert_array_equal(dreamt.before, picture)
    assert value(model, objectives.whole_layer("2"), model.inputs(dreamt.after)) > before
    unit = dream(model, "2:1", picture, settings=QUICK)
    assert value(model, channel("2", 1), model.inputs(unit.after)) > value(
        model, channel("2", 1), model.inputs(picture)
    )
    guided = dream(model, "2", picture, settings=QUICK, guide_image=picture[:, ::-1].copy())
    assert (guided.after != dreamt.after).any()
    assert dream(model, "2", size=(40, 50), settings=QUICK).after.shape == (40, 50, 3)


def test_networks_that_see_greys_dream_of_greys(model):
    torch.manual_seed(0)
    grey = ImageModel(nn.Sequential(nn.Conv2d(1, 2, 3)), ["a", "b"], Preprocess(grey=True))
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    dreamt = dream(grey, "0", picture, settings=QUICK)
    assert (dreamt.after == dreamt.after[..., :1]).all()
    assert (dreamt.after != dreamt.before).any()
    many = ImageModel(nn.Sequential(nn.Conv2d(12, 2, 3)), ["a", "b"])
    with pytest.raises(InputError, match="reads 12 channels; dreams need one of greys or three"):
        dream(many, "0", picture, settings=QUICK)


def test_a_film_of_dreams(model, tmp_path):
    path = dream_film(model, "2", tmp_path / "d.mp4", frames=3, size=(48, 64), settings=QUICK)
    assert path.stat().st_size > 1000


def test_wrong_dreams(model):
    with pytest.raises(InputError, match="no target 'x'"):
        dream(model, "x", size=(40, 40))
    with pytest.raises(InputError, match="octaves is 0"):
        DreamSettings(octaves=0)

    class Steps(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 2, 3)

        def forward(self, x):
            return self.layer((x > 0.5).float()).mean((2, 3))

    with pytest.raises(InputError, match="layer does not depend on the image"):
        dream(ImageModel(Steps(), ["a", "b"]), "layer", size=(40, 40), settings=QUICK)
