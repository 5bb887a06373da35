"""Networks that draw at random: the same draws in every pass, the caller's random state as it was.

A draw from torch's global generators is noticed when it is about to happen, in this thread alone:
networks that draw nothing, nearly all of them, pay for one watched pass and lock nobody out.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_LOCK = RLock()


@contextmanager
def kept_generators() -> Iterator[None]:
    """Leave the global generators of torch, NumPy and Python as they are, whatever runs inside."""
    before = torch.get_rng_state(), np.random.get_state(), random.getstate()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    on_devices = [torch.cuda.get_rng_state(each) for each in devices]
    try:
        yield
    finally:
        torch.set_rng_state(before[0])
        np.random.set_state(before[1])
        random.setstate(before[2])
        for each, state in zip(devices, on_devices, strict=True):
            torch.cuda.set_rng_state(state, each)


class RandomDraws:
    """What is known of a network's draws.

    Attributes:
        draws: whether it calls what may draw at random; None before its first pass.
        drew: whether anything was drawn; attention that drops nothing draws nothing.
    """

    def __init__(self) -> None:
        self.draws: bool | None = None
        self.drew = False

    @contextmanager
    def held(self, inputs: Tensor) -> Iterator[None]:
        """A pass on inputs runs in here."""
        watching = _Watching(_generators(inputs))
        if self.draws:
            watching.begin()
        try:
            if self.draws is None:
                with watching:
                    yield
            else:
                yield
        finally:
            self.draws = bool(watching.states)
            self.drew = watching.end() or self.drew


class _Watching(TorchDispatchMode):
    """Sets generators to a fixed state before the first draw, and back at the end."""

    def __init__(self, generators: list[torch.Generator]) -> None:
        super().__init__()
        self._generators = generators
        self.states: list[Tensor] = []
        self._fixed: list[Tensor] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """PyTorch would load its compiler, a second's work, to keep it out of the method below."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded in func.tags and kwargs.get("generator") is None:
            self.begin()
        return func(*args, **kwargs)

    def begin(self) -> None:
        if not self.states:
            _LOCK.acquire()
            self.states = [each.get_state() for each in self._generators]
            self._fixed = [each.manual_seed(0).get_state() for each in self._generators]

    def end(self) -> bool:
        """Whether something was drawn."""
        if not self.states:
            return False
        pairs = zip(self._generators, self._fixed, strict=True)
        moved = any(not torch.equal(each.get_state(), fixed) for each, fixed in pairs)
        for generator, state in zip(self._generators, self.states, strict=True):
            generator.set_state(state)
        _LOCK.release()
        return moved


def _generators(inputs: Tensor) -> list[torch.Generator]:
    generators = [torch.default_generator]
    if inputs.is_cuda:
        generators.append(torch.cuda.default_generators[inputs.device.index or 0])
    return generators
