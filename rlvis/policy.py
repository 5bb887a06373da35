"""A policy: an image model whose labels are its actions, and how it acts on observations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rlvis.actions import ActionDistribution
from rlvis.environments import as_image
from rlvis.errors import InputError
from rlvis.model import ImageModel


@dataclass(frozen=True)
class Decision:
    """What a policy did on one observation.

    Attributes:
        action: index into the labels; int64 or float32 (D,) where an action has D entries.
        logits: float32 (K,), the scores; for continuous actions the means.
        probabilities: float32 (K,), NaN for continuous actions.
        value: the critic's estimate, NaN where the policy has none.
        image: uint8 (H, W, C), what of the observation it saw.
        context: arrays by name, what it knew besides: other entries of the observation, memory.
        memory: what it remembers for the next step.
    """

    action: int | np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray
    value: float
    image: np.ndarray
    context: Mapping[str, np.ndarray] = field(default_factory=dict)
    memory: Mapping[str, np.ndarray] = field(default_factory=dict)


class Policy(ImageModel):
    """A stochastic policy π(action | image): an image model whose labels are its actions.

    Args:
        module: maps a float tensor (N, C, H, W) to `(logits, value)` of shapes (N, K) and (N,). One
            with memory gives a dict of "logits", "value" and "memory".
        labels: the K names of the scores: for discrete actions those of the actions, in the order
            of the environment.
        preprocess: as for `ImageModel`; scaling by 1/255 when left out.
        observation_shape: the (H, W, C) of the observations it was trained on, if known.
        name, layer, context, memory, frames: as for `ImageModel`. The context is taken from the
            entries of the same names in a Dict observation.
        image_key: the entry of a Dict observation that is the image, None for plain images.
        description: facts worth keeping with the policy (environment, steps trained, success).
        distribution: how an action is drawn from the scores; one of the K labels when left out.

    Raises:
        InputError: as for `ImageModel`, or if the distribution has another number of scores.
    """

    def __init__(
        self,
        module: nn.Module,
        labels: Sequence[str],
        preprocess: Callable[[Tensor], Tensor] | None = None,
        *,
        observation_shape: tuple[int, int, int] | None = None,
        name: str | None = None,
        layer: str | None = None,
        description: Mapping[str, Any] | None = None,
        distribution: ActionDistribution | None = None,
        image_key: str | None = None,
        context: Mapping[str, tuple[int, ...]] | None = None,
        memory: Mapping[str, tuple[int, ...]] | None = None,
        frames: int | None = None,
    ) -> None:
        super().__init__(
            module,
            labels,
            preprocess,
            name=name,
            layer=layer,
            context=context,
            memory=memory,
            frames=frames,
        )
        self.observation_shape = observation_shape
        self.image_key = image_key
        self.description = dict(description or {})
        self.distribution = distribution or self.distribution
        if len(self.distribution.labels) != len(self.labels):
            raise InputError(
                f"{len(self.labels)} labels, but {self.distribution} have "
                f"{len(self.distribution.labels)} scores; give one label per score"
            )

    def observe(self, observation: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The image, uint8 (H, W, C), and the context in an environment's observation.

        Raises:
            InputError: if an entry that the policy needs is missing.
        """
        if self.image_key is None:
            return as_image(observation).copy(), {}
        for key in (self.image_key, *self.context):
            if not isinstance(observation, Mapping) or key not in observation:
                raise InputError(f"{self.name} needs an entry {key!r} in each observation")
        context = {key: _entry(observation[key]) for key in self.context}
        return as_image(observation[self.image_key]).copy(), context

    def act(
        self,
        observation: Any,
        generator: torch.Generator | None = None,
        deterministic: bool = False,
        memory: Mapping[str, np.ndarray] | None = None,
    ) -> Decision:
        """Draw an action for one observation.

        Args:
            observation: uint8 (H, W, C), or a mapping with entries of `image_key` and the context.
            generator: the source of chance (torch's global one when left out).
            deterministic: take the most probable action instead of drawing one.
            memory: the `memory` of the decision before; left out, that of an episode's start.
        """
        image, context = self.observe(observation)
        context |= memory if memory is not None else self.blank_memory()
        scores = self.scores(image[None], {name: each[None] for name, each in context.items()})
        logits = scores.logits.float().cpu()
        return Decision(
            action=self.distribution.draw(logits[0], generator, deterministic),
            logits=logits[0].numpy(),
            probabilities=self.distribution.probabilities(logits)[0].numpy(),
            value=float(scores.value[0]) if scores.value is not None else float("nan"),
            image=image,
            context=context,
            memory={name: each[0].float().cpu().numpy() for name, each in scores.memory.items()},
        )

    def blank_memory(self) -> dict[str, np.ndarray]:
        """The memory with which an episode starts: zeros."""
        return {name: np.zeros(shape, np.float32) for name, shape in self.memory.items()}


def _entry(value: Any) -> np.ndarray:
    """A copy of an entry of an observation; images become (H, W, C)."""
    entry = np.array(value)
    return as_image(entry) if entry.dtype == np.uint8 and entry.ndim in (2, 3) else entry
