"""Recording and films: steps and frames per second, size on disk, peak memory.

Each measurement runs in a process of its own, by this version and, where a checkout of an earlier
one is named, by that in turn, so that both meet the same machine.

    python -m scripts.benchmark_recording --baseline ../earlier
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[1]
JOB = HERE / "scripts" / "recording_job.py"
NO_MAPS = {"methods": "none"}
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] = {
    "states, no maps": (NO_MAPS, None),
    "no states, no maps": ({**NO_MAPS, "states": False}, None),
    "states and the environment's view": ({**NO_MAPS, "render": True}, None),
    "maps": ({"render": False}, {"render": False}),
    "maps and the environment's view": ({"render": True}, {}),
}
"""What is kept, and how `record` is told so: now, and by the earlier version."""


def measured(checkout: Path, job: str, **options: Any) -> dict[str, float]:
    """What a job says, done by a checkout."""
    places = [checkout, checkout / "envs", checkout / "agents"]
    done = subprocess.run(
        [sys.executable, str(JOB), job, json.dumps(options)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))},
        cwd=checkout,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def rates(baseline: Path | None, episodes: int) -> None:
    """Print how quickly episodes are recorded, and what they take on disk."""
    print(f"{'recording, per kind of what is kept':36} {'steps/s':>9} {'before':>9}", end="")
    print(f" {'MB/1000 steps':>14} {'before':>9} {'on disk':>9} {'before':>9}")
    for name, (now, then) in KINDS.items():
        ours = measured(HERE, "rate", episodes=episodes, **now)
        theirs = {}
        if baseline is not None and then is not None:
            theirs = measured(baseline, "rate", episodes=max(1, episodes // 8), **then)
        print(f"{name:36} {ours['steps/s']:9.0f} {_shown(theirs, 'steps/s')}", end="")
        print(f" {ours['MB']:14.1f} {_shown(theirs, 'MB', 1)}", end="")
        print(f" {ours['MB of disk']:9.1f} {_shown(theirs, 'MB of disk', 1)}", flush=True)


def films(baseline: Path | None, episodes: int) -> None:
    """Print how quickly films are drawn."""
    print(f"\n{'film':36} {'frames/s':>9} {'before':>9}")
    for name, now in (("of recorded maps", {}), ("of maps made for it", NO_MAPS)):
        ours = measured(HERE, "film", episodes=episodes, **now)
        theirs = measured(baseline, "film", episodes=episodes) if baseline and not now else {}
        print(f"{name:36} {ours['frames/s']:9.1f} {_shown(theirs, 'frames/s', 1)}", flush=True)


def triage(episodes: int) -> None:
    """Print how long the table and the moments of many episodes take."""
    told = measured(HERE, "triage", episodes=episodes)
    for what in ("table", "moments"):
        print(f"{f'{what} of {episodes} episodes, seconds':36} {told[what]:9.1f}", flush=True)


def memory(baseline: Path | None, lengths: list[int], most_before: int) -> None:
    """Print the peak memory of recording and filming one episode, by its length."""
    print(f"\n{'peak memory in MB, by steps':36}", *(f"{length:>9}" for length in lengths))
    sides = [("", HERE), *([(" before", baseline)] if baseline else [])]
    for side, checkout in sides:
        found: dict[str, list[str]] = {"recording": [], "film": []}
        for length in lengths:
            if checkout is not HERE and length > most_before:
                for columns in found.values():
                    columns.append(f"{'–':>9}")
                continue
            with tempfile.TemporaryDirectory() as folder:
                kept = str(Path(folder) / "long.zarr")
                recorded = measured(checkout, "record_long", steps=length, kept=kept)
                drawn = measured(checkout, "film_long", kept=kept)
            for each, told in (("recording", recorded), ("film", drawn)):
                found[each].append(f"{told['MB of memory']:9.0f}")
        for name, columns in found.items():
            print(f"{name + side:36}", *columns, flush=True)


def _shown(told: dict[str, float], name: str, digits: int = 0) -> str:
    return f"{told[name]:9.{digits}f}" if name in told else f"{'–':>9}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--baseline", type=Path, help="a checkout of an earlier version")
    parser.add_argument("--episodes", type=int, default=400)
    parser.add_argument("--film-episodes", type=int, default=20)
    parser.add_argument("--triage-episodes", type=int, default=2000)
    parser.add_argument("--lengths", type=int, nargs="*", default=[200, 2000, 8000])
    parser.add_argument(
        "--most-before", type=int, default=2000, help="steps by the earlier version"
    )
    chosen = parser.parse_args()
    rates(chosen.baseline, chosen.episodes)
    films(chosen.baseline, chosen.film_episodes)
    triage(chosen.triage_episodes)
    memory(chosen.baseline, chosen.lengths, chosen.most_before)


if __name__ == "__main__":
    main()
