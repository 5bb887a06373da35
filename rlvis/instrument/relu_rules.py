"""How a gradient crosses a ReLU: plain, guided or deconvnet.

    plain      R = g · [x > 0]               the derivative
    guided     R = g · [x > 0] · [g > 0]     Springenberg et al. 2015, "Striving for simplicity"
    deconvnet  R = g · [g > 0]               Zeiler & Fergus 2014
    redirected R = g · [x > 0], or where that is zero for a whole image g · [g < 0]
                                             Lucid: a unit that is off can be turned on by descent

The rule is chosen when the gradient runs backward, so one forward pass serves all of them. It is a
hook on the ReLU's node in the graph of this one pass: hooks on modules miss functions, silently,
and see a residual sum as the ReLU's gradient.

What is a ReLU is told by what it does to numbers, not by its name. The calls of a forward pass are
intercepted (a `TorchFunctionMode`); what a call, or a few in a row such as `x * (x > 0)`, makes of
one tensor x is computed again with probing numbers in place of x. Where that is c · min(max(x, 0),
top) the calls are a rectifier. Where it is linear there is nothing to do, and where it is bounded
on both sides, as sigmoid and tanh are, the gradient crosses by its derivative, as it does in
pooling and normalisation. Any other function is an activation that the rules are not defined for.
The forward of a custom autograd function is judged the same way, and its node crossed by the rule;
where it cannot be, and for scripted parts, which no interception sees into, the rules are refused.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from math import inf, prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from rlvis.errors import InputError
from rlvis.instrument.watching import is_vmapped
from rlvis.models.autograd_graph import edge_of, edges_behind
from rlvis.models.interception import CallInterceptor

RULES = ("plain", "guided", "deconvnet")
_NUMBERS = (
    *torch.linspace(-8, 8, 33).tolist(),
    *(-1e4, -100.0, -0.2, -0.05, -0.01, -0.001, 0.001, 0.01, 0.05, 0.2, 100.0, 1e4),
)
_OF_OURS = ("_ImageConvolution",)


@dataclass(frozen=True)
class _Derived:
    """A tensor as a function of an earlier one, by some elementwise calls.

    Attributes:
        source: the earlier tensor.
        of: the function.
        names: of the calls.
        whole: whether the function takes tensors of the source's shape only.
        kind: what it does to numbers, one of `_kind`.
    """

    source: Tensor
    of: Callable[[Tensor], Any]
    names: tuple[str, ...]
    whole: bool
    kind: str = "other"

    def probe(self) -> Tensor:
        """Numbers to put in place of the source."""
        shape = self.source.shape
        if not self.whole:
            shape = torch.Size([1] * (len(shape) - 1) + [len(_NUMBERS)])
        numbers = torch.tensor(_NUMBERS, dtype=self.source.dtype, device=self.source.device)
        return numbers.repeat(-(-prod(shape) // len(_NUMBERS)))[: prod(shape)].reshape(shape)


class _Crossing:
    """The hook on the node of a ReLU.

    It does not know the nodes: one that led back to its own node would keep the graph for ever.
    """

    def __init__(self) -> None:
        self.rule = "plain"

    def __call__(
        self, after: Sequence[Tensor | None], before: Sequence[Tensor | None]
    ) -> tuple[Tensor | None, ...] | None:
        """What leaves the ReLU by the rule, written over what leaves it by its derivative."""
        given = before[0]
        if self.rule == "plain" or given is None:
            return None
        return tuple(own if own is None else self._by_rule(own, given) for own in after)

    def _by_rule(self, own: Tensor, given: Tensor) -> Tensor:
        if self.rule == "redirected":
            return _redirected(own, given)
        return torch.clamp(own if self.rule == "guided" else given, min=0)


class Rectifier(CallInterceptor):
    """Within this context every rectifier of this thread crosses backward by `rule`.

    Attributes:
        count: how many rectifiers the forward pass has met.
        others: names of the other activations it has met; the rules are not defined for them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._crossing = _Crossing()
        self.count = 0
        self.others: set[str] = set()
        self._crossed: set[Any] = set()

    def check(self, rule: str, model: str, results: Sequence[Tensor], scripted: bool) -> None:
        """Whether a rule is defined for the activations that the forward pass has met.

        Args:
            rule: one of `RULES`.
            model: what errors call the network.
            results: what gradients will start from.
            scripted: whether parts of the network are scripted.

        Raises:
            InputError: if not: it has no rectifiers, or other activations besides.
        """
        if rule == "plain":
            return
        if scripted:
            raise InputError(
                f"{rule} backpropagation must see each ReLU, and {model} has scripted parts, which "
                "cannot be seen into; use saliency or integrated-gradients"
            )
        custom = {
            type(node).__name__.removesuffix("Backward")
            for result in results
            for node, _ in edges_behind(result)
            if hasattr(node, "saved_tensors") and hasattr(node, "needs_input_grad")
            if node not in self._crossed
        }
        if self.others or custom.difference(_OF_OURS) or not self.count:
            found = [_TITLES.get(each, each) for each in self.others]
            others = " and ".join(sorted([*found, *custom.difference(_OF_OURS)])) or "none"
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

    @property
    def rule(self) -> str:
        """One of `RULES` or "redirected"; may change between backward passes."""
        return self._crossing.rule

    @rule.setter
    def rule(self, rule: str) -> None:
        self._crossing.rule = rule

    def intercept(self, func: Callable, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """The result of a call, with the rule's backward pass where it is a rectifier."""
        name = _name(func)
        if name in _UNCONCERNED:
            return func(*args, **kwargs)
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        if any(map(is_vmapped, given)):
            self.others.add("functions within torch.func.vmap")
            return func(*args, **kwargs)
        known = {id(each): self._pending(each) for each in given}
        pending = [each for each in known.values() if each is not None]
        if not pending and not any(each.requires_grad for each in given):
            return func(*args, **kwargs)
        varying = [each for each in given if each.requires_grad and known[id(each)] is None]
        linear = name in _LINEAR and not pending and len({*map(id, varying)}) == len(varying)
        made = None
        if not linear and _is_elementwise(name, args):
            made = _derive(func, name, args, kwargs, given, known)
        if made is None:
            self.others.update(each.names[-1] for each in pending if each.kind == "other")
            if name == "mul" and len(varying) > 1 and len({*map(_root, varying)}) == 1:
                self.others.add("products of an activation with itself")
            result = func(*args, **kwargs)
            if linear and len(varying) == 1:
                _note_root(result, varying[0])
            return result
        return self._follow(made, func, args, kwargs)

    def _pending(self, tensor: Tensor) -> _Derived | None:
        """What a tensor is of an earlier one, if that is no matter of a plain gradient."""
        derived: _Derived | None = vars(tensor).get(_MARK)
        node = tensor.grad_fn
        if derived is None or node is None or not derived.kind.startswith("rectifier"):
            return derived
        self._cross_at(node)  # computed within a custom function, and handed out by it
        delattr(tensor, _MARK)
        return None

    def _follow(
        self, made: _Derived, func: Callable, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        """The result of an elementwise call; where it rectifies, that of a ReLU in its place."""
        probe = made.probe()
        changed = probe.clone()
        with torch.no_grad():
            value = made.of(changed)
        in_place = not torch.equal(changed, probe)
        kind, factor, top = _kind(probe, changed if value is None else value)
        if kind == "rectifier" and torch.is_grad_enabled():
            source = made.source
            result = F.relu(source) if top == inf else F.hardtanh(source, 0.0, top)
            self._cross_at(result.grad_fn)
            result = result if factor == 1 else result * factor
            _note_root(result, source)
            if in_place:
                source.copy_(result)
            return source if in_place and value is not None else result
        result = func(*args, **kwargs)
        marked = made.source if in_place else result
        if isinstance(marked, Tensor) and (kind != "linear" or not marked.requires_grad):
            vars(marked)[_MARK] = _Derived(made.source, made.of, made.names, made.whole, kind)
            if in_place and kind == "other":
                self.others.add(made.names[-1])
        return result

    def _cross_at(self, node: Any) -> None:
        if node is not None and node not in self._crossed:
            self.count += 1
            self._crossed.add(node)
            node.register_hook(self._crossing)


def _root(tensor: Tensor) -> Any:
    """Where the tensor lies in the graph that this one is an elementwise function of."""
    return vars(tensor).get(_ROOT, edge_of(tensor) if tensor.grad_fn else id(tensor))


def _note_root(result: Any, source: Tensor) -> None:
    if isinstance(result, Tensor) and result is not source:
        vars(result)[_ROOT] = _root(source)


def _redirected(own: Tensor, given: Tensor) -> Tensor:
    """What leaves by the derivative, or what was given for images of which nothing does."""
    blocked = (own == 0).flatten(1).all(dim=1).view(-1, *[1] * (own.ndim - 1))
    return torch.where(blocked, given.clamp(max=0), own)


def _derive(
    func: Callable,
    name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    given: Sequence[Tensor],
    known: Mapping[int, _Derived | None],
) -> _Derived | None:
    """What an elementwise call makes of one tensor; None where it takes several."""
    pending = [each for each in known.values() if each is not None]
    sources = {id(each.source): each.source for each in pending}
    if not sources:
        sources = {id(each): each for each in given if each.requires_grad}
    if len(sources) != 1:
        return None
    (source,) = sources.values()
    constants = [each for each in given if known[id(each)] is None and each is not source]
    if any(each.requires_grad for each in constants):
        return None

    def of(probe: Tensor) -> Any:
        def at(value: Any) -> Any:
            if not isinstance(value, Tensor) or value is source:
                return probe if value is source else value
            before = known.get(id(value))
            return value if before is None else before.of(probe)

        return func(*tree_map(at, tuple(args)), **tree_map(at, dict(kwargs)))

    whole = any(each.whole for each in pending) or any(each.numel() > 1 for each in constants)
    names = (*(each for one in pending for each in one.names), name)
    return _Derived(source, of, names, whole)


def _kind(probe: Tensor, value: Any) -> tuple[str, float, float]:
    """What a function does to numbers, and for a rectifier its c and top.

    It is a "rectifier" (c · min(max(x, 0), top)), "linear", "bounded" or "other".
    """
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return "other", 1.0, inf
    value, probe = value.double(), probe.double()
    if value.shape != probe.shape:
        probe = probe.expand_as(value) if value.ndim >= probe.ndim else probe
        if value.shape != probe.shape:
            return "other", 1.0, inf

    def alike(expected: Tensor) -> bool:
        return bool(torch.isclose(value, expected, rtol=1e-2, atol=1e-6).all())

    at = {number: value[probe == number] for number in (-8.0, 0.0, 0.5, 8.0)}
    if all(len(each) for each in at.values()):
        factor, most = float(at[0.5][0]) / 0.5, float(value.max())
        top = inf if factor <= 0 or most >= factor * 9e3 else most / factor
        if factor > 0 and top > 0.5 and alike(factor * probe.clamp(0, top)):
            return "rectifier", factor, top
        offset = at[0.0].mean()
        slope = (at[8.0].mean() - at[-8.0].mean()) / 16
        if alike(slope * probe + offset):
            return "linear", 1.0, inf
    if bool(value.isfinite().all()) and float(value.abs().max()) <= 16:
        return "bounded", 1.0, inf
    return "other", 1.0, inf


def _name(func: Callable) -> str:
    """What a function is called, however it was reached: `x * y` is "mul"."""
    name = getattr(func, "__name__", "")
    if name == "__get__":
        return getattr(getattr(func, "__self__", None), "__name__", name)
    name = name.split(".")[0].strip("_")
    return _ALIASES.get(name, name)


@cache
def _is_pointwise(name: str) -> bool:
    packet = getattr(torch.ops.aten, name, None)
    overloads = [getattr(packet, each) for each in packet.overloads()] if packet else []
    return name in _POINTWISE or any(torch.Tag.pointwise in each.tags for each in overloads)


def _is_elementwise(name: str, args: Sequence[Any]) -> bool:
    if name in ("max", "min"):
        return len(args) > 1 and isinstance(args[1], Tensor)
    if name == "setitem":
        return isinstance(args[1], Tensor) and args[1].dtype == torch.bool
    return _is_pointwise(name)


_MARK, _ROOT = "_rlvis_derived", "_rlvis_root"
_UNCONCERNED = {
    *("shape", "dtype", "device", "ndim", "requires_grad", "is_cuda", "grad_fn", "layout", "size"),
    *("dim", "numel", "stride", "is_contiguous", "is_floating_point", "len", "all", "any", "item"),
    *("tolist", "bool", "is_leaf", "is_quantized", "get_device", "element_size", "names", "format"),
    *("repr", "isfinite", "isnan", "isinf", "version", "storage_offset", "is_nested", "is_sparse"),
    *("is_inference", "data_ptr", "hash", "register_hook", "retain_grad", "is_mkldnn", "is_meta"),
    *("backward_hooks", "index", "output_nr"),
}
_LINEAR = {"add", "sub", "mul", "neg", "div", "lerp", "addcmul", "conj", "positive", "to", "clone"}
_LINEAR |= {"contiguous", "float", "type_as", "fill", "zero", "copy", "dropout"}
_POINTWISE = {
    *("relu", "relu6", "hardtanh", "hardswish", "hardsigmoid", "selu", "celu", "elu", "softplus"),
    *("softsign", "logsigmoid", "tanhshrink", "softshrink", "hardshrink", "prelu", "rrelu", "mish"),
    *("threshold", "silu", "gelu", "leaky_relu", "where", "masked_fill", "clamp", "to", "float"),
    *("double", "half", "bfloat16", "type", "type_as", "clone", "contiguous", "detach", "data"),
    *("square", "heaviside", "invert", "and", "or", "xor", "nan_to_num", "fmax", "fmin", "long"),
    *("int", "sign", "clip", "rsub"),
}
_ALIASES = {
    **{"truediv": "div", "true_divide": "div", "divide": "div", "multiply": "mul", "imul": "mul"},
    **{"iadd": "add", "isub": "sub", "subtract": "sub", "itruediv": "div", "idiv": "div"},
    **{"radd": "add", "rmul": "mul", "negative": "neg", "absolute": "abs", "ipow": "pow"},
    **{"clip": "clamp", "greater": "gt", "less": "lt", "rtruediv": "reciprocal"},
}
_TITLES = {
    **{"elu": "ELU", "celu": "CELU", "selu": "SELU", "gelu": "GELU", "silu": "SiLU"},
    **{"mish": "Mish", "softplus": "Softplus", "leaky_relu": "LeakyReLU", "prelu": "PReLU"},
    **{"hardswish": "Hardswish", "rrelu": "RReLU", "abs": "absolute values", "pow": "powers"},
}
