"""Long commands ended at random moments: is what was there before whole, and nothing half-written?

    python -m scripts.sweep_kills [--times 10]

Every command is ended so many times, by Ctrl-C (once or twice), SIGTERM or SIGKILL. Afterwards each
file that it writes must be the old one or a whole new one; a traceback, a damaged file and, but for
SIGKILL, a forgotten temporary file are faults, and are listed.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from PIL import Image

from rlvis import InputError, Recording
from rlvis.files import read_arrays

COMMANDS = {
    "record": "record --episodes 4 --max-steps 40 --overwrite --out old.zarr --video old.mp4",
    "video": "video kept.zarr --out old.mp4",
    "train": "train --steps 8192 --envs 4 --evaluate-every 1024 --evaluation-episodes 0 --out run",
    "explain": "explain cat.png cat.png cat.png --model cube-reach -m rise -m occlusion --out out",
    "patches": "features patches pictures --model cube-reach --batch-size 8 --out old.png",
    "units": "features units kept.zarr --model cube-reach --out old.html",
    "embed": "features embed pictures --model cube-reach --out old.png --data old.npz",
    "synthesize": "features synthesize left --model cube-reach --out old.png --data old.npz",
    "dream": "features dream cat.png --model cube-reach --what features.relu3 --video old.gif",
    "attack": "features attack --model cube-reach --episodes 4 --out old.png",
}
ENDINGS = {
    "Ctrl-C": [signal.SIGINT],
    "Ctrl-C twice": [signal.SIGINT, signal.SIGINT],
    "SIGTERM": [signal.SIGTERM],
    "SIGKILL": [signal.SIGKILL],
}


def prepare() -> None:
    """Old files to be kept, and files to read."""
    import rlvis
    from rlvis_agents import load_policy

    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (60, 80, 3), np.uint8)
    Image.fromarray(noise).save("cat.png")
    Path("pictures").mkdir()
    for number in range(300):
        pixels = rng.integers(0, 255, (60, 80, 3), np.uint8)
        Image.fromarray(pixels).save(f"pictures/{number}.png")
    policy = load_policy("cube-reach")
    kept = rlvis.record(policy, "CubeReach-v0", episodes=3, methods=["cam"], out="kept.zarr")
    rlvis.record(policy, "CubeReach-v0", methods=["cam"], max_steps=5, out="old.zarr")
    kept.to_video("old.mp4")
    kept.to_video("old.gif", episodes=[0])
    Image.fromarray(noise).save("old.png")
    np.savez("old.npz", noise=noise)
    Path("old.html").write_text("<html></html>")


def _decodes(path: Path) -> None:
    with av.open(str(path)) as film:
        assert sum(1 for _ in film.decode(video=0)) > 0


CHECKS: dict[str, Callable[[Path], object]] = {
    ".png": lambda path: Image.open(path).load(),
    ".gif": lambda path: Image.open(path).load(),
    ".mp4": _decodes,
    ".npz": read_arrays,
    ".html": lambda path: path.read_text().rindex("</html>"),
}


def faults_left() -> list[str]:
    """What is wrong in the current folder."""
    found = []
    for name in ("old.zarr", "kept.zarr"):
        damage = Recording.open(name).damage()
        found += [f"{name}: {each}" for each in damage.values()]
    for path in Path().rglob("old.*"):
        if path.suffix in CHECKS:
            try:
                CHECKS[path.suffix](path)
            except (InputError, OSError, ValueError, AssertionError) as error:
                found.append(f"{path} is damaged: {error}")
    checkpoints = list(Path("run").glob("checkpoints/0*"))
    found += [f"{each} is not whole" for each in checkpoints if len(list(each.iterdir())) != 3]
    return found


def end(command: str, how: str, rng: random.Random, whole: float) -> list[str]:
    """Run a command, end it at a random moment, and say what is wrong afterwards."""
    subprocess.run("rm -rf run out; rm -f *unfinished* *codes*", shell=True, check=True)
    forgotten = {each.name for each in Path().rglob(".rlvis-*")}
    run = [sys.executable, "-m", "rlvis.cli", *COMMANDS[command].split()]
    process = subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(rng.uniform(0.5, whole))
    for number in ENDINGS[how]:
        process.send_signal(number)
        time.sleep(0.05)
    try:
        said = "\n".join(process.communicate(timeout=90))
    except subprocess.TimeoutExpired:
        process.kill()
        return ["it does not end"]
    found = faults_left()
    if "Traceback" in said:
        found.append(f"a traceback: {said.strip().splitlines()[-1]}")
    left = {each.name for each in Path().rglob(".rlvis-*")} - forgotten
    if left and how != "SIGKILL":
        found.append(f"forgotten: {', '.join(left)}")
    return found


def main() -> None:
    """End every command many times and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="")
    chosen = parser.parse_args()
    rng = random.Random(chosen.seed)
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        prepare()
        for command in COMMANDS:
            if chosen.only not in command:
                continue
            begun = time.monotonic()
            run = [sys.executable, "-m", "rlvis.cli", *COMMANDS[command].split()]
            subprocess.run(run, check=True, capture_output=True)
            whole = time.monotonic() - begun
            for _ in range(chosen.times):
                how = rng.choice(list(ENDINGS))
                found = end(command, how, rng, whole)
                counts["faults" if found else "whole"] += 1
                for each in found:
                    print(f"{command}, {how}: {each}", flush=True)
        os.chdir("/")
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.most_common()))


if __name__ == "__main__":
    main()
