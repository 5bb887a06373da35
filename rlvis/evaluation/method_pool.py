"""Methods scored one after the other, or several at once in processes of their own."""

import os
import pickle
import signal
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import torch

from rlvis.errors import InputError, one_line
from rlvis.evaluation.maps import MapAudit, MethodScores
from rlvis.models.image_model import ImageModel
from rlvis.options import check_whole
from rlvis.processor import keep_freed_memory, limit_threads

_MOST_PROCESSES = 256


def score_methods(
    work: MapAudit, names: Sequence[str], processes: int = 1
) -> Iterator[MethodScores]:
    """The scores of these methods, as they are done.

    Args:
        work: scores a method; other processes get a copy of it.
        names: of the methods.
        processes: how many are scored at once.

    Raises:
        InputError: if a process ends before its time.
    """
    if processes == 1 or len(names) < 2:
        yield from map(work.method, names)
        return
    count = min(processes, len(names))
    threads = max(1, torch.get_num_threads() // count)
    pool = ProcessPoolExecutor(count, get_context("spawn"), _begin, (pickle.dumps(work), threads))
    try:
        waiting = [pool.submit(_score, name) for name in names]
        for done in as_completed(waiting):
            yield done.result()
    except BrokenProcessPool:
        raise InputError(
            "a process that scored methods ended before its time, perhaps for want of memory; "
            "take fewer processes"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def check_processes(processes: int, model: ImageModel) -> None:
    """Whether methods of a model can be scored in so many processes.

    Raises:
        InputError: if the number is none, or the model cannot be sent to other processes.
    """
    check_whole("processes", processes, 1, _MOST_PROCESSES)
    if processes == 1:
        return
    try:
        pickle.dumps(model)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise InputError(
            f"{model.name} cannot be sent to other processes ({one_line(error)}); "
            "score its methods in one (processes=1)"
        ) from None


def processor_seconds() -> float:
    """Of this process and of those that it has waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


_OWN: Mapping[str, MapAudit] = {}
"""Of a process that scores methods: what it does so with."""


def _begin(sent: bytes, threads: int) -> None:
    global _OWN
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # between two methods there is nothing to stop
    limit_threads(threads)
    keep_freed_memory()
    _OWN = {"work": pickle.loads(sent)}


def _score(name: str) -> MethodScores:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return _OWN["work"].method(name)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
