"""Image classifiers of timm ("PyTorch Image Models"), by the names that it gives them."""

from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from rlvis.errors import InputError, unknown
from rlvis.images.preprocess import Preprocess
from rlvis.zoo.label_names import imagenet_labels
from rlvis.zoo.state_dict import build_filled

PREFIX = "timm/"


def build(
    name: str, weights: str | Path | None
) -> tuple[nn.Module, tuple[str, ...] | None, Preprocess]:
    """A classifier of timm, ImageNet's labels, and how its accuracy was measured.

    Args:
        name: "timm/resnet18", or with the weights' tag "timm/resnet18.a1_in1k".
        weights: a file with a `state_dict`, "random", or None for the published weights.

    Raises:
        InputError: if timm is not installed, the name does not exist (closest ones are offered),
            the network has no classes, or the weights cannot be had or do not fit.
    """
    module, labels = _build(name, weights), imagenet_labels()
    fitting = labels if getattr(module, "num_classes", 0) == len(labels) else None
    return module, fitting, preprocess(module)


def _build(name: str, weights: str | Path | None) -> nn.Module:
    timm = _timm()
    variant = name.removeprefix(PREFIX)
    if variant not in _variants():
        raise unknown("model", name, names())
    published = timm.get_pretrained_cfg(variant)
    if weights is None and not (published and published.has_weights):
        raise InputError(
            f"timm publishes no weights of {name}; give a file with --weights, or --weights random"
        )
    if weights is not None:
        make = partial(timm.create_model, variant)
        module: nn.Module = make() if weights == "random" else build_filled(make, weights)[0]
    else:
        try:
            module = timm.create_model(variant, pretrained=True)
        except (OSError, RuntimeError) as error:  # RuntimeError where the hub's package fails
            raise InputError(
                f"the weights of {name} cannot be downloaded ({str(error).splitlines()[0][:160]}); "
                "give a file with --weights, or --weights random"
            ) from None
    if not getattr(module, "num_classes", 0):
        raise InputError(f"{name} gives features and no classes; choose one with a classifier")
    return module


def preprocess(module: nn.Module) -> Preprocess:
    """How images were brought to a network of timm when its accuracy was measured."""
    config: dict[str, Any] = _timm().data.resolve_model_data_config(module)
    return Preprocess(
        size=tuple(config["input_size"][1:]),
        crop=config["crop_pct"],
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        resample="bilinear" if config["interpolation"] == "bilinear" else "bicubic",
        squash=config["crop_mode"] == "squash",
    )


def names() -> list[str]:
    """All names, without and with the tag of their weights."""
    return [PREFIX + variant for variant in _variants()]


@cache
def _variants() -> list[str]:
    timm = _timm()
    return [*timm.list_models(), *timm.list_models(pretrained=True)]


def _timm() -> ModuleType:
    try:
        import timm
    except ModuleNotFoundError as error:
        raise InputError(
            f"models of timm need {error.name}; install it with: pip install 'rlvis[timm]'"
        ) from None
    except (RuntimeError, ImportError, OSError) as error:
        raise InputError(
            f"timm cannot be loaded ({error}); its torchvision must be built for this torch"
        ) from None
    return timm
