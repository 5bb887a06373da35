"""Calls of torch functions in this thread, answered by somebody else while a context lasts."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch.overrides import TorchFunctionMode


class CallInterceptor(TorchFunctionMode):
    """Within this context every call of a torch function goes through `intercept`.

    Functional calls, tensor methods and operators are seen as well as modules; what is called
    inside `intercept` is not.
    """

    @abstractmethod
    def intercept(self, func: Callable, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """The result in place of `func(*args, **kwargs)`."""

    def __torch_function__(
        self,
        func: Callable,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return self.intercept(func, args, dict(kwargs or {}))
