"""Modules watched while they run."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


class VmappedTensor:
    """Stands for an output within `torch.func`, which holds nothing that can be looked at."""


def is_vmapped(value: Any) -> bool:
    """Whether a value is a tensor that `torch.func.vmap` or its like runs a function on."""
    return isinstance(value, Tensor) and torch._C._functorch.is_functorch_wrapped_tensor(value)


def watch(
    module: nn.Module,
    visit: Callable[[str, nn.Module, Any, Any], Any],
    names: set[str] | None = None,
) -> list[RemovableHandle]:
    """Call `visit(name, module, inputs, output)` whenever a named submodule has run.

    A submodule with several names is visited under each that is asked for, else under its first.
    Of one that runs within `torch.func.vmap` the output is a `VmappedTensor`.

    Returns:
        The hooks that do it.
    """

    def seen(name: str, this: nn.Module, inputs: Any, output: Any) -> Any:
        if not is_vmapped(output):
            return visit(name, this, inputs, output)
        visit(name, this, inputs, VmappedTensor())
        return None

    return [
        submodule.register_forward_hook(partial(seen, name))
        for name, submodule in module.named_modules(remove_duplicate=names is None)
        if names is None or name in names
    ]
