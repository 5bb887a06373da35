"""What a network says of itself in its `config`, as those of Hugging Face do."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from rlvis.models.score_kinds import IndependentLogits, Logits, Numbers

_MEANT = {
    "single_label_classification": Logits.name,
    "multi_label_classification": IndependentLogits.name,
    "regression": Numbers.name,
}


def own_labels(module: nn.Module) -> tuple[str, ...] | None:
    """The names in `module.config.id2label`, by index; None where there are none.

    Keys may be numbers or numbers written out; they must count up from 0.
    """
    named = _entry(module, "id2label")
    if not isinstance(named, Mapping) or not named:
        return None
    try:
        by_index = {int(index): str(name) for index, name in named.items()}
    except (TypeError, ValueError):
        return None
    if set(by_index) != set(range(len(by_index))):
        return None
    return tuple(by_index[index] for index in range(len(by_index)))


def own_kind(module: nn.Module) -> str | None:
    """The kind of scores that a network was trained to give, by `module.config.problem_type`."""
    return _MEANT.get(str(_entry(module, "problem_type")))


def _entry(module: nn.Module, name: str) -> Any:
    config = getattr(module, "config", None)
    return config.get(name) if isinstance(config, Mapping) else getattr(config, name, None)
