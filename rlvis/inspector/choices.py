"""What can be asked of a network: methods, layers, actions and their colours."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rlvis.attribution.engine import explain
from rlvis.attribution.layer_table import list_layers
from rlvis.attribution.registry import METHODS
from rlvis.display.theme import label_colour
from rlvis.errors import InputError
from rlvis.models.distributions import ActionDistribution, Categorical, DiagonalGaussian
from rlvis.models.image_model import ImageModel
from rlvis.models.policy import Policy

SLOW = frozenset(
    (
        "score-cam",
        "ablation-cam",
        "smoothgrad",
        "integrated-gradients",
        "occlusion",
        "perturbation",
        "sarfa",
        "rise",
    )
)
"""Methods that run the network on many changed images for each map."""

_TRIED = ("cam", "grad-cam", "attention-rollout")
"""Others are possible where one of these is that reads the same."""


def methods_of(
    model: ImageModel, image: np.ndarray, context: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """All methods, which of them are slow, and which the network can be asked by.

    Args:
        model: the network.
        image: one that it takes, uint8 (H, W, C).
        context: of it, (1, …) each.
    """
    known = {name: _is_possible(model, image, context, name) for name in _TRIED}
    return [
        described(
            each.name,
            known.get(
                each.name,
                known["attention-rollout"]
                if each.reads_attention
                else known["grad-cam"] or not each.reads_layer,
            ),
        )
        for each in METHODS.values()
    ]


def described(name: str, possible: bool = True) -> dict[str, Any]:
    """A method as the page knows it."""
    known = METHODS.get(name.partition(":")[0])
    return {
        "name": name,
        "layer": known.reads_layer if known else True,
        "signed": known.signed if known else True,
        "slow": name.partition(":")[0] in SLOW,
        "possible": possible,
    }


def targets_of(policy: Policy, has_value: bool) -> list[str]:
    """What maps can explain of a policy, as the page offers it.

    Args:
        policy: it.
        has_value: whether it estimates values.
    """
    known = policy.distribution
    asked = ["chosen"] * is_choice(known) + [*policy.labels] + ["margin"] * known.competing
    return [*asked, *["entropy"] * known.probable, *["value"] * has_value]


def bounded_by(distribution: ActionDistribution) -> str:
    """What brings the means of continuous actions within their bounds; "" for other actions."""
    return distribution.bounded_by if isinstance(distribution, DiagonalGaussian) else ""


def is_choice(distribution: ActionDistribution) -> bool:
    """Whether an action is one of several."""
    return isinstance(distribution, Categorical)


def layers_of(model: ImageModel, image: np.ndarray) -> list[dict[str, Any]]:
    """The layers that run for an image, and their shapes."""
    return [{"name": each.name, "shape": list(each.shape)} for each in list_layers(model, image)]


def colours_of(actions: Sequence[str]) -> list[dict[str, str]]:
    """The names of actions and their colours as browsers write them."""
    return [
        {"name": name, "colour": "#{:02x}{:02x}{:02x}".format(*label_colour(place))}
        for place, name in enumerate(actions)
    ]


def _is_possible(
    model: ImageModel, image: np.ndarray, context: Mapping[str, Any] | None, name: str
) -> bool:
    options: dict[str, Any] = {"context": context} if context else {}
    try:
        explain(model, image, name, 0, **options)
    except InputError:
        return False
    return True
