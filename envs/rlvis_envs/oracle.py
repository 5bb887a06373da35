"""The way to the cube for somebody who knows the plan of the room: turn towards it, then walk.

The length of this way is what the length of a trained policy's episode is to be measured by.
"""

import math
from collections.abc import Iterator
from itertools import repeat
from typing import Any

import gymnasium

from rlvis_envs.cube_reach import CubeReachEnv
from rlvis_envs.episode import FORWARD, LEFT, RIGHT, step_ahead
from rlvis_envs.geometry import CONTACT, bearing, wrap
from rlvis_envs.scene import Pose, Scene

Env = gymnasium.Env[Any, Any]


class NoPathError(RuntimeError):
    """Distractors are in every way with at most one bend."""


def oracle_path(env: Env) -> list[int]:
    """Return the actions of the shortest way to touch the cube: turn, walk.

    A way with one bend (turn, walk, turn, walk) is taken where it is shorter, or the only one: when
    a distractor is in the way, or a far cube lies between two headings.

    Args:
        env: A CubeReach environment, wrapped or not, with an episode under way; it is not changed.
            With `domain_rand` the path is that of the mean strides.

    Raises:
        NoPathError: There is no such way; never without distractors.
        TypeError: Another environment.
    """
    world = env.unwrapped
    if not isinstance(world, CubeReachEnv):
        raise TypeError(f"the oracle knows its way in CubeReach only, not in {world}")
    path = _Strides(world).shortest(world.episode.pose)
    if not path:
        raise NoPathError("distractors are in every way with at most one bend")
    return path


def oracle_action(env: Env) -> int:
    """Return the first action of `oracle_path`: asked at every step, a policy."""
    return oracle_path(env)[0]


class _Strides:
    """Where the agent's strides lead in the present scene."""

    def __init__(self, world: CubeReachEnv) -> None:
        self._scene: Scene = world.episode.scene
        self._forward = world.options.forward_step
        self._turn = math.radians(world.options.turn_step)

    def shortest(self, pose: Pose) -> list[int]:
        """Return the shortest path with at most one bend; empty if there is none."""
        best = self.straight(pose)
        for turns, turned in self._turned(pose):
            for steps, stop in enumerate(self._walk(turned), start=1):
                if best and abs(turns) + steps + self._least_steps(stop) >= len(best):
                    break
                rest = self.straight(stop)
                if rest and (not best or abs(turns) + steps + len(rest) < len(best)):
                    best = _actions(turns, steps) + rest
        return best

    def straight(self, pose: Pose) -> list[int]:
        """Return the shortest path of turns and then steps; empty if there is none."""
        paths = []
        for turns, turned in self._turned(pose):
            if steps := self._steps_to_touch(turned):
                paths.append((abs(turns) + steps, turns, steps, turned))
        for _, turns, steps, turned in sorted(paths, key=lambda path: path[0]):
            if len(list(self._walk(turned, steps - 1))) == steps - 1:
                return _actions(turns, steps)
        return []

    def _turned(self, pose: Pose) -> Iterator[tuple[int, Pose]]:
        half = int(math.pi / self._turn)
        for turns in range(-half, half + 1):
            yield turns, Pose(pose.x, pose.z, wrap(pose.angle + turns * self._turn))

    def _walk(self, pose: Pose, most: int | None = None) -> Iterator[Pose]:
        """The poses on the way ahead, until something is in it or `most` steps are taken."""
        for _ in repeat(None) if most is None else range(most):
            x, z = step_ahead(pose, self._forward)
            if self._scene.touched(x, z) is not None or self._scene.blocks(x, z):
                return
            pose = Pose(x, z, pose.angle)
            yield pose

    def _least_steps(self, pose: Pose) -> float:
        cube = self._scene.cube
        return (math.hypot(cube.x - pose.x, cube.z - pose.z) - CONTACT) / self._forward

    def _steps_to_touch(self, pose: Pose) -> int:
        """The first step straight ahead that ends within reach of the cube; 0 if none does."""
        cube = self._scene.cube
        distance = math.hypot(cube.x - pose.x, cube.z - pose.z)
        aside = bearing(pose.x, pose.z, pose.angle, cube.x, cube.z)
        miss = distance * math.sin(aside)
        if abs(miss) >= CONTACT:
            return 0
        middle, half_chord = distance * math.cos(aside), math.sqrt(CONTACT**2 - miss**2)
        steps = math.floor((middle - half_chord) / self._forward) + 1
        return steps if steps > 0 and steps * self._forward < middle + half_chord else 0


def _actions(turns: int, steps: int) -> list[int]:
    return [LEFT if turns > 0 else RIGHT] * abs(turns) + [FORWARD] * steps
