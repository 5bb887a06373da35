"""Files of others, read within bounds.

What says of itself, or turns out, to be larger than such a file can honestly be is not unpacked.
"""

import io
import json
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rlvis.files import check_regular

LARGEST_CARD = 2**24
LARGEST_METADATA = 2**27
LARGEST_WEIGHTS = 2**29
_MOST_JSON_VALUES = 500_000
_LARGEST_DIRECTORY = 2**20
_END = b"PK\x05\x06"
_FAULTS = (
    *(OSError, EOFError, ValueError, RuntimeError, NotImplementedError, OverflowError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, KeyError),
)


@contextmanager
def opened_zip(source: Path | bytes) -> Iterator[zipfile.ZipFile]:
    """A zip archive whose directory is of a size that can be looked through.

    Raises:
        InputError: if a path does not lead to an ordinary file.
        ValueError: if it is damaged or no zip, here or in what is read from it.
    """
    if isinstance(source, Path):
        check_regular(source)
    try:
        with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as file:
            _check_directory(file)
            with zipfile.ZipFile(file) as archive:
                yield archive
    except KeyError:
        raise
    except _FAULTS as error:
        raise ValueError(str(error).strip().split("\n")[0] or type(error).__name__) from None


def unzip(archive: zipfile.ZipFile, name: str, limit: int, *, packed: bool = True) -> bytes:
    """One file of an archive.

    Args:
        archive: from `opened_zip`.
        name: of the file.
        limit: the most bytes it may have.
        packed: whether it may be compressed.

    Raises:
        KeyError: if there is none of that name.
        ValueError: if it is larger, damaged, or packed in another way than such files are.
    """
    found = archive.getinfo(name)
    ways = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) if packed else (zipfile.ZIP_STORED,)
    if found.compress_type not in ways:
        raise ValueError(f"its {name[:80]} is packed in a way that is not read")
    if found.file_size <= limit:
        with archive.open(found) as file:
            data = file.read(limit + 1)
        if len(data) <= limit:
            return data
    raise ValueError(f"its {name[:80]} is larger than the {limit / 2**20:.4g} MiB that are read")


def parse_json(data: bytes) -> Any:
    """What a JSON text says.

    Raises:
        ValueError: if it is damaged, nested too deeply, or has too many values.
    """
    if sum(data.count(each) for each in (b",", b"[", b"{")) > _MOST_JSON_VALUES:
        raise ValueError("it has too many values")
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _check_directory(file: Any) -> None:
    """Look at the records that end a zip where `zipfile` finds them, the larger kind included."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 2**16 - 100))
    tail = file.read()
    bare = len(tail) >= 22 and tail[-22:].startswith(_END) and tail.endswith(b"\0\0")
    place = len(tail) - 22 if bare else tail.rfind(_END)
    if place < 0 or place + 22 > len(tail):
        raise ValueError("File is not a zip file")
    length = int.from_bytes(tail[place + 12 : place + 16], "little")
    locator = tail[max(0, place - 20) : place]
    if locator.startswith(b"PK\x06\x07"):
        record = tail[max(0, place - 76) : place - 20]
        if int.from_bytes(locator[8:16], "little") != size - len(tail) + place - 76:
            raise ValueError("its directory is not where it says")
        length = int.from_bytes(record[40:48], "little")
    if length > _LARGEST_DIRECTORY:
        raise ValueError("its directory is larger than such a file has")
