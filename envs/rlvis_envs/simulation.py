"""An episode as a decision process that can be computed without being played."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from rlvis_envs.episode import EpisodeState, Strides
from rlvis_envs.scene import Pose, Scene
from rlvis_envs.stage import Stage

_DIGITS = 6


@dataclass(frozen=True)
class Simulation:
    """What would come of actions in a world without chance, from the moment an episode is at.

    A state is the agent's pose: what is seen depends on nothing else that changes. Poses are
    rounded to a millionth of a metre or radian, so that a turn left and one right lead back.

    Attributes:
        start: the state of the present moment.
        steps_left: after so many steps the episode is truncated.
    """

    start: Pose
    steps_left: int
    scene: Scene = field(repr=False)
    strides: Strides = field(repr=False)
    draw: Callable[[Stage], np.ndarray] = field(repr=False)

    @property
    def gains(self) -> tuple[float, float]:
        """The least and the most that the rewards to come can sum to."""
        return 0.0, 1.0

    def step(self, state: Pose, action: int) -> tuple[Pose, float, bool]:
        """The next state, the reward, and whether the episode has terminated, after an action."""
        episode = EpisodeState(self.scene, state)
        episode.act(action, self.strides)
        return rounded(episode.pose), float(episode.success), episode.touched is not None

    def picture(self, state: Pose) -> np.ndarray:
        """The observation in a state, uint8 (H, W, 3)."""
        return self.draw(EpisodeState(self.scene, state).stage)


def rounded(pose: Pose) -> Pose:
    """A pose as simulations have it."""
    return Pose(round(pose.x, _DIGITS), round(pose.z, _DIGITS), round(pose.angle, _DIGITS))
