"""From globally pooled channels to the targets: the linear layer between, and what is behind it.

Most networks end in a pool and an `nn.Linear`, which is read. Of others the numbers decide: scores
are linear in the means of a layer's channels where their gradient at the layer is the same at every
place, and for any other map.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from rlvis.attribution.changed_images import check_differentiable, differentiable_replica
from rlvis.errors import InputError
from rlvis.instrument.feature_layout import FeatureLayout
from rlvis.instrument.network_trace import NetworkTrace
from rlvis.instrument.watching import watch
from rlvis.models.image_model import ImageModel
from rlvis.models.replica import replicate
from rlvis.models.scores import Scores
from rlvis.models.targets import Target

_GLARE = 1e4
"""How much larger than the layer's map noise is: what bends for any map bends for that."""

_EVEN: WeakKeyDictionary[NetworkTrace, dict[str, bool]] = WeakKeyDictionary()

LinearRun = tuple[nn.Linear, Tensor, Tensor]
"""A linear layer, what it was given, and what it gave."""


def head_matrix(runs: Sequence[LinearRun], pooled: Tensor, scores: Tensor) -> Tensor | None:
    """The matrix (K, C) of the last linear layer that maps pooled channels to scores, if any does.

    Args:
        runs: the linear layers in the order in which they ran.
        pooled: float (N, C), the means of a layer's channels.
        scores: float (N, K); a mask may have been laid over some of them.
    """
    free = scores.isfinite()
    for linear, features, output in reversed(runs):
        same_scores = output.shape == scores.shape and torch.equal(
            output.detach().to(scores)[free], scores[free]
        )
        if same_scores and features.shape == pooled.shape:
            tolerance = max(1e-4, 4 * torch.finfo(pooled.dtype).eps) * features.abs().amax()
            if bool(((features - pooled).abs() <= tolerance).all()):
                return linear.weight.detach()
    return None


def is_pooled_linearly(
    model: ImageModel,
    inputs: Tensor,
    context: Mapping[str, Tensor],
    layer: str,
    run: int,
    layout: FeatureLayout,
) -> bool:
    """Whether scores are a linear function of the means of a layer's channels, by their gradients.

    The layer's map is exchanged for noise, twice.

    Args:
        model: the model; it is left as it is.
        inputs: float (N, C, H, W), of which the first is taken.
        context: of these inputs.
        layer: its name.
        run: which of its runs in a pass.
        layout: of its output.
    """
    replica, generator = replicate(model.module), torch.Generator().manual_seed(0)
    glare = min(_GLARE, torch.finfo(inputs.dtype).max ** 0.5)
    noises: list[Tensor] = []
    runs = 0

    def exchange(_: str, __: nn.Module, ___: Any, output: Tensor) -> Tensor | None:
        nonlocal runs
        runs += 1
        if runs != run + 1:
            return None
        size = glare * output.detach().abs().amax().clamp(min=1).to(output)
        noise = torch.randn(output.shape, generator=generator).to(output) * size
        noises.append(noise.requires_grad_())
        return noise.clone()

    watch(replica, exchange, {layer})
    gradients = []
    for _ in range(2):
        runs = 0
        mixed = _mixed_scores(model, replica, inputs[:1].detach(), context)
        found = torch.autograd.grad(mixed, noises[-1], allow_unused=True)[0]
        if found is None:
            return False
        gradients.append(layout.map(found))
    return _are_even(gradients)


def evenly_read(
    model: ImageModel, inputs: Tensor, context: Mapping[str, Tensor], trace: NetworkTrace
) -> dict[str, bool]:
    """Whether the scores' gradient is the same at every place of a layer's map, by layer.

    Of each layer the last run that sees the image counts. Layers through which no gradient goes are
    left out. Found once for a trace, in one pass: what scores are pooled from linearly is read
    evenly.

    Args:
        model: the model; it is left as it is.
        inputs: float (N, C, H, W), of which the first is taken.
        context: of these inputs.
        trace: of the model.
    """
    if trace not in _EVEN:
        _EVEN[trace] = _read_evenly(model, inputs, context, trace)
    return _EVEN[trace]


