"""Methods beside the formula of their paper, written out in float64, one image at a time.

For methods that no library has, or has wrongly.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from rlvis import ImageModel, InputError, Preprocess, explain
from rlvis.models.targets import top
from tests.agreement import agree
from tests.conftest import LABELS, PooledPolicy, randomise


@pytest.fixture
def network() -> PooledPolicy:
    """The policy in float64; the methods run the same weights in float32."""
    return randomise(PooledPolicy()).eval().double()


@pytest.fixture
def model() -> ImageModel:
    return ImageModel(randomise(PooledPolicy()).eval(), LABELS, layer="features.4")


PAPER = "the paper's formula in float64"


def layer_and_gradient(network: PooledPolicy, x: Tensor, target: int) -> tuple[Tensor, Tensor]:
    a = network.features(x.double()).detach().requires_grad_()
    logits = network.policy(a.mean(dim=(-2, -1)))
    return a.detach(), torch.autograd.grad(logits[:, target].sum(), a)[0]


def test_hires_layer_and_xgrad_cam(network, model, inputs) -> None:
    a, g = layer_and_gradient(network, inputs, 2)
    weights = (g * a).sum((2, 3)) / a.sum((2, 3))
    weights[a.sum((2, 3)) == 0] = 0
    expected = {
        "hires-cam": (g * a).sum(1).relu(),
        "layer-cam": (g.relu() * a).sum(1).relu(),
        "xgrad-cam": (weights[..., None, None] * a).sum(1).relu(),
    }
    ours = explain(model, inputs, list(expected), "right")
    for name, heat in expected.items():
        agree(name, PAPER, ours[name].maps[:, 0], heat)


@pytest.mark.parametrize("size", [(24, 32), (6, 8)])
def test_eigen_cam(network, model, inputs, size) -> None:
    """With more places than channels, and with fewer."""
    inputs = inputs[..., : size[0], : size[1]]
    a = network.features(inputs.double()).detach()
    assert (a[0, 0].numel() > a.shape[1]) == (size == (24, 32))
    ours = explain(model, inputs, "eigen-cam", ["left", "right"]).maps
    for index in range(len(inputs)):
        places = a[index].flatten(1).T.numpy()
        left, strengths, _ = np.linalg.svd(places, full_matrices=False)
        heat = (left[:, 0] * strengths[0]).reshape(a.shape[-2:])
        agree("eigen-cam", PAPER, ours[index, 0], np.maximum(heat * np.sign(heat.sum()), 0))
        np.testing.assert_array_equal(ours[index, 0], ours[index, 1])


def test_score_cam(network, model, inputs) -> None:
    a = network.features(inputs.double()).detach()
    ours = explain(model, inputs, "score-cam", "forward").maps[:, 0]
    for index, image in enumerate(inputs.double()):
        masks = F.interpolate(a[index][None], (24, 32), mode="bilinear")[0]
        scores = []
        for mask in masks:
            spread = mask.max() - mask.min()
            visible = (mask - mask.min()) / spread if spread > 0 else mask * 0
            scores.append(network((image * visible)[None])[0][0, 1])
        weights = torch.stack(scores).softmax(0)
        heat = (weights[:, None, None] * a[index]).sum(0).relu()
        agree("score-cam", PAPER, ours[index], heat)


def test_ablation_cam(network, model, inputs) -> None:
    a = network.features(inputs.double()).detach()
    before = network.policy(a.mean((2, 3)))[:, 0]
    heat = torch.zeros(len(inputs), *a.shape[-2:], dtype=torch.float64)
    for channel in range(a.shape[1]):
        without = a.clone()
        without[:, channel] = 0
        after = network.policy(without.mean((2, 3)))[:, 0]
        heat += (before - after)[:, None, None] * a[:, channel]
    agree(
        "ablation-cam",
        PAPER,
        explain(model, inputs, "ablation-cam", "left").maps[:, 0],
        heat.relu(),
    )


def test_the_mean_that_covers_is_each_channels_own(model) -> None:
    """Where each channel is one number, its mean hides nothing."""
    inputs = torch.tensor([0.2, 0.5, 0.9])[None, :, None, None].expand(2, 3, 24, 32)
    covered, blackened = (
        explain(model, inputs, "occlusion", "left", baseline=baseline, patch=8).maps
        for baseline in ("mean", 0)
    )
    assert np.abs(covered).max() < 1e-5 * np.abs(blackened).max()


def test_a_share_of_no_score_is_none(inputs) -> None:
    """Two equal channels cancel out: what each of them adds is no share of a score of 0."""
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with torch.no_grad():
        network[0].weight.fill_(1)
        network[0].bias.zero_()
    model = ImageModel(network, ["one", "other"], layer="0")
    found = explain(model, inputs, ["ablation-cam"], "one - other")["ablation-cam"].maps
    assert found.tolist() == np.zeros_like(found).tolist()


def test_smoothgrad_without_noise_is_saliency(model, inputs) -> None:
    plain = explain(model, inputs, "saliency").maps
    still = explain(model, inputs, "smoothgrad", samples=2, noise=0.0).maps
    agree("smoothgrad", "saliency, where there is no noise", still, plain)
    noisy = explain(model, inputs, "smoothgrad", samples=2, noise=0.3).maps
    assert np.abs(noisy - plain).max() > 0.01 * plain.max()
    np.testing.assert_array_equal(
        noisy, explain(model, inputs, "smoothgrad", samples=2, noise=0.3).maps
    )


def spots(image: np.ndarray, radius: float, stride: int):
    """Greydanus' perturbations Φ of an image (C, H, W), row by row."""
    blurred = np.stack([gaussian_filter(channel, 3.0) for channel in image])
    height, width = image.shape[1:]
    y, x = np.mgrid[:height, :width]
    for row in range(0, height, stride):
        for column in range(0, width, stride):
            disc = ((y - row) ** 2 + (x - column) ** 2 <= radius**2).astype(float)
            mask = gaussian_filter(disc, radius)
            mask /= mask.max()
            yield image * (1 - mask) + blurred * mask


