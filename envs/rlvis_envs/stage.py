"""What a picture depends on, and what it would be if one thing of it were otherwise."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from rlvis_envs.geometry import AGENT_RADIUS
from rlvis_envs.materials import SKY, SURFACES, Triple, as_color
from rlvis_envs.options import check_choice, check_number
from rlvis_envs.scene import Box, Camera, Look, Pose

AGENT = "agent"
MOST_ANGLE = 1e6
MOST_BRIGHTNESS = 10.0


@dataclass(frozen=True)
class Stage:
    """A room as the camera finds it at one moment.

    Attributes:
        room_size: side of the room in metres.
        look: its surfaces and light.
        camera: the agent's eye.
        objects: what stands or hangs in it, by name.
        pose: of the agent.
    """

    room_size: float
    look: Look
    camera: Camera
    objects: Mapping[str, Box]
    pose: Pose

    def without(self, name: str) -> Self:
        """This stage without an object."""
        self.check_object(name)
        return replace(self, objects={n: box for n, box in self.objects.items() if n != name})

    def recoloured(self, name: str, colour: str | Sequence[float]) -> Self:
        """This stage with an object of another colour."""
        self.check_object(name)
        return self._with(name, replace(self.objects[name], color=as_color(colour)))

    def moved(self, name: str, **place: float | None) -> Self:
        """This stage with an object, or the "agent", at another x, z or angle."""
        check_choice("name", name, (AGENT, *self.objects))
        margin = AGENT_RADIUS if name == AGENT else 0.0
        given = {key: value for key, value in place.items() if value is not None}
        for key in given.keys() & {"x", "z"}:
            check_number(key, given[key], margin, self.room_size - margin, "metres")
        if "angle" in given:
            check_number("angle", given["angle"], -MOST_ANGLE, MOST_ANGLE, "radians")
        wanted: dict[str, Any] = {key: float(value) for key, value in given.items()}
        if name == AGENT:
            return replace(self, pose=replace(self.pose, **wanted))
        return self._with(name, replace(self.objects[name], **wanted))

    def resurfaced(self, surface: str, texture: str) -> Self:
        """This stage with another texture on its floor, walls or ceiling."""
        check_choice("surface", surface, tuple(SURFACES))
        check_choice("texture", texture, SURFACES[surface])
        changed: dict[str, Any] = {surface: None if texture == SKY else texture}
        return replace(self, look=replace(self.look, **changed))

    def relit(
        self,
        *,
        brightness: float | None = None,
        direction: Sequence[float] | None = None,
        colour: str | Sequence[float] | None = None,
        ambient: str | Sequence[float] | None = None,
    ) -> Self:
        """This stage in another light; colour and ambient are set before they are scaled."""
        changed: dict[str, Any] = {}
        if direction is not None:
            changed["light_direction"] = _as_direction(direction)
        if colour is not None:
            changed["light_color"] = as_color(colour)
        if ambient is not None:
            changed["light_ambient"] = as_color(ambient)
        look = replace(self.look, **changed)
        if brightness is not None:
            look = dimmed(look, brightness)
        return replace(self, look=look)

    def check_object(self, name: str) -> None:
        """Raise ValueError unless there is an object of this name."""
        check_choice("name", name, tuple(self.objects))

    def _with(self, name: str, box: Box) -> Self:
        return replace(self, objects={**self.objects, name: box})


def dimmed(look: Look, brightness: float) -> Look:
    """A look with all its light times `brightness`; the sky stays as it is.

    Raises:
        ValueError: `brightness` is no number from 0 to 10.
    """
    check_number("brightness", brightness, 0, MOST_BRIGHTNESS, "(1 leaves the light as it is)")
    red, green, blue = (brightness * each for each in look.light_color)
    ambient = tuple(brightness * each for each in look.light_ambient)
    return replace(
        look,
        light_color=(red, green, blue),
        light_ambient=(ambient[0], ambient[1], ambient[2]),
    )


def _as_direction(direction: Sequence[float]) -> Triple:
    try:
        x, y, z = map(float, direction)
    except (TypeError, ValueError):
        x = y = z = math.nan
    if not (math.isfinite(x + y + z) and (x or y or z)):
        raise ValueError(f"direction={direction!r} must be three numbers, not all of them 0")
    return x, y, z
