"""Wrappers by name: an environment as an agent was trained in it.

    grayscale               one grey channel
    resize:height=84        another size, `width` the same where left out
    frame-stack:frames=4    the last frames in the channels, the latest last
    frame-skip:frames=4     each action for so many steps
    atari                   Stable-Baselines3's AtariWrapper, its options after a colon
    package.module.Wrapper  any other, its options after a colon

They are put on in the order in which they are named, the innermost first.
"""

import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import gymnasium
import numpy as np
from gymnasium import Env, spaces

from rlvis.errors import InputError, Notice, unknown
from rlvis.images.observations import channels_first
from rlvis.named_objects import allow_local_modules
from rlvis.options import parse_options

MOST_FRAMES, MOST_SKIPPED, MOST_PIXELS = 64, 1000, 4096


def wrap(environment: Env, wrapper: str) -> Env:
    """The environment in a wrapper, written as at the top of this module.

    Raises:
        InputError: if there is no such wrapper or option, it needs what is not installed, or it
            does not fit the environment.
    """
    name, _, written = wrapper.partition(":")
    options = parse_options(list(filter(None, written.split(","))))
    make = WRAPPERS.get(name) or _imported(name)
    try:
        wrapped = make(environment, **options)
    except InputError:
        raise
    except Exception as error:  # whatever a wrapper's own code raises
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"cannot wrap in {wrapper!r}: {reason}") from error
    if not isinstance(wrapped, Env):
        raise InputError(f"{name} is no wrapper of environments; name a gymnasium.Wrapper")
    return wrapped


def _imported(path: str) -> Callable[..., Env]:
    """The class at a path, "minigrid.wrappers.ImgObsWrapper"."""
    module, _, name = path.rpartition(".")
    if not module:
        raise unknown("wrapper", path, [*WRAPPERS, "gymnasium.wrappers.…"])
    allow_local_modules()
    try:
        found: Any = import_module(module)
    except Exception as error:  # whatever the module's own code raises
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"cannot wrap in {path!r}: {reason}; is its package installed?") from error
    if not callable(getattr(found, name, None)):
        raise unknown(f"wrapper in {module}", name, [each for each in dir(found) if each[0] != "_"])
    made: Callable[..., Env] = getattr(found, name)
    return made


class FrameStack(gymnasium.ObservationWrapper):
    """The last frames in the channels of one image, the latest last, black before the first.

    What Stable-Baselines3's `VecFrameStack` does for a vector of environments; of a Dict every
    entry is stacked, those that are no images along their last axis.

    Args:
        env: gives arrays, or a Dict of arrays.
        frames: how many.
    """

    def __init__(self, env: Env, frames: int = 4) -> None:
        super().__init__(env)
        self.stacked_frames = _whole("frames", frames, 1, MOST_FRAMES)
        space = env.observation_space
        self._stacks: dict[str, _Stack] | _Stack
        if isinstance(space, spaces.Dict):
            self._stacks = {key: _Stack(each, frames) for key, each in space.spaces.items()}
            self.observation_space = spaces.Dict(
                {key: each.space for key, each in self._stacks.items()}
            )
        else:
            self._stacks = _Stack(space, frames)
            self.observation_space = self._stacks.space

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Start an episode with black frames before the first."""
        stacks = self._stacks.values() if isinstance(self._stacks, dict) else [self._stacks]
        for each in stacks:
            each.clear()
        return super().reset(**options)

    def observation(self, observation: Any) -> Any:
        """The stack with this frame at its end."""
        if isinstance(self._stacks, dict):
            return {key: each.push(observation[key]) for key, each in self._stacks.items()}
        return self._stacks.push(observation)


class _Stack:
    """The last arrays of one space along its axis of channels."""

    def __init__(self, space: spaces.Space, frames: int) -> None:
        if not isinstance(space, spaces.Box) or not space.shape:
            raise ValueError(f"frames of {space} cannot be stacked; only arrays can")
        image = space.dtype == np.uint8 and len(space.shape) in (2, 3)
        self._flat = image and len(space.shape) == 2
        self._axis = 0 if image and channels_first(space.shape) else -1
        low, high = (
            np.repeat(each[..., None] if self._flat else each, frames, axis=self._axis)
            for each in (space.low, space.high)
        )
        self.space = spaces.Box(low, high, dtype=space.dtype.type)
        self._held = np.zeros_like(low)

    def clear(self) -> None:
        """Forget all frames."""
        self._held = np.zeros_like(self._held)

    def push(self, observation: np.ndarray) -> np.ndarray:
        """The stack with this frame at its end, the oldest gone."""
        frame = observation[..., None] if self._flat else observation
        kept = np.split(self._held, [frame.shape[self._axis]], axis=self._axis)[1]
        self._held = np.concatenate([kept, frame], axis=self._axis)
        return self._held.copy()


class FrameSkip(gymnasium.Wrapper):
    """Each action for several steps; the rewards add up.

    Args:
        env: the environment.
        frames: steps per action.
    """

    def __init__(self, env: Env, frames: int = 4) -> None:
        super().__init__(env)
        self._frames = _whole("frames", frames, 1, MOST_SKIPPED)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """The last of the steps, with the sum of the rewards."""
        total = 0.0
        for _ in range(self._frames):
            observation, reward, terminated, truncated, info = self.env.step(action)
            total += float(reward)
            if terminated or truncated:
                break
        return observation, total, terminated, truncated, info


def _whole(name: str, given: Any, least: int, most: int) -> int:
    """A whole number within bounds.

    Raises:
        ValueError: if it is another.
    """
    if type(given) is not int or not least <= given <= most:
        raise ValueError(f"{name}={given} cannot be; give a whole number from {least} to {most}")
    return given


def _grayscale(environment: Env) -> Env:
    return gymnasium.wrappers.GrayscaleObservation(environment, keep_dim=True)


def _resize(environment: Env, height: int, width: int | None = None) -> Env:
    rows = _whole("height", height, 1, MOST_PIXELS)
    columns = _whole("width", height if width is None else width, 1, MOST_PIXELS)
    resized = gymnasium.wrappers.ResizeObservation(environment, (rows, columns))
    space = environment.observation_space
    one_channel = isinstance(space, spaces.Box) and space.shape[2:] in ((), (1,))
    if not one_channel:
        return resized
    # Releases of Gymnasium differ in whether images of one channel keep its axis.
    return gymnasium.wrappers.ReshapeObservation(resized, (rows, columns, 1))


def _atari(environment: Env, **options: Any) -> Env:
    """Whole games, not lives, unless asked for."""
    try:
        from stable_baselines3.common.atari_wrappers import AtariWrapper
    except ImportError:
        raise InputError("the wrapper 'atari' needs Stable-Baselines3") from None
    if "terminal_on_life_loss" not in options:
        warnings.warn(
            "the wrapper atari plays whole games here; with atari:terminal_on_life_loss=True a "
            "lost life ends an episode, as in Stable-Baselines3's training",
            Notice,
            stacklevel=2,
        )
    return AtariWrapper(environment, **{"terminal_on_life_loss": False, **options})


WRAPPERS: dict[str, Callable[..., Env]] = {
    "grayscale": _grayscale,
    "resize": _resize,
    "frame-stack": FrameStack,
    "frame-skip": FrameSkip,
    "atari": _atari,
}


def wrap_all(environment: Env, wrappers: Sequence[str]) -> Env:
    """The environment in several wrappers, the first of them innermost."""
    for wrapper in wrappers:
        environment = wrap(environment, wrapper)
    return environment
