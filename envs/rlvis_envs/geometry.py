"""Sizes, distances and angles on the floor.

MiniWorld's axes: x to the east, z to the south, y up. A heading of 0 looks along +x and grows to
the left, so the direction of angle a is (cos a, -sin a) in (x, z).
"""

import math

from rlvis_envs.miniworld import DEFAULT_PARAMS, Agent, Box

AGENT_RADIUS: float = Agent().radius
CUBE_SIZE: float = float(Box("red").size[0])
CUBE_RADIUS: float = Box("red").radius
CONTACT: float = AGENT_RADIUS + CUBE_RADIUS

_STEP = DEFAULT_PARAMS.params["forward_step"]
_TURN = DEFAULT_PARAMS.params["turn_step"]
FORWARD_FACTORS: tuple[float, float] = (_STEP.min / _STEP.default, _STEP.max / _STEP.default)
TURN_FACTORS: tuple[float, float] = (_TURN.min / _TURN.default, _TURN.max / _TURN.default)
DRIFT: float = DEFAULT_PARAMS.params["forward_drift"].max

CLEARANCE = 2 * AGENT_RADIUS + 0.05
"""Free floor around a distractor, in metres: the agent can walk all the way round it."""

CHOICE_START = (0.08, 0.2)
CHOICE_START_ASIDE = 0.1
CHOICE_DEPTH = (0.48, 0.62)
CHOICE_ASIDE = (0.2, 0.28)
"""Where agent and cubes of a choice stand, in shares of the room's size: the agent's way ahead of
the near wall and at most aside of the middle, the cubes' way ahead and aside."""

_START_MARGIN = 0.1


def wrap(angle: float) -> float:
    """Bring an angle in radians into [-pi, pi)."""
    return (angle + math.pi) % (2 * math.pi) - math.pi


def bearing(x: float, z: float, angle: float, target_x: float, target_z: float) -> float:
    """Signed angle in radians from the heading to the target, positive to the left."""
    return wrap(math.atan2(z - target_z, target_x - x) - angle)


def start_distance(forward_step: float) -> float:
    """Least distance between the centres of agent and cube at the start, in metres.

    The longest single step, randomised or not, ends at least 10 cm short of a touch.
    """
    return CONTACT + math.hypot(forward_step * FORWARD_FACTORS[1], DRIFT) + _START_MARGIN


def smallest_room(forward_step: float) -> float:
    """Least room size in metres that has room for a start, wherever the cube is."""
    least = 2 * AGENT_RADIUS + math.sqrt(2) * start_distance(forward_step)
    return math.ceil(10 * least + 2) / 10


def smallest_choice_room(forward_step: float) -> float:
    """Least room size in metres in which both cubes of a choice are out of reach at the start."""
    apart = CHOICE_START[1] - CHOICE_DEPTH[0], CHOICE_START_ASIDE - CHOICE_ASIDE[0]
    least = max(start_distance(forward_step) / math.hypot(*apart), CONTACT / CHOICE_ASIDE[0])
    return math.ceil(10 * least) / 10


def distractor_limit(room_size: float) -> int:
    """Most distractors that still find a place by chance in a room of this size in metres."""
    spacing = 2 * CUBE_RADIUS + CLEARANCE
    side = room_size - 2 * CLEARANCE
    return max(0, int(0.4 * side**2 / (math.pi / 4 * spacing**2)))
