"""How an agent of Stable-Baselines3 draws its actions from its scores."""

from math import prod

import numpy as np

from rlvis.errors import InputError
from rlvis.models.distributions import (
    ActionDistribution,
    Bernoulli,
    Categorical,
    DiagonalGaussian,
    Greedy,
    MultiCategorical,
    SquashedGaussian,
)
from rlvis_agents.sb3.archive import Archive


def distribution_of(archive: Archive) -> ActionDistribution:
    """The distribution of an agent's actions.

    Actions are numbered from 0 whatever the space says: so its own library gives them to the
    environment. The noise of `use_sde` is left out.

    Raises:
        InputError: if its actions are of a kind that cannot be inspected, or its network has
            another number of scores.
    """
    space, scores = archive.action, _count(archive)
    found: ActionDistribution | None = None
    if archive.valued and space.kind == "Discrete":
        return Greedy(*space.sizes)
    if space.kind == "Discrete":
        found = Categorical(*space.sizes)
    elif space.kind == "MultiDiscrete":
        found = MultiCategorical(space.sizes)
    elif space.kind == "MultiBinary" and len(space.sizes) == 1 and space.sizes[0] <= scores:
        bits = space.sizes[0]
        found = MultiCategorical((2,) * bits) if archive.masked else Bernoulli(bits)
    elif space.kind == "Box" and prod(space.shape) == scores:
        found = _gaussian(archive)
    if found is None or _scores_of(found) != scores:
        raise InputError(
            f"{archive.path} has {scores} scores for actions of the kind {space}; only Box, "
            "Discrete, MultiDiscrete and MultiBinary ones can be inspected"
        )
    return found


def _scores_of(distribution: ActionDistribution) -> int:
    """How many scores it takes, without a name for each."""
    if isinstance(distribution, MultiCategorical):
        return sum(distribution.sizes)
    if isinstance(distribution, Categorical | Bernoulli):
        return distribution.count
    return len(distribution.labels)


def _count(archive: Archive) -> int:
    """The width of the layer that gives an agent's scores."""
    if archive.valued:
        return 0
    if archive.algorithm != "actor":
        layer = archive.weights.get("action_net.weight")
    else:
        means = [name for name in archive.weights if name.startswith("actor.mu.")]
        numbered = sorted(name for name in means if name.endswith("weight"))
        layer = archive.weights[numbered[-1]] if numbered else None
    if layer is None or layer.ndim != 2:
        raise archive.damaged("it lacks the layer of its actions")
    return len(layer)


def _gaussian(archive: Archive) -> DiagonalGaussian:
    space = archive.action
    squashed = archive.algorithm == "actor" or archive.flag("squash_output")
    log_std = np.full(space.shape, -np.inf)
    known = archive.weights.get("log_std")
    if known is not None and known.numel() == log_std.size and not archive.metadata.get("use_sde"):
        log_std = known.numpy().reshape(space.shape)
    kind = SquashedGaussian if squashed else DiagonalGaussian
    return kind.within(log_std, space.low, space.high)
