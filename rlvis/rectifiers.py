"""How a gradient crosses a ReLU: plain, guided or deconvnet.

    plain      R = g · [x > 0]               the derivative
    guided     R = g · [x > 0] · [g > 0]     Springenberg et al. 2015, "Striving for simplicity"
    deconvnet  R = g · [g > 0]               Zeiler & Fergus 2014

The rule is chosen when the gradient runs backward, so one forward pass serves all of them. ReLUs
are found by intercepting the calls (a `TorchFunctionMode`), not by hooks on modules: hooks miss
`F.relu`, `torch.relu` and `Tensor.relu_`, silently, and see a residual sum as the ReLU's gradient.
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


class _Rectify(torch.autograd.Function):
    """ReLU with a ceiling (6 for ReLU6), whose backward asks the rectifier for its rule."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, ceiling: float, rectifier: "Rectifier") -> Tensor:
        y = x.clamp(min=0) if ceiling == inf else x.clamp(0, ceiling)
        ctx.save_for_backward(y)
        ctx.rectifier, ctx.ceiling = rectifier, ceiling
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (y,) = ctx.saved_tensors
        rule = ctx.rectifier.rule
        if rule != "plain":
            gradient = gradient.clamp(min=0)
        if rule != "deconvnet":
            gradient = torch.ops.aten.hardtanh_backward(gradient, y, 0.0, ctx.ceiling)
        return gradient, None, None


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
        ceiling = _ceiling(func, args, kwargs)
        if func in _SMOOTH:
            self.smooth.add(_SMOOTH[func])
        if ceiling is None:
            return func(*args, **kwargs)
        self.count += 1
        x = args[0] if args else kwargs["input"]
        y = _Rectify.apply(x, ceiling, self)
        return x.copy_(y) if _in_place(func, args, kwargs) else y


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
_RELUS = {F.relu, torch.relu, Tensor.relu}
_RELUS_IN_PLACE = {F.relu_, torch.relu_, Tensor.relu_}
_CLAMPS = {torch.clamp, Tensor.clamp, torch.clip, Tensor.clip, F.hardtanh}
_CLAMPS_IN_PLACE = {torch.clamp_, Tensor.clamp_, Tensor.clip_, F.hardtanh_}
_FLOORS = {torch.clamp_min, Tensor.clamp_min}
_FLOORS_IN_PLACE = {torch.clamp_min_, Tensor.clamp_min_}
_ALWAYS_IN_PLACE = _RELUS_IN_PLACE | _CLAMPS_IN_PLACE | _FLOORS_IN_PLACE
_INPLACE_ARGUMENT = {F.relu: 1, F.relu6: 1, F.hardtanh: 3}


def _ceiling(func: Callable, args: Sequence[Any], kwargs: Mapping[str, Any]) -> float | None:
    """The upper bound of a call that rectifies (infinity for a ReLU), None for any other call."""
    if func in _RELUS or func in _RELUS_IN_PLACE:
        return inf
    if func is F.relu6:
        return 6.0
    if func in _CLAMPS or func in _CLAMPS_IN_PLACE:
        hardtanh = func in (F.hardtanh, F.hardtanh_)
        names, missing = (
            (("min_val", "max_val"), (-1.0, 1.0)) if hardtanh else (("min", "max"), (None, None))
        )
        low = args[1] if len(args) > 1 else kwargs.get(names[0], missing[0])
        high = args[2] if len(args) > 2 else kwargs.get(names[1], missing[1])
        if isinstance(low, (int, float)) and low == 0:
            return inf if high is None else float(high) if isinstance(high, (int, float)) else None
    if func in _FLOORS or func in _FLOORS_IN_PLACE:
        low = args[1] if len(args) > 1 else kwargs.get("min")
        if isinstance(low, (int, float)) and low == 0:
            return inf
    return None


def _in_place(func: Callable, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    if func in _ALWAYS_IN_PLACE:
        return True
    position = _INPLACE_ARGUMENT.get(func)
    if position is None:
        return False
    return bool(args[position] if len(args) > position else kwargs.get("inplace", False))
