"""What is to be known of a network before it is asked, found out once by asking it.

How images lie in memory: convolutions are quicker on images whose channels lie side by side. A
network that flattens its maps with `view`, as many do, cannot take those; what lies as usual it
takes as it always does.

Whether gradients have to be kept in spite of it, see `kept_gradients`.

Whether it takes several images at once: `view(1, -1)` runs them into each other, and so do
statistics over the batch. Such a network is asked about one image after the other.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from rlvis.models.kept_gradients import Watching
from rlvis.models.replica import draws_at_random, replicate

_SAME = 0.02
"""Scores may differ by that share of the largest, as those in half precision do."""

_MISTAKEN = 0.1
"""Images beside each other change their scores by more than that share of what sets them apart."""


@dataclass(frozen=True)
class Habits:
    """How a network is to be asked.

    Attributes:
        memory_format: how its inputs should lie in memory.
        stops_gradients: whether it runs parts without recording gradients or what they need.
        takes_batches: whether it says the same of an image alone and beside others.
    """

    memory_format: torch.memory_format = torch.contiguous_format
    stops_gradients: bool = False
    takes_batches: bool = True


_KNOWN: WeakKeyDictionary[nn.Module, tuple[list[Any], Habits]] = WeakKeyDictionary()


def find_habits(
    module: nn.Module, settings: list[Any], image: Tensor, ask: Callable[[Tensor], Tensor]
) -> Habits:
    """The habits of a network, which is asked a few times.

    Args:
        module: the network.
        settings: of its parts; where they have changed it is asked again.
        image: an input, (1, C, H, W).
        ask: puts inputs (N, C, H, W) to a copy of it, which gives scores (N, K).
    """
    if module in _KNOWN and _KNOWN[module][0] == settings:
        return _KNOWN[module][1]
    one = image.detach()
    two = torch.cat([one.flip(-1) / 2, one])  # a `view` may allow for one alone
    watching = Watching()
    with torch.inference_mode(False), torch.enable_grad(), watching:
        scores = _answer(ask, two, torch.contiguous_format)
    with torch.inference_mode(False), torch.no_grad(), torch._C.DisableTorchFunction():
        if scores is None:  # it may be that it can without gradient
            scores = _answer(ask, two, torch.contiguous_format)
        alone = _answer(ask, one, torch.contiguous_format)
        if alone is not None and not (scores is not None and _same_beside(scores, alone, module)):
            two, scores = one, alone
        if scores is None:  # what is wrong comes again, where it can be told
            return Habits(stops_gradients=watching.stopped)
        others = _answer(ask, two, torch.channels_last)
    usual = others is None or not _alike(others, scores)
    found = Habits(
        torch.contiguous_format if usual else torch.channels_last, watching.stopped, len(two) > 1
    )
    _KNOWN[module] = settings, found
    return found


def _answer(
    ask: Callable[[Tensor], Tensor], inputs: Tensor, memory_format: torch.memory_format
) -> Tensor | None:
    """The scores of inputs that lie so, None where the network takes none of them."""
    with suppress(Exception):
        return ask(inputs.clone(memory_format=memory_format)).detach()
    return None


def _same_beside(beside: Tensor, alone: Tensor, module: nn.Module) -> bool:
    """Whether a network says the same of the last of two images, (2, K), as of it alone, (1, K).

    What draws at random has other numbers for each place in a batch.
    """
    rounding = 4 * torch.finfo(alone.dtype).eps * alone.abs().amax()
    images_apart = (alone - beside[:1]).abs().amax()
    off = (alone - beside[1:]).abs().amax()
    return bool(off <= rounding + _MISTAKEN * images_apart) or draws_at_random(replicate(module))


def _alike(some: Tensor, others: Tensor) -> bool:
    return bool(((some - others).abs() <= _SAME * others.abs().amax()).all())


def in_format(inputs: Tensor, memory_format: torch.memory_format) -> Tensor:
    """The inputs (N, C, H, W) as they lie in that format, copied where they lie otherwise.

    A single channel counts as either, and convolutions then go by its stride.
    """
    if memory_format is torch.channels_last:
        return inputs.contiguous(memory_format=memory_format)
    usual = torch.empty(inputs.shape, device="meta").stride()
    return inputs if inputs.stride() == usual else inputs.clone(memory_format=memory_format)
