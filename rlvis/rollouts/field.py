"""A policy as a field: what it would do, and what it expects, wherever the agent could stand.

The agent is put at places over the whole floor, with headings all round, and the policy is asked
what it would do there; the world around it stays as it is at one moment.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from rlvis.display.page import Page
from rlvis.errors import InputError
from rlvis.models.distributions import ActionDistribution
from rlvis.models.policy import Policy
from rlvis.options import check_whole
from rlvis.results import Result, Table
from rlvis.rollouts.branches import observed_image
from rlvis.rollouts.field_page import draw_field
from rlvis.rollouts.interventions import Interventions, ask, require

if TYPE_CHECKING:
    from gymnasium import Env

_PLAN = 480
_BATCH = 256


@dataclass(frozen=True, repr=False)
class PolicyField(Result):
    """π and the value at P places and A headings.

    Attributes:
        title: whose it is, and of which moment.
        actions: the names of the K scores.
        plan: uint8 (h, w, 3), the world from above.
        mapping: scale, x offset and z offset: pixel of the plan = offset + scale * place.
        places: float64 (P, 2), x and z, in the world's units.
        headings: float64 (A,), radians.
        probabilities: float32 (P, A, K), NaN for continuous actions.
        logits: float32 (P, A, K).
        values: float32 (P, A), NaN where the policy has no critic.
        distribution: of the actions.
    """

    title: str
    actions: Sequence[str]
    plan: np.ndarray = field(repr=False)
    mapping: tuple[float, float, float]
    places: np.ndarray = field(repr=False)
    headings: np.ndarray = field(repr=False)
    probabilities: np.ndarray = field(repr=False)
    logits: np.ndarray = field(repr=False)
    values: np.ndarray = field(repr=False)
    distribution: ActionDistribution = field(repr=False)

    @property
    def preferred(self) -> np.ndarray:
        """Int64 (P, A): the score of the likeliest action."""
        return self.logits.argmax(axis=-1)

    @property
    def margin(self) -> np.ndarray:
        """Float32 (P, A): π of the likeliest action less that of the next."""
        ordered = np.sort(self.probabilities, axis=-1)
        return ordered[..., -1] - ordered[..., -2]

    @property
    def summary(self) -> str:
        """Of what, and how many places."""
        return f"{self.title}: {len(self.places)} places, {len(self.headings)} headings"

    def table(self) -> Table:
        """A row for each place and heading: x, z, heading, value, and π and score by action."""
        count = len(self.headings)
        columns: dict[str, np.ndarray] = {
            "x": np.repeat(self.places[:, 0], count),
            "z": np.repeat(self.places[:, 1], count),
            "heading": np.tile(self.headings, len(self.places)),
            "value": self.values.ravel(),
        }
        for kind, numbers in (("probability", self.probabilities), ("score", self.logits)):
            columns |= {
                f"{kind} {name}": numbers[..., place].ravel()
                for place, name in enumerate(self.actions)
            }
        return columns

    def arrays(self) -> dict[str, np.ndarray]:
        """Places, headings, probabilities, logits, values, the plan and its mapping."""
        return {
            "places": self.places,
            "headings": self.headings,
            "probabilities": self.probabilities,
            "logits": self.logits,
            "values": self.values,
            "actions": np.array(list(self.actions)),
            "plan": self.plan,
            "mapping": np.array(self.mapping),
        }

    def page(self) -> Page:
        """What it prefers, how sure it is and what it expects, over the plan."""
        return draw_field(
            self.summary,
            self.actions,
            self.plan,
            self.mapping,
            self.places,
            self.headings,
            self.preferred,
            self.margin,
            self.probabilities,
            self.values,
        )


def policy_field(
    policy: Policy,
    environment: "Env",
    *,
    title: str = "",
    places: int = 20,
    headings: int = 12,
) -> PolicyField:
    """Ask a policy what it would do wherever the agent could stand, at one moment of a world.

    Args:
        policy: of Discrete actions; one that remembers is asked as at an episode's start.
        environment: with an episode under way; its world answers `moved("agent", …)`,
            `floor_area`, `is_free`, `render_view` and `plan_mapping`, see
            `rlvis.rollouts.interventions`. It is left as it was.
        title: of the result; the policy's name when left out.
        places: along the longer side of the floor.
        headings: all round.

    Raises:
        InputError: if the world does not offer these, its observations are changed by wrappers on
            the way to the policy, or the policy has no choice of one of several actions.
    """
    check_whole("places", places, 2, 200)
    check_whole("headings", headings, 1, 360)
    if len(policy.distribution.choices) != 1:
        raise InputError(
            f"a field shows which of several actions is preferred; {policy.name} has "
            f"{policy.distribution}"
        )
    world = require(environment, "moved", "floor_area", "is_free", "render_view", "plan_mapping")
    stands = _stands(world, places)
    angles = np.arange(headings) * (2 * math.pi / headings)
    images = [
        observed_image(policy, ask(environment, "moved", "agent", x=x, z=z, angle=angle))
        for x, z in stands
        for angle in angles.tolist()
    ]
    _check_images(policy, images[0], environment)
    logits, values = [], []
    for start in range(0, len(images), _BATCH):
        scores = policy.scores(np.stack(images[start : start + _BATCH]))
        logits.append(scores.logits.float().cpu())
        if scores.value is not None:
            values.append(scores.value.float().cpu().numpy())
    every = torch.cat(logits)
    shape = (len(stands), headings)
    unknown = np.full(len(images), np.nan, np.float32)
    return PolicyField(
        title or policy.name,
        policy.labels,
        ask(environment, "render_view", "top", _PLAN, _PLAN),
        ask(environment, "plan_mapping", _PLAN, _PLAN),
        np.array(stands),
        angles,
        policy.distribution.probabilities(every).numpy().reshape(*shape, -1),
        every.numpy().reshape(*shape, -1),
        (np.concatenate(values) if values else unknown).reshape(shape),
        policy.distribution,
    )


def _stands(world: Interventions, most: int) -> list[tuple[float, float]]:
    """The places of a square grid where the agent could stand, `most` along the longer side."""
    left, top, right, bottom = world.floor_area()
    spacing = max(right - left, bottom - top) / most
    across, down = (
        start + (np.arange(max(1, round((end - start) / spacing))) + 0.5) * spacing
        for start, end in ((left, right), (top, bottom))
    )
    free = [(x, z) for z in down.tolist() for x in across.tolist() if world.is_free(x, z)]
    if not free:
        raise InputError("there is no place where the agent could stand; give more places")
    return free


def _check_images(policy: Policy, image: np.ndarray, environment: "Env") -> None:
    """Whether a policy sees what its world draws."""
    space = environment.observation_space
    seen = policy.observation_shape or getattr(space, "shape", None)
    if (policy.frames or 1) > 1 or (seen is not None and tuple(seen) != image.shape):
        raise InputError(
            f"{policy.name} sees what wrappers make of the world's pictures ({seen}, drawn "
            f"{image.shape}); a field needs a policy that sees them as they are drawn"
        )
    if policy.context:
        raise InputError(
            f"{policy.name} needs {', '.join(policy.context)} besides the image, which no place "
            "has; a field needs a policy of images alone"
        )
