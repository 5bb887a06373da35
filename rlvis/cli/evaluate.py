"""The command `rlvis evaluate`."""

from tyro.conf import OmitArgPrefixes

from rlvis.cli.loading import agents_package
from rlvis.cli.playing import EnvSource, Play, PolicySource


def command(
    source: OmitArgPrefixes[PolicySource] = PolicySource(),  # noqa: B008
    env: OmitArgPrefixes[EnvSource] = EnvSource(),  # noqa: B008
    play: OmitArgPrefixes[Play] = Play(episodes=100, seed=1_000_000_000),  # noqa: B008
) -> None:
    """Play held-out episodes and report success, length and the use of the actions.

    Args:
        source: the policy.
        env: the environment that it acts in.
        play: how it is played; training uses seeds far below the default one.
    """
    agents = agents_package()
    policy = source.load_policy()
    play.check(policy)
    config = env.of(policy)
    print(
        agents.evaluate(
            policy,
            config.environment,
            episodes=play.episodes,
            seed=play.seed,
            deterministic=play.deterministic,
            wrappers=config.wrappers,
            labels=policy.labels if source.labels else None,
            success=play.success,
            **config.options,
        )
    )
