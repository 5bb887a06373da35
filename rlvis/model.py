"""The one object to inspect: a network that takes an image and gives named scores.

A policy is an image classifier whose classes are its actions; an actor-critic gives a value
besides. Every tool is written for `ImageModel`, and `Policy` only adds how an action is drawn.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rlvis.actions import ActionDistribution, Categorical
from rlvis.errors import InputError, NonFiniteError
from rlvis.images import Images, as_images
from rlvis.preprocess import Preprocess
from rlvis.replica import replicate


@dataclass(frozen=True)
class Scores:
    """Named scores of a batch of images.

    Attributes:
        logits: float (N, K), unnormalised, one column per label.
        value: float (N,), the critic's estimate, or None for a plain classifier.
        labels: the K names.
    """

    logits: Tensor
    value: Tensor | None
    labels: tuple[str, ...]

    def of_image(self, index: int) -> "Scores":
        """The scores of one image, as a batch of one, without gradient."""
        value = None if self.value is None else self.value.detach()[index : index + 1]
        return Scores(self.logits.detach()[index : index + 1], value, self.labels)

    def repeat(self, count: int) -> "Scores":
        """The scores of all images, `count` times over, without gradient."""
        value = None if self.value is None else self.value.detach().repeat(count)
        return Scores(self.logits.detach().repeat(count, 1), value, self.labels)

    @property
    def log_probabilities(self) -> Tensor:
        """Float (N, K): the log-softmax of the logits."""
        return self.logits.log_softmax(dim=1)

    @property
    def probabilities(self) -> Tensor:
        """Float (N, K): the softmax of the logits."""
        return self.logits.softmax(dim=1)


def read_output(output: Any, labels: tuple[str, ...]) -> Scores:
    """Find logits and value in whatever a module returns.

    Understood are a tensor (N, K); a tuple or list whose first entry is that tensor and whose
    second, where it has one entry per image, is the value; a mapping or an object with `logits`
    and perhaps `value`.

    Raises:
        InputError: if there are no logits of shape (N, K), or K is not the number of labels.
        NonFiniteError: if a score is NaN or infinite.
    """
    logits, value = output, None
    if isinstance(output, Mapping):
        logits, value = output.get("logits"), output.get("value")
    elif hasattr(output, "logits"):
        logits, value = output.logits, getattr(output, "value", None)
    elif isinstance(output, (tuple, list)) and output:
        logits, value = output[0], output[1] if len(output) > 1 else None
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(output).__name__
        raise InputError(f"the network gives {shape}; expected one row of scores per image (N, K)")
    if logits.shape[1] != len(labels):
        raise InputError(
            f"the network gives {logits.shape[1]} scores per image, but there are "
            f"{len(labels)} labels; give one label per score"
        )
    if isinstance(value, Tensor) and value.numel() == logits.shape[0]:
        value = value.reshape(-1)
    else:
        value = None
    for name, tensor in (("scores", logits), ("value", value)):
        if tensor is not None and not bool(torch.isfinite(tensor).all()):
            raise NonFiniteError(
                f"the network's {name} are NaN or infinite; check its weights and the input's range"
            )
    return Scores(logits, value, labels)


class ImageModel:
    """A module, the way images are brought to it, and the names of its scores.

    Args:
        module: maps a float tensor (N, C, H, W) to scores; see `read_output` for the forms.
        labels: one name per score, all different.
        preprocess: maps uint8 images (N, C, H, W) in a tensor to the module's input. A `Preprocess`
            or any callable of that form (the transforms of torchvision's weights are).
        name: what pictures call it; the module's class name when left out.
        layer: the layer class activation maps are made from, as in `module.named_modules()`; the
            last spatial layer when left out.

    Raises:
        InputError: if labels repeat, or a weight is NaN or infinite.
    """

    def __init__(
        self,
        module: nn.Module,
        labels: Sequence[str],
        preprocess: Callable[[Tensor], Tensor] | None = None,
        *,
        name: str | None = None,
        layer: str | None = None,
    ) -> None:
        self.module = module
        self.labels = tuple(str(label) for label in labels)
        self.distribution: ActionDistribution = Categorical(len(self.labels))
        self.preprocess = preprocess if preprocess is not None else Preprocess()
        self.name = name or type(module).__name__
        self.layer = layer
        if len(set(self.labels)) != len(self.labels):
            repeated = next(each for each in self.labels if self.labels.count(each) > 1)
            raise InputError(f"the label {repeated!r} is given twice; labels must differ")
        for weight, tensor in module.state_dict().items():
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise NonFiniteError(
                    f"the weight {weight!r} of {self.name} holds NaN or infinity; load another file"
                )

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return _first_tensor(self.module).device

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type of the weights."""
        return _first_tensor(self.module).dtype

    def inputs(self, images: Images) -> Tensor:
        """The network's input (N, C, H, W) for images in any form `as_images` takes.

        A float tensor (N, C, H, W) is taken as the network's input already.
        """
        if isinstance(images, Tensor) and images.is_floating_point():
            prepared = images
        else:
            prepared = self.preprocess(as_images(images).to(self.device))
        return prepared.to(device=self.device, dtype=self.dtype)

    def scores(self, images: Images) -> Scores:
        """Scores of images, as in eval mode, without gradient; the module stays as it is."""
        training = any(module.training for module in self.module.modules())
        module = replicate(self.module) if training else self.module
        with torch.no_grad():
            return read_output(module(self.inputs(images)), self.labels)


def _first_tensor(module: nn.Module) -> Tensor:
    for tensor in chain(module.parameters(), module.buffers()):
        if tensor.is_floating_point():
            return tensor
    return torch.empty(0)


@dataclass(frozen=True)
class Decision:
    """What a policy did on one observation.

    Attributes:
        action: index into the labels; int64 or float32 (D,) where an action has D entries.
        logits: float32 (K,), the scores; for continuous actions the means.
        probabilities: float32 (K,), NaN for continuous actions.
        value: the critic's estimate, NaN where the policy has none.
    """

    action: int | np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray
    value: float


class Policy(ImageModel):
    """A stochastic policy π(action | image): an image model whose labels are its actions.

    Args:
        module: maps a float tensor (N, C, H, W) to `(logits, value)` of shapes (N, K) and (N,).
        labels: the K names of the scores: for discrete actions those of the actions, in the order
            of the environment.
        preprocess: as for `ImageModel`; scaling by 1/255 when left out.
        observation_shape: the (H, W, C) of the observations it was trained on, if known.
        name, layer: as for `ImageModel`.
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
    ) -> None:
        super().__init__(module, labels, preprocess, name=name, layer=layer)
        self.observation_shape = observation_shape
        self.description = dict(description or {})
        self.distribution = distribution or self.distribution
        if len(self.distribution.labels) != len(self.labels):
            raise InputError(
                f"{len(self.labels)} labels, but {self.distribution} have "
                f"{len(self.distribution.labels)} scores; give one label per score"
            )

    def act(
        self,
        observation: np.ndarray,
        generator: torch.Generator | None = None,
        deterministic: bool = False,
    ) -> Decision:
        """Draw an action for one observation, uint8 (H, W, C).

        Args:
            generator: the source of chance (torch's global one when left out).
            deterministic: take the most probable action instead of drawing one.
        """
        scores = self.scores(observation[None])
        logits = scores.logits.float().cpu()
        action = self.distribution.draw(logits[0], generator, deterministic)
        value = float(scores.value[0]) if scores.value is not None else float("nan")
        probabilities = self.distribution.probabilities(logits)[0]
        return Decision(action, logits[0].numpy(), probabilities.numpy(), value)
