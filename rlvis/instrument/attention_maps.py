"""The attention maps of a transformer, found by interception of the calls that compute them.

Seen are `scaled_dot_product_attention`, `nn.MultiheadAttention`, and a softmax over the last axis
of at least three. A fused attention never forms its map, so it is computed here as its
documentation writes it: softmax(q kᵀ · scale + mask) v. What is kept lies on the way to the scores,
so that their gradient at it exists.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from rlvis.errors import InputError
from rlvis.models.autograd_graph import depends, edges_behind
from rlvis.models.interception import CallInterceptor

_SOFTMAXES = {torch.softmax, Tensor.softmax, F.softmax}


class Attentions(CallInterceptor):
    """Within this context the attention maps of this thread are kept.

    Attributes:
        maps: float (…, T, S) in the order of their computation: how far each of T tokens attends
            to each of S.
        share: how many were computed before those that are kept, of all.
    """

    def __init__(self) -> None:
        super().__init__()
        self.maps: list[Tensor] = []
        self.share = 0.0

    def intercept(self, func: Callable, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """The result of a call, its attention kept where it is attention."""
        if func is F.scaled_dot_product_attention:
            return self._scaled_dot_product(*args, **kwargs)
        if func is F.multi_head_attention_forward:
            return self._multi_head(args, kwargs)
        result = func(*args, **kwargs)
        if func in _SOFTMAXES and result.ndim >= 3:
            axis = kwargs.get("dim", args[1] if len(args) > 1 else None)
            if axis in (-1, result.ndim - 1):
                self.maps.append(result)
        return result

    def _scaled_dot_product(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        if enable_gqa:
            groups = query.shape[-3] // key.shape[-3]
            key, value = (each.repeat_interleave(groups, -3) for each in (key, value))
        scores = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
        if is_causal:
            attn_mask = torch.ones_like(scores, dtype=torch.bool).tril()
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            scores = scores.masked_fill(~attn_mask, float("-inf"))
        elif attn_mask is not None:
            scores = scores + attn_mask
        self.maps.append(scores.softmax(dim=-1))
        return F.dropout(self.maps[-1], dropout_p) @ value

    def _multi_head(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """`nn.MultiheadAttention`, asked for its weights whether its caller wants them or not."""
        call = inspect.signature(F.multi_head_attention_forward).bind(*args, **kwargs)
        call.apply_defaults()
        wanted, averaged = (
            call.arguments[name] for name in ("need_weights", "average_attn_weights")
        )
        call.arguments.update(need_weights=True, average_attn_weights=False)
        output, weights = F.multi_head_attention_forward(*call.args, **call.kwargs)
        assert weights is not None
        # The weights handed out are a view beside the way to the output; its base lies on it.
        self.maps.append(weights if weights._base is None else weights._base)
        if not wanted:
            return output, None
        return output, weights.mean(dim=-3) if averaged else weights

    def keep_behind(self, targets: Sequence[Tensor]) -> None:
        """Forget the maps that targets (N,) do not depend on, as those of a critic's own pass.

        Raises:
            InputError: if the targets depend on different maps, or on maps side by side.
        """
        behind = [edges_behind(each) for each in targets]
        read = [[each for each in self.maps if depends(edges, each)] for edges in behind]
        if any([*map(id, each)] != [*map(id, read[0])] for each in read):
            raise InputError(
                "the targets depend on different attention, as where actor and critic run the "
                "transformer apart; explain one target at a time"
            )
        if read[0]:
            self.share = [each is read[0][0] for each in self.maps].index(True) / len(self.maps)
        self.maps = read[0]
        before = edges_behind(self.maps[-1]) if self.maps else set()
        if not all(depends(before, each) for each in self.maps):
            raise InputError(
                "the network runs its attention on several things side by side, so that no token "
                "can be followed through the layers; use grad-cam"
            )

    def check(self, model: str, count: int) -> int:
        """How many tokens all of the maps are about.

        Args:
            model: what errors call the network.
            count: how many images went through it.

        Raises:
            InputError: if there is no attention, or it is not all over the same tokens.
        """
        if not self.maps:
            raise InputError(
                f"attention methods need a transformer, and {model} computes no attention that "
                "can be seen; use grad-cam"
            )
        shapes = {tuple(each.shape) for each in self.maps}
        *images, tokens, others = next(iter(shapes))
        heads_beside = len(images) == 2 and images[0] == count
        whole = heads_beside or (len(images) == 1 and images[0] % count == 0)
        if any(each[-2] != each[-1] for each in shapes):
            raise InputError(
                f"{model} lets tokens attend to others than themselves, as latents to patches, "
                "which no attention method here follows; use grad-cam"
            )
        if len(shapes) > 1 or tokens != others or not whole:
            raise InputError(
                f"the attention of {model} runs within windows or over changing tokens, so that no "
                "token can be followed through the layers; use grad-cam"
            )
        return tokens


def by_head(attention: Tensor, count: int) -> Tensor:
    """An attention map of `count` images, or a gradient at it, as (N, heads, T, T)."""
    return attention.reshape(count, -1, *attention.shape[-2:])
