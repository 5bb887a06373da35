"""What several tests share: small networks of every make, and reference libraries that import."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rlvis import METHODS, ImageModel, Policy
from scripts.references import mend_torchvision
from tests.agreement import DIFFERENCES

mend_torchvision()

LABELS = ("left", "forward", "right")


class PooledPolicy(nn.Module):
    """Global average pooling and two linear heads, ReLUs as modules."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 5, stride=2, padding=2),
            nn.ReLU(inplace=True),
            nn.Conv2d(6, 8, 3, stride=2, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
        )
        self.policy = nn.Linear(8, 3)
        self.value = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        pooled = self.features(x).mean(dim=(-2, -1))
        return self.policy(pooled), self.value(pooled).squeeze(1)


class Seeker(nn.Module):
    """Walks towards the bright spot of a corridor of 24 by 32 pixels, the surer the further.

    Args:
        gain: of the scores; a negative one walks away.
        shift: columns by which it takes the middle to be further right.
    """

    def __init__(self, gain: float = 0.5, shift: float = 0.0) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 1, 1), nn.ReLU())
        self.head = nn.Linear(24 * 32, 3)
        with torch.no_grad():
            self.features[0].weight.copy_(torch.tensor([1.0, -1.0, 0.0]).view(1, 3, 1, 1))
            self.features[0].bias.zero_()
            across = (torch.arange(32) - 15.5 - shift).expand(24, 32).flatten()
            self.head.weight.copy_(gain * torch.stack([across, 0 * across, -across]) / 12)
            self.head.bias.copy_(torch.tensor([0.0, 0.3, 0.1]))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.head(self.features(x).flatten(1))
        return logits, 1 - logits.abs().max(dim=1).values / 8


class FunctionalResidual(nn.Module):
    """A pre-activation residual network whose rectifiers are all functions, some in place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.one = nn.Conv2d(6, 6, 3, padding=1)
        self.two = nn.Conv2d(6, 6, 3, padding=1)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.one(F.relu(x))
        y = self.two(torch.relu(x)).relu_()
        return self.head((x + y).clamp(min=0).mean(dim=(-2, -1)))


class AttentionBlock(nn.Module):
    """Attention and a rectified layer, each beside a residual connection."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.ReLU(inplace=True), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1))
        attended = F.scaled_dot_product_attention(*qkv.permute(2, 0, 3, 1, 4))
        x = x + self.proj(attended.transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm2(x))


class PooledTransformer(nn.Module):
    """A vision transformer to which every method applies: rectifiers, and the mean of its patches.

    Patches have no positions, so that it is symmetric where its convolution is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 8, stride=8)
        self.blocks = nn.Sequential(AttentionBlock(8, 2), AttentionBlock(8, 2))
        self.norm = nn.LayerNorm(8)
        self.policy, self.value = nn.Linear(8, 3), nn.Linear(8, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.norm(self.blocks(self.patches(x).flatten(2).mT)).mean(dim=1)
        return self.policy(x), self.value(x).squeeze(1)


def randomise(module: nn.Module, seed: int = 0) -> nn.Module:
    """Weights and running statistics drawn anew, so that nothing is zero or one by accident."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if name.endswith("running_var"):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
        elif tensor.is_floating_point():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.3)
    return module


def pooled_policy(seed: int = 0) -> Policy:
    """A policy for the corridors of `tests.worlds`, with weights drawn by a seed."""
    module = randomise(PooledPolicy(), seed).eval()
    return Policy(module, LABELS, name="pooled", observation_shape=(24, 32, 3))


def seeking_policy(gain: float = 0.5, shift: float = 0.0) -> Policy:
    """A policy that does what it sees in the corridors of `tests.worlds`."""
    module = Seeker(gain, shift).eval()
    return Policy(module, LABELS, name="seeker", observation_shape=(24, 32, 3))


@pytest.fixture
def policy() -> Policy:
    return pooled_policy()


@pytest.fixture
def transformer() -> Policy:
    return Policy(randomise(PooledTransformer()).eval(), LABELS, name="transformer")


@pytest.fixture
def subject(request: pytest.FixtureRequest) -> Policy:
    """A policy to which the test's `method` applies."""
    method = METHODS[request.getfixturevalue("method")]
    subject: Policy = request.getfixturevalue("transformer" if method.reads_attention else "policy")
    return subject


@pytest.fixture
def residual() -> ImageModel:
    return ImageModel(randomise(FunctionalResidual()).eval(), LABELS, name="residual")


@pytest.fixture
def inputs() -> Tensor:
    """Float (4, 3, 24, 32) in 0..1."""
    return torch.rand(4, 3, 24, 32, generator=torch.Generator().manual_seed(1))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--differences", action="store_true", help="print method × reference × largest difference"
    )


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if config.getoption("--differences"):
        terminalreporter.write_line("| method | reference | largest relative difference |")
        terminalreporter.write_line("| --- | --- | ---: |")
        for (method, reference), difference in sorted(DIFFERENCES.items()):
            terminalreporter.write_line(f"| {method} | {reference} | {difference:.1e} |")
