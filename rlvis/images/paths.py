"""Which pictures are meant: files, folders with all that lies in them, patterns such as *.jpg."""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rlvis.errors import InputError

ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".gif", ".bmp"}
"""Of the files in a folder that are taken for pictures."""


@dataclass(frozen=True)
class PicturePath:
    """A picture that was asked for.

    Attributes:
        path: the file.
        within: the folder it lies in, from the named one on; "." where it was named itself.
        folder: the name of the folder that may be its class: the first one in the folder that was
            named, else the one it lies in.
        of_folder: whether the folder was named, not the picture.
    """

    path: Path
    within: Path
    folder: str
    of_folder: bool = False


def find_pictures(named: Sequence[str | Path]) -> list[PicturePath]:
    """The pictures that are meant, each once, those of a folder or a pattern sorted.

    A file that is named is among them whether it exists or not.

    Raises:
        InputError: if a folder holds no picture, or nothing matches a pattern.
    """
    found = [each for name in named for each in _pictures(Path(name))]
    return list({each.path: each for each in found}.values())


def pictures_within(folder: Path) -> list[Path]:
    """The pictures in a folder and in the folders in it, sorted.

    Raises:
        InputError: if there is none.
    """
    paths = sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file()
    )
    if not paths:
        raise InputError(f"{folder} holds no pictures ({', '.join(sorted(ENDINGS))})")
    return paths


def _pictures(named: Path) -> Iterator[PicturePath]:
    if os.path.isdir(named):
        for path in pictures_within(named):
            within = path.relative_to(named).parent
            folder = within.parts[0] if within.parts else named.resolve().name
            yield PicturePath(path, within, folder, of_folder=True)
    elif os.path.exists(named) or not glob.has_magic(str(named)):
        yield PicturePath(named, Path(), named.resolve().parent.name)
    else:
        matching = sorted(map(Path, glob.glob(str(named), recursive=True)))
        if not matching:
            raise InputError(f"nothing matches {named}; check the pattern")
        for path in matching:
            yield from _pictures(path)
