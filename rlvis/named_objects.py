"""Objects that users name as "package.module:name", in modules of their own, too.

To import a module is to run its code, so only what the user has named is imported from here.
"""

import os
import re
import sys
from functools import reduce
from importlib import import_module
from typing import Any

from rlvis.errors import InputError, unknown

_NAMED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def is_named(text: str) -> bool:
    """Whether a text has the form "package.module:name"."""
    return _NAMED.fullmatch(text) is not None


def import_named(text: str) -> Any:
    """The object that "package.module:name" names; the module may lie in the current folder.

    Raises:
        InputError: if there is no such module or no such name in it, or the module needs another
            one that is not installed. What else goes wrong in it keeps its traceback.
    """
    module_name, _, path = text.partition(":")
    allow_local_modules()
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise InputError(
                f"no module {error.name!r} for {text}; it must be installed, or a file in the "
                "current folder"
            ) from None
        raise InputError(f"{module_name} needs {error.name}, which is not installed") from None
    try:
        return reduce(getattr, path.split("."), module)
    except AttributeError:
        names = [name for name in vars(module) if not name.startswith("_")]
        raise unknown(f"name in {module_name}", path, names) from None


def allow_local_modules() -> None:
    """Let modules in the current folder be imported, behind all others, as they are named."""
    here = os.getcwd()
    if "" not in sys.path and here not in sys.path:
        sys.path.append(here)
