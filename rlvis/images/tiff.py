"""TIFFs of more than 8 bits, which Pillow reads in part: tiles, planes, floats, packed samples.

Only what is known to be read rightly is read; all else is refused with the reason. Pillow reads the
tags and unpacks the compressed bytes of a strip or tile; how these lie in the picture is seen to
here.
"""

import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from rlvis.errors import InputError

_BIG_AND_BIG_ENDIAN = b"MM\0+"
_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", _BIG_AND_BIG_ENDIAN)
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIP_OFFSETS, _ORIENTATION, _SAMPLES, _ROWS_PER_STRIP, _STRIP_COUNTS = 273, 274, 277, 278, 279
_PLANAR, _PREDICTOR, _COLOUR_MAP, _TILE_WIDTH, _TILE_HEIGHT = 284, 317, 320, 322, 323
_TILE_OFFSETS, _TILE_COUNTS, _EXTRA, _FORMAT = 324, 325, 338, 339
_NONE, _DEFLATE = 1, (8, 32946)
_UNPACKED = {5: "LZW", 32773: "PackBits", 34925: "LZMA", 50000: "Zstandard"}
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _SEPARATED = 0, 1, 2, 3, 5
_INKS = 4
_COLOURS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1, _SEPARATED: _INKS}
_KINDS = {1: "u", 2: "i", 3: "f", 4: "u"}
_PREMULTIPLIED, _OPACITY = 1, 2
_ROWS = 64
"""So many rows of packed samples are unpacked at once."""