def _read_evenly(
    model: ImageModel, inputs: Tensor, context: Mapping[str, Tensor], trace: NetworkTrace
) -> dict[str, bool]:
    maps = {
        name: [run for run in range(len(runs)) if trace.is_map(name, run)]
        for name, runs in trace.runs.items()
        if name
    }
    replica = differentiable_replica(model)
    started: Counter[str] = Counter()
    outputs: dict[str, tuple[int, Tensor]] = {}

    def keep(name: str, _: nn.Module, __: Any, output: Any) -> Tensor | None:
        run = started[name]
        started[name] += 1
        if run not in maps[name] or not isinstance(output, Tensor) or not output.requires_grad:
            return None
        outputs[name] = run, output
        return output.clone()  # which an in-place operation that follows may change

    watch(replica, keep, {name for name, runs in maps.items() if runs})
    mixed = _mixed_scores(model, replica, inputs[:1].detach().requires_grad_(), context)
    try:
        check_differentiable(model, [mixed])
    except InputError:
        return {}
    if not mixed.requires_grad or not outputs:
        return {}
    given = [output for _, output in outputs.values()]
    gradients = torch.autograd.grad(mixed, given, allow_unused=True)
    return {
        name: _are_even([trace.layout(model, name, run).map(gradient)])
        for (name, (run, _)), gradient in zip(outputs.items(), gradients, strict=True)
        if gradient is not None
    }


def pooled_layer(
    model: ImageModel, inputs: Tensor, context: Mapping[str, Tensor], trace: NetworkTrace
) -> str | None:
    """The last layer that scores are pooled from linearly, None if none is."""
    even = evenly_read(model, inputs, context, trace)
    for name in [each for each in reversed(trace.runs) if even.get(each)]:
        run = len(trace.runs[name]) - 1
        if is_pooled_linearly(model, inputs, context, name, run, trace.layout(model, name)):
            return name
    return None


def _mixed_scores(
    model: ImageModel, replica: nn.Module, image: Tensor, context: Mapping[str, Tensor]
) -> Tensor:
    """A sum of all scores of an image, and of the critic's, each with a weight of its own."""
    with torch.enable_grad():
        given = {name: each[:1] for name, each in context.items()}
        scores = model.run(replica, image.clone(), given)
        parts = [scores.logits] + ([] if scores.value is None else [scores.value[:, None]])
        outputs = torch.cat(parts, dim=1)
        return (outputs * torch.linspace(1, 2, outputs.shape[1]).to(outputs)).sum()


def _are_even(gradients: Sequence[Tensor]) -> bool:
    """Whether gradients (1, C, h, w) are the same everywhere, and in all of them, but not 0."""
    middle = gradients[0].double().mean(dim=(-2, -1), keepdim=True)
    tolerance = 1e-4 * float(middle.abs().amax())
    return tolerance > 0 and all(
        bool(((each - middle).abs() <= tolerance).all()) for each in gradients
    )


def score_jacobian(targets: Sequence[Target], scores: Scores) -> dict[str, Tensor]:
    """How targets depend on the scores themselves, without the network.

    Args:
        targets: T targets.
        scores: of N images.

    Returns:
        "logits": float (N, T, K) and, for an actor-critic, "value": float (N, T, 1).
    """
    outputs = {"logits": scores.logits, "value": scores.value}
    leaves = {
        name: tensor.detach().requires_grad_(True)
        for name, tensor in outputs.items()
        if tensor is not None
    }
    free = replace(scores, logits=leaves["logits"], value=leaves.get("value"))
    rows: dict[str, list[Tensor]] = {name: [] for name in leaves}
    for target in targets:
        with torch.enable_grad():
            found = torch.autograd.grad(
                target(free).sum(), list(leaves.values()), allow_unused=True
            )
        for (name, leaf), jacobian in zip(leaves.items(), found, strict=True):
            jacobian = torch.zeros_like(leaf) if jacobian is None else jacobian
            rows[name].append(jacobian.reshape(len(leaf), -1))
    return {name: torch.stack(each, dim=1) for name, each in rows.items()}
