"""One measurement of `benchmark_recording` in a process of its own, by whichever rlvis is found.

It says what it measured as JSON. What it calls is there in earlier versions, too.
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from rlvis import Policy, Recording, record
from rlvis_agents import load_policy

ENVIRONMENT = "rlvis_envs:CubeReach-v0"


def rate(folder: Path, *, episodes: int, **how: Any) -> dict[str, float]:
    """Steps per second of recording to disk, and what 1,000 steps take there."""
    policy = load_policy("cube-reach")
    record(policy, ENVIRONMENT, episodes=16, out=folder / "warm-up.zarr", **how)
    start = time.perf_counter()
    recording = record(policy, ENVIRONMENT, episodes=episodes, out=folder / "r.zarr", **how)
    seconds, steps = time.perf_counter() - start, recording.steps()
    files = [each for each in (folder / "r.zarr").rglob("*") if each.is_file()]
    return {
        "steps/s": steps / seconds,
        "MB": sum(each.stat().st_size for each in files) / steps / 1e3,
        "MB of disk": sum(each.stat().st_blocks * 512 for each in files) / steps / 1e3,
        "files": len(files) * 1000 / steps,
    }


def film(folder: Path, *, episodes: int, **how: Any) -> dict[str, float]:
    """Frames per second of a film of a recording on disk."""
    policy = load_policy("cube-reach")
    record(policy, ENVIRONMENT, episodes=episodes, out=folder / "r.zarr", **how)
    recording = Recording.open(folder / "r.zarr")
    recording.to_video(folder / "warm-up.mp4", episodes=[0])
    start = time.perf_counter()
    recording.to_video(folder / "r.mp4")
    return {"frames/s": recording.steps() / (time.perf_counter() - start)}


def triage(folder: Path, *, episodes: int) -> dict[str, float]:
    """Seconds for the table of episodes, and for the moments of them."""
    from rlvis import EpisodeTable, Recording, find_moments

    record(
        load_policy("cube-reach"),
        ENVIRONMENT,
        episodes=episodes,
        methods="none",
        out=folder / "run.zarr",
    )
    spent = {}
    for name, make in (("table", EpisodeTable.of), ("moments", find_moments)):
        opened, start = Recording.open(folder / "run.zarr"), time.perf_counter()
        make(opened)
        spent[name] = time.perf_counter() - start
    return spent


def record_long(folder: Path, *, steps: int, kept: str, **how: Any) -> dict[str, float]:
    """Peak memory of recording one episode of so many steps, kept at a path."""
    record(
        _turning(),
        ENVIRONMENT,
        max_steps=steps,
        env_options={"step_limit": steps},
        out=kept,
        overwrite=True,
        **how,
    )
    return {}


def film_long(folder: Path, *, kept: str) -> dict[str, float]:
    """Peak memory of the film of that episode."""
    start = time.perf_counter()
    recording = Recording.open(kept)
    recording.to_video(folder / "r.mp4")
    return {"frames/s": recording.steps() / (time.perf_counter() - start)}


def _turning() -> Policy:
    """The shipped policy, made to turn left for ever: it sees much and ends nothing."""
    policy = load_policy("cube-reach")
    with torch.no_grad():
        policy.module.policy.bias[0] += 100  # type: ignore[union-attr, operator, index]
    return policy


def main() -> None:
    """Do the job that the arguments name."""
    name, options = sys.argv[1], json.loads(sys.argv[2])
    with tempfile.TemporaryDirectory(dir=options.pop("at", None)) as folder:
        told = globals()[name](Path(folder), **options)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**told, "MB of memory": peak}))


if __name__ == "__main__":
    main()
