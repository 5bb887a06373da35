"""A game under way, played four frames at a time as Stable-Baselines3's `MaxAndSkipEnv` does."""

from collections.abc import Iterable

import numpy as np

from rlvis_envs.atari.emulator import ALEState, AtariEnv
from rlvis_envs.atari.glimpses import Glimpse
from rlvis_envs.atari.history import Step

SKIPPED = 4


class Console:
    """A game, and the last two frames of its last step.

    Args:
        game: goes on by a frame a step.
    """

    def __init__(self, game: AtariEnv) -> None:
        self.game = game
        screen, memory = game.ale.getScreenRGB().shape, game.ale.getRAMSize()
        self._screens = np.zeros((2, *screen), np.uint8)
        self._memories = np.zeros((2, memory), np.uint8)

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Of the screens and the memories of a glimpse."""
        return self._screens.shape, self._memories.shape

    @property
    def over(self) -> bool:
        """Whether the game is over."""
        return bool(self.game.ale.game_over(with_truncation=False))

    @property
    def truncated(self) -> bool:
        """Whether as many frames have passed as an episode may have."""
        return bool(self.game.ale.game_truncated())

    @property
    def lives(self) -> int:
        """How many are left."""
        return int(self.game.ale.lives())

    def state(self) -> ALEState:
        """Everything that the console's future depends on; its screen is not in it."""
        return self.game.clone_state(include_rng=True)

    def frame(self, action: int) -> tuple[float, bool]:
        """Go on by a frame: the reward, and whether the episode has ended."""
        _, reward, over, truncated, _ = self.game.step(action)
        return float(reward), over or truncated

    def still(self) -> Glimpse:
        """What is on the screen now, in both of two frames."""
        screen, memory = self.game.ale.getScreenRGB(), self.game.ale.getRAM()
        return Glimpse(np.stack([screen, screen]), np.stack([memory, memory]))

    def play(self, actions: Iterable[int]) -> tuple[Step, float]:
        """Go on by a step of as many frames as there are actions, fewer where the episode ends.

        Returns:
            step, reward: The reward is summed over the frames.
        """
        before, total, pressed = self.state(), 0.0, []
        for number, action in enumerate(actions):
            reward, ended = self.frame(action)
            total += reward
            pressed.append(action)
            kept = number - (SKIPPED - 2)
            if kept >= 0:
                self._screens[kept] = self.game.ale.getScreenRGB()
                self._memories[kept] = self.game.ale.getRAM()
            if ended:
                break
        glimpse = Glimpse(self._screens.copy(), self._memories.copy())
        return Step(glimpse, before, tuple(pressed)), total

    def restore(self, state: bytes, start: Glimpse | None) -> None:
        """Go back to a state; `start` is what was on the screen there, where anybody asks.

        Raises:
            ValueError: The emulator refuses it.
        """
        try:
            self.game.restore_state(ALEState(state))
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"no state of an Atari game: {error}") from error
        if start is not None:
            self._screens[:], self._memories[:] = start.screens, start.memories
