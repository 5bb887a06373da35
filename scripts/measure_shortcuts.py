"""Which spurious cues PPO takes over in CubeReachChoice.

    python scripts/measure_shortcuts.py                    every cue
    python scripts/measure_shortcuts.py --cue floor light --seed 1

For each cue a policy is trained where the cue always agrees with the marker, as
`scripts/train_shipped.py` does, and played with sampled actions in held-out episodes: where the cue
agrees, where it is right half of the time, where it never is, and where there is none. A policy
that reads the marker does not notice; one that reads the cue walks to the wrong cube. Prints a
table for `docs/world.md`.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from rlvis_agents import evaluate, train
from scripts.train_shipped import CHOICE, EPISODES, FIRST_SEED

CUES = ("floor", "ceiling", "light", "object", "shade")
SHARES = (1.0, 0.5, 0.0)


@dataclass(frozen=True)
class MeasureShortcuts:
    """Train with planted cues and play without."""

    cue: tuple[str, ...] = CUES
    """Which cues."""
    marker_scale: float = 0.5
    """Size of the marker, in training and when played."""
    seed: int = 0
    """Of the training."""


def main() -> None:
    """Do what the command line asks for."""
    wanted = tyro.cli(MeasureShortcuts, description=__doc__)
    print("| cue in training | agrees | agrees half of the time | never agrees | no cue |")
    print("|---|---:|---:|---:|---:|")
    for cue in wanted.cue:
        found = successes(cue, wanted.marker_scale, wanted.seed)
        print(f"| {cue} | {' | '.join(map('{:.1%}'.format, found))} |", flush=True)


def successes(cue: str, marker_scale: float, seed: int) -> list[float]:
    """Success of a policy trained with a cue, by what the cue does when it is played."""
    options: dict[str, Any] = {"marker_scale": marker_scale}
    with tempfile.TemporaryDirectory() as folder:
        config = replace(
            CHOICE,
            env_options={**options, "cue": cue},
            seed=seed,
            out=Path(folder),
            evaluation_episodes=0,
            tensorboard=False,
            progress=False,
        )
        policy = train(config)
    worlds = [{**options, "cue": cue, "cue_agreement": share} for share in SHARES]
    played = [
        evaluate(policy, CHOICE.env, EPISODES, seed=FIRST_SEED, **world)
        for world in [*worlds, options]
    ]
    return [float(each.success_rate or 0) for each in played]


if __name__ == "__main__":
    main()
