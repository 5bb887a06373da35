"""How images lie in memory where a network is asked.

Convolutions are quicker on images whose channels lie side by side. A network that flattens its maps
with `view`, as many do, cannot take those; what lies as usual it takes as it always does.
"""

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

_KNOWN: WeakKeyDictionary[nn.Module, torch.memory_format] = WeakKeyDictionary()


def quickest_format(
    module: nn.Module, image: Tensor, ask: Callable[[Tensor], Any]
) -> torch.memory_format:
    """Channels last where a network can take that, which is tried once for each.

    Args:
        module: the network.
        image: an input, (1, C, H, W).
        ask: puts inputs (2, C, H, W) to a copy of it.
    """
    if module in _KNOWN:
        return _KNOWN[module]
    two = image.detach().expand(2, *image.shape[1:])  # a `view` may allow for one alone
    for memory_format in (torch.channels_last, torch.contiguous_format):
        try:
            with torch.no_grad():
                ask(two.clone(memory_format=memory_format))
        except Exception:  # a fault that does not depend on it comes again
            continue
        _KNOWN[module] = memory_format
        return memory_format
    return torch.contiguous_format


def in_format(inputs: Tensor, memory_format: torch.memory_format) -> Tensor:
    """The inputs (N, C, H, W) as they lie in that format, copied where they lie otherwise.

    A single channel counts as either, and convolutions then go by its stride.
    """
    if memory_format is torch.channels_last:
        return inputs.contiguous(memory_format=memory_format)
    usual = torch.empty(inputs.shape, device="meta").stride()
    return inputs if inputs.stride() == usual else inputs.clone(memory_format=memory_format)
