"""Writing files so that a failure leaves nothing half-written and says what is wrong."""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from rlvis.errors import InputError

ARRAYS = {".npz": "npz", ".safetensors": "safetensors"}

_REASONS = {
    errno.ENOSPC: "the disk is full; make room and try again",
    errno.EDQUOT: "the disk quota is used up; make room and try again",
    errno.EROFS: "the file system is read-only; write somewhere else",
    errno.EACCES: "the folder may not be written to; write somewhere else",
    errno.EPERM: "the folder may not be written to; write somewhere else",
    errno.ENOENT: "its folder does not exist and cannot be made; write somewhere else",
    errno.EISDIR: "it is a folder; give a file name",
    errno.ENOTDIR: "part of the path is a file, not a folder; write somewhere else",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


def write_error(path: str | Path, error: OSError) -> InputError | OSError:
    """The one-line error for a write that failed for the user's reasons, else the error itself."""
    reason = _REASONS.get(error.errno or 0)
    return InputError(f"cannot write {path}: {reason}") if reason else error


def kind_of(path: Path, kinds: Mapping[str, str]) -> str:
    """The format that the ending of a file's name stands for.

    Raises:
        InputError: if the ending is not among `kinds`.
    """
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise InputError(f"cannot write {path}: give a name that ends in {', '.join(kinds)}")
    return kind


@contextmanager
def writing(path: Path, kinds: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """Write `path` whole or not at all.

    Args:
        path: the file wanted; missing folders are made.
        kinds: the formats to choose from, by ending.

    Yields:
        A temporary file beside `path`, which takes its place when the block ends well, and the
        format.

    Raises:
        InputError: if the ending is not among `kinds`, the disk is full, or the folder may not be
            written to.
    """
    kind = kind_of(path, kinds)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary, kind
        temporary.replace(path)
    except OSError as error:
        raise write_error(path, error) from None
    finally:
        temporary.unlink(missing_ok=True) if temporary.parent.is_dir() else None


def save_arrays(path: str | Path, **arrays: np.ndarray) -> Path:
    """Write named arrays as .npz or .safetensors and return the path.

    A .safetensors file holds numbers only; arrays of text are in its metadata, as JSON.

    Raises:
        InputError: if the ending is neither, or the file cannot be written.
    """
    path = Path(path)
    with writing(path, ARRAYS) as (temporary, kind):
        if kind == "npz":
            with temporary.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **arrays)
        else:
            from safetensors.numpy import save_file

            texts = {name: each for name, each in arrays.items() if each.dtype.kind == "U"}
            numbers = {name: each for name, each in arrays.items() if name not in texts}
            save_file(
                {name: np.ascontiguousarray(each) for name, each in numbers.items()},
                temporary,
                {name: json.dumps(each.tolist()) for name, each in texts.items()},
            )
    return path
