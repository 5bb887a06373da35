"""How a gradient crosses a ReLU: plain, guided or deconvnet.

    plain      R = g · [x > 0]               the derivative
    guided     R = g · [x > 0] · [g > 0]     Springenberg et al. 2015, "Striving for simplicity"
    deconvnet  R = g · [g > 0]               Zeiler & Fergus 2014
    redirected R = g · [x > 0], or where that is zero for a whole image g · [g < 0]
                                             Lucid: a unit that is off can be turned on by descent

The rule is chosen when the gradient runs backward, so one forward pass serves all of them. ReLUs
are found by intercepting the calls (a `TorchFunctionMode`), not by hooks on modules: hooks miss
`F.relu`, `torch.relu` and `Tensor.relu_`, silently, and see a residual sum as the ReLU's gradient.
The rule itself is a hook on the ReLU's node in the graph of this one pass.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import inf
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from rlvis.errors import InputError

RULES = ("plain", "guided", "deconvnet")


class Rectifier(TorchFunctionMode):
    """Within this context every ReLU and ReLU6 of this thread crosses backward by `rule`.

    Attributes:
        rule: one of `RULES`; may change between backward passes.
        count: how many rectifiers the forward pass has met.
        smooth: names of the other activations it has met; the rules are not defined for them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rule = "plain"
        self.count = 0
        self.smooth: set[str] = set()

    def check(self, rule: str, model: str) -> None:
        """Whether a rule is defined for the activations that the forward pass has met.

        Args:
            rule: one of `RULES`.
            model: what errors call the network.

        Raises:
            InputError: if not: it has no rectifiers, or other activations besides.
        """
        if rule != "plain" and (self.smooth or not self.count):
            others = " and ".join(sorted(self.smooth)) or "none"
            raise InputError(
                f"{rule} backpropagation is defined for ReLUs only, and the activations of {model} "
                f"are {others}; use saliency or integrated-gradients"
            )

    @contextmanager
    def crossing(self, rule: str) -> Iterator[None]:
        """Backward passes inside cross by `rule`."""
        before, self.rule = self.rule, rule
        try:
            yield
        finally:
            self.rule = before

    def __torch_function__(
        self,
        func: Callable,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _SMOOTH:
            self.smooth.add(_SMOOTH[func])
        read = _RECTIFIERS.get(func)
        call = None if read is None else read(*args, **kwargs)
        if call is None:
            return func(*args, **kwargs)
        x, ceiling, in_place = call
        y = self._rectify(x, ceiling)
        return x.copy_(y) if in_place else y

    def _rectify(self, x: Tensor, ceiling: float) -> Tensor:
        self.count += 1
        y = torch.relu(x) if ceiling == inf else F.hardtanh(x, 0.0, ceiling)
        if y.grad_fn is not None:
            y.grad_fn.register_hook(self._cross)
        return y

    def _cross(
        self, after: Sequence[Tensor | None], before: Sequence[Tensor | None]
    ) -> tuple[Tensor] | None:
        """What leaves the ReLU by the rule, written over what leaves it by its derivative."""
        (own,), (given,) = after, before
        if self.rule == "plain" or own is None or given is None:
            return None
        if self.rule == "redirected":
            return (_redirected(own, given),)
        return (torch.clamp(own if self.rule == "guided" else given, min=0, out=own),)


def _redirected(own: Tensor, given: Tensor) -> Tensor:
    """What leaves by the derivative, or what was given for images of which nothing does."""
    blocked = (own == 0).flatten(1).all(dim=1).view(-1, *[1] * (own.ndim - 1))
    return torch.where(blocked, given.clamp(max=0), own)


_SMOOTH = {
    F.elu: "ELU",
    F.celu: "CELU",
    F.selu: "SELU",
    F.gelu: "GELU",
    F.silu: "SiLU",
    F.mish: "Mish",
    F.softplus: "Softplus",
    F.leaky_relu: "LeakyReLU",
    F.hardswish: "Hardswish",
}

Rectifying = tuple[Tensor, float, bool]
"""The tensor that a call rectifies, the upper bound (infinity for a ReLU), whether in place."""


def _relu(input: Tensor, inplace: bool = False) -> Rectifying:
    return input, inf, inplace


def _relu6(input: Tensor, inplace: bool = False) -> Rectifying:
    return input, 6.0, inplace


def _clamp(
    input: Tensor, min: Any = None, max: Any = None, out: Tensor | None = None
) -> Rectifying | None:
    if out is not None or not isinstance(min, (int, float)) or min != 0:
        return None
    if max is not None and not isinstance(max, (int, float)):
        return None
    return input, inf if max is None else float(max), False


def _hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Rectifying | None:
    return (input, float(max_val), inplace) if min_val == 0 else None


def _in_place(
    read: Callable[..., Rectifying | None],
) -> Callable[..., Rectifying | None]:
    def in_place(*args: Any, **kwargs: Any) -> Rectifying | None:
        call = read(*args, **kwargs)
        return None if call is None else (*call[:2], True)

    return in_place


_RECTIFIERS: dict[Callable, Callable[..., Rectifying | None]] = {
    **dict.fromkeys((F.relu, torch.relu, Tensor.relu), _relu),
    **dict.fromkeys((F.relu_, torch.relu_, Tensor.relu_), _in_place(_relu)),
    F.relu6: _relu6,
    **dict.fromkeys((torch.clamp, Tensor.clamp, torch.clip, Tensor.clip), _clamp),
    **dict.fromkeys((torch.clamp_, Tensor.clamp_, torch.clip_, Tensor.clip_), _in_place(_clamp)),
    **dict.fromkeys((torch.clamp_min, Tensor.clamp_min), _clamp),
    **dict.fromkeys((torch.clamp_min_, Tensor.clamp_min_), _in_place(_clamp)),
    F.hardtanh: _hardtanh,
    F.hardtanh_: _in_place(_hardtanh),
}
"""How to read the arguments of each function that may rectify; None where this call does not."""
