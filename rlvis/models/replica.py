"""A private copy of a module tree that shares the weights.

Hooks, eval mode and in-place flags belong to a module, so setting them on the user's module would
leave marks, and two threads at once would see each other's. A replica has module objects, buffers
and other state of its own, and the parameters' values without their gradient: nothing done to it
needs to be undone, and a pass through it records a graph only behind what asks for a gradient.

What a forward pass changes on the replica, such as the running mean of an observation normaliser,
is put back before the next one, so that no answer depends on what was asked before.
"""

import random
import weakref
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from functools import lru_cache, partial
from itertools import chain
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn
from torch.jit import ScriptModule

from rlvis.models.rng import RandomDraws

_BASE = vars(nn.Module())
_TABLES = [
    name
    for name, value in _BASE.items()
    if isinstance(value, dict) and name not in ("_modules", "_parameters", "_buffers")
]
_ATOMS = {int, float, bool, str, type(None), type, torch.dtype, torch.device, torch.Size}
_COPIES = "_rlvis_copies"
"""The attribute of a replica that holds what it was made with."""
_GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)


def replicate(module: nn.Module) -> nn.Module:
    """A replica of `module` in eval mode that shares its weights.

    It has no in-place activations and no compiled code.

    Modules, methods and functions that are held in attributes, closures, defaults, partials or
    containers are replaced by those of the replica too. Of a scripted module the whole is copied.
    """
    copies = _Copies()
    replica = copies(module)
    if copies.has_modes:
        with suppress(NotImplementedError):  # exported programs have no modes
            replica.eval()
    vars(replica)[_COPIES] = copies  # a table beside it would keep it alive: copies hold it, too
    settings, rng = _RANDOM_DRAWS.get(module, ([], None))
    if rng is None or settings != copies.settings:
        rng = RandomDraws()
        _RANDOM_DRAWS[module] = copies.settings, rng
    copies.rng = rng
    return replica


def is_scripted(module: nn.Module) -> bool:
    """Whether parts of it are scripted or traced, so that what they do cannot be intercepted."""
    return any(isinstance(each, (ScriptModule, _Scripted)) for each in module.modules())


def cuts_gradients(module: nn.Module) -> bool:
    """Whether a scripted part runs something without gradients, which cannot be lifted there."""
    scripted = (each for each in module.modules() if isinstance(each, ScriptModule))
    graphs: Iterator[Any] = (
        each.inlined_graph for each in scripted if hasattr(each, "inlined_graph")
    )
    entered = (node for graph in graphs for node in graph.findAllNodes("prim::Enter"))
    kinds = (str(next(iter(node.inputs())).type()) for node in entered)
    return any(each.endswith((".no_grad", ".inference_mode")) for each in kinds)


def settings_of(replica: nn.Module) -> list[Any]:
    """The kinds of a replica's modules, and the numbers, switches and names that they hold."""
    settings: list[Any] = vars(replica)[_COPIES].settings
    return settings


def draws_at_random(replica: nn.Module) -> bool:
    """Whether a replica has drawn random numbers in a pass."""
    rng: RandomDraws = vars(replica)[_COPIES].rng
    return rng.drew


@contextmanager
def forward_pass(replica: nn.Module, inputs: Tensor) -> Iterator[None]:
    """A forward pass through a replica on inputs runs in here.

    What earlier ones have changed on it is put back, and so is the random state in the end.
    """
    copies = vars(replica)[_COPIES]
    copies.renew()
    with copies.rng.held(inputs):
        yield


