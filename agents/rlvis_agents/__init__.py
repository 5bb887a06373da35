"""Agents: training, evaluation, checkpoints, and policies by name, path or Stable-Baselines3 file.

The names below are loaded on first use: loading a policy needs neither Gymnasium nor
Stable-Baselines3.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rlvis.moved import keep_former_names

if TYPE_CHECKING:
    from rlvis_agents.evaluation import Evaluation as Evaluation
    from rlvis_agents.evaluation import evaluate as evaluate
    from rlvis_agents.loading import (
        load_policy as load_policy,
    )
    from rlvis_agents.loading import (
        shipped_policies as shipped_policies,
    )
    from rlvis_agents.network import PolicyNetwork as PolicyNetwork
    from rlvis_agents.training.config import TrainConfig as TrainConfig
    from rlvis_agents.training.trainer import train as train

_HOME = {
    "Evaluation": "evaluation",
    "PolicyNetwork": "network",
    "TrainConfig": "training.config",
    "evaluate": "evaluation",
    "load_policy": "loading",
    "shipped_policies": "loading",
    "train": "training.trainer",
}

__all__ = list(_HOME)


keep_former_names()


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'rlvis_agents' has no attribute {name!r}")
    try:
        return getattr(import_module(f"rlvis_agents.{_HOME[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name not in ("gymnasium", "stable_baselines3"):
            raise
        from rlvis.errors import InputError

        raise InputError(f"{error.name} is missing; pip install 'rlvis[agents]'") from None


def __dir__() -> list[str]:
    return sorted(__all__)
