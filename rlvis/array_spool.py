"""Arrays that grow without growing in memory, and are written as one file in the end."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from rlvis.errors import InputError
from rlvis.file_kinds import save_arrays


class ArraySpool:
    """Named arrays whose first axis grows; numbers wait on the disk, text in memory.

    A context, at whose end the disk is freed.
    """

    def __init__(self) -> None:
        self._files = ExitStack()
        self._numbers: dict[str, tuple[IO[bytes], np.dtype, tuple[int, ...]]] = {}
        self._texts: dict[str, list[Any]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def append(self, **arrays: np.ndarray) -> None:
        """Add rows (n, …) to the arrays of these names.

        Raises:
            InputError: if rows have another shape than those before.
        """
        for name, rows in arrays.items():
            known = self._numbers.get(name)
            if known is not None and known[2] != rows.shape[1:]:
                raise InputError(
                    f"its {name} are {_shown(rows.shape[1:])}, "
                    f"those before {_shown(known[2])}; leave the file of arrays out"
                )
        for name, rows in arrays.items():
            if rows.dtype.kind == "U":
                self._texts.setdefault(name, []).extend(rows.tolist())
                continue
            if name not in self._numbers:
                spool = self._files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
                self._numbers[name] = spool, rows.dtype, rows.shape[1:]
            file, kind, _ = self._numbers[name]
            file.write(np.ascontiguousarray(rows, kind).tobytes())

    def save(self, path: str | Path, **more: np.ndarray) -> Path:
        """Write all arrays, and some that did not grow (.npz, .safetensors); returns the path.

        Raises:
            InputError: if the file cannot be written.
        """
        grown: dict[str, np.ndarray] = {name: np.array(rows) for name, rows in self._texts.items()}
        for name, (file, kind, shape) in self._numbers.items():
            file.flush()
            rows = np.memmap(file, kind, "r")
            grown[name] = rows.reshape(-1, *shape)
        return save_arrays(path, **grown, **more)


def _shown(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "single numbers"
