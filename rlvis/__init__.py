"""rlvis: see why a visual agent acts as it does.

The names below are loaded on first use, so that `import rlvis` and `rlvis --help` stay quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rlvis.moved import keep_former_names

if TYPE_CHECKING:
    from rlvis.attribution import METHODS, explain, explain_each
    from rlvis.attribution.explanation import Explanation
    from rlvis.attribution.layer_table import list_layers
    from rlvis.errors import InputError, NonFiniteError
    from rlvis.evaluation.audit_result import Audit
    from rlvis.evaluation.auditor import audit
    from rlvis.evaluation.classifier import audit_classifier
    from rlvis.evaluation.plan import AuditPlan
    from rlvis.images.loading import load_image
    from rlvis.images.preprocess import Preprocess
    from rlvis.models.image_model import ImageModel
    from rlvis.models.label_search import find_labels
    from rlvis.models.policy import Decision, Policy
    from rlvis.models.scores import Scores
    from rlvis.rollouts.alternatives import what_if
    from rlvis.rollouts.comparison import compare
    from rlvis.rollouts.episode import Episode
    from rlvis.rollouts.episode_table import EpisodeTable
    from rlvis.rollouts.field import policy_field
    from rlvis.rollouts.moments import find_moments
    from rlvis.rollouts.recorder import record
    from rlvis.rollouts.recording import Recording
    from rlvis.zoo.classifiers import load_classifier
    from rlvis.zoo.loading import load_model
    from rlvis.zoo.source import ModelSource

__version__: str

__all__ = [
    "METHODS",
    "Audit",
    "AuditPlan",
    "Decision",
    "Episode",
    "EpisodeTable",
    "Explanation",
    "ImageModel",
    "InputError",
    "ModelSource",
    "NonFiniteError",
    "Policy",
    "Preprocess",
    "Recording",
    "Scores",
    "audit",
    "audit_classifier",
    "compare",
    "explain",
    "explain_each",
    "find_labels",
    "find_moments",
    "list_layers",
    "load_classifier",
    "load_image",
    "load_model",
    "policy_field",
    "record",
    "what_if",
]

_MODULES = {
    "attribution": ["METHODS", "explain", "explain_each"],
    "attribution.explanation": ["Explanation"],
    "attribution.layer_table": ["list_layers"],
    "errors": ["InputError", "NonFiniteError"],
    "evaluation.audit_result": ["Audit"],
    "evaluation.auditor": ["audit"],
    "evaluation.classifier": ["audit_classifier"],
    "evaluation.plan": ["AuditPlan"],
    "images.loading": ["load_image"],
    "images.preprocess": ["Preprocess"],
    "models.image_model": ["ImageModel"],
    "models.scores": ["Scores"],
    "models.label_search": ["find_labels"],
    "models.policy": ["Decision", "Policy"],
    "rollouts.alternatives": ["what_if"],
    "rollouts.comparison": ["compare"],
    "rollouts.episode": ["Episode"],
    "rollouts.episode_table": ["EpisodeTable"],
    "rollouts.field": ["policy_field"],
    "rollouts.moments": ["find_moments"],
    "rollouts.recorder": ["record"],
    "rollouts.recording": ["Recording"],
    "zoo.classifiers": ["load_classifier"],
    "zoo.loading": ["load_model"],
    "zoo.source": ["ModelSource"],
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


_SUBMODULES = {"features": "rlvis.features", "targets": "rlvis.models.targets"}

keep_former_names()


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name in _SUBMODULES:
        found = import_module(_SUBMODULES[name])
    elif name in _HOME:
        found = getattr(import_module(f"rlvis.{_HOME[name]}"), name)
    else:
        raise AttributeError(f"module 'rlvis' has no attribute {name!r}")
    globals()[name] = found
    return found


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("rlvis")
    except PackageNotFoundError:  # used from its folder, not installed
        return "0+unknown"


def __dir__() -> list[str]:
    return sorted(__all__)