class _Copies:
    """Copies of modules and of what they hold, each made once.

    Attributes:
        rng: whether the network draws at random, as it is set up at present.
        settings: the kinds of its modules, and the numbers, switches and names that they hold.
        has_modes: whether modules do more than PyTorch's when they are put into eval mode.
    """

    def __init__(self) -> None:
        self.rng = RandomDraws()
        self.settings: list[Any] = []
        self.has_modes = False
        self._methods: dict[type, list[tuple[str, FunctionType]]] = {}
        self._copies: dict[int, Any] = {}
        self._originals: list[Any] = []  # alive, so that their ids stay theirs
        self._changing: list[tuple[dict[str, Any], str, Any]] = []
        self._scripted: list[tuple[Tensor, Tensor]] = []
        self._before: list[tuple[dict[str, Any], dict[str, Any]]] | None = None
        self._states: list[dict[str, Any]] = []

    def renew(self) -> None:
        if self._before is None:  # nothing has run yet
            self._before = [(state, state.copy()) for state in self._states]
            self._modules = {
                key: each for key, each in self._copies.items() if isinstance(each, nn.Module)
            }
            return
        for state, before in self._before:
            state.clear()
            state.update(before)
        self._copies, self._originals = self._modules.copy(), []
        for state, name, original in self._changing:
            state[name] = self(original)
        for buffer, value in self._scripted:
            if not torch.equal(buffer, value):
                buffer.data = value.clone()

    def __call__(self, value: Any) -> Any:
        """A copy of a value, or the value itself where nothing can be changed on it."""
        if type(value) in _ATOMS:
            return value
        if id(value) not in self._copies:
            self._originals.append(value)
            self._copies[id(value)] = value  # for what holds itself
            self._copies[id(value)] = self._copied(value)
        return self._copies[id(value)]

    def _copied(self, value: Any) -> Any:
        kind = type(value)
        if kind is weakref.ref:
            return value if value() is None else weakref.ref(self(value()))
        if isinstance(value, nn.Module):
            return self._script(value) if isinstance(value, ScriptModule) else self._module(value)
        if isinstance(value, Tensor):
            shared = value.requires_grad and value.is_leaf
            return value.detach() if shared else value.detach().clone()
        if isinstance(value, (np.ndarray, *_GENERATORS)):
            return deepcopy(value)
        if kind in (list, set, deque):
            return kind(map(self, value))
        if kind is tuple and all(type(each) in _ATOMS for each in value):
            return value
        if isinstance(value, tuple):
            parts = [self(each) for each in value]
            return kind(*parts) if hasattr(value, "_fields") else tuple(parts)
        if kind in (dict, OrderedDict):
            return kind((key, self(each)) for key, each in value.items())
        if kind is defaultdict:
            entries = ((key, self(each)) for key, each in value.items())
            return defaultdict(value.default_factory, entries)
        if kind is partial:
            keywords = {name: self(each) for name, each in value.keywords.items()}
            return partial(self(value.func), *map(self, value.args), **keywords)
        if kind is MethodType:
            return MethodType(self(value.__func__), self(value.__self__))
        if kind is FunctionType:
            return self._function(value)
        if _is_plain(kind):
            twin = object.__new__(kind)
            self._copies[id(value)] = twin
            vars(twin).update((name, self(each)) for name, each in vars(value).items())
            return twin
        return value

    def _module(self, original: nn.Module) -> nn.Module:
        if type(original).__name__ == "OptimizedModule" and "_orig_mod" in original._modules:
            replica: nn.Module = _Uncompiled()
            state = {**_BASE, "_modules": original._modules, "_buffers": {}, "_parameters": {}}
        else:
            replica = object.__new__(type(original))
            state = vars(original).copy()
        self._copies[id(original)] = replica
        replica.__dict__ = state
        for name in _TABLES:
            table = state[name] = state[name].copy()
            if table:
                table.update((key, self._rebound(each)) for key, each in table.items())
        state["_parameters"] = {
            name: None if weight is None else weight.detach()
            for name, weight in state["_parameters"].items()
        }
        state["_buffers"] = buffers = state["_buffers"].copy()
        for name, buffer in buffers.items():
            self._keep(buffers, name, buffer)
        state["_modules"] = {name: self(child) for name, child in state["_modules"].items()}
        state.pop("_compiled_call_impl", None)
        for name in state.keys() - _BASE.keys():
            if type(state[name]) in _ATOMS:
                self.settings.append((name, state[name]))
            else:
                self._keep(state, name, state[name])
        kind = type(original)
        if kind not in self._methods:
            self._methods[kind] = _methods_with_modules(kind)
        for name, function in self._methods[kind]:
            state[name] = MethodType(self._function(function), replica)
        self.settings.append(kind)
        self.has_modes |= any(
            getattr(kind, name) is not getattr(nn.Module, name) or name in state
            for name in ("train", "eval")
        )
        state["training"] = False
        if state.get("inplace") is True:
            state["inplace"] = False
        self._states += [state, buffers]
        return replica

    def _keep(self, state: dict[str, Any], name: str, original: Any) -> None:
        state[name] = self(original)
        if state[name] is not original and not isinstance(original, nn.Module):
            self._changing.append((state, name, original))

    def _rebound(self, value: Any) -> Any:
        """What is called, such as a hook, of the replica; the lists it fills stay the user's."""
        if isinstance(value, FunctionType):
            return self._function(value, self._rebound)
        return self(value) if isinstance(value, (nn.Module, MethodType)) else value

    def _script(self, original: ScriptModule) -> nn.Module:
        scripted = deepcopy(original).eval()
        self._scripted += [(each, each.clone()) for each in scripted.buffers()]
        return _Scripted(scripted)

    def _function(self, function: FunctionType, copied: Callable[[Any], Any] | None = None) -> Any:
        """A function with copies of what it holds.

        It holds things in its closure, its defaults and the globals it names.
        """
        copied = copied or self
        if hasattr(function, "_torchdynamo_orig_callable"):
            return self(function._torchdynamo_orig_callable)
        known = function.__globals__
        modules = {
            name: self(known[name])
            for name in _names(function.__code__)
            if isinstance(known.get(name), nn.Module)
        }
        cells = function.__closure__ or ()
        if not cells and not modules and not function.__defaults__ and not function.__kwdefaults__:
            return function
        twin = FunctionType(
            function.__code__,
            {**known, **modules} if modules else known,
            function.__name__,
            self(function.__defaults__),
            tuple(_cell(each, copied) for each in cells),
        )
        twin.__kwdefaults__ = self(function.__kwdefaults__)
        twin.__dict__.update(vars(function))
        return twin


