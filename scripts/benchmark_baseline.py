"""Time of every method, here and in an earlier checkout, the two taking turns.

    python -m scripts.benchmark_baseline --baseline ../earlier

The calls are those of `scripts.benchmark_methods`. Each checkout runs in a process of its own. The
ratio is the median of the rounds' ratios: 1.05 is 5% slower than before.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parents[1]
FRAMES = 64


class Side:
    """A checkout that runs calls when asked to."""

    def __init__(self, checkout: Path, threads: int) -> None:
        paths = [checkout, checkout / "envs", checkout / "agents"]
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve", "--threads", str(threads)],
            cwd=checkout,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.calls = self._answer().split()

    def milliseconds(self, call: str) -> float:
        """Of one run of a call, by its name."""
        assert self._process.stdin is not None
        print(call, file=self._process.stdin, flush=True)
        return float(self._answer())

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the process of a checkout ended; its reason stands above")
        return line.strip()


def serve(threads: int) -> None:
    """Print the names of all calls, then the milliseconds of each that is asked for."""
    from scripts.benchmark_methods import BUNDLE, rows, with_rlvis
    from scripts.references import mend_torchvision
    from scripts.rivals import photo, policy

    mend_torchvision()
    torch.set_num_threads(threads)
    cases = {"photo": photo(), "policy-1": policy(1), f"policy-{FRAMES}": policy(FRAMES)}
    calls = {f"{name}:{row.method}": row.ours for name, case in cases.items() for row in rows(case)}
    calls |= {f"{name}:together": with_rlvis(case, BUNDLE) for name, case in cases.items()}
    print(*calls, flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        calls[line.strip()]()
        print(1000 * (time.perf_counter() - start), flush=True)


def main() -> None:
    """Print a row for each call."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--baseline", type=Path, help="a checkout of an earlier version")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=6.0, help="at most, for a call")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.threads)
    if options.baseline is None or not (options.baseline / "scripts").is_dir():
        parser.error("name a checkout of an earlier version with --baseline")
    before = Side(options.baseline.resolve(), options.threads)
    after = Side(HERE, options.threads)
    print(f"{options.threads} threads, median of up to {options.rounds} rounds\n")
    print("| call | before, ms | now, ms | ratio |\n|---|---:|---:|---:|")
    ratios = []
    for call in [each for each in before.calls if each in after.calls]:
        before.milliseconds(call), after.milliseconds(call)
        pairs: list[tuple[float, float]] = []
        begin = time.perf_counter()
        while len(pairs) < options.rounds and (
            len(pairs) < 3 or time.perf_counter() - begin < options.seconds
        ):
            pairs.append((before.milliseconds(call), after.milliseconds(call)))
        old, new = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratios.append(statistics.median(now / then for then, now in pairs))
        print(f"| {call} | {old:.2f} | {new:.2f} | {ratios[-1]:.2f} |", flush=True)
    print(f"\nmedian of the ratios: {statistics.median(ratios):.3f}")
    return None


if __name__ == "__main__":
    main()
