"""The questions about a recording: what each path gives."""

from collections.abc import Mapping
from typing import Any

from rlvis.inspector.answers import Answers, Question
from rlvis.inspector.audited import audit_routes
from rlvis.inspector.branching import compared_pack, futures_pack, other_policy, play_with
from rlvis.inspector.exported import page_of
from rlvis.inspector.futures import Chance
from rlvis.inspector.recorded_source import RecordedSource
from rlvis.inspector.unit_questions import posted_edits, posted_place, unit_routes


def recorded_routes(source: RecordedSource, answers: Answers) -> list[Any]:
    """The routes of a recording."""
    asked = _Asked(source)
    return [
        answers.json("/api/episodes", lambda _: source.episodes()),
        answers.json("/api/moments", lambda of: source.moments(of.whole("most", 20))),
        answers.pack("/api/episode/{number:int}", lambda of: source.episode(of.path["number"])),
        answers.pack("/api/frames/{number:int}", asked.frames),
        answers.pack("/api/views/{number:int}", asked.views, world=True),
        answers.pack("/api/maps/{number:int}", asked.maps),
        answers.of("/api/still", asked.still, world=True),
        *unit_routes(source, answers),
        *audit_routes(source.audit, answers),
        answers.json("/api/edit/play", asked.play, posted=True, world=True),
        answers.pack("/api/whatif", asked.futures, posted=True, world=True),
        answers.pack("/api/compare", asked.compared, posted=True),
        answers.of("/api/export", asked.exported, posted=True, world=True),
    ]


class _Asked:
    """What needs more than one line to be answered."""

    def __init__(self, source: RecordedSource) -> None:
        self._source = source

    def frames(self, of: Question) -> tuple[Any, Any]:
        steps = of.steps()
        return {"frames": self._source.frames(of.path["number"], steps)}, {"start": steps.start}

    def views(self, of: Question) -> tuple[Any, Any]:
        steps = of.steps()
        views = self._source.views(of.path["number"], steps)
        return {} if views is None else {"views": views}, {"start": steps.start}

    def maps(self, of: Question) -> tuple[Any, Any]:
        return self._source.maps(
            of.path["number"],
            of.steps(),
            of.query.get("method", "grad-cam"),
            of.query.getlist("target"),
            of.query.get("layer") or None,
        )

    def still(self, of: Question) -> tuple[bytes, str]:
        methods, target = of.query.getlist("method"), of.query.get("target") or None
        place = of.whole("episode"), of.whole("step")
        return self._source.still(*place, methods, target), "image/png"

    def play(self, of: Question) -> Mapping[str, Any]:
        source, place, edits = self._source, posted_place(of), posted_edits(of)
        seen, chance = source.seen(place), Chance.read(of.posted)
        return play_with(source.recording, source.model, place, seen, edits, chance)

    def futures(self, of: Question) -> tuple[Any, Any]:
        source, actions, chance = self._source, of.posted.texts("actions"), Chance.read(of.posted)
        return futures_pack(source.recording, source.model, posted_place(of), actions, chance)

    def compared(self, of: Question) -> tuple[Any, Any]:
        other = other_policy(of.posted.get("policy", str).strip(), files=self._source.files)
        return compared_pack(self._source.recording, other, of.posted.get("episode", int))

    def exported(self, of: Question) -> tuple[bytes, str]:
        said = of.posted
        page = page_of(
            self._source,
            said.texts("methods"),
            said.wholes("episodes"),
            bookmarks=said.objects("bookmarks"),
        )
        return page.encode(), "text/html"
