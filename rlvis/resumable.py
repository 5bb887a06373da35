"""Long work in numbered steps that can be stopped, kept in a file, and gone on with."""

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rlvis.errors import InputError
from rlvis.file_kinds import save_arrays
from rlvis.files import read_arrays
from rlvis.interrupt import Stopped
from rlvis.progress import OnProgress, Progress

Arrays = Mapping[str, np.ndarray]

_LEAST_PAUSE = 30.0
_SHARE_OF_TIME = 0.05


class ResumableWork:
    """Work that tells how far it has come, and what it has so far is kept in a file.

    The file is written every half minute (less often where that takes more than a twentieth of the
    time) and when `on_progress` raises KeyboardInterrupt.

    Args:
        task: what is done, in a word.
        unit: what its steps are, in the plural.
        total: how many there are.
        settings: what other work must have in common with it to go on from its file, as JSON.
        path: the file (.npz); without one nothing is kept.
        resume: go on from that file.
        on_progress: see `rlvis.progress`.

    Attributes:
        done: the steps that are done.
        kept: the arrays of the work that is gone on with, empty for work from the start.

    Raises:
        InputError: if there is nothing to go on from, or the file holds other work.
    """

    def __init__(
        self,
        task: str,
        unit: str,
        total: int,
        settings: Mapping[str, Any],
        path: str | Path | None,
        resume: bool,
        on_progress: OnProgress,
    ) -> None:
        if resume and path is None:
            raise InputError("to resume, name the file in which the unfinished work is")
        self._task, self._unit, self._total = task, unit, total
        self._settings = json.loads(json.dumps(settings))
        self._path, self._on_progress = Path(path) if path is not None else None, on_progress
        self._next_save = time.monotonic() + _LEAST_PAUSE
        self.done, self.kept = 0, dict[str, np.ndarray]()
        if resume and self._path is not None:
            self.done, self.kept = _read(self._path, self._settings)

    def advance(self, done: int, state: Callable[[], Arrays]) -> None:
        """Tell how far the work has come, and keep what there is where it is time to.

        Args:
            done: the steps that are done.
            state: gives the arrays that the work can go on from.

        Raises:
            Stopped: if `on_progress` raised KeyboardInterrupt before the end.
            InputError: if the file cannot be written.
        """
        self.done = done
        try:
            self._on_progress(Progress(self._task, done, self._total, self._unit))
        except KeyboardInterrupt:
            if done < self._total:
                self.keep(state())
                raise Stopped(self._stopped) from None
        if self._path is not None and done < self._total and time.monotonic() > self._next_save:
            self.keep(state())

    def keep(self, arrays: Arrays) -> None:
        """Write what there is (.npz), whole or not at all."""
        if self._path is None:
            return
        start = time.monotonic()
        header = json.dumps({"settings": self._settings, "done": self.done})
        save_arrays(self._path, header=np.array(header), **arrays)
        end = time.monotonic()
        self._next_save = end + max(_LEAST_PAUSE, (end - start) / _SHARE_OF_TIME)

    def remove(self) -> None:
        """Remove the file of work that is finished."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    @property
    def _stopped(self) -> str:
        how = f"; {self._path} keeps the work, --resume (resume=True) goes on with it"
        told = f"stopped after {self.done} of {self._total} {self._unit}"
        return told + (how if self._path is not None else "")


def _read(path: Path, settings: Mapping[str, Any]) -> tuple[int, dict[str, np.ndarray]]:
    """The steps that are done and the arrays of the work in a file.

    Raises:
        InputError: if there is no such file, or it holds other work.
    """
    if not os.path.exists(path):
        raise InputError(f"{path} holds no unfinished work; start without resume")
    try:
        arrays = read_arrays(path)
        header = json.loads(str(arrays.pop("header")))
        before, done = header["settings"], header["done"]
        if not isinstance(before, dict) or not isinstance(done, int):
            raise ValueError("no unfinished work")
    except (InputError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(
            f"{path} cannot be read as unfinished work; start without resume"
        ) from None
    for name, value in settings.items():
        was = before.get(name)
        if was != value:
            raise InputError(
                f"{path} was made with {name} {was}, not {value}; start without resume"
            )
    return done, arrays
