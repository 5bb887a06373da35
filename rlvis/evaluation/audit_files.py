"""Verdicts from the file of an audit, to be shown beside maps."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path

from rlvis.errors import InputError, Notice
from rlvis.evaluation.verdicts import Verdict
from rlvis.files import check_regular


def read_verdicts(path: str | Path, policy: str) -> Mapping[str, Verdict]:
    """The verdicts of an audit, by method.

    Args:
        path: what `rlvis audit --out audit.json` wrote.
        policy: whose maps they are shown beside; a `Notice` says where the audit is of another.

    Raises:
        InputError: if the file holds no audit.
    """
    check_regular(path)
    try:
        plain = json.loads(Path(path).read_text("utf-8"))
        found = {
            str(method): Verdict(str(each["verdict"]), str(each["reason"]))
            for method, each in plain["verdicts"].items()
        }
        audited = str(plain["policy"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(
            f"{path} holds no audit; give what `rlvis audit --out audit.json` wrote"
        ) from None
    if audited != policy:
        warnings.warn(f"{path} is of {audited}, not of {policy}", Notice, stacklevel=2)
    return found