@dataclass(frozen=True)
class DeepTiff:
    """A TIFF whose samples have more than 8 bits, a sign or a point.

    Attributes:
        tags: of its first page, by number.
        order: of the bytes of a sample, "<" or ">".
    """

    tags: Mapping[int, Any]
    order: Literal["<", ">"]

    @classmethod
    def of(cls, file: BinaryIO) -> "DeepTiff | None":
        """The deep TIFF that a file is, None for any other file; the file is at its start then.

        Raises:
            Exception: of Pillow's, if the tags are damaged.
        """
        head = file.read(16)
        file.seek(0)
        if head[:4] not in _MAGIC:
            return None
        large = b"+" in head[:4]
        if head[:4] == _BIG_AND_BIG_ENDIAN:
            raise InputError("a BigTIFF in big-endian order is not read; save it in little-endian")
        order: Literal["<", ">"] = "<" if head[:2] == b"II" else ">"
        tags = ImageFileDirectory_v2(head if large else head[:8])
        file.seek(tags.next)
        tags.load(file)
        file.seek(0)
        found = cls(dict(tags), order)
        return found if max(found.bits) > 8 or found.kind != "u" else None

    @property
    def bits(self) -> tuple[int, ...]:
        """Of each sample of a pixel."""
        return tuple(map(int, _several(self.tags.get(_BITS, 1))))

    @property
    def kind(self) -> str:
        """Of its numbers: unsigned "u", signed "i", floats "f"; "" for others."""
        kinds = {_KINDS.get(each, "") for each in _several(self.tags.get(_FORMAT, 1))}
        return kinds.pop() if len(kinds) == 1 else ""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._number(_WIDTH), self._number(_HEIGHT)

    @property
    def orientation(self) -> int:
        """How it is turned, as EXIF says it."""
        return self._number(_ORIENTATION, 1)

    def read(self, file: BinaryIO) -> np.ndarray:
        """The levels of the first page.

        Returns:
            (H, W) of grey pictures, (H, W, 3) of colours, and with opacity uint16 (H, W, 4), 65535
            being opaque; numbers as they are in the file, those of inks and palettes uint16.

        Raises:
            InputError: if it is of a kind that is not read.
        """
        photometric, samples = self._number(_PHOTOMETRIC), self._number(_SAMPLES, 1)
        colours = _COLOURS.get(photometric, 0)
        if not colours or samples < colours:
            raise self._not_read(f"photometric interpretation {photometric}, {samples} samples")
        levels = self._levels(file, samples)
        extras = _several(self.tags.get(_EXTRA, ()))
        seen = levels[..., :colours]
        opacity = None
        if extras and extras[0] in (_PREMULTIPLIED, _OPACITY) and samples > colours:
            opacity = levels[..., colours]
        if opacity is not None and (self.kind != "u" or photometric == _PALETTE):
            raise self._not_read(f"opacity beside samples of {self._samples_told}")
        if opacity is not None and extras[0] == _PREMULTIPLIED:
            seen = self._undone(seen, opacity)
        seen = self._interpreted(seen, photometric)
        if opacity is None:
            return seen[..., 0] if seen.shape[2] == 1 else seen
        scaled = np.rint(opacity * (65535 / self._most)).astype(np.uint16)
        return np.dstack([np.broadcast_to(seen, (*scaled.shape, 3)), scaled])

    def _interpreted(self, levels: np.ndarray, photometric: int) -> np.ndarray:
        """Levels (H, W, C) as grey (H, W, 1), or red, green and blue (H, W, 3)."""
        if photometric in (_BLACK_IS_ZERO, _RGB):
            return levels
        if self.kind != "u":
            raise self._not_read(
                f"photometric interpretation {photometric} of {self._samples_told}"
            )
        if photometric == _WHITE_IS_ZERO:
            return (self._most - levels.astype(np.int64)).astype(levels.dtype)
        if photometric == _SEPARATED:
            inks = levels / self._most
            return np.rint(65535 * (1 - inks[..., :3]) * (1 - inks[..., 3:])).astype(np.uint16)
        table = np.array(_several(self.tags.get(_COLOUR_MAP, ())), np.uint16)
        if len(table) != 3 << self.bits[0]:
            raise self._not_read(f"a palette of {len(table)} numbers")
        return table.reshape(3, -1).T[levels[..., 0]]

    def _undone(self, levels: np.ndarray, opacity: np.ndarray) -> np.ndarray:
        """Levels that were multiplied by opacity, as they were before."""
        share = np.where(opacity > 0, opacity, self._most)[..., None] / self._most
        return np.rint(levels / share).clip(0, self._most).astype(levels.dtype)

    @property
    def _most(self) -> int:
        """The largest level, of unsigned ones."""
        return int(2 ** self.bits[0] - 1)

    def _levels(self, file: BinaryIO, samples: int) -> np.ndarray:
        """All samples (H, W, S) as they are stored."""
        bits, (width, height) = self.bits[0], self.size
        known = {"u": (8, 16, 32), "i": (8, 16, 32), "f": (16, 32, 64)}.get(self.kind, ())
        packed = self.kind == "u" and 8 < bits < 16
        if len(set(self.bits)) > 1 or not (bits in known or packed):
            raise self._not_read(f"samples of {self._samples_told}")
        planar = self._number(_PLANAR, 1) == 2 and samples > 1
        kind = np.dtype(f"{self.kind}{(bits + 7) // 8 if not packed else 2}")
        found = np.zeros((height, width, samples), kind)
        for plane in range(samples if planar else 1):
            for top, left, part in self._parts(file, plane, 1 if planar else samples, kind):
                inside = found[top : top + len(part), left : left + part.shape[1]]
                chosen = inside[..., plane : plane + 1] if planar else inside
                chosen[...] = part[: inside.shape[0], : inside.shape[1]]
        return found

    def _parts(
        self, file: BinaryIO, plane: int, samples: int, kind: np.dtype
    ) -> Iterator[tuple[int, int, np.ndarray]]:
        """The strips or tiles of a plane: top, left and samples (h, w, S)."""
        tiled, (width, height) = _TILE_OFFSETS in self.tags, self.size
        if tiled:
            across, down = self._number(_TILE_WIDTH), self._number(_TILE_HEIGHT)
        else:
            across, down = width, min(height, self._number(_ROWS_PER_STRIP, height))
        offsets = _several(self.tags.get(_TILE_OFFSETS if tiled else _STRIP_OFFSETS, ()))
        counts = _several(self.tags.get(_TILE_COUNTS if tiled else _STRIP_COUNTS, ()))
        if min(across, down) < 1 or across * down > 4 * max(width * height, 2**20):
            raise self._not_read(f"tiles of {across}×{down} pixels")
        places = [(y, x) for y in range(0, height, down) for x in range(0, width, across)]
        first = plane * len(places)
        if len(offsets) != len(counts) or len(offsets) < first + len(places):
            raise self._not_read("fewer strips or tiles than the picture needs")
        for number, (top, left) in enumerate(places, first):
            file.seek(offsets[number])
            data = file.read(counts[number])
            rows = down if tiled else min(down, height - top)
            yield top, left, self._samples(data, (rows, across, samples), kind)

    def _samples(self, data: bytes, shape: tuple[int, int, int], kind: np.dtype) -> np.ndarray:
        """The samples (h, w, S) of a strip or tile."""
        rows, across, samples = shape
        line = -(-across * samples * self.bits[0] // 8)
        content = np.frombuffer(self._unpacked(data, rows, line), np.uint8)
        if len(content) < rows * line:
            raise self._not_read("a strip or tile that ends too early")
        lines = content[: rows * line].reshape(rows, line)
        predictor = self._number(_PREDICTOR, 1)
        if 8 < self.bits[0] < 16:
            if predictor != 1:
                raise self._not_read(f"predictor {predictor} of {self._samples_told}")
            return _unpack_bits(lines, self.bits[0], across * samples).reshape(shape)
        if predictor == 3 and kind.kind == "f":
            return _of_float_predictor(lines, samples, kind).reshape(shape)
        levels = lines.view(kind.newbyteorder(self.order)).astype(kind).reshape(shape)
        if predictor == 2 and kind.kind != "f":
            return np.cumsum(levels, axis=1, dtype=kind)
        if predictor != 1:
            raise self._not_read(f"predictor {predictor} of {self._samples_told}")
        return levels

    def _unpacked(self, data: bytes, rows: int, line: int) -> bytes:
        """The bytes of a strip or tile, `rows` times `line` of them."""
        compression = self._number(_COMPRESSION, _NONE)
        if compression in _DEFLATE:
            return zlib.decompressobj().decompress(data, rows * line)
        if compression == _NONE and self._number(_FILL_ORDER, 1) == 1:
            return data
        if compression != _NONE and compression not in _UNPACKED:
            raise self._not_read(f"compression {compression}")
        file = _one_strip(data, rows, line, compression, self._number(_FILL_ORDER, 1))
        try:
            with Image.open(io.BytesIO(file), formats=["TIFF"]) as strip:
                return strip.tobytes()
        except Exception as error:  # Pillow may be built without one of them
            told = _UNPACKED.get(compression, f"fill order {self._number(_FILL_ORDER, 1)}")
            raise self._not_read(f"{told} that cannot be unpacked ({error})") from error

    def _number(self, tag: int, usual: int = 0) -> int:
        return int(_several(self.tags.get(tag, usual))[0])

    @property
    def _samples_told(self) -> str:
        kind = {"u": "unsigned", "i": "signed", "f": "floating-point"}.get(self.kind, "other")
        return f"{'/'.join(map(str, sorted(set(self.bits))))} bits, {kind}"

    def _not_read(self, what: str) -> InputError:
        return InputError(f"a TIFF with {what} is not read; save it with 8 or 16 bits, grey or RGB")


def _several(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _unpack_bits(lines: np.ndarray, bits: int, count: int) -> np.ndarray:
    """Samples of so many bits, the highest first, one behind the other: uint16 (h, count)."""
    weights = 2 ** np.arange(bits - 1, -1, -1, dtype=np.uint32)
    parts = []
    for start in range(0, len(lines), _ROWS):
        single = np.unpackbits(lines[start : start + _ROWS], axis=1)[:, : count * bits]
        parts.append((single.reshape(-1, count, bits) @ weights).astype(np.uint16))
    return np.concatenate(parts)


def _of_float_predictor(lines: np.ndarray, samples: int, kind: np.dtype) -> np.ndarray:
    """Floats (h, w · samples) of which bytes of one significance stand together, as differences."""
    rows, size = len(lines), kind.itemsize
    summed = np.cumsum(lines.reshape(rows, -1, samples), axis=1, dtype=np.uint8)
    planes = summed.reshape(rows, size, -1)
    together = np.ascontiguousarray(planes.transpose(0, 2, 1))
    return together.view(kind.newbyteorder(">"))[..., 0].astype(kind)


def _one_strip(data: bytes, rows: int, line: int, compression: int, fill_order: int) -> bytes:
    """A TIFF of bytes as grey levels, whose only strip is packed like that."""
    tags = {
        _WIDTH: line,
        _HEIGHT: rows,
        _BITS: 8,
        _COMPRESSION: compression,
        _PHOTOMETRIC: _BLACK_IS_ZERO,
        _FILL_ORDER: fill_order,
        _STRIP_OFFSETS: 8,
        _SAMPLES: 1,
        _ROWS_PER_STRIP: rows,
        _STRIP_COUNTS: len(data),
    }
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    padded = data + b"\0" * (len(data) % 2)
    head = struct.pack("<2sHI", b"II", 42, 8 + len(padded))
    return head + padded + struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
