"""What a world may offer beside Gymnasium's interface: states, masks, the picture as it would be.

All of it is optional and looked for on `env.unwrapped`, method by method: a world has a part by
having the methods of `Interventions` that it can answer. Nothing is registered or inherited.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from rlvis.errors import InputError, one_line

if TYPE_CHECKING:
    from gymnasium import Env

Colour = str | Sequence[float]


class Simulation(Protocol):
    """What would come of actions from a moment on, to the end of its episode.

    States are hashable; equal ones look alike within the episode. Those of another episode, such as
    one with another floor, may be equal and look otherwise.
    """

    @property
    def start(self) -> Hashable:
        """The state of the moment."""

    @property
    def steps_left(self) -> int:
        """After so many steps the episode is truncated."""

    @property
    def gains(self) -> tuple[float, float]:
        """The least and the most that the rewards to come can sum to."""

    def step(self, state: Any, action: int) -> tuple[Hashable, float, bool]:
        """The next state, the reward, and whether the episode has terminated, after an action."""

    def picture(self, state: Any) -> np.ndarray:
        """The observation in a state."""


class Interventions(Protocol):
    """The methods that tools ask for, of an environment with an episode under way.

    Pictures are like the observation: uint8, of its shape. Asking changes nothing: the world, its
    random state and what it draws next are afterwards what they were, bit for bit, also after an
    exception. A ValueError says in one line what is wrong with an argument.

    Places are in the world's own units, those of its `info`; a colour is a name in `colours()` or
    red, green and blue from 0 to 1.
    """

    def get_state(self) -> Any:
        """Everything the future depends on, random numbers included; survives JSON."""

    def set_state(self, state: Any) -> tuple[Any, dict[str, Any]]:
        """Go on from a state; the observation and the info, as `reset` returns them."""

    def objects(self) -> tuple[str, ...]:
        """The names of what can be seen, each once; they last for the episode."""

    def object_mask(self, name: str) -> np.ndarray:
        """Which pixels of the observation show any of an object, bool (H, W); none if hidden."""

    def without(self, name: str) -> np.ndarray:
        """The observation as it would have been without an object."""

    def recoloured(self, name: str, colour: Colour) -> np.ndarray:
        """The observation as it would have been with an object of another colour."""

    def moved(
        self,
        name: str,
        *,
        x: float | None = None,
        z: float | None = None,
        angle: float | None = None,
    ) -> np.ndarray:
        """The observation as it would have been with an object, or the "agent", elsewhere.

        What is left out stays as it is. A world with other coordinates takes those.
        """

    def resurfaced(self, surface: str, texture: str) -> np.ndarray:
        """The observation as it would have been with one of `surfaces()` of another texture."""

    def relit(
        self,
        *,
        brightness: float | None = None,
        direction: Sequence[float] | None = None,
        colour: Colour | None = None,
        ambient: Colour | None = None,
    ) -> np.ndarray:
        """The observation as it would have been in another light."""

    def factors(self) -> Mapping[str, Any]:
        """What may differ between the worlds of two episodes, as it is now; survives JSON.

        By name, such as "floor" or "marker colour"; the names are the same in every episode where
        the same things are there.
        """

    def matters(self) -> Sequence[str]:
        """The factors that what is right to do depends on, by what the world rewards.

        Whoever goes by another one has taken a shortcut.
        """

    def varied(self, factor: str, value: Any) -> np.ndarray:
        """The observation as it would have been with a factor as it is in another episode."""

    def change(self, intervention: str, *arguments: Any) -> tuple[Any, dict[str, Any]]:
        """Make an intervention ("varied", …) last; the observation and the info, as of `reset`."""

    def simulation(self) -> "Simulation":
        """The rest of the episode as a process without chance that needs not be played.

        A ValueError where what a step does is drawn by lot.
        """

    def surfaces(self) -> Mapping[str, Sequence[str]]:
        """The textures to choose from, by surface ("wall", "floor", "ceiling")."""

    def colours(self) -> Mapping[str, Sequence[float]]:
        """The colours that have a name: red, green and blue from 0 to 1."""

    def floor_area(self) -> tuple[float, float, float, float]:
        """The least x and z that there are, and the largest."""

    def is_free(self, x: float, z: float) -> bool:
        """Whether the agent could stand there."""

    def render_view(self, view: str, width: int, height: int) -> np.ndarray:
        """A picture of this moment, uint8 (height, width, 3): the "agent"'s or the plan ("top")."""

    def plan_mapping(self, width: int, height: int) -> tuple[float, float, float]:
        """Scale, x offset and y offset of the plan of this size: pixel = offset + scale * place."""


METHODS = tuple(name for name in vars(Interventions) if not name.startswith("_"))
"""The names of all methods of `Interventions`."""


def offered(env: "Env") -> tuple[str, ...]:
    """The methods of `Interventions` that an environment, wrapped or not, answers."""
    return tuple(name for name in METHODS if callable(getattr(env.unwrapped, name, None)))


def require(env: "Env", *methods: str) -> Interventions:
    """The world inside an environment, for use of these methods.

    Args:
        env: an environment, wrapped or not.
        methods: names of methods of `Interventions`.

    Raises:
        InputError: if it lacks any of them; the line names those.
    """
    missing = [f"{name}()" for name in methods if name not in offered(env)]
    if missing:
        raise InputError(
            f"{_name(env)} does not offer {', '.join(missing)}; see Interventions in docs/world.md"
        )
    return cast(Interventions, env.unwrapped)


def ask(env: "Env", method: str, *arguments: Any, **named: Any) -> Any:
    """What a method of `Interventions` answers.

    Args:
        env: an environment, wrapped or not.
        method: its name.
        *arguments: what it is asked.
        **named: likewise.

    Raises:
        InputError: if there is no such method, or it refuses; the line says what it says.
    """
    answer = getattr(require(env, method), method)
    try:
        return answer(*arguments, **named)
    except Exception as error:  # whatever the environment's own code raises
        reason = one_line(error) or type(error).__name__
        raise InputError(f"{_name(env)} cannot answer {method}(): {reason}") from error


def _name(env: "Env") -> str:
    return env.spec.id if env.spec is not None else type(env.unwrapped).__name__
