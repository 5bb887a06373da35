"""Private names of libraries: all that are in use are listed here, each with what we rely on.

A library may take such a name away at any release; the test of that name then says which, instead
of a fault somewhere inside. A use that is not listed fails `test_every_use_is_listed`.
"""

import ast
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

ROOT = Path(__file__).parent.parent
FOLDERS = [ROOT / "rlvis", ROOT / "envs" / "rlvis_envs", ROOT / "agents" / "rlvis_agents"]


def pytree() -> None:
    from torch.utils._pytree import tree_leaves, tree_map, tree_map_only

    assert tree_leaves({"a": [1, (2,)]}) == [1, 2]
    assert tree_map(lambda x: x + 1, [1, (2,)]) == [2, (3,)]
    assert tree_map_only(int, lambda x: x + 1, (1, None)) == (2, None)


def python_dispatch() -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    seen = []

    class Watching(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen.append(func)
            return func(*args, **(kwargs or {}))

    with Watching():
        torch.zeros(2).relu()
    assert torch.ops.aten.relu.default in seen


def grad_enabled() -> None:
    from torch.overrides import TorchFunctionMode

    class Deaf(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            if func is torch._C._set_grad_enabled:
                return None
            return func(*args, **(kwargs or {}))

    with Deaf(), torch.no_grad():
        assert torch.is_grad_enabled()
        with torch._C.DisableTorchFunction(), torch.no_grad():
            assert not torch.is_grad_enabled()


def functorch() -> None:
    wrapped = torch._C._functorch.is_functorch_wrapped_tensor
    seen = []

    def look(x: torch.Tensor) -> torch.Tensor:
        seen.append((wrapped(x), torch._C._are_functorch_transforms_active()))
        return x

    torch.func.vmap(look)(torch.zeros(2))
    assert seen == [(True, True)]
    assert not wrapped(torch.zeros(2))
    assert not torch._C._are_functorch_transforms_active()


def saved_tensors_hooks() -> None:
    top = torch._C._autograd._top_saved_tensors_default_hooks
    seen = []

    def look(x: torch.Tensor) -> torch.Tensor:
        seen.append(top(False)[0].__module__)
        return x.relu()

    checkpoint(look, torch.zeros(2, requires_grad=True), use_reentrant=False)
    assert seen == ["torch.utils.checkpoint"]
    assert top(False) is None


def schema() -> None:
    found = torch.ops.aten.relu.default._schema
    assert found.name == "aten::relu"
    assert [argument.name for argument in found.arguments] == ["self"]


def base() -> None:
    whole = torch.zeros(2, 3)
    assert whole[0]._base is whole
    assert whole._base is None


def conv_forward() -> None:
    assert list(inspect.signature(nn.Conv2d._conv_forward).parameters)[1:] == [
        "input",
        "weight",
        "bias",
    ]


def module_tables() -> None:
    tables = vars(nn.Linear(1, 1))
    assert all(isinstance(tables[name], dict) for name in ("_modules", "_parameters", "_buffers"))


def compiled() -> None:
    module = nn.Linear(1, 1)
    assert vars(torch.compile(module))["_modules"]["_orig_mod"] is module


def compiled_function() -> None:
    def function() -> None: ...

    made = torch.compile(function)
    assert vars(made)["_torchdynamo_orig_callable"] is function


def elapsed_steps() -> None:
    """A time limit is set back by it."""
    import gymnasium
    from gymnasium.wrappers import TimeLimit

    env: Any = TimeLimit(gymnasium.make("tests.worlds:Corridor-v0").unwrapped, 3)
    env.reset(seed=0)
    env._elapsed_steps = 2
    assert env.step(0)[3]


def shadow_window() -> None:
    from rlvis_envs.miniworld import gl

    assert hasattr(gl, "_shadow_window")


def miniworld_room() -> None:
    from rlvis_envs.miniworld import Room

    assert list(inspect.signature(Room._gen_static_data).parameters) == ["self", "params", "rng"]
    assert list(inspect.signature(Room._render).parameters) == ["self"]


def ocatari_readers() -> None:
    from rlvis_envs.atari.object_reader import ObjectReader

    pytest.importorskip("ocatari")
    memory = np.zeros(128, np.uint8)
    assert "player" in ObjectReader("boxing").boxes(memory)


USES: dict[str, Callable[[], None]] = {
    "torch.utils._pytree": pytree,
    "torch.utils._python_dispatch": python_dispatch,
    "_C": grad_enabled,
    "_set_grad_enabled": grad_enabled,
    "_functorch": functorch,
    "_are_functorch_transforms_active": functorch,
    "_autograd": saved_tensors_hooks,
    "_top_saved_tensors_default_hooks": saved_tensors_hooks,
    "_schema": schema,
    "_base": base,
    "_conv_forward": conv_forward,
    "_modules": module_tables,
    "_orig_mod": compiled,
    "_torchdynamo_orig_callable": compiled_function,
    "_elapsed_steps": elapsed_steps,
    "_shadow_window": shadow_window,
    "_gen_static_data": miniworld_room,
    "_render": miniworld_room,
    "_init_objects_ram": ocatari_readers,
    "_detect_objects_ram": ocatari_readers,
}


@pytest.mark.parametrize("name", USES)
def test_a_private_name_is_what_it_was(name) -> None:
    USES[name]()


def private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def uses_and_own(tree: ast.AST) -> tuple[set[str], set[str]]:
    """The private names that a file takes from others, and those that it defines."""
    used, own = set[str](), set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            if any(private(part) for part in node.module.split(".")):
                used.add(node.module)
            used |= {alias.name for alias in node.names if private(alias.name)}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            own.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.add(node.id)
        elif isinstance(node, ast.Attribute) and private(node.attr):
            mine = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            (own if mine else used).add(node.attr)
    return used, own


def test_every_use_is_listed() -> None:
    parsed = [
        uses_and_own(ast.parse(path.read_text()))
        for folder in FOLDERS
        for path in folder.rglob("*.py")
    ]
    own = set.union(*(each for _, each in parsed))
    used = set.union(*(each for each, _ in parsed))
    assert used - own <= set(USES)
