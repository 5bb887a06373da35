"""What an audit takes: processor seconds, memory, and what a moment's true values cost.

Each measurement runs in a process of its own, by this version and, where a checkout of an earlier
one is named, by that in turn, so that both meet the same machine.

    python -m scripts.benchmark_audit --baseline ../earlier
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parents[1]
POLICIES = (
    "cube-reach-choice",
    "cube-reach-choice-shortcut",
    "cube-reach",
    "cube-reach-distractors",
)
MOMENTS = 100


def audited(checkout: Path, *options: str) -> tuple[float, float]:
    """Processor seconds and peak megabytes of one audit, done by a checkout."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "rlvis.cli", "audit", "--policy", POLICIES[0]]
        started = subprocess.Popen(
            [*command, *options, "--out", f"{folder}/audit.html"],
            env=_environment(checkout),
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
        if started.returncode:
            raise SystemExit(f"the audit of {checkout} ended with {started.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def valued(checkout: Path, policy: str) -> dict[str, float]:
    """What the true values of moments of a policy take, found by a checkout; see `find_values`."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__)), "--values", policy],
        env=_environment(checkout),
        cwd=checkout,
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def find_values(name: str) -> dict[str, float]:
    """Processor seconds a moment, and half the intervals: their mean and the widest."""
    from rlvis.evaluation.action_values import discount_of, true_values
    from rlvis.evaluation.situations import collect
    from rlvis.processor import keep_freed_memory, limit_threads
    from rlvis.rollouts.recorder import opened_environments
    from rlvis_agents import load_policy

    limit_threads(1)
    keep_freed_memory()
    policy = load_policy(name)
    about = policy.description
    world = about["environment"], (), about.get("env_options", {})
    with opened_environments(*world, False, 8) as envs:
        situations = collect(policy, envs, 3 * MOMENTS)
        places = np.arange(0, len(situations), 3)[:MOMENTS]
        how: dict[str, Any] = {
            "discount": discount_of(policy),
            "max_steps": 1000,
            "on_progress": lambda _: None,
        }
        true_values(situations, places[:2], **how)  # what is made once
        start = time.process_time()
        found = true_values(situations, places, **how)
        seconds = time.process_time() - start
    return {
        "seconds": seconds / len(places),
        "states": found.drawn / len(places),
        "half": float(np.nanmean(found.widths)),
        "widest": float(np.nanmax(found.widths)),
    }


def audits(sides: Sequence[tuple[str, Path]]) -> None:
    """Print what whole audits take."""
    print(f"{'audit of ' + POLICIES[0]:44} {'CPU s':>8} {'peak MB':>8}")
    for kind, options in (("300 moments, every method", ()), ("--quick", ("--quick",))):
        for side, checkout in sides:
            seconds, peak = audited(checkout, *options)
            print(f"{kind + side:44} {seconds:8.1f} {peak:8.0f}", flush=True)


def values(sides: Sequence[tuple[str, Path]]) -> None:
    """Print what true values take."""
    title = f"true values of {MOMENTS} moments, one thread"
    print(f"\n{title:44} {'CPU s each':>10} {'states':>7} {'± mean':>8} {'± widest':>8}")
    for policy in POLICIES:
        for side, checkout in sides:
            found = valued(checkout, policy)
            print(f"{policy + side:44} {found['seconds']:10.3f} {found['states']:7.0f}", end="")
            print(f" {found['half']:8.4f} {found['widest']:8.4f}", flush=True)


def _environment(checkout: Path) -> dict[str, str]:
    places = [checkout, checkout / "envs", checkout / "agents"]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--baseline", type=Path, help="a checkout of an earlier version")
    parser.add_argument("--values", metavar="POLICY", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.values:
        print(json.dumps(find_values(args.values)))
        return
    sides = [("", HERE)]
    if args.baseline is not None:
        sides.append((", before", args.baseline.resolve()))
    audits(sides)
    values(sides)


if __name__ == "__main__":
    main()
