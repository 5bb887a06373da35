"""Work done beside the caller's: in its order, by one thread, a bounded amount of it waiting."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

_WAITING = 16


class Background:
    """A context in which calls are done by a thread of their own, one after the other.

    The first error is raised to the caller, at the latest where the context ends; what waits
    behind it is left undone. All that was submitted is done by the end, also where the caller
    fails.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()
        self._failed = False

    def submit(self, call: Callable[..., None], *arguments: Any) -> None:
        """Have a call done; waits where much else waits.

        Raises:
            Exception: that of an earlier call.
        """
        self._waiting.append(self._thread.submit(self._do, call, arguments))
        while self._waiting and (len(self._waiting) > _WAITING or self._waiting[0].done()):
            self._waiting.popleft().result()

    def _do(self, call: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        if self._failed:
            return
        try:
            call(*arguments)
        except BaseException:
            self._failed = True
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.shutdown()
        if error is None:
            for each in self._waiting:
                each.result()
