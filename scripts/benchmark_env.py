"""Steps per second of CubeReach beside MiniWorld's own OneRoom, in one process.

Both sides see 60x80 pictures and random actions, resets are part of the time, the rounds alternate
and the medians are compared. Run it as `python scripts/benchmark_env.py [--rounds N] [--steps N]`.
"""

import argparse
import statistics
import time
from typing import Any

import gymnasium
import numpy as np

OURS, STOCK = "rlvis_envs:CubeReach-v0", "miniworld:MiniWorld-OneRoom-v0"


class Side:
    """Some environments of one kind, stepped in turn."""

    def __init__(self, name: str, count: int) -> None:
        self.envs: list[Any] = [gymnasium.make(name).unwrapped for _ in range(count)]
        self.rng = np.random.default_rng(0)
        self.rates: list[float] = []
        for seed, env in enumerate(self.envs):
            env.reset(seed=seed)

    def run(self, steps: int) -> None:
        """Take about `steps` steps, all environments together, and note the rate."""
        rounds = steps // len(self.envs)
        actions = self.rng.integers(3, size=(rounds, len(self.envs))).tolist()
        start = time.perf_counter()
        for row in actions:
            for env, action in zip(self.envs, row, strict=True):
                _, _, terminated, truncated, _ = env.step(action)
                if terminated or truncated:
                    env.reset()
        self.rates.append(rounds * len(self.envs) / (time.perf_counter() - start))


def compare(count: int, rounds: int, steps: int) -> None:
    """Print the median rates of `count` environments of each kind, and their ratio."""
    ours, stock = Side(OURS, count), Side(STOCK, count)
    for side in (ours, stock):
        side.run(steps)
        side.rates.clear()
    for _ in range(rounds):
        ours.run(steps)
        stock.run(steps)
    ratios = [a / b for a, b in zip(ours.rates, stock.rates, strict=True)]
    print(
        f"{count:2} in one process: CubeReach {statistics.median(ours.rates):6.0f} steps/s, "
        f"OneRoom {statistics.median(stock.rates):6.0f} steps/s, "
        f"ratio {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})"
    )
    for side in (ours, stock):
        for env in side.envs:
            env.close()


def main() -> None:
    """Compare one environment, then sixteen in one process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="measured rounds of each side")
    parser.add_argument("--steps", type=int, default=2000, help="steps of a round")
    args = parser.parse_args()
    for count in (1, 16):
        compare(count, args.rounds, args.steps)


if __name__ == "__main__":
    main()
