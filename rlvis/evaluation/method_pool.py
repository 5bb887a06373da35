"""Methods scored one after the other, or several at once in processes of their own."""

import os
import pickle
import signal
import threading
import traceback
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection, wait

import torch

from rlvis.errors import InputError, one_line
from rlvis.evaluation.maps import MapAudit, MethodScores
from rlvis.models.image_model import ImageModel
from rlvis.options import check_whole
from rlvis.processor import keep_freed_memory, limit_threads

_MOST_PROCESSES = 256


def score_methods(
    work: MapAudit, names: Sequence[str], processes: int = 1
) -> Generator[MethodScores, None, None]:
    """The scores of these methods, as they are done; closing it ends its processes.

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
    sent, waiting = pickle.dumps(work), list(reversed(names))
    with ExitStack() as started:
        with _deaf():
            busy = [started.enter_context(_process(threads)) for _ in range(count)]
        for process in busy:
            with _alive():
                process.send_bytes(sent)
                process.send(waiting.pop())
        while busy:
            ready = wait(busy)
            for process in [each for each in busy if each in ready]:
                with _alive():
                    answer = process.recv()
                    if waiting:
                        process.send(waiting.pop())
                    else:
                        busy.remove(process)
                if isinstance(answer, Exception):
                    raise answer
                yield answer


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


@contextmanager
def _process(threads: int) -> Iterator[Connection]:
    """What talks to a process that scores methods, which is ended with the block."""
    own, other = Pipe()
    process = get_context("spawn").Process(target=_score, args=(other, threads), daemon=True)
    process.start()
    other.close()
    try:
        yield own
    finally:
        process.terminate()
        process.join()
        own.close()


@contextmanager
def _deaf() -> Iterator[None]:
    """Ignore Ctrl-C, which a process that is started meanwhile does from its first moment on.

    The terminal sends it to every process; this one, which waits for the others, ends them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _alive() -> Iterator[None]:
    """Talk to a process that may have ended."""
    try:
        yield
    except (EOFError, ConnectionError):
        raise InputError(
            "a process that scored methods ended before its time, perhaps for want of memory; "
            "take fewer processes"
        ) from None


def _score(asking: Connection, threads: int) -> None:
    """In a process of its own: score the methods that are named, with the work sent before them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit_threads(threads)
    keep_freed_memory()
    with suppress(EOFError, ConnectionError):  # where nobody asks any more
        work: MapAudit = pickle.loads(asking.recv_bytes())
        while True:
            name = asking.recv()
            try:
                asking.send(work.method(name))
            except Exception as error:
                error.add_note(traceback.format_exc())
                asking.send(error)
