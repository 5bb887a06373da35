"""Image classifiers by name: EfficientNet-Lite0 with its weights, torchvision's and timm's."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from rlvis.errors import InputError, unknown
from rlvis.images.preprocess import Preprocess
from rlvis.models.devices import as_device
from rlvis.models.image_model import ImageModel
from rlvis.zoo import digits, efficientnet, timm_models, torchvision_models
from rlvis.zoo.score_count import named_scores

Built = tuple[nn.Module, tuple[str, ...] | None, Preprocess]
"""A network; its labels, which fit where it has as many scores; how images are brought to it."""

_BUILDERS: dict[str, Callable[[str, str | Path | None], Built]] = {
    efficientnet.NAME: efficientnet.build,
    digits.NAME: digits.build,
}


def load_classifier(
    name: str = efficientnet.NAME,
    *,
    weights: str | Path | None = None,
    device: str | torch.device = "cpu",
) -> ImageModel:
    """An image classifier by name, ready to be explained.

    Args:
        name: "efficientnet-lite0", whose ImageNet weights come with the extra `classifiers`;
            "digits", whose weights `scripts/train_mnist.py` makes; or any classifier of torchvision
            ("resnet18") or timm ("timm/resnet18.a1_in1k"), where they are installed.
        weights: a file with a `state_dict`, or "random"; left out, the network's published weights.
            Where the file is of a network with another number of scores, these are numbered.
        device: where to put it.

    Raises:
        InputError: if the name does not exist (closest ones are offered), the extra that has it is
            not installed, or the weights cannot be had or do not fit.
    """
    module, labels, preprocess = build_classifier(name, weights)
    model = named_scores(module.eval(), labels, preprocess, name)
    model.module.to(as_device(device))
    return model


def build_classifier(name: str, weights: str | Path | None) -> Built:
    """What makes up a classifier; see `load_classifier`."""
    if name.startswith(timm_models.PREFIX):
        return timm_models.build(name, weights)
    if name in _BUILDERS:
        return _BUILDERS[name](name, weights)
    if name not in torchvision_models.names():
        raise no_classifier(name)
    return torchvision_models.build(name, weights)


def is_classifier(name: str) -> bool:
    """Whether `load_classifier` takes a name here and now.

    Raises:
        InputError: if torchvision or timm would have to be asked, and does not fit torch.
    """
    return name in known_classifiers(name)


def known_classifiers(like: str = "") -> list[str]:
    """The names that `load_classifier` takes here and now.

    Args:
        like: a name; timm's, of which there are thousands, are left out where it is not one of
            these, and the others where it is.

    Raises:
        InputError: if torchvision or timm would have to be asked, and does not fit torch.
    """
    if like.startswith(timm_models.PREFIX):
        return timm_models.names()
    return [*_BUILDERS, *(() if like in _BUILDERS else torchvision_models.names())]


def no_classifier(name: str, others: Sequence[str] = ()) -> InputError:
    """The error for a name that `load_classifier` does not take.

    Args:
        name: the name.
        others: more names that would have done.
    """
    known = [*known_classifiers(name), *others]
    if name.startswith(timm_models.PREFIX) or torchvision_models.models_module() is not None:
        return unknown("model", name, known)
    return InputError(
        f"no model {name!r}; there is {', '.join(known)}, and with "
        "pip install 'rlvis[torchvision]' every torchvision classifier"
    )
