"""Image classifiers of torchvision, by the names that it gives them."""

from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from rlvis.errors import InputError
from rlvis.images.preprocess import Preprocess
from rlvis.zoo.state_dict import build_filled


def build(
    name: str, weights: str | Path | None
) -> tuple[nn.Module, tuple[str, ...] | None, Preprocess]:
    """A classifier of torchvision, its labels, and how its accuracy was measured.

    Args:
        name: one of `names`.
        weights: a file with a `state_dict`, "random", or None for the published weights.

    Raises:
        InputError: if the weights cannot be had or do not fit.
    """
    models = models_module()
    assert models is not None, "a name is torchvision's only where it is installed"
    default, count = models.get_model_weights(name).DEFAULT, None
    if weights is None:
        try:
            module = models.get_model(name, weights=default)
        except OSError as error:
            raise InputError(
                f"the weights of {name} cannot be downloaded ({error}); "
                "give a file with --weights, or --weights random"
            ) from None
    else:
        make = partial(models.get_model, name, weights=None, **_without_auxiliary_loss(name))
        module, count = (make(), None) if weights == "random" else build_filled(make, weights)
    preset = default.transforms()
    side, resized = preset.crop_size[0], preset.resize_size[0]
    preprocess = Preprocess((side, side), side / resized, tuple(preset.mean), tuple(preset.std))
    labels = tuple(default.meta["categories"])
    return module, labels if count in (None, len(labels)) else None, preprocess


def names() -> list[str]:
    """All names; none where torchvision is not installed."""
    models = models_module()
    return models.list_models(module=models) if models else []


def models_module() -> ModuleType | None:
    """`torchvision.models`, or None where it is not installed.

    Raises:
        InputError: if it is installed but was built for another torch.
    """
    try:
        import torchvision.models
    except ModuleNotFoundError:
        return None
    except (RuntimeError, ImportError, OSError) as error:
        raise InputError(
            f"torchvision does not fit the installed torch ({error}); install the matching build"
        ) from None
    return torchvision.models


def _without_auxiliary_loss(name: str) -> dict[str, Any]:
    return {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
