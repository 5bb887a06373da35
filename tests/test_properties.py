"""What theory promises of the methods, on networks and images drawn at random."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from rlvis import METHODS, ImageModel, Policy, explain
from rlvis.models.targets import contrast, log_prob
from tests.conftest import LABELS, randomise

few = settings(max_examples=5, deadline=None, derandomize=True)
many = settings(max_examples=20, deadline=None, derandomize=True)
seeds = st.integers(0, 2**20)
OF_CNNS = [name for name, each in METHODS.items() if not each.reads_attention]


class Small(nn.Module):
    """Two convolutions with ReLUs, global average pooling, linear actor and critic."""

    def __init__(self, channels: int = 4, kernel: int = 3, stride: int = 1, bias: bool = True):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, channels, kernel, stride, padding=kernel // 2, bias=bias),
            nn.ReLU(),
            nn.Conv2d(channels, 5, 3, padding=1, bias=bias),
            nn.ReLU(inplace=True),
        )
        self.policy = nn.Linear(5, 3, bias=bias)
        self.value = nn.Linear(5, 1, bias=bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        pooled = self.features(x).mean(dim=(-2, -1))
        return self.policy(pooled), self.value(pooled).squeeze(1)


@st.composite
def networks(draw: st.DrawFn, **fixed: Any) -> Small:
    """Small networks of every geometry, with weights that are zero nowhere."""
    drawn = {
        "channels": draw(st.integers(1, 6)),
        "kernel": draw(st.sampled_from([1, 3, 5])),
        "stride": draw(st.integers(1, 3)),
    }
    network = randomise(Small(**{**drawn, **fixed}), draw(seeds)).eval()
    assert isinstance(network, Small)
    with torch.no_grad():
        network.features[2].weight.add_(0.2)  # so that most of the last ReLUs let something through
    return network


@st.composite
def images(draw: st.DrawFn, count: int = 2) -> Tensor:
    """Float (count, 3, H, W) in 0..1, of sizes that occlusion's patches do not divide."""
    height, width = draw(st.integers(9, 17)), draw(st.integers(9, 17))
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(draw(seeds)))


def close(ours: np.ndarray, expected: Any, tolerance: float = 1e-4, **how: Any) -> None:
    """Equal up to a share of the largest expected value."""
    expected = np.asarray(expected)
    scale = float(np.abs(expected).max())
    np.testing.assert_allclose(ours, expected, rtol=0, atol=tolerance * scale + 1e-7, **how)


@many
@given(networks(), images())
def test_cam_sums_to_the_score_less_the_bias(network, x) -> None:
    targets = ["left", "forward", "right", "value", contrast("left", "right")]
    explained = explain(Policy(network, LABELS), x, "cam", targets)
    policy, value = network.policy.bias.tolist(), network.value.bias.item()
    bias = np.array([*policy, value, policy[0] - policy[2]])
    np.testing.assert_allclose(explained.maps.sum((2, 3)), explained.scores - bias, atol=1e-5)


@many
@given(networks(bias=False), images(), st.integers(1, 4))
def test_integrated_gradients_of_a_homogeneous_network_are_complete(network, x, steps) -> None:
    """f(tx) = t f(x): the gradient is the same all along the path, so that one step is exact."""
    model = Policy(network, LABELS)
    explained = explain(model, x, "integrated-gradients", steps=steps)
    close(explained.maps.sum((2, 3)), explained.scores)
    close(explained.maps, explain(model, x, "input-x-gradient").maps)


@few
@given(networks(), images(), st.floats(-1, 1))
def test_integrated_gradients_are_complete(network, x, baseline) -> None:
    """Their sum is the target's change from the baseline; kinks leave the rule some error."""
    model = Policy(network.double(), LABELS)
    for target in ("left", "value", contrast("left", "right"), log_prob("forward")):
        options = {"steps": 400, "baseline": baseline}
        explained = explain(model, x, "integrated-gradients", target, **options)
        nothing = explain(model, torch.full_like(x, baseline), "saliency", target).scores
        np.testing.assert_allclose(
            explained.maps.sum((2, 3)), explained.scores - nothing, rtol=2e-3, atol=2e-3
        )


