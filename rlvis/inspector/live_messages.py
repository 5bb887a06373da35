"""What the page asks a world that runs to do, read and done."""

from typing import Any

import numpy as np

from rlvis.errors import unknown
from rlvis.inspector.answers import Posted
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
        world.undo()
    elif what == "whatif":
        futures, views = world.futures(said.texts("actions") or list(world.policy.labels))
        return {"futures": futures, "views": views}
    elif what in _CHANGES:
        _CHANGES[what](world, said)
    elif what != "look":
        raise unknown("thing to do", what, ["look", "step", "act", "back", "reset", *_CHANGES])
    return {}


def _move(world: LiveWorld, said: Posted) -> None:
    name, x, z = said.get("name", str), said.get("x", float), said.get("z", float)
    world.change(f"{name} at {x:.2f}, {z:.2f}", f"moved {name}", "moved", name, x=x, z=z)


def _turn(world: LiveWorld, said: Posted) -> None:
    name, angle = said.get("name", str), said.get("angle", float)
    degrees = np.degrees(angle)
    world.change(f"{name} turned to {degrees:.0f}°", f"turned {name}", "moved", name, angle=angle)


def _recolour(world: LiveWorld, said: Posted) -> None:
    name, colour = said.get("name", str), said.get("colour", str)
    world.change(f"{name} {colour}", f"recoloured {name}", "recoloured", name, colour)


def _without(world: LiveWorld, said: Posted) -> None:
    name = said.get("name", str)
    world.change(f"without {name}", f"without {name}", "without", name)


def _resurface(world: LiveWorld, said: Posted) -> None:
    surface, texture = said.get("surface", str), said.get("texture", str)
    world.change(f"{surface} {texture}", surface, "resurfaced", surface, texture)


def _relight(world: LiveWorld, said: Posted) -> None:
    brightness = said.get("brightness", float)
    world.change(f"light × {brightness:.1f}", "light", "relit", brightness=brightness)


_CHANGES = {
    "move": _move,
    "turn": _turn,
    "recolour": _recolour,
    "without": _without,
    "resurface": _resurface,
    "relit": _relight,
}
