"""A world as plain numbers: what is in the room, and what an agent in it runs into."""

import json
import math
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Self

from rlvis_envs.geometry import AGENT_RADIUS, CONTACT, CUBE_SIZE
from rlvis_envs.materials import Triple, color_name

SIDES = ("left", "right")


@dataclass(frozen=True)
class Look:
    """Surfaces and light, as MiniWorld draws them.

    Textures are its file names; a ceiling of None is open sky. Its light "position" is by a slip
    of its code a direction, every coordinate 1 greater: that is what all its worlds look like.
    """

    floor: str
    wall: str
    ceiling: str | None
    sky: Triple
    light_direction: Triple
    light_color: Triple
    light_ambient: Triple


@dataclass(frozen=True)
class Camera:
    """The agent's eye: height and forward shift in metres, pitch and vertical field in degrees."""

    height: float
    forward: float
    pitch: float
    field_of_view: float


@dataclass(frozen=True)
class Box:
    """An upright box, a cube on the floor unless said otherwise.

    Attributes:
        x, z: its centre in metres.
        angle: how it is turned, in radians.
        color: red, green and blue in [0, 1].
        size: its extents in metres along its own x, up, and along its own z.
        base: height of its underside over the floor in metres.
    """

    x: float
    z: float
    angle: float
    color: Triple
    size: Triple = (CUBE_SIZE, CUBE_SIZE, CUBE_SIZE)
    base: float = 0.0


@dataclass(frozen=True)
class Choice:
    """Two red cubes of which one counts.

    Attributes:
        side: "left" or "right", seen from where the agent starts: which cube counts.
        decoy: the other one.
        marker: what tells the side by its colour.
        cue_side: the side that the spurious cue speaks for; None without a cue.
    """

    side: str
    decoy: Box
    marker: Box
    cue_side: str | None = None


@dataclass(frozen=True)
class Pose:
    """Where the agent stands (metres) and looks (radians)."""

    x: float
    z: float
    angle: float


@dataclass(frozen=True)
class Scene:
    """A square room from (0, 0) to (room_size, room_size) with the red cube and others in it."""

    room_size: float
    look: Look
    camera: Camera
    cube: Box
    distractors: tuple[Box, ...]
    choice: Choice | None = None

    @cached_property
    def cube_name(self) -> str:
        """What the cube that counts is called in `objects`."""
        return "cube" if self.choice is None else f"{self.choice.side} cube"

    @cached_property
    def goals(self) -> dict[str, Box]:
        """The cubes that end the episode when touched, by name."""
        if self.choice is None:
            return {self.cube_name: self.cube}
        return {
            f"{side} cube": self.cube if side == self.choice.side else self.choice.decoy
            for side in SIDES
        }

    @cached_property
    def _fixed(self) -> tuple[str, ...]:
        """What the world is about, by name."""
        return (*self.goals, *(() if self.choice is None else ("marker",)))

    @cached_property
    def objects(self) -> dict[str, Box]:
        """Everything that stands or hangs in the room, by name."""
        named = dict(self.goals)
        if self.choice is not None:
            named["marker"] = self.choice.marker
        for box in self.distractors:
            name, count = f"{color_name(box.color)} cube", 1
            while (numbered := name if count == 1 else f"{name} {count}") in named:
                count += 1
            named[numbered] = box
        return named

    def blocks(self, x: float, z: float) -> bool:
        """Whether an agent at (x, z) would overlap a wall or a distractor."""
        far = self.room_size - AGENT_RADIUS
        if not (AGENT_RADIUS <= x <= far and AGENT_RADIUS <= z <= far):
            return True
        return any(math.hypot(c.x - x, c.z - z) < CONTACT for c in self.distractors)

    def slide(self, x: float, z: float) -> tuple[float, float]:
        """Where an agent ends that steps to (x, z): pushed straight out of a distractor there.

        The camera cannot see a cube at the agent's feet, so one must not hold the agent fast.
        """
        for cube in self.distractors:
            distance = math.hypot(x - cube.x, z - cube.z)
            if 0 < distance < CONTACT:
                out = CONTACT * (1 + 1e-9) / distance
                return cube.x + (x - cube.x) * out, cube.z + (z - cube.z) * out
        return x, z

    def touched(self, x: float, z: float) -> str | None:
        """Name of the goal whose circle meets that of an agent at (x, z); None if none does."""
        for name, cube in self.goals.items():
            if math.hypot(cube.x - x, cube.z - z) < CONTACT:
                return name
        return None

    def rearranged(self, look: Look, objects: Mapping[str, Box]) -> Self:
        """Return this scene with another look and its objects otherwise.

        Args:
            look: Of the room.
            objects: By the names they have here; a distractor that is left out is gone.

        Raises:
            ValueError: A red cube or the marker is left out.
        """
        if missing := [each for each in self._fixed if each not in objects]:
            raise ValueError(f"this world cannot be without its {missing[0]}")
        choice = self.choice
        if choice is not None:
            decoy = next(name for name in self.goals if name != self.cube_name)
            choice = replace(choice, decoy=objects[decoy], marker=objects["marker"])
        return replace(
            self,
            look=look,
            cube=objects[self.cube_name],
            distractors=tuple(box for name, box in objects.items() if name not in self._fixed),
            choice=choice,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return fresh nested plain dicts and lists, equal to what JSON gives back."""
        return pickle.loads(self._plain)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Rebuild a scene from `to_dict`."""
        choice = plain.get("choice")
        return cls(
            room_size=plain["room_size"],
            look=Look(**_tuples(plain["look"])),
            camera=Camera(**plain["camera"]),
            cube=_box(plain["cube"]),
            distractors=tuple(map(_box, plain["distractors"])),
            choice=choice
            and Choice(
                side=choice["side"],
                decoy=_box(choice["decoy"]),
                marker=_box(choice["marker"]),
                cue_side=choice["cue_side"],
            ),
        )

    @cached_property
    def _plain(self) -> bytes:
        """What `to_dict` gives, pickled: the quickest way to a fresh copy of it."""
        return pickle.dumps(json.loads(json.dumps(asdict(self))))


def _box(plain: Mapping[str, Any]) -> Box:
    return Box(**_tuples(plain))


def _tuples(plain: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()}
