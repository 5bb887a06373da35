"""Environments small enough for tests: a spot to walk to in a corridor, seen as an image."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class Corridor(gymnasium.Env):
    """Walk left or right until the bright spot is in the middle column."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}  # noqa: RUF012
    action_names: tuple[str, ...] = ("left", "forward", "right")

    def __init__(
        self,
        render_mode: str | None = None,
        width: int = 32,
        height: int = 24,
        action_space: spaces.Space | None = None,
    ) -> None:
        self.render_mode = render_mode
        self.observation_space = spaces.Box(0, 255, (height, width, 3), np.uint8)
        self.action_space = action_space or spaces.Discrete(3)
        self.width, self.place, self.steps = width, 0, 0

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        super().reset(seed=seed)
        self.place, self.steps = int(self.np_random.integers(4, self.width - 4)), 0
        return self._observation(), self._info()

    def step(self, action: Any) -> tuple:
        assert self.action_space.contains(action), action
        stride = round(3 * self._direction(action))
        self.place = int(np.clip(self.place + stride, 2, self.width - 3))
        self.steps += 1
        done = self._info()["success"]
        return self._observation(), float(done), done, not done and self.steps >= 12, self._info()

    def _direction(self, action: Any) -> float:
        return int(action) - 1

    def render(self) -> np.ndarray:
        return np.repeat(np.repeat(self._observation(), 3, axis=0), 3, axis=1)

    def _observation(self) -> np.ndarray:
        image = np.full(self.observation_space.shape or (), 40, np.uint8)
        image[10:14, self.place - 2 : self.place + 2] = (220, 40, 40)
        return image

    def _info(self) -> dict[str, Any]:
        return {"success": abs(self.place - self.width // 2) <= 1, "place": self.place, "note": "x"}


class Recalled(Corridor):
    """A corridor with states in a form of choice."""

    def __init__(self, form: str = "dict", **options: Any) -> None:
        super().__init__(**options)
        self.form = form

    def get_state(self) -> Any:
        if self.form == "broken":
            raise RuntimeError("no state today")
        state = {"place": self.place, "steps": self.steps}
        forms = {"bytes": bytes([self.place, self.steps]), "array": np.zeros(2), "set": {1, 2}}
        return forms.get(self.form, {1: state} if self.form == "numbered" else state)

    def set_state(self, state: Any) -> np.ndarray:
        self.place, self.steps = state if self.form == "bytes" else state.values()
        return self._observation()


class Steering(Corridor):
    """A corridor whose first continuous action is where to go, and the second how fast."""

    action_names = ("direction", "speed")

    def __init__(self, **options: Any) -> None:
        low, high = np.array([-1, 0], np.float32), np.array([1, 2], np.float32)
        super().__init__(action_space=spaces.Box(low, high), **options)

    def _direction(self, action: np.ndarray) -> float:
        return float(action[0] * action[1])


class Gears(Corridor):
    """A corridor with two choices at once: left, stay or right, and slow or fast."""

    action_names = ()

    def __init__(self, **options: Any) -> None:
        super().__init__(action_space=spaces.MultiDiscrete([3, 2]), **options)

    def _direction(self, action: np.ndarray) -> float:
        return float((action[0] - 1) * (1 + action[1]))


class Unjudged(Corridor):
    """A corridor that does not say when an episode ended well."""

    def _info(self) -> dict[str, Any]:
        return {"place": self.place}

    def step(self, action: Any) -> tuple:
        self.place = int(np.clip(self.place + round(3 * self._direction(action)), 2, 29))
        self.steps += 1
        return self._observation(), 0.0, False, self.steps >= 5, self._info()


class Dice(Corridor):
    """A corridor in which chance comes from nowhere that a seed reaches."""

    def step(self, action: Any) -> tuple:
        return super().step(int(np.random.default_rng().integers(0, 3)))


gymnasium.register("Corridor-v0", Corridor)
gymnasium.register("Unjudged-v0", Unjudged)
gymnasium.register("Dice-v0", Dice)
gymnasium.register("Recalled-v0", Recalled)
gymnasium.register("Wide-v0", Corridor, kwargs={"width": 48})
gymnasium.register("FourActions-v0", Corridor, kwargs={"action_space": spaces.Discrete(4)})
gymnasium.register("Buttons-v0", Corridor, kwargs={"action_space": spaces.MultiBinary(3)})
for _name, _world in (("Steering", Steering), ("Gears", Gears)):
    gymnasium.register(f"{_name}-v0", _world, kwargs={"width": 48, "height": 40})
