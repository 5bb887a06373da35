"""Docstrings on the site: parameters that are explained together are listed each.

`width, height: of the picture.` is short to read in the code; an extension of griffe makes it two
entries, for it knows one name to an entry.
"""

import re
from typing import Any

import griffe

_GROUP = re.compile(r"^ {4}(\w+(?:, \w+)+): (.*(?:\n {5,}.*)*)", re.M)


class GroupedParameters(griffe.Extension):
    """Lists each parameter of a group by itself."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of whatever has one."""
        if obj.docstring:
            obj.docstring.value = _GROUP.sub(_each, obj.docstring.value)


def _each(group: re.Match[str]) -> str:
    return "\n".join(f"    {name}: {group[2]}" for name in group[1].split(", "))