@many
@given(networks(), images(), st.floats(-2, 2, width=32))
def test_what_covers_nothing_changes_nothing(network, x, colour) -> None:
    """A constant image is its own mean and its own blur."""
    model, constant = Policy(network, LABELS), torch.full_like(x, colour)
    methods = [f"occlusion:patch=4,baseline={each}" for each in (colour, "mean", "blur")]
    methods += ["perturbation", "sarfa:stride=3"]
    for name, explained in explain(model, constant, methods).items():
        np.testing.assert_allclose(explained.maps, 0, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("method", OF_CNNS)
@few
@given(networks(), images(count=3))
def test_a_batch_is_its_images_one_by_one(method, network, x) -> None:
    model = Policy(network, LABELS)
    together = explain(model, x, method).maps
    alone = np.concatenate([explain(model, each[None], method).maps for each in x])
    assert together.shape[:2] == (3, 3)
    close(together, alone)
    np.testing.assert_array_equal(together, explain(model, x, method).maps)


@pytest.mark.parametrize("method", [name for name in OF_CNNS if name != "rise"])
@few
@given(networks(stride=1), seeds, st.sampled_from([8, 12, 16]))
def test_a_flip_of_the_image_flips_the_map_of_a_symmetric_network(
    method, network, seed, width
) -> None:
    """Not RISE's, whose random masks have two different sides; SmoothGrad's without noise."""
    with torch.no_grad():
        for convolution in (network.features[0], network.features[2]):
            convolution.weight.copy_((convolution.weight + convolution.weight.flip(-1)) / 2)
    x = torch.rand(1, 3, 9, width, generator=torch.Generator().manual_seed(seed))
    symmetric: dict[str, dict[str, Any]] = {
        "smoothgrad": {"noise": 0.0},
        "occlusion": {"patch": 4, "stride": 4},
        "perturbation": {"stride": 1},
        "sarfa": {"stride": 1},
    }
    options = symmetric.get(method, {})
    model = Policy(network, LABELS)
    maps = explain(model, x, method, ["left", "right"], **options).maps
    flipped = explain(model, x.flip(-1), method, ["left", "right"], **options).maps
    close(flipped[..., ::-1], maps, 1e-3)


DEGREES = {
    **dict.fromkeys(["cam", "grad-cam", "hires-cam", "layer-cam", "xgrad-cam", "ablation-cam"], 1),
    **dict.fromkeys(["saliency", "smoothgrad", "guided-backprop", "deconvnet"], 1),
    **dict.fromkeys(["input-x-gradient", "integrated-gradients", "occlusion", "rise"], 1),
    **dict.fromkeys(["guided-grad-cam", "perturbation"], 2),
    "eigen-cam": 0,
}


@pytest.mark.parametrize("method", DEGREES)
@few
@given(networks(), images(), st.sampled_from([1e-4, 0.1, 64.0]))
def test_scores_times_c_give_maps_times_a_power_of_c(method, network, x, c) -> None:
    """The exceptions are Score-CAM, SARFA (a softmax of the scores) and Grad-CAM++ (below)."""
    maps = explain(Policy(network, LABELS), x, method).maps
    scaled = explain(Policy(times(network, c), LABELS), x, method).maps
    power = c ** DEGREES[method]
    close(scaled / power, maps, 1e-3)


@many
@given(networks(), images(), st.sampled_from([1e-7, 1e-5, 1e-3, 1.0, 30.0]))
def test_grad_cam_plus_plus_is_the_papers_at_every_scale(network, x, c) -> None:
    """α = g² / (2 g² + ΣA g³) in float64, gradients down to 1e-7, where an epsilon would show.

    The map is not invariant to the scores' scale: α = 1 / (2 + g ΣA) depends on it. It tends to
    half the positive gradients times the activations as the scale goes to zero.
    """
    network = times(network, c)
    ours = explain(Policy(network, LABELS), x, "grad-cam++", ["left", "value"]).maps

    network = network.double()
    a = network.features(x.double()).detach().requires_grad_()
    pooled = a.mean(dim=(-2, -1))
    for column, score in enumerate((network.policy(pooled)[:, 0], network.value(pooled)[:, 0])):
        (g,) = torch.autograd.grad(score.sum(), a, retain_graph=True)
        alpha = g**2 / (2 * g**2 + a.sum((2, 3), keepdim=True) * g**3)
        weights = (alpha * g.relu()).sum((2, 3), keepdim=True)
        expected = (weights * a).sum(1).relu().detach().numpy()
        largest = expected.max()
        np.testing.assert_allclose(ours[:, column], expected, rtol=1e-4, atol=1e-5 * largest)
        if c == 1e-7 and largest > 0:
            limit = ((g.relu() / 2).sum((2, 3), keepdim=True) * a).sum(1).detach().numpy()
            np.testing.assert_allclose(ours[:, column], limit, rtol=1e-3, atol=1e-4 * largest)


def times(network: Small, c: float) -> Small:
    """The same network with all its scores multiplied by c."""
    scaled = Small(network.features[0].out_channels, network.features[0].kernel_size[0])
    scaled.features[0].stride = network.features[0].stride
    scaled.load_state_dict(network.state_dict())
    with torch.no_grad():
        for parameter in (*scaled.policy.parameters(), *scaled.value.parameters()):
            parameter.mul_(c)
    return scaled.eval()


def test_the_property_tests_see_maps_that_are_not_empty() -> None:
    network = randomise(Small()).eval()
    with torch.no_grad():
        network.features[2].weight.add_(0.2)
    x = torch.rand(2, 3, 12, 14, generator=torch.Generator().manual_seed(0))
    for name, explained in explain(ImageModel(network, LABELS), x, OF_CNNS).items():
        assert np.abs(explained.maps).max() > 0, name
