"""Which token is which place of the image: the network is asked, for some keep them in blocks.

In one forward pass every token attends to itself alone, so that it is made of what the convolution
gave at its own place. The gradient of all tokens, each weighted by random numbers, at each place is
compared with that of the same tokens weighted by their number besides: where a single token sees a
place, one is the other times that token's number.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rlvis.errors import InputError
from rlvis.instrument.feature_layout import FeatureLayout
from rlvis.models.image_model import ImageModel
from rlvis.models.interception import CallInterceptor
from rlvis.models.replica import replicate


def in_order(
    model: ImageModel,
    inputs: Tensor,
    context: Mapping[str, Tensor],
    layer: str | None,
    layout: FeatureLayout,
) -> FeatureLayout:
    """The layout of a layer's tokens, each at its own place.

    Args:
        model: the model; it is left as it is.
        inputs: float (N, C, H, W), of which the first is taken.
        context: of these inputs.
        layer: its name; None for the tokens that attend to each other.
        layout: as their number has it, row by row.

    Raises:
        InputError: if some place is not seen by one token alone.
    """
    if not layout.tokens:
        return layout
    replica = replicate(model.module)
    image = inputs[:1].detach().clone()
    if image.dtype in (torch.float16, torch.bfloat16):  # which cannot count so far
        replica, image = replica.float(), image.float()
    places: list[Tensor] = []
    tokens: list[Tensor] = []

    def leave(_: nn.Module, __: Any, output: Tensor) -> Tensor | None:
        if tuple(output.shape[-2:]) != layout.grid or len(output) != 1 or (tokens and layer):
            return None
        places.append(output.detach().requires_grad_())
        return places[-1].clone()

    for module in replica.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(leave)

    def keep(_: nn.Module, __: Any, output: Any) -> None:
        first = output[0] if isinstance(output, tuple) and output else output
        if not isinstance(first, Tensor) or first.ndim != 3:
            return
        if first.shape[1] == layout.count:
            tokens.append(first)
        elif first.shape[:2] == (layout.count, 1):  # the images behind the tokens
            tokens.append(first.transpose(0, 1))

    for module in replica.modules() if layer is None else [replica.get_submodule(layer)]:
        module.register_forward_hook(keep)
    with torch.enable_grad(), _EachForItself():
        model.run(replica, image, {name: each[:1] for name, each in context.items()})
    order = _numbers(tokens[-1], places[::-1]) if tokens else None
    if order is None:
        where = "the attention" if layer is None else f"layer {layer!r}"
        raise InputError(
            f"the tokens of {where} are not one for each place of the image; name an earlier "
            "layer, or use saliency"
        )
    rows = torch.arange(layout.prefix, layout.prefix + len(order), device=order.device)
    return layout if torch.equal(order, rows) else replace(layout, order=order)


def _numbers(tokens: Tensor, sources: Sequence[Tensor]) -> Tensor | None:
    """The number of the token that sees each place of the last source that they depend on."""
    if not tokens.requires_grad:
        return None
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(tokens.shape, generator=generator).to(tokens)
    count = tokens.shape[1]
    numbers = torch.arange(1, count + 1).to(tokens)[:, None] / count
    for source in sources:
        found = [
            torch.autograd.grad((tokens * each).sum(), source, retain_graph=True, allow_unused=True)
            for each in (weights, weights * numbers)
        ]
        if found[0][0] is None:
            continue
        plain, numbered = (each.double().flatten(2)[0] for (each,) in found)
        number = (plain * numbered).sum(dim=0) / plain.square().sum(dim=0)
        apart = (numbered - number * plain).norm(dim=0) <= 0.05 / count * plain.norm(dim=0)
        order = (number * count - 1).nan_to_num(nan=-1).round().long()
        alone = len(order.unique()) == len(order) and bool((order >= 0).all())
        return order if bool(apart.all()) and alone else None
    return None


class _EachForItself(CallInterceptor):
    """Within it tokens attend to themselves alone, or to nothing where others are attended to."""

    def intercept(self, func: Callable, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        if func is F.scaled_dot_product_attention:
            call = dict(zip(("query", "key", "value"), args, strict=False)) | kwargs
            query, key, value = call["query"], call["key"], call["value"]
            if query.shape[-2] != key.shape[-2]:
                return query.new_zeros(*query.shape[:-1], value.shape[-1])
            groups = query.shape[-3] // value.shape[-3] if query.ndim > 3 else 1
            return value.repeat_interleave(groups, -3) if groups > 1 else value
        if func is F.multi_head_attention_forward:
            bound = inspect.signature(func).bind(*args, **kwargs)
            length = bound.arguments["query"].shape[0]
            others = ~torch.eye(length, dtype=torch.bool, device=bound.arguments["query"].device)
            bound.arguments.update(attn_mask=others, key_padding_mask=None, is_causal=False)
            return func(*bound.args, **bound.kwargs)
        result = func(*args, **kwargs)
        if func in (torch.softmax, Tensor.softmax, F.softmax) and result.ndim >= 3:
            axis = kwargs.get("dim", args[1] if len(args) > 1 else None)
            if axis in (-1, result.ndim - 1):
                square = result.shape[-1] == result.shape[-2]
                itself = torch.eye(*result.shape[-2:]) if square else torch.zeros(1)
                return itself.to(result).expand_as(result)
        return result
