"""The questions about a recording: what each path gives."""

from collections.abc import Mapping
from typing import Any

from rlvis.inspector.answers import Answers, Question
from rlvis.inspector.branching import (
    compared_pack,
    futures_pack,
    other_policy,
    play_with,
    scores_with,
)
from rlvis.inspector.recorded_source import RecordedSource
from rlvis.inspector.unit_networks import Edit
from rlvis.inspector.units import layer_pack, projection_pack

_STEP = "{number:int}/{step:int}"


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
        answers.pack(f"/api/layer/{_STEP}", asked.layer),
        answers.pack("/api/unit/synthesis", lambda of: source.units.synthesis(*_unit(of))),
        answers.pack(f"/api/unit/projection/{_STEP}", asked.projection),
        answers.pack("/api/unit", lambda of: source.units.strongest(*_unit(of))),
        answers.json("/api/edit", asked.edit, posted=True),
        answers.json("/api/edit/play", asked.play, posted=True, world=True),
        answers.pack("/api/whatif", asked.futures, posted=True, world=True),
        answers.pack("/api/compare", asked.compared, posted=True),
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

    def layer(self, of: Question) -> tuple[Any, Any]:
        return layer_pack(self._source.policy, *_seen(self._source, of), of.text("layer"))

    def projection(self, of: Question) -> tuple[Any, Any]:
        return projection_pack(self._source.policy, *_seen(self._source, of), *_unit(of))

    def edit(self, of: Question) -> Mapping[str, Any]:
        edits = _edits(of)
        return scores_with(self._source.policy, *self._source.seen(*_place(of)), edits)

    def play(self, of: Question) -> Mapping[str, Any]:
        place = _place(of)
        self._source.recording.check_step(*place)
        return play_with(self._source.recording, self._source.policy, *place, _edits(of))

    def futures(self, of: Question) -> tuple[Any, Any]:
        place, actions = _place(of), of.posted.texts("actions")
        return futures_pack(self._source.recording, self._source.policy, *place, actions)

    def compared(self, of: Question) -> tuple[Any, Any]:
        other = other_policy(of.posted.get("policy", str).strip(), files=self._source.files)
        return compared_pack(self._source.recording, other, of.posted.get("episode", int))


def _seen(source: RecordedSource, of: Question) -> tuple[Any, Any]:
    return source.seen(of.path["number"], of.path["step"])


def _unit(of: Question) -> tuple[str, int]:
    return of.text("layer"), of.whole("unit")


def _place(of: Question) -> tuple[int, int]:
    return of.posted.get("episode", int), of.posted.get("step", int)


def _edits(of: Question) -> list[Edit]:
    return [Edit.read(each) for each in of.posted.get("edits", list)]
