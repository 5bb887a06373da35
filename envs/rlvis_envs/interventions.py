"""What may be asked of a CubeReach world: its objects, and the picture as it would have been.

Every picture is drawn from a changed copy of the present stage, so an intervention costs a picture
and leaves nothing behind: neither in the world nor in its random state, also if it raises.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rlvis_envs.account import factors, matters, varied
from rlvis_envs.episode import EpisodeState
from rlvis_envs.materials import COLORS, SURFACES, Triple
from rlvis_envs.options import check_choice, check_integer
from rlvis_envs.render.renderer import Renderer
from rlvis_envs.render.top_view import plan_mapping
from rlvis_envs.scene import Box, Pose
from rlvis_envs.stage import AGENT, Stage

_LASTING = ("without", "recoloured", "moved", "resurfaced", "relit", "varied")


class Interventions:
    """The part of a CubeReach environment that answers "what if".

    Positions are in metres, angles in radians, as in `info`; pictures are like the observation. A
    colour is a name in `colours()` or red, green and blue from 0 to 1. In all methods `name` is one
    of `objects()`; a ValueError says in one line what is wrong with an argument and what would
    work. Before the first `reset` there is nothing to ask (`gymnasium.error.ResetNeeded`).
    """

    @property
    def episode(self) -> EpisodeState:
        """The episode under way."""
        raise NotImplementedError

    def _drawing(self) -> Renderer:
        raise NotImplementedError

    def objects(self) -> tuple[str, ...]:
        """Return the names of what stands or hangs in the room; they last for the episode."""
        return tuple(self.episode.scene.objects)

    def object_mask(self, name: str) -> np.ndarray:
        """Return which pixels of the observation show any of an object, bool (H, W).

        Exact, with what hides the object left out: a pixel on its antialiased edge belongs to it as
        soon as one of its samples does.
        """
        stage = self.episode.stage
        stage.check_object(name)
        return self._drawing().object_mask(stage, name)

    def without(self, name: str) -> np.ndarray:
        """Return the observation as it would have been without an object."""
        return self._picture(self.episode.stage.without(name))

    def recoloured(self, name: str, colour: str | Sequence[float]) -> np.ndarray:
        """Return the observation as it would have been with an object of another colour."""
        return self._picture(self.episode.stage.recoloured(name, colour))

    def moved(
        self,
        name: str,
        *,
        x: float | None = None,
        z: float | None = None,
        angle: float | None = None,
    ) -> np.ndarray:
        """Return the observation as it would have been with an object at another place.

        Args:
            name: One of `objects()`, or "agent".
            x: Of its centre, in the room; left out, as it is. The agent keeps its radius away from
                the walls. What sticks out through a wall is drawn whole.
            z: Likewise.
            angle: How it is turned, of the agent where it looks; left out, as it is.
        """
        return self._picture(self.episode.stage.moved(name, x=x, z=z, angle=angle))

    def resurfaced(self, surface: str, texture: str) -> np.ndarray:
        """Return the observation as it would have been with another floor, wall or ceiling.

        Args:
            surface: A key of `surfaces()`.
            texture: One of its values.
        """
        return self._picture(self.episode.stage.resurfaced(surface, texture))

    def relit(
        self,
        *,
        brightness: float | None = None,
        direction: Sequence[float] | None = None,
        colour: str | Sequence[float] | None = None,
        ambient: str | Sequence[float] | None = None,
    ) -> np.ndarray:
        """Return the observation as it would have been in another light.

        Args:
            brightness: What the light's colour and its ambient part are multiplied by, 0 to 10.
            direction: Towards the light, as x, up and z.
            colour: Of the light that comes from there.
            ambient: Colour of the light that comes from everywhere.
        """
        stage = self.episode.stage.relit(
            brightness=brightness, direction=direction, colour=colour, ambient=ambient
        )
        return self._picture(stage)

    def factors(self) -> dict[str, Any]:
        """Return what may differ between episodes, as it is now; see `rlvis_envs.account`."""
        return factors(self.episode.stage)

    def matters(self) -> tuple[str, ...]:
        """Return the factors that what is right to do depends on, by what the world rewards."""
        return matters(self.episode.scene)

    def varied(self, factor: str, value: Any) -> np.ndarray:
        """Return the observation as it would have been with a factor as in another episode.

        Args:
            factor: One of `factors()`.
            value: What it is in another world of this kind.
        """
        return self._picture(varied(self.episode.stage, factor, value))

    def surfaces(self) -> dict[str, tuple[str, ...]]:
        """Return the textures that each surface may have, by its name."""
        return dict(SURFACES)

    def colours(self) -> dict[str, Triple]:
        """Return red, green and blue from 0 to 1 of every colour that has a name."""
        return dict(COLORS)

    def floor_area(self) -> tuple[float, float, float, float]:
        """Return the floor's least x and z and its largest, in metres."""
        size = self.episode.scene.room_size
        return 0.0, 0.0, size, size

    def is_free(self, x: float, z: float) -> bool:
        """Whether the agent could stand at (x, z), clear of walls and cubes."""
        scene = self.episode.scene
        return not scene.blocks(x, z) and scene.touched(x, z) is None

    def plan_mapping(self, width: int, height: int) -> tuple[float, float, float]:
        """Return where metres are in `render_view("top", width, height)`.

        Returns:
            scale, offset_x, offset_y: In pixels per metre and pixels; a place (x, z) is at column
            `offset_x + scale * x` and row `offset_y + scale * z`, from the picture's upper left
            corner (not from the middle of its first pixel).
        """
        check_integer("width", width, 8, 4096)
        check_integer("height", height, 8, 4096)
        return plan_mapping(self.episode.scene.room_size, width, height)

    def places(self) -> dict[str, tuple[float, float, float]]:
        """Return x, z and angle of every object and of the "agent", by name."""
        stage = self.episode.stage
        placed: dict[str, Pose | Box] = {AGENT: stage.pose, **stage.objects}
        return {name: (each.x, each.z, each.angle) for name, each in placed.items()}

    def change(
        self, intervention: str, *arguments: Any, **named: Any
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Make an intervention last: the episode goes on in the world as it is then.

        Args:
            intervention: "without", "recoloured", "moved", "resurfaced", "relit" or "varied".
            *arguments: What that method takes.
            **named: Likewise.

        Returns:
            observation, info: As `reset` returns them.

        Raises:
            ValueError: As of that method, or the world is about the object that would be gone.
        """
        check_choice("intervention", intervention, _LASTING)
        episode = self.episode
        stage = (
            varied(episode.stage, *arguments, **named)
            if intervention == "varied"
            else getattr(episode.stage, intervention)(*arguments, **named)
        )
        scene = episode.scene.rearranged(stage.look, stage.objects)
        return self._enter(replace(episode, scene=scene, pose=stage.pose))

    def _enter(self, episode: EpisodeState) -> tuple[np.ndarray, dict[str, Any]]:
        raise NotImplementedError

    def _picture(self, stage: Stage) -> np.ndarray:
        return self._drawing().camera_image(stage)
