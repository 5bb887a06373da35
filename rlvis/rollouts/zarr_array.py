"""Arrays of a Zarr v3 store that grow along their first axis and are read part by part.

An array is written a chunk at a time while its rows come in, and described when they end, so that
neither writing nor reading takes more memory for more rows. Zarr takes codecs by name, some of
which run code; it believes what metadata say of sizes; and it reads a missing chunk as zeros,
silently. So arrays are read here, and nothing else than recordings are written as is let through:

    metadata   the codecs and types below, sizes within bounds
    chunks     each of them there, an ordinary file, and of the size that it is said to unpack to

Checksums (crc32c) in the chunks find what has changed in them; older recordings have none.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, prod
from typing import Any

import google_crc32c
import numpy as np
from numcodecs import zstd

from rlvis.rollouts.store import METADATA, DamageError, Place, read_metadata

DATA_TYPES = {
    "bool",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *(f"float{bits}" for bits in (16, 32, 64)),
}
MOST_CHUNK, MOST_ARRAY = 2**30, 2**35
"""Bytes of a chunk, of an array."""

_CHUNK = 2**20
"""Bytes of a chunk that is written, unpacked."""
_PACKINGS = (["bytes"], ["bytes", "zstd"], ["bytes", "zstd", "crc32c"], ["bytes", "crc32c"])
_ZSTD_MAGIC = bytes.fromhex("28b52ffd")


@dataclass(frozen=True)
class Layout:
    """How an array lies in its folder.

    Attributes:
        kind: the type of its numbers.
        shape, chunk: of the array, and of each part of it that is a file.
        codecs: one of `_PACKINGS`.
        separator: between the numbers in the names of chunks.
    """

    kind: np.dtype
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    codecs: Sequence[str] = tuple(_PACKINGS[2])
    separator: str = "."

    @classmethod
    def read(cls, place: Place) -> "Layout":
        """The layout of the array in a folder.

        Raises:
            DamageError: if there is none, or it is none of a recording's.
        """
        metadata = read_metadata(place, "array")
        try:
            kind, shape = metadata["data_type"], metadata["shape"]
            grid, keys = metadata["chunk_grid"], metadata["chunk_key_encoding"]
            chunk = grid["configuration"]["chunk_shape"]
            codecs = [codec["name"] for codec in metadata["codecs"]]
            endian = metadata["codecs"][0].get("configuration", {}).get("endian", "little")
            separator = keys.get("configuration", {}).get("separator", "/")
            known = (grid["name"], keys["name"], endian) == ("regular", "default", "little")
        except (KeyError, TypeError, AttributeError, IndexError):
            raise DamageError("metadata are incomplete") from None
        if not isinstance(kind, str) or kind not in DATA_TYPES:
            raise DamageError(f"numbers of the type {str(kind)[:60]} are not read")
        if codecs not in _PACKINGS:
            others = ", ".join(sorted(map(str, {*map(str, codecs)} - {*_PACKINGS[2]}))) or "others"
            raise DamageError(f"it is packed by {others[:60]}, which recordings never are")
        if not known or separator not in (".", "/") or metadata.get("storage_transformers"):
            raise DamageError("it has another layout than recordings")
        if not (_are_sizes(shape, 0) and _are_sizes(chunk, 1)) or len(shape) != len(chunk):
            raise DamageError("its shape is none")
        made = cls(np.dtype(kind), tuple(shape), tuple(chunk), codecs, separator)
        if made.unpacked > MOST_CHUNK or prod(shape) * made.kind.itemsize > MOST_ARRAY:
            raise DamageError(
                f"{made.shape} of {kind} in parts of {made.chunk} are too large to read"
            )
        return made

    def metadata(self, axes: Sequence[str]) -> bytes:
        """The layout as Zarr writes it, with the names of the axes."""
        return json.dumps(
            {
                "zarr_format": 3,
                "node_type": "array",
                "shape": self.shape,
                "data_type": self.kind.name,
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": self.chunk}},
                "chunk_key_encoding": {
                    "name": "default",
                    "configuration": {"separator": self.separator},
                },
                "fill_value": False if self.kind.kind == "b" else 0,
                "codecs": [
                    {"name": "bytes", "configuration": {"endian": "little"}},
                    {"name": "zstd", "configuration": {"level": 0, "checksum": False}},
                    {"name": "crc32c"},
                ],
                "attributes": {},
                "dimension_names": axes,
            }
        ).encode()

    @property
    def unpacked(self) -> int:
        """Bytes of a chunk."""
        return prod(self.chunk) * self.kind.itemsize

    def name(self, place: Sequence[int]) -> str:
        """The file of a chunk."""
        return self.separator.join(["c", *map(str, place)])

    def unpack(self, data: bytes) -> np.ndarray:
        """The numbers in the file of a chunk.

        Raises:
            DamageError: if they are not as they were written.
        """
        if "crc32c" in self.codecs:
            data, told = data[:-4], data[-4:]
            if google_crc32c.value(data) != int.from_bytes(told, "little"):
                raise DamageError("its checksum is another")
        if "zstd" in self.codecs:
            if zstd_content_size(data[:18]) != self.unpacked:
                raise DamageError("its size is another")
            data = zstd.decompress(data)
        return np.frombuffer(data, self.kind).reshape(self.chunk)


def pack(numbers: np.ndarray) -> bytes:
    """The file of a chunk, as `Layout.unpack` reads it where all codecs are there."""
    data = zstd.compress(np.ascontiguousarray(numbers), 0)
    return data + google_crc32c.value(data).to_bytes(4, "little")


class GrowingArray:
    """An array that is being written.

    Args:
        place: its folder.
        axes: the names of its axes behind the first.
        first: the name of the first axis.

    Attributes:
        rows: how many it has so far.
    """

    def __init__(self, place: Place, axes: Sequence[str], first: str = "time") -> None:
        self._place, self._axes = place, [first, *axes]
        self._waiting: list[np.ndarray] = []
        self.rows = self._chunks = 0

    def append(self, rows: np.ndarray) -> None:
        """Write rows (n, …) of the shape and kind of those before, when they fill a chunk."""
        self._waiting.append(rows)
        self.rows += len(rows)
        full = self._chunk_rows(rows)
        while self.rows - self._chunks * full >= full:
            waiting = np.concatenate(self._waiting)
            self._write(waiting[:full])
            self._waiting = [waiting[full:]]

    def close(self) -> None:
        """Write what waits, and the array's metadata."""
        waiting = np.concatenate(self._waiting)
        full = min(self._chunk_rows(waiting), max(1, self.rows))
        if len(waiting):
            lacking = full - len(waiting)
            padding = [(0, lacking), *[(0, 0)] * (waiting.ndim - 1)]
            self._write(np.pad(waiting, padding) if lacking else waiting)
        row = waiting.shape[1:]
        layout = Layout(waiting.dtype, (self.rows, *row), (full, *(max(1, n) for n in row)))
        self._place.write(METADATA, layout.metadata(self._axes))

    def discard(self) -> None:
        """Remove what was written of it."""
        self._place.remove()

    def _chunk_rows(self, rows: np.ndarray) -> int:
        row = prod(rows.shape[1:]) * rows.itemsize
        return max(1, _CHUNK // max(1, row))

    def _write(self, chunk: np.ndarray) -> None:
        if chunk.size:
            place = [str(self._chunks), *["0"] * (chunk.ndim - 1)]
            self._place.write(".".join(["c", *place]), pack(chunk))
        self._chunks += 1


class StoredArray:
    """An array as it is read: `len`, `shape`, and a slice or one of its rows.

    The chunk that was read last is kept for reading on.

    Args:
        place: its folder.
        damaged: makes the error that says what is wrong with it.
        complete: whether every chunk was written, also those that hold nothing but zeros.
    """

    def __init__(
        self, place: Place, damaged: Callable[[str], Exception], complete: bool = True
    ) -> None:
        self._place, self._damaged, self._complete = place, damaged, complete
        self._kept = (-1, np.empty(0))
        try:
            self._layout = Layout.read(place)
        except DamageError as error:
            raise damaged(str(error)) from None
        self.shape, self.dtype = self._layout.shape, self._layout.kind

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, steps: int | slice) -> np.ndarray:
        """A row, or the rows of a slice.

        Raises:
            InputError: as `damaged` makes it.
        """
        if isinstance(steps, int):
            row = range(len(self))[steps]
            return self[row : row + 1][0]
        wanted = range(len(self))[steps]
        if not wanted:
            return np.empty((0, *self.shape[1:]), self.dtype)
        size = self._layout.chunk[0]
        first, last = min(wanted[0], wanted[-1]) // size, max(wanted[0], wanted[-1]) // size
        parts = [self._rows(number) for number in range(first, last + 1)]
        rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return rows[np.array(wanted) - first * size]

    def check(self) -> None:
        """Read everything, a chunk at a time.

        Raises:
            InputError: as `damaged` makes it.
        """
        for number in range(ceil(len(self) / self._layout.chunk[0])):
            self._rows(number)

    def _rows(self, number: int) -> np.ndarray:
        """Those of the chunks of that number along the first axis."""
        kept, rows = self._kept
        if kept == number:
            return rows
        size, *part = self._layout.chunk
        whole, count = self.shape[1:], min(size, len(self) - number * size)
        if (*part,) == whole:
            rows = self._unpacked((number, *(0 for _ in part)))[:count]
        else:
            rows = np.empty((count, *whole), self.dtype)
            for place in product(*(range(ceil(n / m)) for n, m in zip(whole, part, strict=True))):
                corner = zip(place, part, whole, strict=True)
                inside = [slice(at * m, min((at + 1) * m, n)) for at, m, n in corner]
                sizes = [slice(each.stop - each.start) for each in inside]
                found = self._unpacked((number, *place))[:count]
                rows[(slice(None), *inside)] = found[(slice(None), *sizes)]
        self._kept = number, rows
        return rows

    def _unpacked(self, place: Sequence[int]) -> np.ndarray:
        layout = self._layout
        name = f"chunk {'.'.join(map(str, place))}"
        try:
            data = self._place.read(layout.name(place), 2 * layout.unpacked + 2**16)
        except FileNotFoundError:
            if self._complete:
                raise self._damaged(f"{name} is missing") from None
            return np.zeros(layout.chunk, layout.kind)
        except DamageError as error:
            raise self._damaged(f"{name} cannot be read ({error})") from None
        try:
            return layout.unpack(data)
        except DamageError as error:
            raise self._damaged(f"{name} is damaged ({error})") from None
        except Exception as error:  # decoders stumble over damaged files in ways of their own
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            raise self._damaged(f"{name} is damaged ({reason})") from None


def _are_sizes(given: Any, least: int) -> bool:
    return isinstance(given, list) and all(type(each) is int and each >= least for each in given)


def zstd_content_size(head: bytes) -> int | None:
    """The bytes that a Zstandard frame says it unpacks to, None where it says nothing.

    Args:
        head: its first 18 bytes (RFC 8878, section 3.1.1.1).
    """
    if head[:4] != _ZSTD_MAGIC or len(head) < 6:
        return None
    flag, single, dictionary = head[4] >> 6, head[4] >> 5 & 1, head[4] & 3
    start = 5 + (1 - single) + (0, 1, 2, 4)[dictionary]
    length = (single, 2, 4, 8)[flag]
    field = head[start : start + length]
    if not length or len(field) < length:
        return None
    return int.from_bytes(field, "little") + (256 if flag == 1 else 0)
