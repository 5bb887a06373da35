"""The names of a network's scores: ImageNet's, and those that users write or keep in files."""

import json
import os
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from rlvis.errors import InputError
from rlvis.files import read_regular

_LARGEST_FILE = 2**23


@cache
def imagenet_labels() -> tuple[str, ...]:
    """The 1000 class names of ImageNet, in the order of the networks' outputs."""
    return tuple(
        resources.files("rlvis").joinpath("data/imagenet_classes.txt").read_text().splitlines()
    )


def read_labels(written: str | Path | Sequence[str]) -> tuple[str, ...]:
    """Labels from what a user may write.

    Args:
        written: the names themselves; "cat,dog"; or a file: a name in each line, a JSON list, or a
            JSON object {index: name}, where a name may also be a list whose last entry it is (as in
            ImageNet's usual {"0": ["n01440764", "tench"]}).

    Raises:
        InputError: if the file holds none of these, or indices do not count up from 0.
    """
    if not isinstance(written, (str, Path)):
        return tuple(map(str, written))
    if not os.path.exists(written):
        if os.path.splitext(written)[1] in (".txt", ".json"):
            raise InputError(f"no file {written}; check the path")
        return tuple(each.strip() for each in str(written).split(","))
    try:
        text = read_regular(written, _LARGEST_FILE).decode()
    except UnicodeDecodeError:
        raise InputError(f"{written} is no text; give a file with a name in each line") from None
    if text.lstrip()[:1] in ("[", "{"):
        return _of_json(text, str(written))
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _of_json(text: str, where: str) -> tuple[str, ...]:
    try:
        told = json.loads(text)
        if isinstance(told, dict):
            by_index = {int(index): name for index, name in told.items()}
            told = [by_index[index] for index in range(len(by_index))]
        return tuple(_name(each) for each in told)
    except (ValueError, LookupError, TypeError, RecursionError):
        raise InputError(
            f"{where} holds no labels; give a JSON list of names, or an object that names each "
            "index from 0 on"
        ) from None


def _name(told: Any) -> str:
    name = told[-1] if isinstance(told, list) else told
    if not isinstance(name, str):
        raise ValueError("no name")
    return name
