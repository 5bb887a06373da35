"""What a pickle says, without running code from it.

Unpickling calls whatever the file names. Here every name but those of plain containers and of
arrays stands for an `Inert` object, which only keeps what it is given.
"""

import io
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np

_ARRAYS = {
    "_reconstruct": np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    "scalar": np._core.multiarray.scalar,  # type: ignore[attr-defined]
    "_frombuffer": np._core.numeric._frombuffer,  # type: ignore[attr-defined]
    "ndarray": np.ndarray,
    "dtype": np.dtype,
}


class Inert:
    """Stands for an object of a class that was not looked up.

    Attributes:
        kind: the name of that class.
        state: its attributes by name.
    """

    kind = ""

    def __new__(cls, *_: Any, **__: Any) -> "Inert":
        made = super().__new__(cls)
        made.state = {}
        return made

    def __init__(self, *_: Any, **__: Any) -> None:
        self.state: dict[str, Any]

    def __setstate__(self, state: Any) -> None:
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                self.state.update(part)


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "numpy" and name in _ARRAYS:
            return _ARRAYS[name]
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        return type(name, (Inert,), {"kind": name})


def read_pickle(data: bytes) -> Any:
    """The pickled object; what is no container, number, text or array is `Inert`.

    Raises:
        ValueError: if it is damaged, or cannot be built from inert objects.
    """
    try:
        return _Reader(io.BytesIO(data)).load()
    except Exception as error:  # a pickle is a program; any step of it may fail
        raise ValueError(f"no readable pickle: {' '.join(str(error).split())}") from None
