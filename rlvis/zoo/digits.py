"""A small network for handwritten digits, to be trained in front of the tool."""

from collections import OrderedDict
from pathlib import Path

from torch import Tensor, nn

from rlvis.errors import InputError
from rlvis.images.preprocess import Preprocess
from rlvis.zoo.state_dict import load_weights

NAME = "digits"
LABELS = tuple("0123456789")
PREPROCESS = Preprocess((28, 28), grey=True)


class DigitNetwork(nn.Module):
    """Three convolutions, global average pooling and one linear layer.

    Class activation maps of it are exact.

    Args:
        channels: of the three convolutions.
    """

    def __init__(self, channels: tuple[int, int, int] = (16, 32, 64)) -> None:
        super().__init__()
        first, second, third = channels
        self.features = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(1, first, 5, padding=2),
                norm1=nn.BatchNorm2d(first),
                relu1=nn.ReLU(),
                pool1=nn.MaxPool2d(2),
                conv2=nn.Conv2d(first, second, 3, padding=1),
                norm2=nn.BatchNorm2d(second),
                relu2=nn.ReLU(),
                pool2=nn.MaxPool2d(2),
                conv3=nn.Conv2d(second, third, 3, padding=1),
                norm3=nn.BatchNorm2d(third),
                relu3=nn.ReLU(),
            )
        )
        self.classes = nn.Linear(third, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Scores (N, 10) of grey images (N, 1, 28, 28), white on black, in 0..1."""
        return self.classes(self.features(images).mean(dim=(-2, -1)))


def build(
    name: str, weights: str | Path | None
) -> tuple[nn.Module, tuple[str, ...] | None, Preprocess]:
    """The network for digits, its labels, and how images are brought to it.

    Args:
        name: "digits".
        weights: a file with a `state_dict`, or "random".

    Raises:
        InputError: if no weights are given, or they do not fit.
    """
    if weights is None:
        raise InputError(
            f"{name} has no published weights; train it in seconds with scripts/train_mnist.py and "
            "give the file with --weights"
        )
    module = DigitNetwork()
    if weights != "random":
        load_weights(module, weights)
    return module, LABELS, PREPROCESS
