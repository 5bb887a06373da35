"""The command `rlvis train`."""

from tyro.conf import OmitArgPrefixes

from rlvis.cli.loading import agents_package
from rlvis.interrupt import interruptible
from rlvis_agents.training.config import TrainConfig


def command(config: OmitArgPrefixes[TrainConfig]) -> None:
    """Train a policy with PPO on an environment whose observations are images."""
    with interruptible() as asked_to_stop:

        def on_step() -> None:
            if asked_to_stop():
                raise KeyboardInterrupt

        agents_package().train(config, on_step)
