"""Folders in which results are built before they take their place.

Each lies beside the result and is locked while something is built in it. The lock ends with the
process, however the process ends: a folder that nobody holds was left behind by a killed process,
and the next process that builds beside it removes it. On systems without `flock` nothing is locked
and nothing that was left behind is removed.
"""

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from rlvis.errors import InputError

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl: Any = None  # type: ignore[no-redef]

PREFIX = ".rlvis-"
_REPLACED = "replaced"
_TRIES, _PAUSE = 4, 0.02
"""How often a held lock is tried, and the seconds between."""
_cleared: set[Path] = set()


class HeldError(Exception):
    """Another writer holds the lock."""


class Lock:
    """The lock of a folder, which one writer holds at a time; moves with the folder.

    Args:
        folder: an existing folder.

    Attributes:
        certain: whether the file system knows locks.

    Raises:
        HeldError: if another writer holds it.
        OSError: if the folder cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self._handle: int | None = None
        self.certain = False
        if fcntl is None:
            return
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.certain = True
        except BlockingIOError:
            os.close(handle)
            raise HeldError from None
        except OSError:
            os.close(handle)
            return
        self._handle = handle

    def is_of(self, folder: Path) -> bool:
        """Whether the folder at this path is still the one that was locked."""
        if self._handle is None:
            return folder.exists()
        try:
            return os.path.samestat(os.fstat(self._handle), folder.stat())
        except OSError:
            return False

    def release(self) -> None:
        """Let others have it."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


@contextmanager
def alone_in(folder: Path, what: str) -> Iterator[None]:
    """Be the only writer of a folder.

    Args:
        folder: an existing folder.
        what: its name in errors.

    Raises:
        InputError: if another writer is at work there.
    """
    try:
        lock = Lock(folder)
    except HeldError:
        raise _busy(what) from None
    try:
        yield
    finally:
        lock.release()


@dataclass
class Building:
    """A folder beside a result that is being built.

    Attributes:
        folder: where to build; it is on the result's file system.
        target: the path of the result.
    """

    folder: Path
    target: Path
    _lock: Lock

    @classmethod
    def beside(cls, target: Path, *, alone: bool = False) -> Self:
        """A new folder beside a path; folders that killed processes left there are removed.

        Args:
            target: absolute path of the result, in an existing folder.
            alone: whether only one writer may build this result at a time.

        Raises:
            InputError: if another writer is building it and `alone` is True.
            OSError: if the folder cannot be written to.
        """
        _clear(target.parent)
        name = hashlib.sha256(target.name.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        tries = 0
        while True:
            folder = target.with_name(PREFIX + (name if alone else secrets.token_hex(8)))
            folder.mkdir(0o700, exist_ok=True)
            try:
                lock = Lock(folder)
            except FileNotFoundError:
                continue
            except HeldError:  # by another writer, or for a moment by one that clears
                tries += 1
                if alone and tries == _TRIES:
                    raise _busy(str(target)) from None
                time.sleep(_PAUSE)
                continue
            if alone and not lock.certain:
                alone = False
            elif lock.is_of(folder):  # and not removed before it was locked
                break
            lock.release()
        _empty(folder)
        return cls(folder, target, lock)

    def finish(self, built: Path) -> None:
        """Put what was built where it belongs, in place of what is there.

        Args:
            built: a file or folder in `folder`.
        """
        if self.target.is_dir() and not self.target.is_symlink():
            replaced = self.folder / _REPLACED
            replaced.mkdir()
            self.target.rename(replaced / self.target.name)
        built.replace(self.target)
        self.remove()

    def remove(self) -> None:
        """Remove the folder and all that was built in it."""
        _abandon(self.folder)
        self._lock.release()


def _busy(what: str) -> InputError:
    return InputError(f"another process is writing {what}; wait for it or write somewhere else")


def _clear(parent: Path) -> None:
    """Remove what killed processes left in a folder; looked for once by each process."""
    if parent in _cleared:
        return
    _cleared.add(parent)
    for each in parent.glob(PREFIX + "*"):
        with suppress(HeldError, OSError):
            if not each.is_dir() or each.is_symlink():
                continue
            lock = Lock(each)
            if lock.certain:
                _abandon(each)
            lock.release()


def _abandon(folder: Path) -> None:
    """Remove a folder in which something was built."""
    _empty(folder)
    with suppress(OSError):
        folder.rmdir()


def _empty(folder: Path) -> None:
    """Remove what a folder holds, and put back what was moved into it to be replaced.

    A process that was killed between two renames leaves it there.
    """
    with suppress(OSError):
        for each in (folder / _REPLACED).iterdir():
            if not os.path.lexists(folder.parent / each.name):
                each.rename(folder.parent / each.name)
    with suppress(OSError):
        for each in folder.iterdir():
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each, ignore_errors=True)
            else:
                each.unlink(missing_ok=True)
