"""How long training takes: steps and seconds until 95% of the held-out episodes succeed.

    python scripts/benchmark_training.py --seeds 5

Trains one policy per seed and prints a table as Markdown. Every checkpoint is evaluated on 100
held-out episodes, actions drawn. A checkpoint with 95% or more is confirmed on 200 others; the
first that has 95% there too is the one in the table. The seconds are those of training alone,
without evaluation. The final success is that of the last checkpoint in the 200 episodes.
"""

import platform
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from rlvis_agents import TrainConfig, evaluate, load_policy, train
from rlvis_agents.checkpoints import saved_checkpoints
from rlvis_agents.evaluation import HELD_OUT

GOAL = 0.95
CONFIRMING = 200


@dataclass(frozen=True)
class Benchmark:
    """Train a policy for each of several seeds and print how long each takes."""

    seeds: int = 5
    """How many seeds, from 0."""
    steps: int = 60_000
    """Environment steps per seed."""
    env: str = TrainConfig.env
    """Gymnasium id."""
    evaluate_every: int = 4_000
    """Steps between two evaluations."""


def main() -> None:
    """Run the benchmark of the command line."""
    benchmark = tyro.cli(Benchmark, description=__doc__)
    print(f"{benchmark.env}, {benchmark.steps:,} steps, torch {torch.__version__}, ", end="")
    print(f"{torch.get_num_threads()} threads, {platform.processor() or platform.machine()}\n")
    print("| seed | steps to 95% | seconds to 95% | final success | seconds in all |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for seed in range(benchmark.seeds):
        with tempfile.TemporaryDirectory() as folder:
            print(row(benchmark, seed, Path(folder)), flush=True)


def row(benchmark: Benchmark, seed: int, folder: Path) -> str:
    """The row of one seed, trained in `folder`."""
    config = TrainConfig(
        env=benchmark.env,
        steps=benchmark.steps,
        seed=seed,
        out=folder,
        evaluate_every=benchmark.evaluate_every,
        progress=False,
    )
    train(config)
    steps, seconds = reached(benchmark, folder)
    last = saved_checkpoints(folder)[-1]
    final, in_all = confirmed(benchmark, last), load_policy(last).description["seconds"]
    return f"| {seed} | {steps} | {seconds} | {final:.1%} | {in_all:.0f} |"


def reached(benchmark: Benchmark, folder: Path) -> tuple[str, str]:
    """Steps and seconds of the first checkpoint that reaches the goal twice."""
    for checkpoint in saved_checkpoints(folder):
        card = load_policy(checkpoint).description
        if card["evaluation"]["success_rate"] < GOAL or confirmed(benchmark, checkpoint) < GOAL:
            continue
        return f"{card['steps']:,}", f"{card['seconds']:.0f}"
    return "never", "never"


def confirmed(benchmark: Benchmark, checkpoint: Path) -> float:
    """The success rate in episodes that no evaluation during training has seen."""
    policy, fresh = load_policy(checkpoint), HELD_OUT + 1_000_000
    evaluation = evaluate(policy, benchmark.env, CONFIRMING, seed=fresh)
    return evaluation.success_rate or 0.0


if __name__ == "__main__":
    main()
