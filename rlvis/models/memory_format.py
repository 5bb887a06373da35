"""How images lie in memory where a network is asked.

Convolutions are quicker on images whose channels lie side by side. A network that flattens its maps
with `view`, as many do, cannot take those; what lies as usual it takes as it always does.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

_KNOWN: WeakKeyDictionary[nn.Module, tuple[list[Any], torch.memory_format]] = WeakKeyDictionary()
_SAME = 0.02
"""Scores may differ by that share of the largest, as those in half precision do."""


def quickest_format(
    module: nn.Module, settings: list[Any], image: Tensor, ask: Callable[[Tensor], Tensor]
) -> torch.memory_format:
    """Channels last where a network answers that as it does the usual, which is tried once.

    Args:
        module: the network.
        settings: of its parts; where they have changed it is tried again.
        image: an input, (1, C, H, W).
        ask: puts inputs (2, C, H, W) to a copy of it, which gives scores.
    """
    if module in _KNOWN and _KNOWN[module][0] == settings:
        return _KNOWN[module][1]
    two = image.detach().expand(2, *image.shape[1:])  # a `view` may allow for one alone
    found = torch.contiguous_format
    with torch.no_grad():
        try:
            usual = ask(two.clone(memory_format=torch.contiguous_format)).float()
        except Exception:  # it comes again, where it can be told
            return found
        with suppress(Exception):
            other = ask(two.clone(memory_format=torch.channels_last)).float()
            if bool(((other - usual).abs() <= _SAME * usual.abs().amax()).all()):
                found = torch.channels_last
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
