"""What is to be known of a method's maps of a network, whatever the image.

Methods that give each channel one weight assume that a channel counts alike wherever it is active,
as where scores are pooled from the layer. Where a head flattens the map instead it does not. The
numbers decide: cells of the map change places, and the scores stay what they are, or do not.
"""

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from rlvis.instrument.feature_layout import FeatureLayout
from rlvis.instrument.network_trace import NetworkTrace, trace_of
from rlvis.instrument.watching import watch
from rlvis.models.image_model import ImageModel
from rlvis.models.replica import replicate

UNEVEN = "one weight a channel, though places count differently"

_MOVED = 1e-3
"""What scores may move when cells change places, as a share of what they move for another map."""
_ROUNDINGS = 32

_ALIKE: WeakKeyDictionary[NetworkTrace, dict[str, bool]] = WeakKeyDictionary()


def caveat(
    one_weight: bool,
    model: ImageModel,
    inputs: Tensor,
    context: Mapping[str, Tensor],
    layer: str | None,
) -> str:
    """What is to be known of a method's maps of a layer, "" where that is nothing.

    Args:
        one_weight: whether the method gives each channel one weight.
        model: the model; it is left as it is.
        inputs: float (N, C, H, W), of which the first is taken.
        context: of these inputs.
        layer: that the method reads.
    """
    if not one_weight or layer is None or places_count_alike(model, inputs, context, layer):
        return ""
    return UNEVEN


def places_count_alike(
    model: ImageModel, inputs: Tensor, context: Mapping[str, Tensor], layer: str
) -> bool:
    """Whether scores stay what they are when the cells of a layer's map change places.

    The map is that of the image with noise on it. Found once for a trace and a layer, in three
    passes; True where the layer gives no map of several cells.

    Args:
        model: the model; it is left as it is.
        inputs: float (N, C, H, W), of which the first is taken.
        context: of these inputs.
        layer: its name.
    """
    trace = trace_of(model, inputs, context)
    known = _ALIKE.setdefault(trace, {})
    if layer not in known:
        known[layer] = _count_alike(model, inputs[:1].detach(), context, trace, layer)
    return known[layer]


def _count_alike(
    model: ImageModel,
    image: Tensor,
    context: Mapping[str, Tensor],
    trace: NetworkTrace,
    layer: str,
) -> bool:
    layouts = {
        number: trace.layout(model, layer, number)
        for number, run in enumerate(trace.runs.get(layer, ()))
        if run.extent is not None and trace.is_map(layer, number)
    }
    if not layouts:
        return True
    given = {name: each[:1] for name, each in context.items()}

    def scores(seed: int, moved: bool) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        replica, runs = replicate(model.module), 0

        def exchange(_: str, __: nn.Module, ___: Any, output: Tensor) -> Tensor | None:
            nonlocal runs
            runs += 1
            layout = layouts.get(runs - 1)
            if layout is None:
                return None
            spread = output.std() if float(output.std()) else torch.ones_like(output.std())
            noise = torch.randn(output.shape, generator=generator).to(output)
            noisy = output + spread * noise
            return _moved(noisy, layout) if moved else noisy

        watch(replica, exchange, {layer})
        found = model.run(replica, image.clone(), given)
        parts = [found.logits] + ([] if found.value is None else [found.value[:, None]])
        return torch.cat([each.double() for each in parts], dim=1)

    with torch.no_grad():
        there, moved, other = scores(0, False), scores(0, True), scores(1, False)
    rounding = _ROUNDINGS * torch.finfo(image.dtype).eps * there.abs().nan_to_num(0, 0, 0).amax()
    free = there.isfinite()
    change, scale = ((each - there)[free].abs().amax() for each in (moved, other))
    return bool(change <= _MOVED * scale + rounding)


def _moved(output: Tensor, layout: FeatureLayout) -> Tensor:
    """A layer's output with the cells of its map in another order, the same for all channels."""
    numbers = torch.arange(output.numel(), device=output.device).view(output.shape)
    cells = layout.map(numbers).flatten(-2)
    order = torch.randperm(cells.shape[-1], generator=torch.Generator().manual_seed(0))
    flat = output.flatten()
    changed = flat.clone()
    changed[cells.flatten()] = flat[cells[..., order.to(cells.device)].flatten()]
    return changed.view(output.shape)
