"""An episode under way: a scene, the agent in it, and how the agent moves."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from rlvis_envs.geometry import bearing, wrap
from rlvis_envs.scene import Pose, Scene
from rlvis_envs.sight import cube_in_view
from rlvis_envs.stage import Stage

ACTIONS = ("left", "forward", "right")
LEFT, FORWARD, RIGHT = range(3)


@dataclass(frozen=True)
class Strides:
    """How far a step goes: ahead and to the right in metres, a turn in radians."""

    forward: float
    drift: float
    turn: float


@dataclass
class EpisodeState:
    """Everything but the random generator that the next steps depend on.

    Attributes:
        scene: the world.
        pose: of the agent.
        step_count: steps since the reset.
        touched: name of the red cube that the last step touched, which ended the episode.
    """

    scene: Scene
    pose: Pose
    step_count: int = 0
    touched: str | None = None

    @property
    def success(self) -> bool:
        """Whether the last step touched the cube that counts."""
        return self.touched == self.scene.cube_name

    @property
    def stage(self) -> Stage:
        """What a picture of this moment depends on."""
        scene = self.scene
        return Stage(scene.room_size, scene.look, scene.camera, scene.objects, self.pose)

    def turn(self, angle: float) -> None:
        """Spend a step on turning by `angle` radians, positive to the left."""
        self.step_count += 1
        self.touched = None
        self.pose = Pose(self.pose.x, self.pose.z, wrap(self.pose.angle + angle))

    def walk(self, length: float, drift: float = 0.0) -> None:
        """Spend a step on walking `length` metres ahead and `drift` to the right.

        A step into a red cube touches it. A step into another cube slides along it. A step that
        would still end in a cube or in a wall is not taken.
        """
        self.step_count += 1
        x, z = self.scene.slide(*step_ahead(self.pose, length, drift))
        self.touched = self.scene.touched(x, z)
        if self.touched is None and not self.scene.blocks(x, z):
            self.pose = Pose(x, z, self.pose.angle)

    def act(self, action: np.int64 | int, strides: Strides) -> None:
        """Spend a step on an action, one of `ACTIONS` by number.

        Raises:
            ValueError: `action` is none of 0, 1, 2.
        """
        if action == FORWARD:
            self.walk(strides.forward, strides.drift)
        elif action == LEFT:
            self.turn(strides.turn)
        elif action == RIGHT:
            self.turn(-strides.turn)
        else:
            raise ValueError(f"action={action!r} must be 0 (left), 1 (forward) or 2 (right)")

    def info(self, camera_aspect: float) -> dict[str, Any]:
        """Return the `info` that `rlvis_envs.cube_reach.CubeReachEnv` documents."""
        pose, cube = self.pose, self.scene.cube
        to_cube = bearing(pose.x, pose.z, pose.angle, cube.x, cube.z)
        in_view = cube_in_view(self.scene, pose, camera_aspect)
        return {
            "success": self.success,
            "step_count": self.step_count,
            "agent_position": np.array((pose.x, pose.z)),
            "agent_angle": pose.angle,
            "cube_position": np.array((cube.x, cube.z)),
            "cube_angle": cube.angle,
            "distance": math.hypot(cube.x - pose.x, cube.z - pose.z),
            "bearing": to_cube,
            "cube_in_view": in_view,
            "cube_on_left": in_view and to_cube > 0,
            "cube_on_right": in_view and to_cube < 0,
            **self._choice_info(),
        }

    def _choice_info(self) -> dict[str, Any]:
        """Return what `rlvis_envs.cube_reach_choice.CubeReachChoiceEnv` adds to `info`."""
        choice = self.scene.choice
        if choice is None:
            return {}
        cue = {} if choice.cue_side is None else {"cue_side": ACTIONS.index(choice.cue_side)}
        wrong = self.touched is not None and not self.success
        return {"side": ACTIONS.index(choice.side), **cue, "wrong_cube": wrong}

    def to_dict(self) -> dict[str, Any]:
        """Return the episode as fresh nested plain dicts and lists, equal to what JSON gives."""
        return {
            "scene": self.scene.to_dict(),
            "pose": {"x": self.pose.x, "z": self.pose.z, "angle": self.pose.angle},
            "step_count": self.step_count,
            "success": self.success,
            "touched": self.touched,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Rebuild an episode from `to_dict`, or from a dict of before there was a choice."""
        scene = Scene.from_dict(plain["scene"])
        touched = plain.get("touched", scene.cube_name if plain["success"] else None)
        return cls(scene, Pose(**plain["pose"]), plain["step_count"], touched)


def step_ahead(pose: Pose, length: float, drift: float = 0.0) -> tuple[float, float]:
    """Where a step of `length` metres ahead and `drift` to the right would end, (x, z)."""
    cos, sin = math.cos(pose.angle), math.sin(pose.angle)
    return pose.x + length * cos + drift * sin, pose.z - length * sin + drift * cos
