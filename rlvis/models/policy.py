"""A policy: an image model whose labels are its actions, and how it acts on observations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rlvis.errors import InputError
from rlvis.images.observations import as_image, is_picture
from rlvis.images.preprocess import Preprocess
from rlvis.models.distributions import ActionDistribution, Categorical
from rlvis.models.image_model import ImageModel
from rlvis.models.score_detection import gives_probabilities
from rlvis.models.score_kinds import ScoreKind

MASK = "action_mask"
"""The name of what tells a policy which actions are possible."""


@dataclass(frozen=True)
class Decision:
    """What a policy did on one observation.

    Attributes:
        action: as the environment takes it: an int, or an array where an action has entries.
        logits: float32 (K,), the scores; for continuous actions the means; -inf for an action that
            was not possible.
        probabilities: float32 (K,), NaN for continuous actions.
        value: the critic's estimate, NaN where the policy has none.
        image: uint8 (H, W, C), what of the observation it saw; float images in 256 levels.
        context: arrays by name, what it knew besides: other entries of the observation, memory,
            which actions were possible.
        memory: what it remembers for the next step.
    """

    action: int | np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray
    value: float
    image: np.ndarray
    context: Mapping[str, np.ndarray] = field(default_factory=dict)
    memory: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Situation:
    """What a policy acts on, at one step of one episode.

    Attributes:
        observation: uint8 (H, W, C), or a mapping with entries of `image_key` and the context.
        memory: the `memory` of the decision before; None at an episode's start.
        action_mask: bool (K,), which actions are possible, for a policy that asks for it.
        generator: the random generator of the episode; None for torch's global one.
    """

    observation: Any
    memory: Mapping[str, np.ndarray] | None = None
    action_mask: np.ndarray | None = None
    generator: torch.Generator | None = None


class Policy(ImageModel):
    """A stochastic policy π(action | image): an image model whose labels are its actions.

    Args:
        module: maps a float tensor (N, C, H, W) to `(logits, value)` of shapes (N, K) and (N,). One
            with memory gives a dict of "logits", "value" and "memory".
        labels: the K names of the scores: for discrete actions those of the actions, in the order
            of the environment.
        preprocess: as for `ImageModel`; scaling by 1/255, or to `pixel_range`, when left out.
        observation_shape: the (H, W, C) of the observations it was trained on, if known.
        name, layer, context, memory, frames: as for `ImageModel`. The context is taken from the
            entries of the same names in a Dict observation; "action_mask", of shape (K,), is what
            the environment says of which actions are possible.
        image_key: the entry of a Dict observation that is the image, None for plain images.
        pixel_range: the least and the most of float images; left out they are uint8. What it acts
            on are the floats, what is kept and explained are 256 levels between these.
        description: metadata kept with the policy (environment, steps trained, success).
        distribution: how an action is drawn from the scores; one of the K labels when left out.

    Raises:
        InputError: as for `ImageModel`, if the distribution has another number of scores, or the
            range is none; when it is asked, if it was left out and the module gives probabilities.
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
        pixel_range: tuple[float, float] | None = None,
    ) -> None:
        if pixel_range is not None and preprocess is None:
            preprocess = _to_range(pixel_range)
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
        self.pixel_range = pixel_range
        self.description = dict(description or {})
        self.distribution = distribution or Categorical(len(self.labels))
        self._assumed = distribution is None
        if len(self.distribution.labels) != len(self.labels):
            raise InputError(
                f"{len(self.labels)} labels, but {self.distribution} have "
                f"{len(self.distribution.labels)} scores; give one label per score"
            )

    @property
    def distribution(self) -> ActionDistribution:
        """How an action is drawn from the scores, which says what kind of scores they are."""
        assert isinstance(self.kind, ActionDistribution)
        return self.kind

    @distribution.setter
    def distribution(self, distribution: ActionDistribution) -> None:
        self.kind = distribution

    def _kind(self, replica: nn.Module, inputs: Tensor, context: Mapping[str, Tensor]) -> ScoreKind:
        """The distribution.

        Raises:
            InputError: if nobody says it, and the module gives probabilities in place of logits.
        """
        if self._assumed and gives_probabilities(inputs[:1], partial(self._ask, context)):
            raise InputError(
                f"{self.name} gives probabilities, and actions are drawn from logits; give what it "
                "has before its softmax, or the logarithm of what it gives"
            )
        self._assumed = False
        return self.distribution

    def observe(
        self, observation: Any, action_mask: np.ndarray | None = None
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The image, uint8 (H, W, C), and the context in an environment's observation.

        Args:
            observation: from the environment.
            action_mask: bool (K,), which actions it says are possible.

        Raises:
            InputError: if an entry or the mask is missing that the policy needs, or no action is
                possible.
        """
        entries = [key for key in self.context if key != MASK]
        for key in filter(None, (self.image_key, *entries)):
            if not isinstance(observation, Mapping) or key not in observation:
                raise InputError(f"{self.name} needs an entry {key!r} in each observation")
        context = {key: _entry(observation[key]) for key in entries}
        if MASK in self.context:
            context[MASK] = self._mask(action_mask)
        pixels = self._pixels(observation)
        if self.pixel_range is None:
            if pixels.dtype.kind == "f":
                raise InputError(
                    f"{self.name} sees images of uint8, and the observation holds {pixels.dtype}; "
                    "give Policy(pixel_range=(least, most)) for floats"
                )
            return pixels.copy(), context
        low, high = self.pixel_range
        levels = (pixels.astype(np.float32) - low) * (255 / (high - low))
        return levels.round().clip(0, 255).astype(np.uint8), context

    def act(
        self,
        observation: Any,
        generator: torch.Generator | None = None,
        deterministic: bool = False,
        memory: Mapping[str, np.ndarray] | None = None,
        action_mask: np.ndarray | None = None,
    ) -> Decision:
        """Sample an action for one observation.

        Args:
            observation: uint8 (H, W, C), or a mapping with entries of `image_key` and the context.
            generator: the random generator (torch's global one when left out).
            deterministic: take the most probable action instead of sampling one.
            memory: the `memory` of the decision before; left out, that of an episode's start.
            action_mask: bool (K,), which actions are possible, for a policy that asks for it.
        """
        situation = Situation(observation, memory, action_mask, generator)
        return self.act_on([situation], deterministic)[0]

    def act_on(
        self, situations: Sequence["Situation"], deterministic: bool = False
    ) -> list[Decision]:
        """Sample an action in each of several situations; one forward pass serves all of them."""
        images, contexts = zip(
            *(self.observe(each.observation, each.action_mask) for each in situations), strict=True
        )
        known = [
            {**context, **(self.blank_memory() if each.memory is None else each.memory)}
            for context, each in zip(contexts, situations, strict=True)
        ]
        scores = self.scores(
            self._seen(images, situations),
            {name: np.stack([each[name] for each in known]) for name in known[0]},
        )
        logits = scores.logits.float().cpu()
        probabilities = self.distribution.probabilities(logits).numpy()
        values = None if scores.value is None else scores.value.float().cpu().numpy()
        log_std = None if scores.log_std is None else scores.log_std.float().cpu()
        memory = {name: each.float().cpu().numpy() for name, each in scores.memory.items()}
        lots = [each.generator for each in situations]
        actions = self.distribution.draw(logits, lots, deterministic, log_std)
        rows = logits.numpy()
        return [
            Decision(
                action=actions[place],
                logits=rows[place],
                probabilities=probabilities[place],
                value=float("nan") if values is None else float(values[place]),
                image=images[place],
                context=known[place],
                memory={name: entry[place] for name, entry in memory.items()},
            )
            for place in range(len(situations))
        ]

    def _seen(self, images: Sequence[np.ndarray], situations: Sequence["Situation"]) -> Any:
        """What the network is given: the images, or the floats that they are 256 levels of."""
        if self.pixel_range is None:
            return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
        floats = [self._pixels(each.observation).transpose(2, 0, 1) for each in situations]
        return torch.from_numpy(np.stack(floats).astype(np.float32))

    def _pixels(self, observation: Any) -> np.ndarray:
        """The image in an observation, (H, W, C), as it came."""
        return as_image(observation if self.image_key is None else observation[self.image_key])

    def _mask(self, given: np.ndarray | None) -> np.ndarray:
        if given is None:
            raise InputError(
                f"{self.name} was trained with masks of the possible actions; choose an "
                "environment that has the method action_masks, or give action_mask"
            )
        mask = np.asarray(given, bool).ravel()
        if len(mask) != len(self.labels):
            raise InputError(f"a mask of {len(mask)} actions; {self.name} has {len(self.labels)}")
        if not all(mask[factor].any() for factor in self.distribution.choices):
            raise InputError(f"no action is possible by the mask given to {self.name}")
        return mask

    def blank_memory(self) -> dict[str, np.ndarray]:
        """The memory with which an episode starts: zeros."""
        return {name: np.zeros(shape, np.float32) for name, shape in self.memory.items()}


def require_policy(policy: object) -> None:
    """Whether an object can be played.

    Raises:
        InputError: if it is no `Policy`; the message says how to make one of it.
    """
    if isinstance(policy, Policy):
        return
    kind = type(policy).__name__
    if isinstance(policy, (ImageModel, nn.Module)):
        raise InputError(
            f"{kind} is no policy; give rlvis.Policy(module, labels, …), whose module gives "
            "(logits, value) for images"
        )
    raise InputError(
        f"cannot play {kind}; give an rlvis.Policy, or load an agent's file with "
        "rlvis_agents.load_policy(path)"
    )


def _entry(value: Any) -> np.ndarray:
    """A copy of an entry of an observation; pictures become (H, W, C)."""
    entry = np.array(value)
    return as_image(entry) if is_picture(entry.shape, entry.dtype) else entry


def _to_range(pixel_range: tuple[float, float]) -> Preprocess:
    """What makes of 256 levels the floats that they stand for."""
    low, high = pixel_range
    if not low < high:
        raise InputError(f"pixel_range {pixel_range} is no range; give the least and the most")
    return Preprocess(mean=(-low / (high - low),), std=(1 / (high - low),))
