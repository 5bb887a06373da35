"""Environments small enough for tests: a spot to walk to in a corridor, seen as an image."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class Corridor(gymnasium.Env):
    """Walk left or right until the bright spot is in the middle column."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}  # noqa: RUF012
    action_names = ("left", "forward", "right")

    def __init__(
        self,
        render_mode: str | None = None,
        width: int = 32,
        action_space: spaces.Space | None = None,
    ) -> None:
        self.render_mode = render_mode
        self.observation_space = spaces.Box(0, 255, (24, width, 3), np.uint8)
        self.action_space = action_space or spaces.Discrete(3)
        self.width, self.place, self.steps = width, 0, 0

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        super().reset(seed=seed)
        self.place, self.steps = int(self.np_random.integers(4, self.width - 4)), 0
        return self._observation(), self._info()

    def step(self, action: Any) -> tuple:
        self.place = int(np.clip(self.place + (int(action) - 1) * 3, 2, self.width - 3))
        self.steps += 1
        done = self._info()["success"]
        return self._observation(), float(done), done, not done and self.steps >= 12, self._info()

    def render(self) -> np.ndarray:
        return np.repeat(np.repeat(self._observation(), 3, axis=0), 3, axis=1)

    def _observation(self) -> np.ndarray:
        image = np.full((24, self.width, 3), 40, np.uint8)
        image[10:14, self.place - 2 : self.place + 2] = (220, 40, 40)
        return image

    def _info(self) -> dict[str, Any]:
        return {"success": abs(self.place - self.width // 2) <= 1, "place": self.place, "note": "x"}


gymnasium.register("Corridor-v0", Corridor)
gymnasium.register("Wide-v0", Corridor, kwargs={"width": 48})
gymnasium.register("FourActions-v0", Corridor, kwargs={"action_space": spaces.Discrete(4)})
gymnasium.register("Steering-v0", Corridor, kwargs={"action_space": spaces.Box(-1, 1, (2,))})
