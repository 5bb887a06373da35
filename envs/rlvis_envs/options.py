"""The options that shape a CubeReach world, checked once, when the environment is made."""

from dataclasses import dataclass
from numbers import Integral, Real

from rlvis_envs.geometry import distractor_limit, smallest_choice_room, smallest_room

CUES = ("floor", "ceiling", "light", "object", "shade")
"""What may speak for a side beside the marker."""


@dataclass(frozen=True)
class Options:
    """What two environments must share for a state of one to continue in the other.

    See `rlvis_envs.cube_reach.CubeReachEnv` for their meaning.

    Raises:
        ValueError: An option out of its range; the message names the option and the range.
    """

    room_size: float
    forward_step: float
    turn_step: float
    step_limit: int
    domain_rand: bool
    distractors: int
    obs_height: int
    obs_width: int

    def __post_init__(self) -> None:
        check_number("forward_step", self.forward_step, 0.01, 1.0, "metres")
        check_number("turn_step", self.turn_step, 0.5, 90.0, "degrees")
        check_number("room_size", self.room_size, smallest_room(self.forward_step), 100.0, "metres")
        check_integer("step_limit", self.step_limit, 1, 10**9)
        check_integer("obs_height", self.obs_height, 8, 4096)
        check_integer("obs_width", self.obs_width, 8, 4096)
        if not isinstance(self.domain_rand, bool):
            raise ValueError(f"domain_rand={self.domain_rand!r} must be True or False")
        check_integer(
            "distractors",
            self.distractors,
            0,
            distractor_limit(self.room_size),
            f" in a room of {self.room_size:g} m",
        )


@dataclass(frozen=True)
class ChoiceOptions(Options):
    """The same of a world with two red cubes, and its spurious cue.

    See `rlvis_envs.cube_reach_choice.CubeReachChoiceEnv` for their meaning.

    Raises:
        ValueError: An option out of its range; the message names the option and the range.
    """

    cue: str | None
    cue_agreement: float
    marker_scale: float

    def __post_init__(self) -> None:
        super().__post_init__()
        low = smallest_choice_room(self.forward_step)
        check_number("room_size", self.room_size, low, 100.0, "metres")
        check_choice("cue", self.cue, (None, *CUES))
        check_number("cue_agreement", self.cue_agreement, 0, 1, "(the probability)")
        check_number("marker_scale", self.marker_scale, 0.05, 1.2, "(1 is 1.5 m high)")


def check_integer(name: str, value: object, low: int, high: int, where: str = "") -> None:
    """Raise ValueError unless `value` is a whole number in [low, high]."""
    is_integer = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_integer or not low <= value <= high:  # type: ignore[operator]
        raise ValueError(f"{name}={value!r} must be a whole number from {low} to {high}{where}")


def check_number(name: str, value: object, low: float, high: float, unit: str) -> None:
    """Raise ValueError unless `value` is a real number in [low, high]."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:  # type: ignore[operator]
        raise ValueError(f"{name}={value!r} must be a number from {low:g} to {high:g} {unit}")


def check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name}={value!r} must be one of {', '.join(map(repr, choices))}")
