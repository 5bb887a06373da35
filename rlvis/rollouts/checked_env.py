"""An environment whose faults are told in one line: its name, the episode, the step."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from rlvis.errors import InputError
from rlvis.images.depth import eight_bit
from rlvis.rollouts.observed import as_declared
from rlvis.rollouts.world_folder import in_its_folder

if TYPE_CHECKING:
    from gymnasium import Env

Answer = TypeVar("Answer")
Step = tuple[Any, float, bool, bool, dict[str, Any]]


class CheckedEnv:
    """What a rollout asks of an environment, and what it must answer.

    Args:
        environment: it stays the caller's; its observations and pictures are looked at.
        name: what errors call it.
    """

    def __init__(self, environment: "Env", name: str) -> None:
        self.environment = environment
        self.name = name
        self._episode = self._step = 0
        self._shapes: dict[str, tuple[int, ...]] = {}

    @property
    def steps(self) -> int:
        """Taken since the reset."""
        return self._step

    def reset(self, seed: int | None, episode: int = 0) -> tuple[Any, dict[str, Any]]:
        """The first observation and info of an episode.

        Raises:
            InputError: if the environment fails, or gives something else.
        """
        self._episode, self._step = episode, 0
        with self._inside("reset"):
            answer = self.environment.reset(seed=seed)
            if not isinstance(answer, tuple) or len(answer) != 2:
                raise TypeError("it gives no pair of observation and info, as Gymnasium 1 does")
            observation, info = answer
            return self._declared(observation), _table(info)

    def step(self, action: Any) -> Step:
        """Observation, reward, terminated, truncated and info after an action.

        Raises:
            InputError: if the environment fails, or gives something else.
        """
        with self._inside("step"):
            answer = self.environment.step(action)
            if not isinstance(answer, tuple) or len(answer) != 5:
                given = f"{len(answer)} things" if isinstance(answer, tuple) else "no tuple"
                raise TypeError(
                    f"it gives {given}, not observation, reward, terminated, truncated and info, "
                    "as Gymnasium 1 does"
                )
            observation, reward, terminated, truncated, info = answer
            observation = self._declared(observation)
            taken = observation, float(reward), bool(terminated), bool(truncated), _table(info)
        self._step += 1
        return taken

    def render(self) -> np.ndarray:
        """The environment's own picture, uint8 (H, W, 3).

        Raises:
            InputError: if it has none; grey, transparent and floating-point ones are brought to it.
        """
        with self._inside("render"):
            given = self.environment.render()
            picture = np.asarray(given)
            if picture.ndim == 2:
                picture = picture[..., None]
            if picture.ndim != 3 or picture.dtype.kind not in "buif" or 0 in picture.shape:
                shown = type(given).__name__ if picture.ndim == 0 else f"an array {picture.shape}"
                raise TypeError(
                    f"it gives {shown}, no picture (H, W, 3); leave the picture out with "
                    "--no-render (render=False)"
                )
            picture = eight_bit(picture if picture.shape[-1] < 4 else picture[..., :3])
            if picture.shape[-1] != 3:
                picture = np.repeat(picture[..., :1], 3, axis=-1)
            self._check_shape("picture", picture.shape)
            return picture

    def action_mask(self) -> np.ndarray | None:
        """Bool (K,), which actions are allowed now, as sb3-contrib's `ActionMasker` tells it.

        None where the environment has no `action_masks`.

        Raises:
            InputError: if that fails.
        """
        try:
            masks = self.environment.get_wrapper_attr("action_masks")
        except AttributeError:
            return None
        with self._inside("action_masks"):
            return np.asarray(masks(), bool)

    def ask(self, what: str, question: "Callable[[Env], Answer]") -> Answer:
        """What a question of another kind is answered with.

        Raises:
            InputError: if that fails.
        """
        with self._inside(what):
            return question(self.environment)

    @contextmanager
    def _inside(self, what: str) -> Iterator[None]:
        try:
            with in_its_folder(self.environment.unwrapped):
                yield
        except (Exception, SystemExit) as error:  # whatever the environment's own code raises
            reason = " ".join(str(error).split())[:240] or type(error).__name__
            if isinstance(error, SystemExit):
                reason = "it ends the program by sys.exit"
            elif not isinstance(error, (TypeError, InputError)):
                reason = f"{type(error).__name__}: {reason}"
            raise InputError(
                f"{self.name}, episode {self._episode}, step {self._step}: {what} fails ({reason})"
            ) from error

    def _declared(self, observation: Any) -> Any:
        """An observation as the environment's space says, shaped as the others were."""
        declared = as_declared(observation, self.environment.observation_space, self.name)
        entries = declared if isinstance(declared, Mapping) else {"": declared}
        for key, entry in entries.items():
            self._check_shape(f"observation {key}".strip(), np.shape(entry))
        return declared

    def _check_shape(self, what: str, shape: tuple[int, ...]) -> None:
        before = self._shapes.setdefault(what, shape)
        if shape != before:
            raise ValueError(f"its {what} is {shape}, and was {before}")


def _table(info: Any) -> dict[str, Any]:
    if not isinstance(info, Mapping):
        raise TypeError(f"its info is {type(info).__name__}, not a dict")
    return dict(info)
