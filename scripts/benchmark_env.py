"""Steps per second of CubeReach beside MiniWorld's own OneRoom.

Both sides see 60x80 pictures and random actions, and resets are part of the time. The rounds of the
two alternate in one run and their medians are compared, twice: each side in a process of its own,
as its users have it; and both in one process, where OneRoom gains from the OpenGL settings of
CubeReach (no threads in the driver, no check after every call).
"""

import argparse
import contextlib
import io
import multiprocessing
import os
import statistics
import time
from multiprocessing.connection import Connection
from typing import Any

import gymnasium
import numpy as np

OURS, STOCK = "rlvis_envs:CubeReach-v0", "miniworld:MiniWorld-OneRoom-v0"


class Side:
    """Some environments of one kind in this process, stepped in turn."""

    def __init__(self, name: str, count: int) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            self.envs: list[Any] = [gymnasium.make(name).unwrapped for _ in range(count)]
        self.rng = np.random.default_rng(0)
        for seed, env in enumerate(self.envs):
            env.reset(seed=seed)

    def rate(self, steps: int) -> float:
        """Take about `steps` steps, all environments together, and return steps per second."""
        rounds = steps // len(self.envs)
        actions = self.rng.integers(3, size=(rounds, len(self.envs))).tolist()
        start = time.perf_counter()
        for row in actions:
            for env, action in zip(self.envs, row, strict=True):
                _, _, terminated, truncated, _ = env.step(action)
                if terminated or truncated:
                    env.reset()
        return rounds * len(self.envs) / (time.perf_counter() - start)


class RemoteSide:
    """A `Side` in a process of its own."""

    def __init__(self, name: str, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        context.Process(target=serve, args=(name, count, theirs), daemon=True).start()

    def rate(self, steps: int) -> float:
        """Let the other process do it while this one waits."""
        self.pipe.send(steps)
        return self.pipe.recv()


def serve(name: str, count: int, pipe: Connection) -> None:
    """Answer numbers of steps with rates until the other end is closed."""
    side = Side(name, count)
    with contextlib.suppress(EOFError):
        while True:
            pipe.send(side.rate(pipe.recv()))


def compare(kind: type[Side] | type[RemoteSide], count: int, rounds: int, steps: int) -> None:
    """Print the median rates of `count` environments of each side, and the median ratio."""
    ours, stock = kind(OURS, count), kind(STOCK, count)
    pairs = [(ours.rate(steps), stock.rate(steps)) for _ in range(rounds + 1)][1:]
    ratios = [a / b for a, b in pairs]
    print(
        f"{count:2} a side, {'own processes' if kind is RemoteSide else 'one process  '}: "
        f"CubeReach {statistics.median(a for a, _ in pairs):6.0f} steps/s, "
        f"OneRoom {statistics.median(b for _, b in pairs):6.0f} steps/s, "
        f"ratio {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})",
        flush=True,
    )


def main() -> None:
    """Compare one environment a side, then sixteen."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="measured rounds of each side")
    parser.add_argument("--steps", type=int, default=2000, help="steps of a round")
    args = parser.parse_args()
    for kind in (RemoteSide, Side):
        for count in (1, 16):
            compare(kind, count, args.rounds, args.steps)


if __name__ == "__main__":
    os.environ.setdefault("PYGLET_HEADLESS", "true")  # for OneRoom alone
    main()
