"""Reading and writing files.

Nothing hangs, nothing is left half-written, and what is wrong is said in one line.
"""

import errno
import os
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np

from rlvis.building import Building
from rlvis.errors import InputError

Kind = TypeVar("Kind")

_REASONS = {
    errno.ENOSPC: "the disk is full; make room and try again",
    errno.EDQUOT: "the disk quota is used up; make room and try again",
    errno.EFBIG: "the file would be larger than allowed; make room and try again",
    errno.EIO: "the disk fails; write somewhere else",
    errno.EROFS: "the file system is read-only; write somewhere else",
    errno.EACCES: "the folder may not be written to; write somewhere else",
    errno.EPERM: "the folder may not be written to; write somewhere else",
    errno.ENOENT: "its folder does not exist and cannot be made; write somewhere else",
    errno.EISDIR: "it is a folder; give a file name",
    errno.ENOTDIR: "part of the path is a file, not a folder; write somewhere else",
    errno.EEXIST: "part of the path is a file, not a folder; write somewhere else",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.ELOOP: "its symbolic links lead round in a circle; write somewhere else",
    errno.EINVAL: "it is a device, a pipe or a socket; give a file name",
}


def write_error(path: str | Path, error: OSError) -> InputError | OSError:
    """The one-line error for a write that failed for the user's reasons, else the error itself."""
    reason = _REASONS.get(error.errno or 0)
    return InputError(f"cannot write {path}: {reason}") if reason else error


def check_regular(path: str | Path) -> None:
    """Whether a path leads to an ordinary file: what never ends or waits for others is not opened.

    Raises:
        InputError: if there is none, or it is a folder, a device, a pipe or a socket.
    """
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    if stat.S_ISDIR(mode):
        raise InputError(f"{path} is a folder; give a file")
    if not stat.S_ISREG(mode):
        raise InputError(f"{path} is a device, a pipe or a socket; give an ordinary file")


def read_regular(path: str | Path, limit: int) -> bytes:
    """The bytes of an ordinary file of at most `limit` bytes.

    Raises:
        InputError: if there is none, it may not be read, or it is larger.
    """
    check_regular(path)
    try:
        with Path(path).open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise _unreadable(path, error) from None
    if len(data) > limit:
        raise InputError(f"{path} is larger than the {limit / 2**20:.4g} MiB that are read of such")
    return data


def check_packing(path: str | Path) -> None:
    """Whether a file of weights is an ordinary one that takes no more memory than it has bytes.

    PyTorch stores weights as they are; a zip that unpacks to more was made to fill the memory.

    Raises:
        InputError: if it does, or there is no such file, or it is a device, a pipe or a socket.
    """
    check_regular(path)
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return
    except OSError as error:
        raise _unreadable(path, error) from None
    if unpacked > 2 * Path(path).stat().st_size + 2**20:
        raise InputError(f"{path} unpacks to {unpacked / 2**20:.4g} MiB, as weights never do")


def read_arrays(path: str | Path, limit: int = 2**31) -> dict[str, np.ndarray]:
    """The arrays of numbers and text in an .npz file, its headers checked before memory is taken.

    Args:
        path: the file.
        limit: bytes that all of them together may have.

    Raises:
        InputError: if there is no such file, or it holds more, or is damaged, or needs pickle.
    """
    check_regular(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = [each for each in archive.infolist() if each.filename.endswith(".npy")]
            if sum(member.file_size for member in members) > limit:
                raise InputError(
                    f"{path} unpacks to more than the {limit / 2**30:.3g} GiB that are read of an "
                    ".npz; write its arrays as .npy, which is read piece by piece"
                )
            arrays = {}
            for member in members:
                with archive.open(member) as file:
                    arrays[member.filename.removesuffix(".npy")] = _read_array(
                        file, member.file_size
                    )
            return arrays
    except InputError:
        raise
    except PermissionError as error:
        raise _unreadable(path, error) from None
    except Exception as error:  # readers stumble over damaged files in ways of their own
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise InputError(f"{path} holds no readable arrays; is it whole? ({reason})") from None


def _read_array(file: IO[bytes], size: int) -> np.ndarray:
    """The array in a file of so many bytes.

    Raises:
        ValueError: if its header is not of an array of numbers or text of just that size.
    """
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"arrays of format {version} are not read")
    shape, columns_first, kind = readers[version](file)
    if kind.kind not in "biufU":
        raise ValueError(f"arrays of {kind} are not read, only of numbers and text")
    if kind.itemsize * prod(shape) != size - file.tell():
        raise ValueError("a header tells another size than its array has")
    array = np.frombuffer(bytearray(file.read()), kind)
    return array.reshape(shape, order="F" if columns_first else "C")


def _unreadable(path: str | Path, error: OSError | ValueError) -> InputError:
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOENT, errno.ENOTDIR):
        return InputError(f"no file {path}; check the path")
    if number in (errno.EACCES, errno.EPERM):
        return InputError(f"{path} may not be read; change its permissions")
    return InputError(f"{str(path)!r} cannot be read ({error}); give another file")


def kind_of(path: Path, kinds: Mapping[str, Kind]) -> Kind:
    """The kind that the ending of a file's name stands for.

    Raises:
        InputError: if the ending is not among `kinds`.
    """
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise InputError(f"cannot write {path}: give a name that ends in {', '.join(kinds)}")
    return kind


def check_writable(path: str | Path, kinds: Mapping[str, Any] | None = None) -> None:
    """Whether a file can be written, asked before work is spent on it; its folder is made.

    Args:
        path: the file wanted.
        kinds: those to choose from, by ending; any where left out.

    Raises:
        InputError: if it cannot; see `writing`.
    """
    if kinds is not None:
        kind_of(Path(path), kinds)
    with _said_plainly(path):
        tempfile.TemporaryFile(dir=_place(Path(path)).parent).close()


@contextmanager
def writing(path: Path, kinds: Mapping[str, Kind]) -> Iterator[tuple[Path, Kind]]:
    """Write `path` whole or not at all.

    Args:
        path: the file wanted; missing folders are made, a symbolic link is followed.
        kinds: those to choose from, by ending.

    Yields:
        The path of a temporary file, which takes its place when the block ends well, and the kind.

    Raises:
        InputError: if the ending is not among `kinds`, the disk is full, or the folder may not be
            written to.
    """
    kind = kind_of(path, kinds)
    with _said_plainly(path):
        place = _place(path)
        building = Building.beside(place)
        try:
            temporary = building.folder / f"new{place.suffix}"
            yield temporary, kind
            building.finish(temporary)
        finally:
            building.remove()


@contextmanager
def _said_plainly(path: str | Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise write_error(path, error) from None


def _place(path: Path) -> Path:
    """Where a file is to be written, its symbolic links followed, its folder made.

    Raises:
        OSError: if no file can be there.
    """
    place = Path(os.path.realpath(path))
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        mode = place.lstat().st_mode
    except FileNotFoundError:
        return place
    if stat.S_ISLNK(mode):
        raise OSError(errno.ELOOP, "links in a circle")
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, "is a folder")
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "is no file")
    return place
