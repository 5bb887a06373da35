"""Modules watched while they run."""

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.utils.hooks import RemovableHandle


def watch(
    module: nn.Module,
    visit: Callable[[str, nn.Module, Any, Any], Any],
    names: set[str] | None = None,
) -> list[RemovableHandle]:
    """Call `visit(name, module, inputs, output)` whenever a named submodule has run.

    A submodule with several names is visited under each that is asked for, else under its first.

    Returns:
        The hooks that do it.
    """
    return [
        submodule.register_forward_hook(
            lambda this, inputs, output, name=name: visit(name, this, inputs, output)
        )
        for name, submodule in module.named_modules(remove_duplicate=names is None)
        if names is None or name in names
    ]
