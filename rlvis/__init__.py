"""rlvis: see why a visual agent acts as it does.

The names below are loaded on first use, so that `import rlvis` and `rlvis --help` stay quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlvis.errors import InputError as InputError, NonFiniteError as NonFiniteError
    from rlvis.images import load_image as load_image
    from rlvis.model import (
        Decision as Decision,
        ImageModel as ImageModel,
        Policy as Policy,
        Scores as Scores,
    )
    from rlvis.preprocess import Preprocess as Preprocess

_HOME = {
    "InputError": "errors",
    "NonFiniteError": "errors",
    "load_image": "images",
    "Decision": "model",
    "ImageModel": "model",
    "Policy": "model",
    "Scores": "model",
    "Preprocess": "preprocess",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'rlvis' has no attribute {name!r}")
    return getattr(import_module(f"rlvis.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
