"""The command `rlvis train`."""

from tyro.conf import OmitArgPrefixes

from rlvis.cli.loading import agents_package
from rlvis_agents.training.config import TrainConfig


def command(config: OmitArgPrefixes[TrainConfig]) -> None:
    """Train a policy with PPO on an environment whose observations are images."""
    agents_package().train(config)
