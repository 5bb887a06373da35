"""rlvis: see why a visual agent acts as it does.

The names below are loaded on first use, so that `import rlvis` and `rlvis --help` stay quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlvis.attribution import METHODS
    from rlvis.attribution.explain import explain
    from rlvis.classifiers import load_classifier
    from rlvis.errors import InputError, NonFiniteError
    from rlvis.explanation import Explanation
    from rlvis.images import load_image
    from rlvis.model import Decision, ImageModel, Policy, Scores
    from rlvis.preprocess import Preprocess

__all__ = [
    "METHODS",
    "Decision",
    "Explanation",
    "ImageModel",
    "InputError",
    "NonFiniteError",
    "Policy",
    "Preprocess",
    "Scores",
    "explain",
    "load_classifier",
    "load_image",
]

_MODULES = {
    "attribution": ["METHODS"],
    "classifiers": ["load_classifier"],
    "errors": ["InputError", "NonFiniteError"],
    "attribution.explain": ["explain"],
    "explanation": ["Explanation"],
    "images": ["load_image"],
    "model": ["Decision", "ImageModel", "Policy", "Scores"],
    "preprocess": ["Preprocess"],
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'rlvis' has no attribute {name!r}")
    found = getattr(import_module(f"rlvis.{_HOME[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
