"""What is let through of a Zarr store on disk: what recordings are written as, and nothing else.

Zarr takes codecs by name, some of which run code; it believes what metadata say of sizes; and it
reads a chunk that is missing as zeros, silently. So everything is looked at before Zarr sees it:

    metadata   format 3, the codecs and types below, sizes within bounds, nothing consolidated
    chunks     each of them there, an ordinary file, and of the size that it is said to unpack to

Checksums (crc32c) in the chunks find what has changed in them; older recordings have none.
"""

import json
import stat
from itertools import product
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np

from rlvis.errors import InputError
from rlvis.files import read_regular

CODECS = {"bytes", "zstd", "crc32c"}
DATA_TYPES = {
    "bool",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *(f"float{bits}" for bits in (16, 32, 64)),
}
MOST_METADATA, MOST_CHUNK, MOST_ARRAY = 2**24, 2**30, 2**35
"""Bytes of a JSON file, of a chunk, of an array."""

_ZSTD_MAGIC = bytes.fromhex("28b52ffd")


class DamageError(ValueError):
    """What is wrong with a store, in a few words."""


def read_attributes(folder: Path) -> dict[str, Any]:
    """The attributes of the group in a folder.

    Raises:
        DamageError: if there is none, or it is not of the format of recordings.
    """
    metadata = _read_metadata(folder, "group")
    if metadata.get("consolidated_metadata"):
        raise DamageError("its metadata are consolidated, which recordings' never are")
    attributes = metadata.get("attributes", {})
    if not isinstance(attributes, dict):
        raise DamageError("its attributes are no table")
    return attributes


def array_names(folder: Path) -> list[str]:
    """The names of the arrays below a group's folder, as Zarr writes them: "heatmaps/cam"."""
    found = sorted(path.parent for path in folder.rglob("zarr.json"))
    return [
        str(path.relative_to(folder))
        for path in found
        if path != folder and _read_metadata(path).get("node_type") == "array"
    ]


def check_array(folder: Path, *, complete: bool) -> None:
    """Whether Zarr may read the array in a folder.

    Args:
        folder: its own.
        complete: whether every chunk was written, also those that hold nothing but zeros.

    Raises:
        DamageError: if not, or a chunk is missing.
    """
    metadata = _read_metadata(folder, "array")
    try:
        kind, shape = metadata["data_type"], metadata["shape"]
        grid, keys = metadata["chunk_grid"], metadata["chunk_key_encoding"]
        chunk = grid["configuration"]["chunk_shape"]
        codecs = [codec["name"] for codec in metadata["codecs"]]
        separator = keys.get("configuration", {}).get("separator", "/")
        known = (grid["name"], keys["name"], separator) == ("regular", "default", "/")
    except (KeyError, TypeError, AttributeError):
        raise DamageError("metadata are incomplete") from None
    if not isinstance(kind, str) or kind not in DATA_TYPES:
        raise DamageError(f"numbers of the type {str(kind)[:60]} are not read")
    if not known or not set(map(str, codecs)) <= CODECS or metadata.get("storage_transformers"):
        others = ", ".join(sorted(set(map(str, codecs)) - CODECS)) or "another layout"
        raise DamageError(f"it is packed by {others[:60]}, which recordings never are")
    if not (_are_sizes(shape, 0) and _are_sizes(chunk, 1)) or len(shape) != len(chunk):
        raise DamageError("its shape is none")
    item = np.dtype(kind).itemsize
    unpacked = prod(chunk) * item
    if unpacked > MOST_CHUNK or prod(shape) * item > MOST_ARRAY:
        raise DamageError(
            f"{tuple(shape)} of {kind} in parts of {tuple(chunk)} are too large to read"
        )
    for place in product(
        *(range(ceil(size / part)) for size, part in zip(shape, chunk, strict=True))
    ):
        _check_chunk(folder, place, unpacked, "zstd" in codecs, complete)


def _are_sizes(given: Any, least: int) -> bool:
    return isinstance(given, list) and all(type(each) is int and each >= least for each in given)


def _read_metadata(folder: Path, kind: str | None = None) -> dict[str, Any]:
    try:
        metadata = json.loads(read_regular(folder / "zarr.json", MOST_METADATA))
    except InputError as error:
        raise DamageError(str(error)) from None
    except (ValueError, RecursionError):
        raise DamageError("zarr.json is damaged") from None
    if not isinstance(metadata, dict) or metadata.get("zarr_format") != 3:
        raise DamageError("it is no Zarr store of format 3")
    if kind is not None and metadata.get("node_type") != kind:
        raise DamageError(f"zarr.json describes no {kind}")
    return metadata


def _check_chunk(
    folder: Path, place: tuple[int, ...], unpacked: int, packed: bool, complete: bool
) -> None:
    path = folder.joinpath("c", *map(str, place))
    name = f"chunk {'.'.join(map(str, place))}"
    try:
        told = path.stat()
    except FileNotFoundError:
        if complete:
            raise DamageError(f"{name} is missing") from None
        return
    except OSError as error:
        raise DamageError(f"{name} cannot be read ({error.strerror})") from None
    if not stat.S_ISREG(told.st_mode) or told.st_size > 2 * unpacked + 2**16:
        raise DamageError(f"{name} is no ordinary file of its size")
    if packed:
        try:
            with path.open("rb") as file:
                size = zstd_content_size(file.read(18))
        except OSError as error:
            raise DamageError(f"{name} cannot be read ({error.strerror})") from None
        if size != unpacked:
            raise DamageError(f"{name} is damaged")


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
