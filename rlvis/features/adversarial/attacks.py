"""Small changes of an image that turn the decision: FGSM, PGD, and the smallest that does.

Changes are measured on the scale on which black is 0 and white is 1, at the size at which the
network sees the image, and stay between black and white.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from rlvis.deprecation import renamed_parameters
from rlvis.errors import InputError, unknown
from rlvis.features.adversarial.result import Attack, Norm
from rlvis.images.loading import Images, as_images
from rlvis.models.image_model import ImageModel, require_image_model
from rlvis.models.pixels import PixelScale
from rlvis.models.replica import replicate
from rlvis.models.score_kinds import log_shares, require_choice
from rlvis.models.scores import Scores
from rlvis.models.targets import label_index
from rlvis.options import MANY, MOST_SEED, check_real, check_whole
from rlvis.progress import OnProgress, Progress, reporter, silent

NORMS = ("linf", "l2")
METHODS = ("fgsm", "pgd")
LARGEST = {"linf": 0.25, "l2": 8.0}
_HALVINGS = 14


@renamed_parameters(size="eps")
def attack(
    model: ImageModel,
    images: Images,
    method: str = "pgd",
    *,
    norm: Norm = "linf",
    eps: float = 4 / 255,
    target: str | int | None = None,
    steps: int = 20,
    seed: int = 0,
    context: Mapping[str, Any] | None = None,
    on_progress: OnProgress | None = None,
) -> Attack:
    """Change images so that the model decides otherwise.

    FGSM (Goodfellow et al. 2015, eq. 2) takes one step of the whole size along the loss gradient's
    sign, or its direction for the L2 norm. PGD (Madry et al. 2018, eq. 2) starts at a random place
    and takes many small ones, each put back into the allowed ball.

    Args:
        model: what is attacked; it is left as it is.
        images: in any form `as_images` takes.
        method: "fgsm" or "pgd".
        norm: "linf", the largest change of a value, or "l2", the Euclidean length of the change.
        eps: the change allowed, where black is 0 and white is 1.
        target: a label, or its index, to be decided for; any other than now if left out.
        steps: of PGD.
        seed: of PGD's start.
        context: see `ImageModel.context_of`.
        on_progress: called after every step; see `rlvis.progress`.

    Raises:
        InputError: if a name does not exist, eps or the steps are not positive, the model's
            scores are not one choice, or it has no gradient at the image.
    """
    require_image_model(model)
    check_attack(model, method, norm=norm, eps=eps, target=target, steps=steps, seed=seed)
    problem = _Problem.of(model, images, target, context)
    sizes, report = torch.full((len(problem.clean),), eps), reporter(on_progress)
    changed = problem.changed(method, norm, sizes, steps, seed, report)
    return problem.result(changed, method, norm, sizes)


def smallest_attack(
    model: ImageModel,
    images: Images,
    method: str = "pgd",
    *,
    norm: Norm = "linf",
    largest: float | None = None,
    target: str | int | None = None,
    steps: int = 20,
    context: Mapping[str, Any] | None = None,
    on_progress: OnProgress | None = None,
) -> Attack:
    """The smallest change, found by halving, with which an attack turns the decision.

    Args:
        largest: the largest change that is tried, `LARGEST` of the norm if left out; images that
            resist it come back attacked by it.
        model: as for `attack`.
        images: as for `attack`.
        method: as for `attack`; PGD starts at the image itself.
        norm: as for `attack`.
        target: as for `attack`.
        steps: as for `attack`.
        context: as for `attack`.
        on_progress: called after every halving; see `rlvis.progress`.

    Raises:
        InputError: as for `attack`.
    """
    require_image_model(model)
    largest = LARGEST.get(norm, 1.0) if largest is None else largest
    check_attack(model, method, norm=norm, eps=largest, target=target, steps=steps)
    problem = _Problem.of(model, images, target, context)
    low = torch.zeros(len(problem.clean))
    high = torch.full_like(low, largest)
    best = problem.changed(method, norm, high, steps)
    report = reporter(on_progress)
    for halving in range(_HALVINGS):
        middle = (low + high) / 2
        tried = problem.changed(method, norm, middle, steps)
        turned = problem.result(tried, method, norm, middle).success
        best = torch.where(turned[:, None, None, None], tried, best)
        low, high = torch.where(turned, low, middle), torch.where(turned, middle, high)
        report(Progress("smallest attack", halving + 1, _HALVINGS, "halvings"))
    return replace(problem.result(best, method, norm, high), smallest=True)


def check_attack(
    model: ImageModel,
    method: str = "pgd",
    *,
    norm: str = "linf",
    eps: float = 4 / 255,
    target: str | int | None = None,
    steps: int = 20,
    seed: int = 0,
) -> None:
    """Whether `attack` can be asked that of a model; its parameters are those of `attack`.

    Raises:
        InputError: if not.
    """
    if method not in METHODS:
        raise unknown("attack", method, METHODS)
    if norm not in NORMS:
        raise unknown("norm", norm, NORMS)
    check_real("eps", eps, 1e-9, 1e6)
    check_whole("steps", steps, 1, MANY)
    check_whole("seed", seed, 0, MOST_SEED)
    if model.kind is not None:
        require_choice(model.kind, "an attack")
    if target is not None:
        label_index(target, model.labels)


@dataclass(frozen=True)
class _Problem:
    """Images to be changed, and what is wanted of them.

    Attributes:
        model: what is attacked.
        clean: float32 (N, C, H, W), where black is 0 and white is 1.
        scale: between these and the network's input.
        context: see `ImageModel.context_of`.
        score: the scores of inputs, differentiable.
        goal: int64 (N,).
        targeted: whether the goal is to be reached or to be left.
    """

    model: ImageModel
    clean: Tensor
    scale: PixelScale
    context: dict[str, Tensor]
    score: Callable[[Tensor], Scores]
    goal: Tensor
    targeted: bool

    @classmethod
    def of(
        cls,
        model: ImageModel,
        images: Images,
        target: str | int | None,
        context: Mapping[str, Any] | None,
    ) -> "_Problem":
        pictures = as_images(images)
        scale = PixelScale.of(model, pictures)
        clean = scale.unit(model.inputs(pictures))
        replica, known = replicate(model.module), model.context_of(len(clean), context)

        def score(inputs: Tensor) -> Scores:
            return model.run(replica, inputs.to(model.dtype), known)

        with torch.no_grad():
            scores = score(scale.inputs(clean))
        require_choice(scores.kind, "an attack")
        now = scores.logits.argmax(dim=1)
        goal = now if target is None else torch.full_like(now, label_index(target, model.labels))
        return cls(model, clean, scale, known, score, goal, target is not None)

    def ascent(self, unit: Tensor) -> Tensor:
        """The gradient along which a goal to reach comes nearer, or one to leave further away."""
        unit = unit.detach().requires_grad_(True)
        with torch.enable_grad():
            scores = self.score(self.scale.inputs(unit))
            log_p = log_shares(scores.kind, scores.logits.float())
            loss = -log_p.gather(1, self.goal[:, None]).sum()
        if not loss.requires_grad:
            raise InputError("the model is not differentiable at the image; attacks need gradients")
        (gradient,) = torch.autograd.grad(loss, unit)
        return -gradient if self.targeted else gradient

    def changed(
        self,
        method: str,
        norm: Norm,
        sizes: Tensor,
        steps: int,
        seed: int | None = None,
        report: OnProgress = silent,
    ) -> Tensor:
        """Images (N, C, H, W) within those distances (N,) of the clean ones.

        PGD starts at a random one of them, or at the clean images where there is no seed.
        """
        size = sizes.to(self.clean.device)[:, None, None, None]
        if method == "fgsm":
            return (self.clean + size * _direction(self.ascent(self.clean), norm)).clamp(0, 1)
        unit = self.clean
        if seed is not None:
            generator = torch.Generator().manual_seed(seed)
            start = torch.rand(unit.shape[1:], generator=generator).to(unit) * 2 - 1
            unit = (unit + _within(start.expand_as(unit) * size, norm, size)).clamp(0, 1)
        for step in range(steps):
            unit = unit + 2.5 * size / steps * _direction(self.ascent(unit), norm)
            unit = (self.clean + _within(unit - self.clean, norm, size)).clamp(0, 1)
            report(Progress("attack", step + 1, steps, "steps"))
        return unit

    def result(self, unit: Tensor, method: str, norm: Norm, sizes: Tensor) -> Attack:
        """What came of it."""
        inputs = self.scale.inputs(self.clean), self.scale.inputs(unit)
        with torch.no_grad():
            before, after = (self.score(each) for each in inputs)
        return Attack(
            model=self.model,
            clean=self.clean,
            attacked=unit,
            inputs=inputs,
            context=self.context,
            before=before,
            after=after,
            goal=self.goal,
            targeted=self.targeted,
            method=method,
            norm=norm,
            eps=sizes,
        )


def _direction(gradient: Tensor, norm: Norm) -> Tensor:
    """The change of size 1 along which the loss rises most."""
    if norm == "linf":
        return gradient.sign()
    return gradient / _length(gradient).clamp(min=1e-12)


def _within(change: Tensor, norm: Norm, size: Tensor) -> Tensor:
    """The nearest change that is no larger than `size` (N, 1, 1, 1)."""
    if norm == "linf":
        return change.clamp(-size, size)
    return change * (size / _length(change).clamp(min=1e-12)).clamp(max=1)


def _length(change: Tensor) -> Tensor:
    return torch.linalg.vector_norm(change, dim=(1, 2, 3), keepdim=True)
