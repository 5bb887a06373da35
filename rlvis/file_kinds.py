"""Which endings of file names stand for what, and the one function that writes them all.

Another kind of file is one line in `KINDS` and a function that writes it.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np

from rlvis.errors import InputError
from rlvis.files import check_writable, writing

if TYPE_CHECKING:
    from PIL.Image import Image

Content = Literal["picture", "html", "arrays", "table"]
"""What a file is made from: a PIL image, HTML text, arrays by name, or columns by name."""

Sources = Mapping[Content, Callable[[], Any]]
"""What can be written, by what it is, and what makes it when it is needed."""


@dataclass(frozen=True)
class FileKind:
    """A kind of file.

    Attributes:
        content: what it is made from.
        write: writes that to a file that is open for bytes.
    """

    content: Content
    write: Callable[[Any, IO[bytes]], None]


def save_as(path: str | Path, sources: Sources) -> Path:
    """Write a file, whole or not at all, of the kind that its ending stands for.

    Args:
        path: the file; see `KINDS` for the endings.
        sources: what it can be made from.

    Returns:
        The path.

    Raises:
        InputError: if the ending is none of those that `sources` can be written as, or the file
            cannot be written.
    """
    path = Path(path)
    with writing(path, kinds_of(sources)) as (temporary, kind), temporary.open("wb") as file:
        kind.write(sources[kind.content](), file)
    return path


def check_savable(path: str | Path, contents: Sequence[Content]) -> None:
    """Whether `save_as` can write that file from these contents, asked before work is spent.

    Raises:
        InputError: if it cannot.
    """
    check_writable(path, kinds_of(contents))


def kinds_of(contents: Mapping[Content, Any] | Sequence[Content]) -> dict[str, FileKind]:
    """The kinds of files, by ending, that can be made from these contents."""
    return {ending: kind for ending, kind in KINDS.items() if kind.content in contents}


def save_picture(picture: "Image", path: str | Path) -> Path:
    """Write a picture and return its path; see `save_as`."""
    return save_as(path, {"picture": lambda: picture})


def save_arrays(path: str | Path, **arrays: np.ndarray) -> Path:
    """Write named arrays and return the path; see `save_as`.

    A .safetensors file holds numbers only; arrays of text are in its metadata, as JSON.
    """
    return save_as(path, {"arrays": lambda: arrays})


def picture_bytes(picture: "Image", kind: str = "PNG", **options: Any) -> bytes:
    """A picture as a file of one of Pillow's formats.

    Files are written from here, since Pillow overlooks that a disk is full.
    """
    buffer = io.BytesIO()
    picture.save(buffer, kind, **{"quality": 92, **options})
    return buffer.getvalue()


_LARGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383}


def _write_picture(kind: str, picture: "Image", file: IO[bytes]) -> None:
    if max(picture.size) > _LARGEST_SIDE.get(kind, max(picture.size)):
        width, height = picture.size
        raise InputError(
            f"a picture of {width}×{height} pixels is too large for {kind}; write it as .png"
        )
    file.write(picture_bytes(picture, kind))


def _write_html(text: str, file: IO[bytes]) -> None:
    file.write(text.encode())


def _write_npz(arrays: Mapping[str, Any], file: IO[bytes]) -> None:
    np.savez_compressed(file, **arrays)


def _write_safetensors(arrays: Mapping[str, np.ndarray], file: IO[bytes]) -> None:
    from safetensors.numpy import save

    texts = {name: each for name, each in arrays.items() if each.dtype.kind == "U"}
    numbers = {name: each for name, each in arrays.items() if name not in texts}
    file.write(
        save(
            {name: np.ascontiguousarray(each) for name, each in numbers.items()},
            {name: json.dumps(each.tolist()) for name, each in texts.items()},
        )
    )


def _write_csv(columns: Mapping[str, Sequence[Any]], file: IO[bytes]) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    table = csv.writer(text)
    table.writerow(columns)
    table.writerows(zip(*columns.values(), strict=True))
    text.flush()
    text.detach()


def _write_json(columns: Mapping[str, Sequence[Any]], file: IO[bytes]) -> None:
    """A list of rows; what is not finite is null."""
    rows = [
        dict(zip(columns, map(_plain, row), strict=True))
        for row in zip(*columns.values(), strict=True)
    ]
    file.write(json.dumps(rows, ensure_ascii=False, indent=1).encode())


def _plain(value: Any) -> Any:
    plain = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(plain, float) and not isfinite(plain) else plain


KINDS: dict[str, FileKind] = {
    ".png": FileKind("picture", partial(_write_picture, "PNG")),
    ".jpg": FileKind("picture", partial(_write_picture, "JPEG")),
    ".jpeg": FileKind("picture", partial(_write_picture, "JPEG")),
    ".webp": FileKind("picture", partial(_write_picture, "WEBP")),
    ".pdf": FileKind("picture", partial(_write_picture, "PDF")),
    ".html": FileKind("html", _write_html),
    ".npz": FileKind("arrays", _write_npz),
    ".safetensors": FileKind("arrays", _write_safetensors),
    ".csv": FileKind("table", _write_csv),
    ".json": FileKind("table", _write_json),
}
