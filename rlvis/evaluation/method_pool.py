"""Methods scored one after the other, or several at once in processes of their own."""

import os
import pickle
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import torch

from rlvis.errors import InputError, one_line
from rlvis.evaluation.maps import MapAudit, MethodScores
from rlvis.evaluation.parts import Parts
from rlvis.evaluation.situations import Pictures
from rlvis.models.image_model import ImageModel
from rlvis.options import check_whole

_MOST_PROCESSES = 256


class MethodPool:
    """Scores methods against the same parts of the same images.

    Args:
        pictures: what is explained, and of which model.
        parts: of the images, with the effects of all targets.
        targets: their names, see `parts.audited_targets`.
        thorough: ask also with pixels deleted and inserted.
        processes: how many methods are scored at once.

    Attributes:
        work: scores the baselines and, where there is but one process, the methods.
    """

    def __init__(
        self,
        pictures: Pictures,
        parts: Parts,
        targets: Sequence[str],
        *,
        thorough: bool,
        processes: int = 1,
    ) -> None:
        self.work = MapAudit(pictures, parts, targets, thorough=thorough)
        self._processes, self._sent = processes, b""
        if processes > 1:
            self._sent = pickle.dumps((pictures.plain(), parts, list(targets), thorough))

    def methods(self, names: Sequence[str]) -> Iterator[MethodScores]:
        """The scores of these methods, as they are done.

        Raises:
            InputError: if a process ends before its time.
        """
        if self._processes == 1 or len(names) < 2:
            yield from map(self.work.method, names)
            return
        count = min(self._processes, len(names))
        threads = max(1, torch.get_num_threads() // count)
        pool = ProcessPoolExecutor(count, get_context("spawn"), _begin, (self._sent, threads))
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
    torch.set_num_threads(threads)
    pictures, parts, targets, thorough = pickle.loads(sent)
    _OWN = {"work": MapAudit(pictures, parts, targets, thorough=thorough)}


def _score(name: str) -> MethodScores:
    return _OWN["work"].method(name)
