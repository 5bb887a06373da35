"""Where a recording lies: a folder on disk, or memory; and what is let through of what it holds.

Files of recordings are read as anybody's: each must be an ordinary file of bounded size, and the
metadata of a group those of Zarr's format 3, with nothing consolidated.
"""

import json
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

MOST_METADATA = 2**24
"""Bytes of a JSON file."""

METADATA = "zarr.json"
_UNFINISHED = ".partial"


class DamageError(ValueError):
    """What is wrong with a store, in a few words."""


class Place(Protocol):
    """A folder: files by name, and folders in it."""

    def read(self, name: str, limit: int) -> bytes:
        """The bytes of a file.

        Raises:
            FileNotFoundError: if there is none.
            DamageError: if it is no ordinary file of at most so many bytes.
        """

    def write(self, name: str, data: bytes) -> None:
        """Write a file."""

    def replace(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all, in place of the one that is there."""

    def inner(self, name: str) -> "Place":
        """A folder in it, which is made when something is written there."""

    def remove(self) -> None:
        """Remove it with all that is in it."""


class Folder:
    """A folder on disk.

    Args:
        path: its own, or its name in another.
        parent: that other folder, which may be moved.
    """

    def __init__(self, path: Path | str, parent: "Folder | None" = None) -> None:
        self._own = Path(path)
        self._parent = parent
        self._made = False

    @property
    def path(self) -> Path:
        """Where it is now."""
        return self._parent.path / self._own if self._parent else self._own

    def moved(self, path: Path) -> None:
        """Go on at the path where it is now."""
        self._own, self._parent = path, None

    def read(self, name: str, limit: int) -> bytes:
        """See `Place.read`."""
        path = self.path / name
        try:
            told = path.stat()  # before it is opened: a pipe would wait
            if not stat.S_ISREG(told.st_mode) or told.st_size > limit:
                raise DamageError(f"{name} is no ordinary file of its size")
            with path.open("rb", buffering=0) as file:
                return file.read(told.st_size) or b""
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(path) from None
        except OSError as error:
            raise DamageError(f"{name} cannot be read ({error.strerror})") from None

    def write(self, name: str, data: bytes) -> None:
        """See `Place.write`."""
        path = self.path
        if not self._made:
            path.mkdir(parents=True, exist_ok=True)
            self._made = True
        with open(path / name, "wb", buffering=0) as file:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]

    def replace(self, name: str, data: bytes) -> None:
        """See `Place.replace`."""
        self.write(name + _UNFINISHED, data)
        os.replace(self.path / (name + _UNFINISHED), self.path / name)

    def inner(self, name: str) -> "Folder":
        """See `Place.inner`."""
        return Folder(name, self)

    def remove(self) -> None:
        """See `Place.remove`."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._made = False


class Memory:
    """A folder in memory."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        self._folders: dict[str, Memory] = {}

    def read(self, name: str, limit: int) -> bytes:
        """See `Place.read`."""
        if name not in self._files:
            raise FileNotFoundError(name)
        return self._files[name]

    def write(self, name: str, data: bytes) -> None:
        """See `Place.write`."""
        self._files[name] = data

    replace = write

    def inner(self, name: str) -> "Memory":
        """See `Place.inner`."""
        return self._folders.setdefault(name, Memory())

    def remove(self) -> None:
        """See `Place.remove`."""
        self._files.clear()
        self._folders.clear()


def group_metadata(attributes: Mapping[str, Any]) -> bytes:
    """The metadata of a group, a file named `METADATA`."""
    metadata = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    return json.dumps(metadata).encode()


def read_attributes(place: Place) -> dict[str, Any]:
    """The attributes of the group in a folder.

    Raises:
        DamageError: if there is none, or it is not of the format of recordings.
    """
    metadata = read_metadata(place, "group")
    if metadata.get("consolidated_metadata"):
        raise DamageError("its metadata are consolidated, which recordings' never are")
    attributes = metadata.get("attributes", {})
    if not isinstance(attributes, dict):
        raise DamageError("its attributes are no table")
    return attributes


def read_metadata(place: Place, kind: str) -> dict[str, Any]:
    """The metadata of the group or array in a folder.

    Raises:
        DamageError: if there is none of that kind.
    """
    try:
        metadata = json.loads(place.read(METADATA, MOST_METADATA))
    except FileNotFoundError:
        raise DamageError(f"{METADATA} is missing") from None
    except DamageError:
        raise
    except (ValueError, RecursionError):
        raise DamageError(f"{METADATA} is damaged") from None
    if not isinstance(metadata, dict) or metadata.get("zarr_format") != 3:
        raise DamageError("it is no Zarr store of format 3")
    if metadata.get("node_type") != kind:
        raise DamageError(f"{METADATA} describes no {kind}")
    return metadata


def array_names(folder: Path) -> list[str]:
    """The names of the arrays below a group's folder on disk: "heatmaps/cam"."""
    found = sorted(path.parent for path in folder.rglob(METADATA))
    return [str(path.relative_to(folder)) for path in found if _is_array(path)]


def _is_array(folder: Path) -> bool:
    try:
        read_metadata(Folder(folder), "array")
    except DamageError:
        return False
    return True
