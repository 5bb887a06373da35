"""Methods scored by several processes: one that ends, and Ctrl-C."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import active_children
from typing import Any

import numpy as np
import pytest

from rlvis import InputError
from rlvis.evaluation.maps import MethodScores
from rlvis.evaluation.method_pool import score_methods


class Work:
    """Scores methods by nothing; larger than what a pipe holds."""

    def __init__(self, act: Callable[[str], Any]) -> None:
        self.act, self.images = act, np.zeros(2**20, np.uint8)

    def method(self, name: str) -> MethodScores:
        self.act(name)
        return MethodScores(name, False, {})


def fail(name: str) -> None:
    raise ValueError(f"{name} fails")


def end(name: str) -> None:
    os._exit(1)


def wait(name: str) -> None:
    time.sleep(600)


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def scores(act: Callable[[str], Any]) -> list[str]:
    return [each.method for each in score_methods(Work(act), ["a", "b", "c"], 2)]


def test_all_methods_come_whichever_process_scores_them() -> None:
    assert sorted(scores(str)) == ["a", "b", "c"]


def test_what_goes_wrong_in_a_process_is_told() -> None:
    with pytest.raises(ValueError, match=r"[ab] fails"):
        scores(fail)
    with pytest.raises(InputError, match="ended before its time"):
        scores(end)


@pytest.fixture
def listening() -> Iterator[None]:
    """Ctrl-C is heard, also by pytest's own processes."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("seconds", [0.02, 1.0])
def test_ctrl_c_ends_processes_that_start_and_that_work(seconds, listening) -> None:
    """The terminal sends it to all of them."""

    def interrupt() -> None:
        while len(active_children()) < 2:
            time.sleep(0.005)
        time.sleep(seconds)
        for each in active_children():
            os.kill(each.pid or 0, signal.SIGINT)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with at_most(30), pytest.raises(KeyboardInterrupt):
        scores(wait)
    assert not active_children()
