"""Files that `torch.save` wrote, read without running code from them and within bounds.

`torch.load` runs no code with `weights_only`, but makes tensors as large as the file says they are.
Here a tensor is no larger than its bytes in the file.
"""

import zipfile
from math import prod
from typing import Any

import torch
from torch import Tensor

from rlvis_agents.safe_reading.pickles import Inert, as_integer, as_mapping, as_shape, read_pickle
from rlvis_agents.safe_reading.reading import LARGEST_CARD, LARGEST_WEIGHTS, opened_zip, unzip

_STORAGES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_DEEPEST = 16


def read_tensors(data: bytes) -> Any:
    """Tensors, numbers and text in dicts, lists and tuples.

    Raises:
        ValueError: if it is damaged, holds anything else, or tensors that overlap in themselves.
    """
    with opened_zip(data) as archive:
        names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(names) != 1:
            raise ValueError("no file of torch")
        if sum(each.file_size for each in archive.infolist()) > len(data):
            raise ValueError("its parts are packed or overlap")
        prefix = names[0].removesuffix("data.pkl")
        told = read_pickle(unzip(archive, names[0], LARGEST_CARD, packed=False))
        return _Reader(archive, prefix).plain(told, _DEEPEST)


class _Reader:
    """Turns what the pickle in an archive says into tensors, each object once."""

    def __init__(self, archive: zipfile.ZipFile, prefix: str) -> None:
        self._archive, self._prefix = archive, prefix
        if f"{prefix}byteorder" in archive.namelist():
            order = unzip(archive, f"{prefix}byteorder", 16, packed=False)
            if order != b"little":
                raise ValueError("it was written on a machine of another byte order")
        self._storages: dict[str, bytearray] = {}
        self._done: dict[int, Any] = {}

    def plain(self, value: Any, depth: int) -> Any:
        """The value with tensors in place of records of them."""
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if depth == 0 or self._done.get(id(value)) is self:
            raise ValueError("it is nested too deeply")
        if id(value) not in self._done:
            self._done[id(value)] = self
            self._done[id(value)] = self._made(value, depth - 1)
        return self._done[id(value)]

    def _made(self, value: Any, depth: int) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(self.plain(each, depth) for each in value)
        if isinstance(value, Inert) and value.kind == "_rebuild_tensor_v2":
            return self._tensor(*value.arguments[:4])
        if isinstance(value, Inert) and value.kind == "_rebuild_parameter":
            return self.plain(value.arguments[0] if value.arguments else None, depth)
        if isinstance(value, Inert) and value.kind != "OrderedDict":
            raise ValueError(f"there is an object of the kind {value.kind!r}")
        found = as_mapping(value)
        return {key: self.plain(each, depth) for key, each in found.items()}

    def _tensor(self, *told: Any) -> Tensor:
        if len(told) != 4:
            raise ValueError("a tensor lacks something")
        stored, offset, size, stride = told
        dtype, data = self._storage(stored)
        offset, size, stride = as_integer(offset), as_shape(size), as_shape(stride)
        count = prod(size)
        if (
            len(size) != len(stride)
            or not 0 <= offset <= offset + count <= len(data) // dtype.itemsize
        ):
            raise ValueError(f"a tensor {size} lies outside of its bytes")
        dense = 1
        for step, axis in sorted(zip(stride, size, strict=True)) if count else ():
            if axis > 1 and step != dense:
                raise ValueError("a tensor has gaps or overlaps")
            dense *= axis
        if not count:
            return torch.empty(size, dtype=dtype)
        flat = torch.frombuffer(data, dtype=dtype, count=count, offset=offset * dtype.itemsize)
        return flat.as_strided(size, stride)

    def _storage(self, stored: Any) -> tuple[torch.dtype, bytearray]:
        told = stored.arguments[0] if isinstance(stored, Inert) else None
        if not isinstance(told, tuple) or len(told) != 5 or told[0] != "storage":
            raise ValueError("a tensor has no bytes")
        kind, key = told[1], told[2]
        if not isinstance(kind, Inert) or kind.kind not in _STORAGES or not isinstance(key, str):
            raise ValueError("a tensor is of an unknown type")
        if key not in self._storages:
            name = f"{self._prefix}data/{key}"
            self._storages[key] = bytearray(
                unzip(self._archive, name, LARGEST_WEIGHTS, packed=False)
            )
        return _STORAGES[kind.kind], self._storages[key]
