"""An audit of what is looked at: its verdicts beside the maps, and its page."""

from collections.abc import Mapping, Sequence
from typing import Any

from rlvis.evaluation.audit_files import AuditFile
from rlvis.inspector.answers import Answers


def told_of(audit: AuditFile | None, methods: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the page is told: the methods with what an audit says of each, whether it has a page."""
    verdicts = {} if audit is None else audit.verdicts
    judged = [
        {**each, "verdict": found.word, "reason": found.reason}
        if (found := verdicts.get(each["name"]))
        else dict(each)
        for each in methods
    ]
    return {"methods": judged, "audit": bool(audit and audit.page)}


def audit_routes(audit: AuditFile | None, answers: Answers) -> list[Any]:
    """The route of an audit's page."""
    return [answers.json("/api/audit", lambda _: {"page": audit.page if audit else ""})]
