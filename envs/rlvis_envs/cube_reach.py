"""CubeReach: walk up to the red cube, by what the camera shows."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, SupportsFloat

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded

from rlvis_envs.episode import ACTIONS, EpisodeState, Strides
from rlvis_envs.geometry import DRIFT, FORWARD_FACTORS, TURN_FACTORS
from rlvis_envs.interventions import Interventions
from rlvis_envs.options import Options, check_choice, check_integer
from rlvis_envs.render.renderer import Renderer
from rlvis_envs.sampling import sample_scene
from rlvis_envs.scene import Pose, Scene
from rlvis_envs.simulation import Simulation, rounded

VIEWS = ("agent", "top")
STATE_KEYS = {"options", "scene", "pose", "step_count", "success", "random"}


class CubeReachEnv(Interventions, gymnasium.Env[np.ndarray, np.int64]):
    """A square room with a red cube; the episode is won by touching it.

    *Actions*: `Discrete(3)`, named in `action_names`: 0 left, 1 forward, 2 right.

    *Observation*: the agent's camera, uint8 (obs_height, obs_width, 3).

    *Reward*: 1.0 for the step that touches the red cube, else 0.0.

    *End*: terminated on touching; else truncated at the step limit; never both. A step forward that
    would bring the agent's circle (radius 0.4 m) into the cube's (0.57 m) touches it, and the agent
    stays where it was, as it does before a wall. Along a cube of another colour it slides. No
    single step from the start touches the cube.

    *Info*, the same keys after `reset` and `step`; metres and radians; an angle of 0 looks along +x
    and grows to the left:

    ==================  ==========================================================================
    success             bool: the cube has been touched
    step_count          int: steps since the reset
    agent_position      float64 (2,): x, z
    agent_angle         float in [-pi, pi): where the agent looks
    cube_position       float64 (2,): x, z of the red cube
    cube_angle          float: how the red cube is turned
    distance            float: from the agent's centre to the cube's
    bearing             float in [-pi, pi): from the heading to the cube, positive to the left
    cube_in_view        bool: the camera's field of view meets the cube (which another may hide)
    cube_on_left        bool: so it does, and the cube's centre lies left of the picture's middle
    cube_on_right       bool: so it does, and the cube's centre lies right of it
    ==================  ==========================================================================

    Args:
        room_size: Side of the room in metres.
        forward_step: Length of a step forward in metres.
        turn_step: Angle of a turn in degrees.
        step_limit: Steps after which an episode is truncated.
        domain_rand: Draw surfaces, light, sky, camera and the shade of the red cube anew at each
            reset, and the length of each step, its drift and the angle of each turn anew at each
            step.
        distractors: Number of cubes of other colours, placed so that the agent can walk round each.
        obs_height, obs_width: Size of the observation in pixels.
        render_mode: "rgb_array", or None for no rendering.
        view: What `render` shows: "top", the plan of the room, or "agent", what the camera sees.
        render_height, render_width: Size of what `render` returns, in pixels.

    Raises:
        ValueError: An option out of its range; the message names the option and the range.
        OpenGLMissingError: The OpenGL libraries are missing; the message names the packages.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012 - as in Gymnasium
    action_names: ClassVar[tuple[str, ...]] = ACTIONS

    def __init__(
        self,
        *,
        room_size: float = 8.0,
        forward_step: float = 0.25,
        turn_step: float = 15.0,
        step_limit: int = 150,
        domain_rand: bool = False,
        distractors: int = 0,
        obs_height: int = 60,
        obs_width: int = 80,
        render_mode: str | None = None,
        view: str = "top",
        render_height: int = 240,
        render_width: int = 320,
    ) -> None:
        self.options: Options = Options(
            room_size,
            forward_step,
            turn_step,
            step_limit,
            domain_rand,
            distractors,
            obs_height,
            obs_width,
        )
        check_choice("render_mode", render_mode, (None, "rgb_array"))
        check_choice("view", view, VIEWS)
        check_integer("render_height", render_height, 8, 4096)
        check_integer("render_width", render_width, 8, 4096)
        self.render_mode = render_mode
        self.view = view
        self.render_height = render_height
        self.render_width = render_width
        self.action_space = spaces.Discrete(len(self.action_names))
        self.observation_space = spaces.Box(0, 255, (obs_height, obs_width, 3), np.uint8)
        self._episode: EpisodeState | None = None
        self._renderer: Renderer | None = None

    @property
    def episode(self) -> EpisodeState:
        """The episode under way: scene, pose, step count and success.

        Raises:
            gymnasium.error.ResetNeeded: Before the first `reset` and after `close`.
        """
        if self._episode is None:
            raise ResetNeeded("there is no episode under way: call reset() first")
        return self._episode

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode in a new world; see `gymnasium.Env.reset`. There are no `options`."""
        super().reset(seed=seed)
        return self._enter(EpisodeState(*self._sample()))

    def step(
        self, action: np.int64 | int
    ) -> tuple[np.ndarray, SupportsFloat, bool, bool, dict[str, Any]]:
        """Turn or walk; see `gymnasium.Env.step`.

        Raises:
            ValueError: `action` is none of 0, 1, 2.
        """
        episode = self.episode
        episode.act(action, self._sample_strides())
        terminated = episode.touched is not None
        truncated = episode.step_count >= self.options.step_limit and not terminated
        observation, info = self._observe()
        return observation, float(episode.success), terminated, truncated, info

    def render(self) -> np.ndarray | None:
        """Return the view chosen at construction, uint8 (render_height, render_width, 3)."""
        if self.render_mode is None:
            gymnasium.logger.warn('render() shows nothing without render_mode="rgb_array"')
            return None
        return self.render_view(self.view, self.render_width, self.render_height)

    def render_view(self, view: str, width: int, height: int) -> np.ndarray:
        """Return a picture of the present moment, uint8 (height, width, 3).

        Args:
            view: "agent": what the camera sees. "top": the plan of the room, x to the right, z
                down; `plan_mapping` says where.
            width: In pixels.
            height: In pixels.

        Raises:
            ValueError: An unknown view or a size out of range.
        """
        check_choice("view", view, VIEWS)
        check_integer("width", width, 8, 4096)
        check_integer("height", height, 8, 4096)
        return self._drawing().view(view, self.episode.stage, width, height)

    def cube_mask(self) -> np.ndarray:
        """Return which pixels of the observation show any of the cube that counts, bool (H, W).

        See `object_mask`.
        """
        return self.object_mask(self.episode.scene.cube_name)

    def get_state(self) -> dict[str, Any]:
        """Return everything the future depends on, as a plain dict that also survives JSON.

        Keys: "options", "scene" (surfaces, light, camera, cubes), "pose" (of the agent),
        "step_count", "success", "touched" (which red cube) and "random" (of the generator). A state
        may be edited: move a cube or repaint a wall, and `set_state` shows the world as it would
        have been.
        """
        return {
            "options": dict(vars(self.options)),
            **self.episode.to_dict(),
            "random": self.np_random.bit_generator.state,
        }

    def set_state(self, state: Mapping[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
        """Go on from a state of this or of another environment with the same options.

        What follows is the same to the last bit, pixels and random numbers included.

        Returns:
            observation, info: As `reset` returns them.

        Raises:
            ValueError: Not a state, or one of other options; the message names what differs.
        """
        if missing := STATE_KEYS - set(state):
            raise ValueError(f"not a state of CubeReach: {', '.join(sorted(missing))} missing")
        mine, theirs = vars(self.options), state["options"]
        if set(mine) != set(theirs):
            raise ValueError(f"this state is of another world, one with {', '.join(theirs)}")
        if different := [f"{k}={theirs.get(k)!r}" for k in mine if mine[k] != theirs.get(k)]:
            raise ValueError(f"this state needs an environment made with {', '.join(different)}")
        try:
            episode = EpisodeState.from_dict(state)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not a state of CubeReach: {error}") from error
        self.np_random.bit_generator.state = state["random"]
        return self._enter(episode)

    def simulation(self) -> Simulation:
        """Return the rest of this episode as a decision process that needs not be played.

        Raises:
            ValueError: Chance has a part in what a step does (`domain_rand`).
        """
        if self.options.domain_rand:
            raise ValueError("domain_rand=True must be False for a simulation: steps have chance")
        episode = self.episode
        return Simulation(
            rounded(episode.pose),
            self.options.step_limit - episode.step_count,
            episode.scene,
            self._mean_strides(),
            self._drawing().camera_image,
        )

    def close(self) -> None:
        """Free the display lists and frame buffers; a later `reset` makes new ones."""
        if self._renderer is not None:
            self._renderer.free()
        self._renderer = self._episode = None

    def _sample(self) -> tuple[Scene, Pose]:
        """Draw a new world and the agent's start in it."""
        return sample_scene(self.options, self.np_random)

    def _enter(self, episode: EpisodeState) -> tuple[np.ndarray, dict[str, Any]]:
        if self._renderer is None:
            self._renderer = Renderer(self.options.obs_width, self.options.obs_height)
        self._episode = episode
        return self._observe()

    def _observe(self) -> tuple[np.ndarray, dict[str, Any]]:
        aspect = self.options.obs_width / self.options.obs_height
        return self._drawing().camera_image(self.episode.stage), self.episode.info(aspect)

    def _drawing(self) -> Renderer:
        if self._renderer is None:
            raise ResetNeeded("there is no episode under way: call reset() first")
        return self._renderer

    def _sample_strides(self) -> Strides:
        mean = self._mean_strides()
        if not self.options.domain_rand:
            return mean
        low, high = zip(FORWARD_FACTORS, (-DRIFT, DRIFT), TURN_FACTORS, strict=True)
        forward, drift, turn = self.np_random.uniform(low, high).tolist()
        return Strides(mean.forward * forward, drift, mean.turn * turn)

    def _mean_strides(self) -> Strides:
        return Strides(self.options.forward_step, 0.0, math.radians(self.options.turn_step))
