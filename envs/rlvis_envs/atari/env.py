"""Atari games as agents of Stable-Baselines3 see them, whose objects can be asked about."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, SupportsFloat

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded

from rlvis_envs.atari.console import SKIPPED, Console
from rlvis_envs.atari.emulator import opened, rom_of
from rlvis_envs.atari.glimpses import SIDE, STACKED, Glimpse, stacked
from rlvis_envs.atari.history import History, State, Step
from rlvis_envs.atari.interventions import Interventions
from rlvis_envs.options import check_choice, check_integer, check_number


@dataclass(frozen=True)
class Options:
    """What two environments must share for a state of one to continue in the other.

    See `AtariObjectsEnv` for their meaning.

    Raises:
        ValueError: An option out of its range; the message names the option and the range.
    """

    rom: str
    noop_max: int
    action_repeat_probability: float
    clip_reward: bool
    terminal_on_life_loss: bool
    max_frames: int

    def __post_init__(self) -> None:
        check_integer("noop_max", self.noop_max, 0, 10_000)
        check_number(
            "action_repeat_probability", self.action_repeat_probability, 0, 1, "(the probability)"
        )
        check_choice("clip_reward", self.clip_reward, (False, True))
        check_choice("terminal_on_life_loss", self.terminal_on_life_loss, (False, True))
        check_integer("max_frames", self.max_frames, 1, 10**9)


class AtariObjectsEnv(Interventions, gymnasium.Env[np.ndarray, np.int64]):
    """A game of the Arcade Learning Environment, seen as agents are used to.

    What is seen, and what is random, is that of Stable-Baselines3's `make_atari_env` and
    `VecFrameStack(…, 4)`, bit for bit: each action for four frames, the larger value of the last
    two, grey, 84×84, the last four stacked; FIRE is pressed at the start where the game has it.

    *Actions*: `Discrete`, those that the game has a use for, named in `action_names`.

    *Observation*: uint8 (84, 84, 4), the latest last, black before the first.

    *Reward*: the game's, summed over four frames.

    *End*: terminated when the game is over, truncated after `max_frames`.

    *Info*: "lives" and "episode_frame_number", as of ALE.

    Objects are those that OCAtari reads in the console's memory; a game that it does not know can
    be played, and not asked.

    Args:
        game: Such as "Boxing" or "MsPacman".
        noop_max: At most so many frames pass before an episode starts, a number drawn by lot.
        action_repeat_probability: Of each frame's action being the last frame's.
        clip_reward: Its sign in place of the reward.
        terminal_on_life_loss: Whether an episode is a life. The next one is a new game.
        max_frames: After so many frames an episode is truncated.
        render_mode: "rgb_array", the game's own screen, or None.

    Raises:
        ValueError: An option out of its range, or the game's ROM is missing.
        AtariMissingError: ALE is missing; the message names the extra.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012 - as in Gymnasium
    stacked_frames = STACKED

    def __init__(
        self,
        game: str = "Boxing",
        *,
        noop_max: int = 0,
        action_repeat_probability: float = 0.0,
        clip_reward: bool = False,
        terminal_on_life_loss: bool = False,
        max_frames: int = 108_000,
        render_mode: str | None = None,
    ) -> None:
        self.rom = rom_of(game)
        self.options = Options(
            self.rom,
            noop_max,
            action_repeat_probability,
            clip_reward,
            terminal_on_life_loss,
            max_frames,
        )
        check_choice("render_mode", render_mode, (None, "rgb_array"))
        self.render_mode = render_mode
        self._game = opened(self.rom, max_frames)
        self._console = Console(self._game)
        self.action_names = tuple(each.lower() for each in self._game.get_action_meanings())
        self.action_space = spaces.Discrete(len(self.action_names))
        self.observation_space = spaces.Box(0, 255, (SIDE, SIDE, STACKED), np.uint8)
        self._np_random = self._game.np_random
        self._history: History | None = None
        self._held = 0

    @property
    def history(self) -> History:
        """What the present observation is made from.

        Raises:
            gymnasium.error.ResetNeeded: Before the first `reset`.
        """
        if self._history is None:
            raise ResetNeeded("there is no episode under way: call reset() first")
        return self._history

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start a new game; see `gymnasium.Env.reset`. There are no `options`."""
        super().reset(seed=seed)
        self._restart(seed)
        most = self.options.noop_max
        for _ in range(self.np_random.integers(1, most + 1) if most else 0):
            _, ended = self._console.frame(self._chanced(0))
            if ended:
                self._restart(seed)
        start = self._console.still()
        for action in (1, 2) if "fire" in self.action_names else ():
            start = self._play(action)[0].glimpse
            if self._console.over or self._console.truncated:
                self._restart(seed)
        self._history = History(start)
        return self._observe()

    def step(
        self, action: np.int64 | int
    ) -> tuple[np.ndarray, SupportsFloat, bool, bool, dict[str, Any]]:
        """Play four frames; see `gymnasium.Env.step`.

        Raises:
            ValueError: There is no such action.
        """
        check_integer("action", action, 0, len(self.action_names) - 1)
        history, lives = self.history, self._console.lives
        step, reward = self._play(int(action))
        history.add(step)
        lost = self.options.terminal_on_life_loss and 0 < self._console.lives < lives
        if self.options.clip_reward:
            reward = float(np.sign(reward))
        observation, info = self._observe()
        return observation, reward, self._console.over or lost, self._console.truncated, info

    def render(self) -> np.ndarray | None:
        """Return the game's screen, uint8 (210, 160, 3)."""
        if self.render_mode is None:
            gymnasium.logger.warn('render() shows nothing without render_mode="rgb_array"')
            return None
        return self.history.glimpses[-1].screens[-1].copy()

    def glimpses(self) -> Sequence[Glimpse]:
        """Return what the present observation is made from, the latest last."""
        return self.history.glimpses

    def get_state(self) -> bytes:
        """Return everything the future depends on, and what is seen, as compressed JSON."""
        history = self.history
        console = history.steps[0].before if history.steps else self._console.state()
        return State(
            asdict(self.options),
            console.serialize(),
            history.start,
            tuple(step.pressed for step in history.steps),
            self._held,
            self.np_random.bit_generator.state,
        ).packed()

    def set_state(self, state: bytes) -> tuple[np.ndarray, dict[str, Any]]:
        """Go on from a state of this or of another environment with the same options.

        What follows is the same to the last bit, pixels and random numbers included.

        Returns:
            observation, info: As `reset` returns them.

        Raises:
            ValueError: Not a state, or one of other options; the message names what differs.
        """
        found = State.unpacked(state, self._console.shapes)
        mine, theirs = asdict(self.options), found.options
        if different := [f"{k}={theirs.get(k)!r}" for k in mine if mine[k] != theirs.get(k)]:
            raise ValueError(f"this state needs an environment made with {', '.join(different)}")
        self._console.restore(found.console, found.start)
        history = History(found.start)
        for pressed in found.pressed:
            history.add(self._console.play(pressed)[0])
        self._history, self._held = history, found.held
        self.np_random.bit_generator.state = found.random
        return self._observe()

    def close(self) -> None:
        """Forget the episode; a later `reset` starts another."""
        self._history = None

    def _restart(self, seed: int | None) -> None:
        self._game.reset(seed=seed)
        if seed is not None:
            self._np_random = self._game.np_random
        self._held = 0

    def _play(self, action: int) -> tuple[Step, float]:
        return self._console.play(self._chanced(action) for _ in range(SKIPPED))

    def _chanced(self, action: int) -> int:
        """The action of the next frame: this one, or the last frame's."""
        sticky = self.options.action_repeat_probability
        if not sticky or self.np_random.random() >= sticky:
            self._held = action
        return self._held

    def _observe(self) -> tuple[np.ndarray, dict[str, Any]]:
        seen = [each.seen for each in self.history.glimpses]
        ale = self._game.ale
        info = {"lives": ale.lives(), "episode_frame_number": ale.getEpisodeFrameNumber()}
        return stacked(seen), info
