"""A private copy of a module tree that shares the weights.

Hooks, eval mode and in-place flags belong to a module, so setting them on the user's module would
leave marks, and two threads at once would see each other's. A replica has module objects of its
own, the very same buffers, and the parameters' values without their gradient: nothing done to it
needs to be undone, and a pass through it records a graph only behind what asks for a gradient.
"""

from collections import OrderedDict
from types import MethodType
from typing import Any

from torch import nn
from torch.jit import ScriptModule

_BASE = vars(nn.Module())
_TABLES = [
    name
    for name, value in _BASE.items()
    if isinstance(value, dict) and name not in ("_modules", "_parameters")
]
_ATOMS = {int, float, bool, str, type(None)}


def replicate(module: nn.Module) -> nn.Module:
    """A replica of `module` in eval mode, without in-place activations.

    Modules held in lists, tuples, dicts or bound methods are replaced by their replicas too.
    A scripted module is returned as it is: its graph cannot be hooked in any case.
    """
    if isinstance(module, ScriptModule):
        return module
    replicas: dict[int, nn.Module] = {}
    originals = list(module.modules())
    for original in originals:
        replicas[id(original)] = original.__class__.__new__(original.__class__)
    for original in originals:
        state = vars(original).copy()
        for name in _TABLES:
            state[name] = state[name].copy()
        state["_parameters"] = {
            name: None if weight is None else weight.detach()
            for name, weight in state["_parameters"].items()
        }
        state["_modules"] = {
            name: None if child is None else replicas[id(child)]
            for name, child in state["_modules"].items()
        }
        for name in state.keys() - _BASE.keys():
            if type(state[name]) not in _ATOMS:
                state[name] = _swap(state[name], replicas)
        state["training"] = False
        if state.get("inplace") is True:
            state["inplace"] = False
        replicas[id(original)].__dict__ = state
    return replicas[id(module)]


def _swap(value: Any, replicas: dict[int, nn.Module]) -> Any:
    """`value` with every module in it replaced by its replica."""
    kind = type(value)
    if kind is tuple or kind is list:
        return kind([each if type(each) in _ATOMS else _swap(each, replicas) for each in value])
    if isinstance(value, nn.Module):
        return replicas.get(id(value), value)
    if isinstance(value, MethodType) and id(value.__self__) in replicas:
        return MethodType(value.__func__, replicas[id(value.__self__)])
    if kind is dict or kind is OrderedDict:
        return kind((key, _swap(each, replicas)) for key, each in value.items())
    return value
