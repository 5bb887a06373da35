"""Weights from files, read without running code from them, and put into a network."""

from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from rlvis.errors import InputError, one_line
from rlvis.files import check_packing

_ENTRIES = ("state_dict", "model_state_dict", "model")
"""What training scripts call the weights among the other things they save."""

_WRAPPERS = ("module.", "model.", "_orig_mod.")
"""What DataParallel, Lightning and torch.compile put before the names of weights."""


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The `state_dict` in a file (safetensors, or torch's format without running code from it).

    A checkpoint that holds it beside other things (as "state_dict", "model_state_dict" or "model")
    is looked into; prefixes that DataParallel, Lightning and torch.compile add are taken away.

    Raises:
        InputError: if the file is missing, truncated or of another kind.
    """
    path = Path(path)
    check_packing(path)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError:
        raise InputError(
            f"{path} holds more than weights, or is no weights file; "
            "save it as torch.save(model.state_dict(), path)"
        ) from None
    except Exception as error:  # readers stumble over damaged files in ways of their own
        reason = one_line(error)[:160] or type(error).__name__
        raise InputError(f"{path} cannot be read as weights; is it whole? ({reason})") from None
    for candidate in (state, *_entries(state)):
        if _is_state_dict(candidate):
            return _unwrapped(candidate)
    raise InputError(f"{path} holds no state_dict; save it as torch.save(model.state_dict(), path)")


def load_weights(module: nn.Module, path: str | Path) -> None:
    """Load the `state_dict` in a file into a network; see `read_state_dict`.

    Raises:
        InputError: if the file cannot be read, or is of another network.
    """
    fill(module, read_state_dict(path), path)


def fill(module: nn.Module, state: Mapping[str, Tensor], path: str | Path) -> None:
    """Load weights into a network.

    Args:
        module: the network.
        state: its weights by name.
        path: what errors call the file they are from.

    Raises:
        InputError: if they are of another network.
    """
    try:
        module.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        detail = one_line(error)[:160]
        raise InputError(f"{path} holds the weights of another network ({detail} …)") from None


def build_filled(build: Callable[..., nn.Module], path: str | Path) -> tuple[nn.Module, int | None]:
    """A network with the weights in a file, and with as many scores as these have.

    Args:
        build: makes the network as published, or with `num_classes` scores.
        path: the file.

    Returns:
        The network, and how many scores it has, None where as many as published.

    Raises:
        InputError: if the file cannot be read, or is of another network.
    """
    state, module = read_state_dict(path), build()
    counts = {
        len(state[name])
        for name, weight in module.state_dict().items()
        if name in state and state[name].ndim and len(state[name]) != len(weight)
    }
    count = counts.pop() if len(counts) == 1 else None
    if count is not None:
        module = build(num_classes=count)
    fill(module, state, path)
    return module, count


def _entries(state: Any) -> list[Any]:
    return [state.get(name) for name in _ENTRIES] if isinstance(state, Mapping) else []


def _is_state_dict(state: Any) -> bool:
    return (
        isinstance(state, Mapping)
        and bool(state)
        and all(isinstance(each, Tensor) for each in state.values())
    )


def _unwrapped(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    for wrapper in _WRAPPERS:
        if all(name.startswith(wrapper) for name in state):
            return _unwrapped({name.removeprefix(wrapper): each for name, each in state.items()})
    return dict(state)