def test_perturbation_of_actor_and_critic(network, model, inputs) -> None:
    image = inputs[0].double().numpy()
    logits, value = network(inputs[:1].double())
    changed = torch.tensor(np.stack(list(spots(image, 5, 5))))
    after_logits, after_value = network(changed)
    grid = (5, 7)
    expected = {
        "left": 0.5 * ((after_logits - logits) ** 2).sum(1),
        "value": 0.5 * (after_value - value) ** 2,
    }
    for target, map_ in expected.items():
        ours = explain(model, inputs[:1], "perturbation", target).maps[0, 0]
        heat = map_.detach().reshape(1, 1, *grid)
        enlarged = F.interpolate(heat, ours.shape, mode="bilinear")
        agree("perturbation", PAPER, ours, enlarged[0, 0])


def test_sarfa(network, model, inputs) -> None:
    image = inputs[1].double().numpy()
    before = network(inputs[1:2].double())[0]
    after = network(torch.tensor(np.stack(list(spots(image, 5, 5)))))[0]
    fall = (before.softmax(1) - after.softmax(1))[:, 2]
    rest, rest_after = before[:, :2].softmax(1), after[:, :2].softmax(1)
    kept = 1 / (1 + (rest_after * (rest_after / rest).log()).sum(1))
    heat = torch.where(fall > 0, 2 * kept * fall / (kept + fall), 0).detach()
    ours = explain(model, inputs[1:2], "sarfa", "right").maps[0, 0]
    enlarged = F.interpolate(heat.reshape(1, 1, 5, 7), ours.shape, mode="bilinear")
    agree("sarfa", PAPER, ours, enlarged[0, 0])
    with pytest.raises(InputError, match="one label"):
        explain(model, inputs, "sarfa", "value")


@pytest.mark.parametrize(
    "method",
    ["smoothgrad:samples=0", "integrated-gradients:steps=0", "rise:keep=1.5", "sarfa:stride=0"],
)
def test_options_without_meaning_are_refused(model, inputs, method) -> None:
    with pytest.raises(InputError, match="take"):
        explain(model, inputs, method, "left")


def test_xgrad_cam_keeps_the_sign_of_what_it_averages(inputs) -> None:
    """Where activations are negative, too, as before a ReLU, a weight may turn its sign."""
    network = randomise(PooledPolicy()).eval().double()
    model = ImageModel(randomise(PooledPolicy()).eval(), LABELS, layer="features.2")
    a = network.features[:3](inputs.double()).detach().requires_grad_()
    rest = network.features[3](a).relu().mean(dim=(-2, -1))
    for column in range(3):
        (g,) = torch.autograd.grad(network.policy(rest)[:, column].sum(), a, retain_graph=True)
        weights = (g * a).sum((2, 3)) / a.sum((2, 3))
        heat = (weights[..., None, None] * a).sum(1).relu().detach()
        ours = explain(model, inputs, "xgrad-cam", column).maps[:, 0]
        agree("xgrad-cam", PAPER, ours, heat)
        wrong = ((g * a).sum((2, 3)).abs() / a.sum((2, 3)))[..., None, None]
        assert (wrong * a).sum(1).relu().sub(heat).abs().max() > 0.1 * heat.max()


def test_smoothgrad_is_the_mean_gradient_of_noisy_images(network, model, inputs) -> None:
    """The noise is a share of each image's range: images of different ranges tell."""
    inputs = inputs * torch.tensor([0.2, 1.0, 3.0, 0.5]).view(-1, 1, 1, 1) + 4
    draws = torch.randn(6, *inputs.shape[1:], generator=torch.Generator().manual_seed(5))
    for image in inputs:
        spread = 0.3 * (image.max() - image.min())
        noisy = (image + spread * draws).double().requires_grad_()
        (gradients,) = torch.autograd.grad(network(noisy)[0][:, 0].sum(), noisy)
        ours = explain(model, image[None], "smoothgrad", 0, samples=6, noise=0.3, seed=5).maps[0, 0]
        agree("smoothgrad", PAPER, ours, gradients.mean(dim=0).abs().amax(dim=0))


@pytest.mark.parametrize("method", ["smoothgrad:noise=2", "integrated-gradients:baseline=4"])
def test_gradients_elsewhere_keep_the_labels_of_the_image(network, model, inputs, method) -> None:
    """Noise and the way from the baseline change which score is the highest; the target stays."""
    scores = model.scores(inputs).logits
    best = scores.argmax(dim=1).tolist()
    far = model.scores(inputs * 0 + 4).logits.argmax(dim=1).tolist()
    assert best != far
    ours = explain(model, inputs, method, top(1)).maps[:, 0]
    for index, image in enumerate(inputs):
        named = explain(model, image[None], method, best[index]).maps[0, 0]
        np.testing.assert_allclose(ours[index], named, rtol=1e-3, atol=1e-5 * named.max())


@pytest.mark.parametrize("size", [(7, 7), (3, 64), (2, 2)])
def test_occlusion_without_options_fits_images_of_any_size(size) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * size[0] * size[1], 2))
    model = ImageModel(network.eval(), ["a", "b"], Preprocess(size))
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    assert explain(model, image, "occlusion", "a").maps.any()
