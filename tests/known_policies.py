"""Policies made by hand, of which it is known what they go by."""

import torch
from torch import Tensor, nn

from rlvis import Policy

LABELS = ("left", "forward", "right")
SHAPE = (60, 80, 3)


class Reader(nn.Module):
    """Turns by how much more there is of one colour than of another, and nothing else.

    Args:
        weights: of red, green and blue, for each of the two detectors.
        thresholds: from which on each of them sees anything.
        gain: of the scores.
        rows: from which row down it looks.
    """

    def __init__(
        self,
        weights: tuple[tuple[float, ...], tuple[float, ...]],
        thresholds: tuple[float, float],
        gain: float = 60.0,
        rows: int = 0,
    ) -> None:
        super().__init__()
        self.detect = nn.Conv2d(3, 2, 1)
        self.policy = nn.Linear(2, 3)
        self.rows = rows
        with torch.no_grad():
            self.detect.weight[:] = torch.tensor(weights)[..., None, None]
            self.detect.bias[:] = -torch.tensor(thresholds)
            self.policy.weight[:] = gain * torch.tensor([[1.0, -1.0], [0.0, 0.0], [-1.0, 1.0]])
            self.policy.bias[:] = torch.tensor([0.0, 0.5, 0.0])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        seen = self.detect(x).relu()[:, :, self.rows :].mean(dim=(-2, -1))
        return self.policy(seen), seen.sum(dim=1)


def marker_reader() -> Policy:
    """Goes by the marker's colour: left for blue, right for yellow, forward if it sees neither."""
    module = Reader(((-1.0, -1.0, 1.0), (1.0, 1.0, -1.0)), (0.0, 1.0))
    return Policy(module.eval(), LABELS, observation_shape=SHAPE, name="marker reader")


def floor_reader() -> Policy:
    """Goes by the floor: left for planks (reddish), right for grass (greenish)."""
    module = Reader(((1.0, -1.0, -0.1), (-1.0, 1.2, -0.4)), (0.05, 0.0), gain=200.0, rows=50)
    return Policy(module.eval(), LABELS, observation_shape=SHAPE, name="floor reader")


def constant() -> Policy:
    """Is always undecided in the same way."""
    module = Reader(((0.0,) * 3, (0.0,) * 3), (1.0, 1.0))
    return Policy(module.eval(), LABELS, observation_shape=SHAPE, name="constant")
