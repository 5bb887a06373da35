"""The files of an audit, read back: its verdicts, to stand beside maps, and its page.

A page (.html) carries its numbers; the file of the numbers alone (.json) has no page.
"""

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlvis.errors import InputError, Notice
from rlvis.evaluation.verdicts import Verdict
from rlvis.files import check_regular

_START, _END = '<script type="application/json" id="rlvis-audit">', "</script>"


@dataclass(frozen=True)
class AuditFile:
    """What stands in the file of an audit.

    Attributes:
        path: of the file.
        policy: the name of what was audited.
        fingerprint: of its weights, "" where the file does not say.
        verdicts: by method.
        page: an HTML document that needs no other file, "" where the file holds numbers alone.
    """

    path: Path
    policy: str
    fingerprint: str
    verdicts: Mapping[str, Verdict] = field(repr=False)
    page: str = field(default="", repr=False)

    def check_of(self, policy: str, fingerprint: str) -> None:
        """Whether it is of a policy: told by its weights, by its name where they are not known.

        Args:
            policy: its name.
            fingerprint: of its weights, "" where unknown.

        Raises:
            InputError: if it is of another.
        """
        if self.fingerprint and fingerprint:
            if self.fingerprint == fingerprint:
                return
            other = f"{self.policy} with other weights" if self.policy == policy else self.policy
        elif self.policy == policy:
            return
        else:
            other = self.policy
        raise InputError(f"{self.path} is an audit of {other}, not of {policy}; give one of it")


def with_numbers(page: str, numbers: Mapping[str, Any]) -> str:
    """A page, an HTML document, that carries its numbers, unseen."""
    data = json.dumps(numbers, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    before, body, after = page.rpartition("</body>")
    return f"{before}{_START}{data}{_END}{body}{after}"


def read_audit(path: str | Path) -> AuditFile:
    """What stands in the file of an audit; a `Notice` says where it has no page.

    Args:
        path: what `rlvis audit --out audit.html` or `audit.json` wrote.

    Raises:
        InputError: if the file holds no audit.
    """
    path = Path(path)
    check_regular(path)
    try:
        numbers, page = _parted(path.read_text("utf-8"))
        plain = json.loads(numbers)
        verdicts = {
            str(method): Verdict(str(each["verdict"]), str(each["reason"]))
            for method, each in plain["verdicts"].items()
        }
        found = AuditFile(
            path, str(plain["policy"]), str(plain.get("fingerprint", "")), verdicts, page
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(
            f"{path} holds no audit; give what `rlvis audit --out audit.html` wrote"
        ) from None
    if not page:
        warnings.warn(
            f"{path} holds the numbers alone: verdicts are shown, the audit's page is not; "
            "give the .html of `rlvis audit` for both",
            Notice,
            stacklevel=2,
        )
    return found


def _parted(text: str) -> tuple[str, str]:
    """The numbers in a file, and the page without them."""
    before, start, rest = text.rpartition(_START)
    if not start:
        return text, ""
    numbers, _, after = rest.partition(_END)
    return numbers, before + after
