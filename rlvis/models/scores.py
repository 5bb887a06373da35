"""Named scores, and how they are read from whatever a network returns."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from rlvis.errors import InputError, NonFiniteError
from rlvis.models.score_kinds import LOGITS, ScoreKind


@dataclass(frozen=True)
class Scores:
    """Named scores of a batch of images.

    Attributes:
        logits: float (N, K), the network's own, one column per label, logits or of another kind;
            -inf where a mask forbids one.
        value: float (N,), the critic's estimate, or None for a plain classifier.
        labels: the K names.
        memory: float (N, …), by name: what a recurrent network passes on to the next step.
        log_std: float (N, K), the logarithms of the standard deviations of continuous actions,
            where they depend on the image.
        taken: int64 (N,), the action that was taken on each image, where somebody says it.
        kind: what the scores are, see `rlvis.models.score_kinds`.
    """

    logits: Tensor
    value: Tensor | None
    labels: tuple[str, ...]
    memory: Mapping[str, Tensor] = field(default_factory=dict)
    log_std: Tensor | None = None
    taken: Tensor | None = None
    kind: ScoreKind = LOGITS

    def rows(self, images: Tensor | slice) -> "Scores":
        """The scores of some images without gradient, of one several times where it is named so.

        Args:
            images: their places, int64 (M,) or a slice.
        """
        value = None if self.value is None else self.value.detach()[images]
        taken = None if self.taken is None else self.taken[images]
        logits = self.logits.detach()[images]
        return Scores(logits, value, self.labels, taken=taken, kind=self.kind)

    @classmethod
    def joined(cls, parts: Sequence["Scores"]) -> "Scores":
        """The scores of all images of several batches, at least one."""

        def all_of(tensors: Iterable[Tensor | None]) -> Tensor | None:
            there = [each for each in tensors if each is not None]
            return torch.cat(there) if there else None

        logits = torch.cat([part.logits for part in parts])
        return cls(
            logits,
            all_of(part.value for part in parts),
            parts[0].labels,
            {name: torch.cat([part.memory[name] for part in parts]) for name in parts[0].memory},
            all_of(part.log_std for part in parts),
            all_of(part.taken for part in parts),
            parts[0].kind,
        )

    @property
    def log_probabilities(self) -> Tensor:
        """Float (N, K): the logarithm of the probability of what each score stands for.

        Raises:
            InputError: if the scores make up no probabilities.
        """
        return self.kind.log_probabilities(self.logits)

    @property
    def probabilities(self) -> Tensor:
        """Float (N, K): of what each score stands for, NaN where scores make up none."""
        return self.kind.probabilities(self.logits)


def read_output(
    output: Any, labels: tuple[str, ...], images: int, kind: ScoreKind = LOGITS
) -> Scores:
    """Find scores, of that kind, and value in whatever a module returns for N images.

    Understood are a tensor (N, K), with axes of length 1 more or less, such as (K,) for one image
    or (N, K, 1, 1); a tuple or list whose first entry is that tensor and whose second, where it has
    one entry per image, is the value; a mapping or an object with `logits` and perhaps `value`, for
    recurrent networks `memory`, a mapping, and for continuous actions `log_std`.

    Raises:
        InputError: if there is no row of scores for each image, or K is not the number of labels.
        NonFiniteError: if a score is NaN or infinite, or all of an image's are masked with -inf.
    """
    found = find_scores(output, images)
    if found[0].is_inference():  # the network's own mode; what is asked of scores needs their graph
        found = tree_map_only(Tensor, Tensor.clone, found)
    logits, value, memory, log_std = found
    if logits.shape[1] != len(labels):
        raise InputError(
            f"the network gives {logits.shape[1]} scores per image, but there are "
            f"{len(labels)} labels; give one label per score"
        )
    if isinstance(value, Tensor) and value.numel() == logits.shape[0]:
        value = value.reshape(-1)
    else:
        value = None
    masked = logits.isneginf() & logits.isfinite().any(dim=1, keepdim=True)
    for name, tensor in (("scores", logits.masked_fill(masked, 0)), ("value", value)):
        if tensor is not None and not bool(torch.isfinite(tensor).all()):
            raise NonFiniteError(
                f"the network's {name} are NaN or infinite; check its weights and the input's range"
            )
    return Scores(logits, value, labels, memory or {}, log_std, kind=kind)


def find_scores(output: Any, images: int) -> tuple[Tensor, Any, Any, Any]:
    """The logits (N, K) in whatever a module returns, and what it calls value, memory and log_std.

    Raises:
        InputError: if there is no row of logits for each of N images.
    """
    logits, value, memory, log_std = output, None, None, None
    besides = ("value", "memory", "log_std")
    if isinstance(output, Mapping):
        logits, value, memory, log_std = (output.get(name) for name in ("logits", *besides))
    elif hasattr(output, "logits"):
        logits = output.logits
        value, memory, log_std = (getattr(output, name, None) for name in besides)
    elif isinstance(output, (tuple, list)) and output:
        logits, value = output[0], output[1] if len(output) > 1 else None
    if not isinstance(logits, Tensor):
        kind = type(output).__name__
        raise InputError(f"the network gives {kind}; expected one row of scores per image (N, K)")
    return _in_rows(logits, images), value, memory, log_std


def _in_rows(scores: Tensor, images: int) -> Tensor:
    """Scores as (N, K), by the axes that are longer than 1.

    Raises:
        InputError: if these are not one for the images and one for the scores.
    """
    if scores.ndim == 2 and len(scores) == images:
        return scores
    sides = [each for each in scores.shape if each != 1]
    of_each = sides[1:] if images > 1 else sides
    if sides[: images > 1] == [images] * (images > 1) and len(of_each) < 2:
        return scores.reshape(images, -1)
    shape, count = tuple(scores.shape), "1 image" if images == 1 else f"{images} images"
    several = len(of_each) == 2 and scores.shape[0] == images
    raise InputError(
        f"the network gives {shape} for {count}; expected one row of scores per image (N, K)"
        + (", so choose or average its rows in a module around it" if several else "")
    )