def _methods_with_modules(kind: type) -> list[tuple[str, FunctionType]]:
    """The methods of a kind of module that run modules by their global or enclosing name."""
    own: dict[str, FunctionType] = {}
    for each in reversed(kind.__mro__):
        if each.__module__.split(".")[0] not in ("torch", "builtins"):
            functions = vars(each).items()
            own.update((name, held) for name, held in functions if type(held) is FunctionType)
    return [(name, function) for name, function in own.items() if _holds_modules(function)]


def _holds_modules(function: FunctionType) -> bool:
    known = function.__globals__
    held = [known[name] for name in _names(function.__code__) if name in known]
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # not filled yet
            held.append(cell.cell_contents)
    return any(isinstance(each, nn.Module) for each in held)


class _Scripted(nn.Module):
    """Holds a scripted module, which takes no hooks and shows no parts."""

    def __init__(self, scripted: ScriptModule) -> None:
        super().__init__()
        self.training = False
        vars(self)["scripted"] = scripted

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return vars(self)["scripted"](*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["scripted"], name)


class _Uncompiled(nn.Module):
    """Stands where `torch.compile` has wrapped a module, and runs it as it was written."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._modules["_orig_mod"](*args, **kwargs)  # type: ignore[misc]

    def __getattr__(self, name: str) -> Any:
        if name in self._modules:
            return self._modules[name]
        return getattr(self._modules["_orig_mod"], name)


def _cell(cell: CellType, copied: Callable[[Any], Any]) -> CellType:
    try:
        held = cell.cell_contents
    except ValueError:  # not filled yet
        return cell
    twin = copied(held)
    return cell if twin is held else CellType(twin)


def _is_plain(kind: type) -> bool:
    """Whether instances are nothing but their `__dict__`, as a running mean of one's own class."""
    usual = not hasattr(kind, "__del__") and all(
        getattr(kind, name, None) is getattr(object, name, None)
        for name in ("__new__", "__reduce__", "__reduce_ex__", "__getstate__", "__setstate__")
    )
    ours = kind.__module__.split(".")[0] not in ("torch", "builtins")
    return usual and ours and "__dict__" in dir(kind) and not issubclass(kind, BaseException)


@lru_cache(maxsize=4096)
def _names(code: CodeType) -> tuple[str, ...]:
    """The names that a function, or one within it, may look up among the globals."""
    within = [_names(each) for each in code.co_consts if isinstance(each, CodeType)]
    return (*code.co_names, *chain.from_iterable(within))


_RANDOM_DRAWS: "WeakKeyDictionary[nn.Module, tuple[list[Any], RandomDraws]]" = WeakKeyDictionary()
