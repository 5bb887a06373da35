"""Gradients of the target at the image, by one rectifier rule or another, plain or averaged."""

import numpy as np
import torch
from torch import Tensor

from rlvis.attribution.cam import grad_cam
from rlvis.attribution.changed_images import at_once
from rlvis.attribution.evidence import Evidence, GradientRequest
from rlvis.attribution.registry import method
from rlvis.errors import InputError


@method(
    "saliency",
    reference="Simonyan et al. 2014, section 3.1",
    needs=[GradientRequest("input")],
    unit="{score} per unit of the input",
)
def saliency(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, H, W): the largest absolute gradient over the colour channels."""
    return strength(evidence.input_gradients())


@method(
    "guided-backprop",
    reference="Springenberg et al. 2015, section 3.4",
    needs=[GradientRequest("input", "guided")],
    unit="{score} per unit of the input",
)
def guided_backpropagation(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, H, W): as saliency, gradients crossing each ReLU only where positive."""
    return strength(evidence.input_gradients("guided"))


@method(
    "deconvnet",
    reference="Zeiler & Fergus 2014, section 2.1",
    needs=[GradientRequest("input", "deconvnet")],
    unit="{score} per unit of the input",
)
def deconvnet(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, H, W): as saliency, each ReLU applied to the gradient instead of its mask."""
    return strength(evidence.input_gradients("deconvnet"))


@method(
    "guided-grad-cam",
    reference="Selvaraju et al. 2017, section 3.2",
    needs=[GradientRequest("layer"), GradientRequest("input", "guided")],
    reads_layer=True,
    one_sided=True,
    unit="{score}² per unit of the input",
)
def guided_grad_cam(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, H, W): guided backpropagation, where Grad-CAM points."""
    guided = evidence.input_gradients("guided")
    maps = enumerate(grad_cam(evidence)[:, :, None].unbind(dim=1))
    where = torch.cat([evidence.on_input(heats, target) for target, heats in maps], dim=1)
    return strength(guided * where[:, :, None])


@method(
    "input-x-gradient",
    reference="Shrikumar et al. 2016, section 3.1",
    needs=[GradientRequest("input")],
    signed=True,
)
def input_x_gradient(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, H, W): each value times its gradient, summed over the colour channels."""
    return (evidence.inputs.detach()[:, None] * evidence.input_gradients()).sum(dim=2)


@method("smoothgrad", reference="Smilkov et al. 2017, eq. 1", unit="{score} per unit of the input")
def smoothgrad(evidence: Evidence, samples: int = 25, noise: float = 0.15, seed: int = 0) -> Tensor:
    """Heatmaps (N, T, H, W): saliency of the gradient averaged over noisy copies of the image.

    Args:
        evidence: of the images and targets.
        samples: how many copies.
        noise: standard deviation, as a share of each image's range of values.
        seed: of the noise.
    """
    _at_least_one("smoothgrad", "samples", samples)
    x = evidence.inputs.detach()
    generator = torch.Generator().manual_seed(seed)
    spread = noise * (x.amax((1, 2, 3), keepdim=True) - x.amin((1, 2, 3), keepdim=True))
    draws = torch.randn(samples, *x.shape[1:], generator=generator).to(x)
    return strength(
        evidence.summed_gradients(
            (x + spread * part[:, None], part.new_full([len(part)], 1 / samples))
            for part in draws.split(at_once(x, backward=True))
        )
    )


@method("integrated-gradients", reference="Sundararajan et al. 2017, eq. 1", signed=True)
def integrated_gradients(evidence: Evidence, steps: int = 32, baseline: float = 0.0) -> Tensor:
    """Heatmaps (N, T, H, W), whose sum is the target's change from the baseline to the image.

    The integral along the straight path is taken by the Gauss-Legendre rule.

    Args:
        evidence: of the images and targets.
        steps: points on the path.
        baseline: the image that shows nothing, one number in the network's input units.
    """
    _at_least_one("integrated-gradients", "steps", steps)
    x = evidence.inputs.detach()
    way = x - baseline
    places, weights = (
        torch.tensor(each).to(x).split(at_once(x, backward=True)) for each in gauss_legendre(steps)
    )
    mean = evidence.summed_gradients(
        (baseline + part.view(-1, 1, 1, 1, 1) * way, weight)
        for part, weight in zip(places, weights, strict=True)
    )
    return (way[:, None] * mean).sum(dim=2)


def gauss_legendre(points: int) -> tuple[list[float], list[float]]:
    """Places in 0..1 and weights that add up to 1."""
    places, weights = np.polynomial.legendre.leggauss(points)
    return ((places + 1) / 2).tolist(), (weights / 2).tolist()


def strength(gradients: Tensor) -> Tensor:
    """The largest absolute value over the channels: (N, T, C, H, W) → (N, T, H, W)."""
    return gradients.abs().amax(dim=2)


def _at_least_one(method: str, name: str, number: int) -> None:
    if number < 1:
        raise InputError(f"{method} with {name}={number} computes nothing; take at least 1")
