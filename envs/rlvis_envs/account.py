"""What may differ between two episodes' worlds, by name: "floor", "light", "marker colour"."""

import math
from collections.abc import Sequence
from typing import Any

from rlvis_envs.geometry import CUBE_RADIUS
from rlvis_envs.materials import SKY, SURFACES
from rlvis_envs.options import check_choice
from rlvis_envs.scene import Scene
from rlvis_envs.stage import AGENT, Stage

COLOUR, PLACE = " colour", " place"


def factors(stage: Stage) -> dict[str, Any]:
    """What a stage is like, as JSON has it, by the names that `varied` takes.

    "floor", "wall" and "ceiling" are textures; "light" has direction, colour and ambient; of every
    object there are its colour, and its place as x, z and angle.
    """
    look = stage.look
    found: dict[str, Any] = {name: getattr(look, name) or SKY for name in SURFACES}
    found["light"] = {
        "direction": list(look.light_direction),
        "colour": list(look.light_color),
        "ambient": list(look.light_ambient),
    }
    for name, box in stage.objects.items():
        found[name + COLOUR] = list(box.color)
        found[name + PLACE] = [box.x, box.z, box.angle]
    return found


def varied(stage: Stage, factor: str, value: Any) -> Stage:
    """A stage with one of its `factors` as it is in another.

    Raises:
        ValueError: There is no such factor, it cannot be like that, or an object would stand in
            another or in the agent.
    """
    check_choice("factor", factor, tuple(factors(stage)))
    if factor in SURFACES:
        return stage.resurfaced(factor, value)
    if factor == "light":
        return stage.relit(**value)
    if factor.endswith(COLOUR):
        return stage.recoloured(factor.removesuffix(COLOUR), value)
    name = factor.removesuffix(PLACE)
    x, z, angle = _place(value)
    moved = stage.moved(name, x=x, z=z, angle=angle)
    _check_apart(moved, name)
    return moved


def matters(scene: Scene) -> tuple[str, ...]:
    """The factors that what is right to do depends on, by what the world rewards."""
    places = tuple(goal + PLACE for goal in scene.goals)
    told_by = scene.cube_name if scene.choice is None else "marker"
    return (*places, told_by + COLOUR)


def _place(value: Any) -> tuple[float, float, float]:
    if not isinstance(value, Sequence) or len(value) != 3:
        raise ValueError(f"a place must be x, z and angle, not {value!r}")
    return value[0], value[1], value[2]


def _check_apart(stage: Stage, name: str) -> None:
    """Raise ValueError if an object on the floor stands in another or in the agent."""
    box = stage.objects[name]
    on_floor = {each: other for each, other in stage.objects.items() if other.base == 0}
    others: dict[str, Any] = {**on_floor, AGENT: stage.pose}
    for each, other in others.items():
        if each != name and math.hypot(box.x - other.x, box.z - other.z) < 2 * CUBE_RADIUS:
            raise ValueError(f"the {name} must not stand in the {each}")
