"""What is to be known of a network before it is asked, found out once by asking it.

How images lie in memory: convolutions are quicker on images whose channels lie side by side. A
network that flattens its maps with `view`, as many do, cannot take those; what lies as usual it
takes as it always does.

Whether it runs parts without a gradient: a frozen backbone is often run within `torch.no_grad()`,
which says that it is not to be trained. The scores depend on the image all the same, and their
derivative is what is asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_SAME = 0.02
"""Scores may differ by that share of the largest, as those in half precision do."""


@dataclass(frozen=True)
class Habits:
    """How a network is to be asked.

    Attributes:
        memory_format: how its inputs should lie in memory.
        blocks_gradients: whether none passes from its scores to its input.
    """

    memory_format: torch.memory_format = torch.contiguous_format
    blocks_gradients: bool = False


_KNOWN: WeakKeyDictionary[nn.Module, tuple[list[Any], Habits]] = WeakKeyDictionary()


def find_habits(
    module: nn.Module, settings: list[Any], image: Tensor, ask: Callable[[Tensor], Tensor]
) -> Habits:
    """The habits of a network, which is asked at most twice.

    Args:
        module: the network.
        settings: of its parts; where they have changed it is asked again.
        image: an input, (1, C, H, W).
        ask: puts inputs (2, C, H, W) to a copy of it, which gives scores.
    """
    if module in _KNOWN and _KNOWN[module][0] == settings:
        return _KNOWN[module][1]
    two = image.detach().expand(2, *image.shape[1:])  # a `view` may allow for one alone
    with torch.inference_mode(False), torch._C.DisableTorchFunction():  # whoever listens
        try:
            with torch.enable_grad():
                usual = two.clone(memory_format=torch.contiguous_format).requires_grad_()
                scores = ask(usual.clone())  # which may be changed in place
        except Exception:  # it comes again, where it can be told
            return Habits()
        memory_format = torch.contiguous_format
        with suppress(Exception), torch.no_grad():
            others = ask(two.clone(memory_format=torch.channels_last))
            if bool(((others - scores).abs() <= _SAME * scores.abs().amax()).all()):
                memory_format = torch.channels_last
    found = Habits(memory_format, not scores.requires_grad)
    _KNOWN[module] = settings, found
    return found


def in_format(inputs: Tensor, memory_format: torch.memory_format) -> Tensor:
    """The inputs (N, C, H, W) as they lie in that format, copied where they lie otherwise.

    A single channel counts as either, and convolutions then go by its stride.
    """
    if memory_format is torch.channels_last:
        return inputs.contiguous(memory_format=memory_format)
    usual = torch.empty(inputs.shape, device="meta").stride()
    return inputs if inputs.stride() == usual else inputs.clone(memory_format=memory_format)


class GradientsKept(TorchFunctionMode):
    """Within it `torch.no_grad` and its like have no effect in this thread."""

    def __torch_function__(
        self,
        func: Callable,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is torch._C._set_grad_enabled:
            return None
        return func(*args, **(kwargs or {}))
