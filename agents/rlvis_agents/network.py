"""The policy network: an image classifier whose class activation maps are exact.

Requirements behind its shape:

- Both heads are linear in the spatial mean of the last feature map. So the score of an action is
  its bias plus the *sum* of a map over the image, and the map shows all of the score.
- Pooling forgets where things are, and "the cube is left of the middle" is all that matters. Each
  feature of the second convolution is therefore given twice, as it is and times its x coordinate.
  (Coordinates as planes of their own must first be combined with the features, which training
  finds late: by then the policy has settled on turning one way only, wherever the cube is.)
- The first kernel overlaps its neighbours evenly (8×8, stride 4, padding 2): a cell of the last map
  stands for 4×4 pixels without a shift, and both sides of the image are treated alike.
- Training runs on a few CPU cores, and most of its time goes into the network: the first
  convolution reduces the image at once, and the layer with most channels sees single cells.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

LAST_MAP = "features.relu3"


class AppendXProduct(nn.Module):
    """Appends every feature times x, which is -1 at the left edge and 1 at the right one.

    (N, C, h, w) → (N, 2 C, h, w).
    """

    def forward(self, features: Tensor) -> Tensor:
        """The features and, after them, each times x."""
        width = features.shape[-1]
        x = torch.linspace(-1, 1, width, device=features.device, dtype=features.dtype)
        return torch.cat((features, features * x), dim=1)


class FeatureMaps(nn.Sequential):
    """Three convolutions: (N, C, H, W) → (N, channels[2], ⌊H/4⌋, ⌊W/4⌋), nowhere negative."""

    def __init__(self, image_channels: int, channels: Sequence[int]) -> None:
        first, second, third = channels
        super().__init__()
        self.conv1 = nn.Conv2d(image_channels, first, 8, stride=4, padding=2)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(first, second, 3, padding=1)
        self.relu2 = nn.ReLU()
        self.sides = AppendXProduct()
        self.conv3 = nn.Conv2d(2 * second, third, 1)
        self.relu3 = nn.ReLU()


class PolicyNetwork(nn.Module):
    """Logits of the actions and the value of the state, for images of any size from 8×8.

    Args:
        image_channels: C of the images.
        actions: K, the number of actions.
        channels: of the three convolutions.
    """

    def __init__(
        self, image_channels: int, actions: int, channels: Sequence[int] = (16, 32, 32)
    ) -> None:
        super().__init__()
        self.features = FeatureMaps(image_channels, channels)
        self.policy = nn.Linear(channels[-1], actions)
        self.value = nn.Linear(channels[-1], 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, K) and values (N,) of float images (N, C, H, W) in 0..1."""
        pooled = pool(self.features(images))
        return self.policy(pooled), self.value(pooled).squeeze(1)


def pool(maps: Tensor) -> Tensor:
    """The spatial mean: (N, C, h, w) → (N, C)."""
    return maps.mean(dim=(-2, -1))
