"""The settings of a training run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Suppress

from rlvis.errors import InputError
from rlvis.options import MANY, MOST_SEED, check_real, check_whole


@dataclass(frozen=True)
class TrainConfig:
    """Train a policy with PPO on an environment whose observations are images."""

    env: str = "rlvis_envs:CubeReach-v0"
    """Gymnasium id, also in the form module:Id-v0."""
    env_options: Annotated[Mapping[str, Any], Suppress] = field(default_factory=dict)
    """Passed to the environment's constructor."""
    steps: int = 60_000
    """Environment steps in all; a resumed run counts on from where it stopped."""
    seed: int = 0
    """Seed of the weights, the training environments and the sampled actions."""
    out: Path | None = None
    """Folder of the run; runs/<environment> when left out."""
    resume: bool = False
    """Go on from the last checkpoint in the folder."""
    envs: int = 16
    """Environments played side by side."""
    rollout: int = 128
    """Steps of each environment between two updates."""
    batch: int = 256
    """Images per gradient step."""
    epochs: int = 4
    """Passes over the collected steps per update."""
    learning_rate: float = 2e-3
    """Adam's step size at the start."""
    anneal: bool = True
    """Let the step size (to a twentieth) and the entropy reward (to zero) fall over the run."""
    gamma: float = 0.97
    """Discount per step; less than 1 rewards reaching the goal soon."""
    gae_lambda: float = 0.95
    """Weight of longer returns in the advantages."""
    clip: float = 0.2
    """PPO's limit on the change of an action's probability."""
    entropy: float = 0.015
    """Reward for keeping the choice of actions open."""
    channels: tuple[int, int, int] = (16, 32, 32)
    """Channels of the three convolutions."""
    evaluate_every: int = 10_000
    """Steps between two checkpoints, each evaluated on held-out episodes."""
    evaluation_episodes: int = 100
    """Episodes per evaluation, actions drawn; 0 for none."""
    tensorboard: bool = True
    """Write curves for TensorBoard into the folder."""
    progress: bool = True
    """A progress bar and a line per evaluation; --no-progress prints neither."""
    device: str = "cpu"
    """Where the network is trained, as torch names it."""

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        name = self.env.rpartition(":")[2].replace("/", "-")
        return Path(self.out) if self.out is not None else Path("runs") / name

    def check(self) -> None:
        """Refuse what cannot work, before anything is spent on it.

        Raises:
            InputError: if a number is out of its range.
        """
        check_whole("steps", self.steps, 1, 10**12)
        check_whole("envs", self.envs, 1, 1024)
        for name in ("rollout", "batch", "epochs", "evaluate_every"):
            check_whole(name, getattr(self, name), 1, MANY)
        check_whole("seed", self.seed, 0, MOST_SEED)
        check_whole("evaluation_episodes", self.evaluation_episodes, 0, MANY)
        for name in ("gamma", "gae_lambda"):
            check_real(name, getattr(self, name), 0, 1)
        for name in ("learning_rate", "clip"):
            check_real(name, getattr(self, name), 1e-15, 1e3)
        check_real("entropy", self.entropy, 0, 1e3)
        for each in self.channels:
            check_whole("channels", each, 1, 4096)
        if self.batch < 2 or self.envs * self.rollout % self.batch:
            raise InputError(
                f"envs × rollout is {self.envs * self.rollout}; it must be a multiple of batch, "
                f"{self.batch}, and batch at least 2"
            )
