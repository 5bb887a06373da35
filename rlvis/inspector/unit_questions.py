"""The questions about a network's units: the same of a recording, of photos and of a live world."""

from typing import Any

from rlvis.inspector.album import Place
from rlvis.inspector.answers import Answers, Question
from rlvis.inspector.unit_networks import Edit
from rlvis.inspector.units import Shown, Units

STEP = "{number:int}/{step:int}"
"""A place in a path."""


def unit_routes(shown: Shown, answers: Answers) -> list[Any]:
    """The routes of the units of what was shown."""
    units = Units(shown)

    def layer(of: Question) -> tuple[Any, Any]:
        return units.layer(place_of(of), of.text("layer"))

    def projection(of: Question) -> tuple[Any, Any]:
        return units.projection(place_of(of), *_unit(of))

    def edit(of: Question) -> dict[str, Any]:
        return units.edit(posted_place(of), posted_edits(of))

    return [
        answers.pack(f"/api/layer/{STEP}", layer),
        answers.pack("/api/unit/synthesis", lambda of: units.synthesis(*_unit(of))),
        answers.pack(f"/api/unit/projection/{STEP}", projection),
        answers.pack("/api/unit", lambda of: units.strongest(*_unit(of))),
        answers.json("/api/edit", edit, posted=True),
    ]


def place_of(of: Question) -> Place:
    """The place in the path of a question."""
    return of.path["number"], of.path["step"]


def posted_place(of: Question) -> Place:
    """The place that is posted."""
    return of.posted.get("episode", int), of.posted.get("step", int)


def posted_edits(of: Question) -> list[Edit]:
    """The edits that are posted."""
    return [Edit.read(each) for each in of.posted.get("edits", list)]


def _unit(of: Question) -> tuple[str, int]:
    return of.text("layer"), of.whole("unit")
