"""What a network says of itself in its `config`, as those of Hugging Face do."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from rlvis.models.score_kinds import KINDS, IndependentLogits, Logits, Numbers

_MEANT = {
    "single_label_classification": Logits.name,
    "multi_label_classification": IndependentLogits.name,
    "regression": Numbers.name,
}
assert set(_MEANT.values()) <= set(KINDS)


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
    """The kind of scores that a network was trained to give, by `module.config.problem_type`.

    A single score is that of a regression where the config says nothing more, as Hugging Face
    has it. None where there is no config of labels.
    """
    if own_labels(module) is None:
        return None
    meant = _MEANT.get(str(_entry(module, "problem_type")))
    return Numbers.name if meant is None and len(own_labels(module) or ()) == 1 else meant


def _entry(module: nn.Module, name: str) -> Any:
    config = getattr(module, "config", None)
    return config.get(name) if isinstance(config, Mapping) else getattr(config, name, None)
