"""Gradients recorded in this thread whatever a network does about them.

A frozen backbone is often run within `torch.no_grad()` or `torch.inference_mode()`, which says that
it is not to be trained. The scores depend on the image all the same, and their derivative is what
is asked for.

Activation checkpointing forgets what a gradient needs and runs the network again for it, then
without the hooks that looked into it. Here every call keeps its own.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._pytree import tree_leaves

from rlvis.errors import InputError
from rlvis.models.interception import CallInterceptor

_SWITCH = torch._C._set_grad_enabled
"""What `torch.no_grad` and its like call."""


class GradientsKept(CallInterceptor):
    """Within it gradients are recorded, and what they need is kept.

    Raises:
        InputError: where what cannot be intercepted, as a scripted part, runs within
            `torch.inference_mode()`.
    """

    def intercept(self, func: Callable, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """The result of a call as it is with gradients; one that switches them has no effect."""
        if func is _SWITCH:
            return None
        if torch.is_inference_mode_enabled():
            with torch.inference_mode(False):
                if any(_made_within(each) for each in tree_leaves((args, kwargs))):
                    raise InputError(
                        "the network runs a part within torch.inference_mode() that keeps no "
                        "gradient there, as scripted ones do; use torch.no_grad() around it"
                    )
                return self._kept(func, args, kwargs)
        return self._kept(func, args, kwargs)

    def _kept(self, func: Callable, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        if not is_checkpointed():
            return func(*args, **kwargs)
        with saved_tensors_hooks(_as_it_is, _as_it_is):
            return func(*args, **kwargs)


class Watching(GradientsKept):
    """Notices what it does something about, and keeps calls from who else listens.

    Attributes:
        stopped: whether gradients were switched off, or what they need forgotten.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stopped = False

    def intercept(self, func: Callable, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """As `GradientsKept.intercept`."""
        self.stopped |= func is _SWITCH and not args[0]
        self.stopped |= torch.is_inference_mode_enabled() or is_checkpointed()
        with torch._C.DisableTorchFunction():
            return super().intercept(func, args, kwargs)


def is_checkpointed() -> bool:
    """Whether this runs within `torch.utils.checkpoint`, in its form that is not reentrant."""
    hooks = torch._C._autograd._top_saved_tensors_default_hooks(False)
    return hooks is not None and hooks[0].__module__ == "torch.utils.checkpoint"


def _made_within(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_inference()


def _as_it_is(tensor: Tensor) -> Tensor:
    return tensor
