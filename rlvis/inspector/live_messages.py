"""What the page asks a world that runs to do, read and done."""

from typing import Any

import numpy as np

from rlvis.errors import unknown
from rlvis.inspector.answers import Posted
from rlvis.inspector.futures import Chance, futures_told
from rlvis.inspector.live_moment import Change
from rlvis.inspector.live_world import LiveWorld


def obey(world: LiveWorld, said: Posted) -> dict[str, Any]:
    """What a message of the page asks for, but for playing; more arrays and facts of it."""
    what = said.get("do", str)
    if what == "step":
        world.act()
    elif what == "act":
        world.act(world.index(said.get("action", str)))
    elif what == "back":
        world.back()
    elif what == "reset":
        world.reset(None if said.said.get("seed") is None else said.get("seed", int))
    elif what == "hide":
        world.hide(None if said.said.get("rect") is None else said.get("rect", list))
    elif what == "undo":
        world.undo(every=said.said.get("all") is True)
    elif what == "whatif":
        actions = said.texts("actions") or list(world.policy.labels)
        episodes = world.play_on(actions, Chance.read(said))
        views, futures = futures_told(zip(actions, episodes, strict=True))
        return {"futures": futures, "views": views}
    elif what in _CHANGES:
        world.change(_CHANGES[what](said), said.said.get("gesture") if what in _BY_HAND else said)
    elif what != "look":
        raise unknown("thing to do", what, ["look", "step", "act", "back", "reset", *_CHANGES])
    return {}


def _move(said: Posted) -> Change:
    name, x, z = said.get("name", str), said.get("x", float), said.get("z", float)
    words = f"{name} at {x:.2f}, {z:.2f}"
    return Change(words, f"moved {name}", "moved", (name,), {"x": x, "z": z})


def _turn(said: Posted) -> Change:
    name, angle = said.get("name", str), said.get("angle", float)
    words = f"{name} turned to {np.degrees(angle):.0f}°"
    return Change(words, f"turned {name}", "moved", (name,), {"angle": angle})


def _recolour(said: Posted) -> Change:
    name, colour = said.get("name", str), said.get("colour", str)
    return Change(f"{name} {colour}", f"recoloured {name}", "recoloured", (name, colour))


def _without(said: Posted) -> Change:
    name = said.get("name", str)
    return Change(f"without {name}", f"without {name}", "without", (name,))


def _resurface(said: Posted) -> Change:
    surface, texture = said.get("surface", str), said.get("texture", str)
    return Change(f"{surface} {texture}", surface, "resurfaced", (surface, texture))


def _relight(said: Posted) -> Change:
    brightness = said.get("brightness", float)
    return Change(f"light × {brightness:.1f}", "light", "relit", (), {"brightness": brightness})


_CHANGES = {
    "move": _move,
    "turn": _turn,
    "recolour": _recolour,
    "without": _without,
    "resurface": _resurface,
    "relit": _relight,
}
_BY_HAND = ("move", "turn", "relit")
"""Changes of which a movement of the hand makes many."""
