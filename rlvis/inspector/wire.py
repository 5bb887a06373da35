"""Arrays on their way to the browser: a head of JSON, then the bytes of each array in order.

    uint32      the length of the head, little endian
    head        JSON, padded with spaces to a multiple of 8 with the four bytes before it
    arrays      in the order of the head's "arrays", each padded to a multiple of 8

In the browser a typed array is then a view of what arrived, without copying.
"""

import json
import struct
from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np

_ALIGN = 8


def pack(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any] | None = None) -> bytes:
    """Arrays by name, and facts beside them.

    Args:
        arrays: bool arrays become uint8, float64 become float32, others stay as they are.
        facts: what JSON holds; numbers that are not finite become null.
    """
    prepared = {name: _prepared(array) for name, array in arrays.items()}
    described = [
        {"name": name, "dtype": array.dtype.name, "shape": array.shape}
        for name, array in prepared.items()
    ]
    head = as_json({**(facts or {}), "arrays": described})
    head += b" " * (-(len(head) + 4) % _ALIGN)
    parts = [struct.pack("<I", len(head)), head]
    for array in prepared.values():
        content = array.tobytes()
        parts += [content, bytes(-len(content) % _ALIGN)]
    return b"".join(parts)


def as_json(value: Any) -> bytes:
    """JSON that browsers read: no NaN, numbers of NumPy as numbers."""
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":")).encode()


def quantised(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maps as bytes, and what a byte of 127 stands for.

    Args:
        maps: float (n, h, w).

    Returns:
        int8 (n, h, w), -127..127, and float32 (n,), the largest absolute value of each. What is
        not finite is 0.
    """
    maps = np.nan_to_num(maps, nan=0.0, posinf=0.0, neginf=0.0)
    most = np.abs(maps).reshape(len(maps), -1).max(axis=1) if maps.size else np.zeros(len(maps))
    scale = np.where(most > 0, most, 1.0)[:, None, None]
    return np.round(maps / scale * 127).astype(np.int8), most.astype(np.float32)


def _prepared(array: np.ndarray) -> np.ndarray:
    kinds = {"b": np.uint8, "f": np.float32}
    if array.dtype.kind in kinds:
        array = array.astype(kinds[array.dtype.kind], copy=False)
    if array.dtype in (np.dtype(np.int64), np.dtype(np.uint64)):
        array = array.astype(np.int32)
    return np.ascontiguousarray(array)


def plain(value: Any) -> Any:
    """A value as JSON holds it."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not isfinite(value) else value
