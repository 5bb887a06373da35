"""An episode under way: a scene, the agent in it, and how the agent moves."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from rlvis_envs.geometry import bearing, wrap
from rlvis_envs.scene import Pose, Scene
from rlvis_envs.sight import cube_in_view


@dataclass
class EpisodeState:
    """Everything but the random generator that the next steps depend on."""

    scene: Scene
    pose: Pose
    step_count: int = 0
    success: bool = False

    def turn(self, angle: float) -> None:
        """Spend a step on turning by `angle` radians, positive to the left."""
        self.step_count += 1
        self.success = False
        self.pose = Pose(self.pose.x, self.pose.z, wrap(self.pose.angle + angle))

    def walk(self, length: float, drift: float = 0.0) -> None:
        """Spend a step on walking `length` metres ahead and `drift` to the right.

        A step into the red cube succeeds. A step into another cube slides along it. A step that
        would still end in a cube or in a wall is not taken.
        """
        self.step_count += 1
        x, z = self.scene.slide(*step_ahead(self.pose, length, drift))
        self.success = self.scene.touches(x, z)
        if not self.success and not self.scene.blocks(x, z):
            self.pose = Pose(x, z, self.pose.angle)

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
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the episode as nested plain dicts and lists, equal to what JSON gives back."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Rebuild an episode from `to_dict`."""
        return cls(
            scene=Scene.from_dict(plain["scene"]),
            pose=Pose(**plain["pose"]),
            step_count=plain["step_count"],
            success=plain["success"],
        )


def step_ahead(pose: Pose, length: float, drift: float = 0.0) -> tuple[float, float]:
    """Where a step of `length` metres ahead and `drift` to the right would end, (x, z)."""
    cos, sin = math.cos(pose.angle), math.sin(pose.angle)
    return pose.x + length * cos + drift * sin, pose.z - length * sin + drift * cos
