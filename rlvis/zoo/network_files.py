"""What a file of a network is, told by its content: names such as .pt are used for all of them."""

import zipfile
from pathlib import Path
from typing import Literal

from rlvis.files import check_regular

FileKind = Literal["torchscript", "export", "weights"]


def kind_of_network(path: str | Path) -> FileKind | None:
    """A TorchScript program, an exported program, or weights alone; None for anything else.

    Raises:
        InputError: if there is no such file, or it is a folder, a device, a pipe or a socket.
    """
    check_regular(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        return "weights" if _is_bare_weights(Path(path)) else None
    if any("/code/" in name for name in names):
        return "torchscript"
    within = {name.partition("/")[2] for name in names}
    if "models/model.json" in within or "serialized_exported_program.json" in names:
        return "export"
    return "weights" if "data.pkl" in within else None


def _is_bare_weights(path: Path) -> bool:
    """Whether a file looks like safetensors, or like torch's format of before 2020 (a pickle)."""
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError:
        return False
    return start[8:] == b"{" or start[:1] == b"\x80"
