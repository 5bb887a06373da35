"""An episode: every frame and number of it, as arrays."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image

from rlvis.models.distributions import ActionDistribution, Categorical
from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.stepper import outcome_word

LARGEST_RENDER = (480, 360)


@dataclass(frozen=True)
class EpisodeNumbers:
    """What one episode of T steps was in numbers; entry t belongs to what was acted on at step t.

    Attributes:
        seed: given to the environment's reset.
        actions: the actions taken, int64 (T,); int64 or float32 (T, D) where one has D entries.
        rewards: float32 (T,), received for them.
        logits: float32 (T, K), the scores; for continuous actions the means.
        values: float32 (T,), NaN where the policy has no critic.
        info: arrays (T, …) of what the environment told along with each observation.
        terminated, truncated: how it ended; both False where recording stopped it.
        success: whether it ended well, by the rule that was given or as the environment's last info
            says under "success" or "is_success"; None where nobody says.
        distribution: that of the actions, given the logits.
    """

    seed: int
    actions: np.ndarray = field(repr=False)
    rewards: np.ndarray = field(repr=False)
    logits: np.ndarray = field(repr=False)
    values: np.ndarray = field(repr=False)
    info: Mapping[str, np.ndarray] = field(repr=False)
    terminated: bool
    truncated: bool
    success: bool | None
    distribution: ActionDistribution

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def total_reward(self) -> float:
        """The sum of the rewards (undiscounted return)."""
        return float(self.rewards.sum())

    @property
    def probabilities(self) -> np.ndarray:
        """Float32 (T, K): of what each logit stands for; NaN for continuous actions."""
        return self.distribution.probabilities(torch.from_numpy(self.logits)).numpy()

    @property
    def entries(self) -> tuple[np.ndarray, np.ndarray]:
        """Of actions that have D entries what was likeliest and what was taken, float32 (T, D)."""
        return self.distribution.modes(self.logits), self.actions.reshape(len(self), -1)

    @property
    def outcome(self) -> str:
        """How the episode ended, in a word or two."""
        return outcome_word(self.terminated, self.truncated, self.success)


@dataclass(frozen=True)
class Episode(EpisodeNumbers):
    """An episode with what was seen; see `EpisodeNumbers` for its other attributes.

    Attributes:
        observations: uint8 (T, H, W, C), what the policy saw.
        renders: uint8 (T, h, w, 3), the environment's own picture, reduced to `LARGEST_RENDER`
            (width, height) where it is larger, or None where it was not kept.
        context: arrays (T, …) of what the policy knew besides the image: other entries of the
            observation, and what it remembered.
    """

    observations: np.ndarray = field(repr=False)
    renders: np.ndarray | None = field(repr=False)
    context: Mapping[str, np.ndarray] = field(repr=False)


def taken_of(distribution: ActionDistribution, actions: np.ndarray) -> np.ndarray | None:
    """Int64 (T,): the score that stands for the action taken at each step.

    None where actions are not one of several, of which another could have been taken.
    """
    if not one_of_several(distribution):
        return None
    return distribution.taken(actions).argmax(axis=1)


def one_of_several(distribution: ActionDistribution) -> bool:
    """Whether an action is one of several, of which another could have been taken."""
    return isinstance(distribution, Categorical) and len(distribution.labels) > 1


def against_the_best(episode: EpisodeNumbers) -> np.ndarray:
    """Int64 (T, 2): the score of the action taken, and the highest of the others.

    It is the same twice where all others are masked.
    """
    taken = episode.distribution.taken(episode.actions).argmax(axis=1)
    others = episode.logits.copy()
    others[np.arange(len(episode)), taken] = -np.inf
    best = others.argmax(axis=1)
    return np.stack([taken, np.where(np.isneginf(others.max(axis=1)), taken, best)], axis=1)


def reduced_render(environment: CheckedEnv) -> np.ndarray:
    """A copy of the environment's own picture (h, w, 3), at most `LARGEST_RENDER` wide and high."""
    render = environment.render()
    height, width = render.shape[:2]
    scale = min(LARGEST_RENDER[0] / width, LARGEST_RENDER[1] / height, 1)
    if scale == 1:
        return render.copy()
    size = round(width * scale), round(height * scale)
    return np.asarray(Image.fromarray(render).resize(size, Image.Resampling.BOX))
