"""The command `rlvis train`."""

from dataclasses import replace

from tyro.conf import OmitArgPrefixes

from rlvis.cli.arguments import EnvOptions
from rlvis.cli.loading import agents_package
from rlvis.interrupt import interruptible
from rlvis.options import parse_options
from rlvis_agents.training.config import TrainConfig


def command(config: OmitArgPrefixes[TrainConfig], env_options: EnvOptions = ()) -> None:
    """Train a policy with PPO on an environment whose observations are images.

    Args:
        config: what is trained, and where.
        env_options: an option of the environment as name=value; repeat for several.
    """
    with interruptible() as asked_to_stop:

        def on_step() -> None:
            if asked_to_stop():
                raise KeyboardInterrupt

        agents_package().train(replace(config, env_options=parse_options(env_options)), on_step)
