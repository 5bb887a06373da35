"""However a network runs its parts, it is explained like the same network written plainly."""


import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rlvis import METHODS, ImageModel, InputError, explain
from tests.conftest import randomise

LABELS = ("left", "forward", "right")
IMAGES = torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(0))
METHODS_OF_ALL = [name for name, each in METHODS.items() if not each.reads_attention]


class Plain(nn.Module):
    """A trunk that sees the image, a way beside it, and a head on both."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 6, 5, 2), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3, 2), nn.ReLU()
        )
        self.side = nn.Linear(3, 4)
        self.head = nn.Linear(12, 3)

    def maps(self, x: Tensor) -> Tensor:
        maps: Tensor = self.trunk(x)
        return maps

    def forward(self, x: Tensor) -> Tensor:
        seen = torch.cat([self.maps(x).mean((2, 3)), self.side(x.mean((2, 3)))], dim=1)
        scores: Tensor = self.head(seen)
        return scores


class NoGrad(Plain):
    @torch.no_grad()
    def maps(self, x: Tensor) -> Tensor:
        return super().maps(x)


class SwitchedOff(Plain):
    def maps(self, x: Tensor) -> Tensor:
        before = torch.is_grad_enabled()
        torch.set_grad_enabled(False)
        found = super().maps(x)
        torch.set_grad_enabled(before)
        return found


class Inference(Plain):
    def maps(self, x: Tensor) -> Tensor:
        with torch.inference_mode():
            return super().maps(x)


class AllInference(Plain):
    @torch.inference_mode()
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


class InferenceThere(Plain):
    def maps(self, x: Tensor) -> Tensor:
        with torch.inference_mode():
            moved = x + 0.0
            with torch.inference_mode(False), torch.no_grad():
                return super().maps(moved)


VARIANTS: list[type[Plain]] = [NoGrad, SwitchedOff, Inference, AllInference, InferenceThere]


def pair(kind: type[Plain]) -> tuple[Plain, Plain]:
    """A network, and the same one written plainly."""
    plain, other = randomise(Plain()).eval(), kind().eval()
    other.load_state_dict(plain.state_dict())
    return other, plain


def of(module: nn.Module) -> ImageModel:
    return ImageModel(module, LABELS, name="network")


def derivative(module: nn.Module, x: Tensor, score: int) -> np.ndarray:
    """Finite differences of a score at one image, (C, H, W), in double precision."""
    step = 1e-6 * torch.eye(x[0].numel(), dtype=x.dtype).view(-1, *x.shape[1:])
    with torch.no_grad():
        rows = [(module(x + each) - module(x - each))[0, score] for each in step[:, None]]
    return (torch.stack(rows) / 2e-6).view(x.shape[1:]).numpy()


@pytest.mark.filterwarnings("ignore:all of the score")
@pytest.mark.parametrize("kind", VARIANTS)
@pytest.mark.parametrize("method", [each for each in METHODS_OF_ALL if each != "cam"])
def test_every_method_explains_it_like_the_plain_one(method, kind) -> None:
    found, expected = (explain(of(each), IMAGES, method, LABELS) for each in pair(kind))
    assert found.layer == expected.layer
    largest = np.abs(expected.maps).max()
    assert largest > 0
    np.testing.assert_allclose(found.maps, expected.maps, atol=1e-4 * largest, rtol=0)


@pytest.mark.parametrize("kind", VARIANTS)
def test_its_gradient_is_that_of_finite_differences(kind) -> None:
    ours = pair(kind)[0].double()
    x = IMAGES[:1, :, :12, :14].double()
    expected = np.abs(derivative(ours, x, 1)).max(0)
    found = explain(of(ours), x, "saliency", "forward").maps[0, 0]
    np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max(), rtol=0)


def test_a_gradient_that_nobody_can_keep_is_refused() -> None:
    class Hidden(Plain):
        scripted = torch.jit.script(nn.ELU())

        def maps(self, x: Tensor) -> Tensor:
            with torch.inference_mode():
                return torch.relu(self.scripted(super().maps(x)))

    hidden = pair(Hidden)[0]
    with pytest.raises(InputError, match=r"within torch.inference_mode\(\).*use torch.no_grad"):
        explain(of(hidden), IMAGES, "saliency", "left")
    assert explain(of(hidden), IMAGES, "occlusion", "left").maps.any()
