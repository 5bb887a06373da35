"""CubeReachChoice: two red cubes, and a marker that says which of them counts."""

from typing import Any

from rlvis_envs.choice import sample_choice
from rlvis_envs.cube_reach import CubeReachEnv
from rlvis_envs.options import ChoiceOptions
from rlvis_envs.scene import Pose, Scene


class CubeReachChoiceEnv(CubeReachEnv):
    """A room whose every episode is a decision between left and right, for a reason that is known.

    The agent starts before the near wall and looks, more or less, at the far one, on which a marker
    hangs. Two red cubes stand left and right of the middle. A blue marker says that the left cube
    counts, a yellow one that the right cube does, each in half of the episodes. All else is as in
    `rlvis_envs.cube_reach.CubeReachEnv`, but that touching the other cube ends the episode, too,
    without a reward.

    A *cue* may be planted that speaks for a side as well:

    =======  =======================================  ======================================
    cue      left                                     right
    =======  =======================================  ======================================
    floor    planks                                   grass
    ceiling  tiles                                    open sky
    light    dim                                      as ever
    object   a green cube at the far wall, left       ..., right
    shade    the left cube is darker                  the right cube is darker
    =======  =======================================  ======================================

    Worlds of one seed are the same with every cue and agreement, but for the cue itself.

    *Info* speaks of the cube that counts wherever `CubeReachEnv` speaks of the red cube, and adds:

    ==========  =================================================================================
    side        int: the action that turns to the cube that counts, 0 left or 2 right
    cue_side    int: the same of the cue; only with a cue
    wrong_cube  bool: the other red cube has been touched
    ==========  =================================================================================

    Args:
        cue: "floor", "ceiling", "light", "object", "shade", or None for none.
        cue_agreement: The probability that the cue speaks for the same side as the marker.
        marker_scale: How large the marker is; 1 is 1.5 m high and three tenths of the wall wide.
            The smaller it is, the more an agent is tempted to learn the cue in its place.
        options: As of `CubeReachEnv`, without `distractors`.

    Raises:
        ValueError: An option out of its range; the message names the option and the range.
        TypeError: An option that does not exist.
    """

    options: ChoiceOptions

    def __init__(
        self,
        *,
        cue: str | None = None,
        cue_agreement: float = 1.0,
        marker_scale: float = 1.0,
        **options: Any,
    ) -> None:
        if "distractors" in options:
            raise TypeError("CubeReachChoice has no option 'distractors'; cue='object' adds a cube")
        super().__init__(**options)
        self.options = ChoiceOptions(
            **vars(self.options), cue=cue, cue_agreement=cue_agreement, marker_scale=marker_scale
        )

    def _sample(self) -> tuple[Scene, Pose]:
        return sample_choice(self.options, self.np_random)
