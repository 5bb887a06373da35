"""Work done beside the caller's: in its order, by one thread, a bounded amount of it waiting."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, Self

import torch

_MOST_BYTES, _MOST_CALLS = 2**26, 4


class Background:
    """A context in which calls are done by a thread of their own, one after the other.

    The first error is raised to the caller, at the latest where the context ends; what waits
    behind it is left undone. All that was submitted is done by the end, also where the caller
    fails; Ctrl-C at the end leaves undone what waits, but not what was begun.

    Args:
        close: called last, by the same thread, however the others ended.

    PyTorch has a thread less meanwhile: its threads wait for one another at every step of a
    network, and where one has to share its core with this, all do.
    """

    def __init__(self, close: Callable[[], None]) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._close = close
        self._waiting: deque[tuple[Future[None], int]] = deque()
        self._bytes = 0
        self._failed = False

    def submit(self, call: Callable[..., None], *arguments: Any, size: int = 0) -> None:
        """Have a call done; waits where much else waits.

        Args:
            call: what is done.
            arguments: of the call.
            size: bytes that they hold; those of all that waits are bounded, and how many wait.

        Raises:
            Exception: that of an earlier call.
        """
        self._waiting.append((self._thread.submit(self._do, call, arguments), size))
        self._bytes += size
        while self._waiting and (
            self._bytes > _MOST_BYTES
            or len(self._waiting) > _MOST_CALLS
            or self._waiting[0][0].done()
        ):
            first, its = self._waiting.popleft()
            first.result()
            self._bytes -= its

    def _do(self, call: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        if self._failed:
            return
        try:
            call(*arguments)
        except BaseException:
            self._failed = True
            raise

    def __enter__(self) -> Self:
        self._torch_threads = torch.get_num_threads()
        torch.set_num_threads(max(1, self._torch_threads - 1))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        stopped: KeyboardInterrupt | None = None
        closed = self._thread.submit(self._close)
        while not closed.done():
            try:
                wait([closed])
            except KeyboardInterrupt as stop:
                self._failed, stopped = True, stop
        self._thread.shutdown()
        torch.set_num_threads(self._torch_threads)
        if stopped:
            raise stopped
        if error is None:
            for each, _ in self._waiting:
                each.result()
            closed.result()
