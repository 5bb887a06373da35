"""Models from wherever they come; see `ModelSource`."""

from dataclasses import replace
from typing import Any

from rlvis.errors import InputError
from rlvis.images.preprocess import Preprocess
from rlvis.models.devices import as_device
from rlvis.models.image_model import ImageModel
from rlvis.models.policy import Policy
from rlvis.zoo.readers import OPTIONS, find_reader
from rlvis.zoo.source import ModelSource, refuse_unused


def load_model(model: Any = ModelSource.model, **options: Any) -> ImageModel:
    """A model from wherever it comes, ready to be explained.

    A policy is given pictures of any size in the size that it was trained on.

    Args:
        model: a name, a file, "package.module:name", or a `torch.nn.Module`; or a `ModelSource`.
        options: the other attributes of `ModelSource`, such as `labels` and `preprocess`.

    Raises:
        InputError: if there is no such model, what it needs to be read is missing, or an option
            would do nothing.
    """
    loaded = _read(model, options)
    if not isinstance(loaded, Policy) or not isinstance(loaded.preprocess, Preprocess):
        return loaded
    if loaded.preprocess.size is not None or loaded.observation_shape is None:
        return loaded
    sized = replace(loaded.preprocess, size=loaded.observation_shape[:2])
    return loaded.with_changes(preprocess=sized)


def load_playing_policy(model: Any, **options: Any) -> Policy:
    """A policy that is given observations as they are, ready to act.

    Args:
        model: as for `load_model`.
        **options: as for `load_model`.

    Raises:
        InputError: as for `load_model`, or if it is no policy.
    """
    loaded = _read(model, options, classifiers=False)
    if not isinstance(loaded, Policy):
        raise InputError(
            f"{loaded.name} is no policy; give a shipped name, an agent's file, the folder of a "
            "run, or code of yours that gives an rlvis.Policy"
        )
    return loaded


def _read(model: Any, options: dict[str, Any], classifiers: bool = True) -> ImageModel:
    source = replace(model, **options) if isinstance(model, ModelSource) else None
    source = source or ModelSource(model, **options)
    device = None if source.device is None else as_device(source.device)
    reader = find_reader(source, classifiers)
    for option in sorted(OPTIONS - reader.uses):
        refuse_unused(f"for {source.shown}, {reader.kind}", **{option: getattr(source, option)})
    loaded = reader.read(source)
    if device is not None:
        loaded.module.to(device)
    loaded.source = {**source.given, **loaded.source}
    return loaded
