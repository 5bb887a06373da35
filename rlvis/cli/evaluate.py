"""The command `rlvis evaluate`."""

from pathlib import Path

from rlvis.cli.arguments import EnvOptions, Wrappers
from rlvis.cli.loading import agents_package, env_of, load_policy, read_labels, refuse_greed


def command(
    policy: str = "cube-reach",
    env: str | None = None,
    episodes: int = 100,
    seed: int = 1_000_000_000,
    deterministic: bool = False,
    labels: str | None = None,
    success: str | None = None,
    wrappers: Wrappers = (),
    env_options: EnvOptions = (),
    image_key: str | None = None,
    vec_normalize: Path | None = None,
    device: str = "cpu",
    trust: bool = False,
) -> None:
    """Play held-out episodes and report success, length and the use of the actions.

    Args:
        policy: as for `rlvis record`.
        env: a Gymnasium id; the one it was trained in when left out.
        episodes: how many.
        seed: of the first episode; training uses seeds far below the default.
        deterministic: take the most probable action instead of drawing one.
        labels, success, wrappers, env_options, image_key, vec_normalize: as for `rlvis record`.
        device: where to compute, for example cuda.
        trust: allow a Stable-Baselines3 zip to run code when it is loaded.
    """
    agents = agents_package()
    loaded = load_policy(policy, trust, device, image_key, vec_normalize)
    refuse_greed(loaded, deterministic)
    world = env_of(loaded, env, wrappers, env_options)
    print(
        agents.evaluate(
            loaded,
            world.environment,
            episodes=episodes,
            seed=seed,
            deterministic=deterministic,
            wrappers=world.wrappers,
            labels=read_labels(labels),
            success=success,
            **world.options,
        )
    )
