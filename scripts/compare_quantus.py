"""Where maps point, by rlvis and by Quantus, on the same maps: the differences, and the times.

    python -m scripts.compare_quantus --python VENV/bin/python

Quantus brings much that is not needed here: it runs in an environment of its own (`python -m venv
VENV`, then `VENV/bin/pip install quantus==0.6.0`), which is handed the maps in a file.
"""

import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import tyro

from rlvis.evaluation.map_scores import MapScorer
from rlvis.evaluation.parts import Parts

THEIRS = """
import json, sys, time, warnings
import numpy as np
warnings.simplefilter("ignore")
import quantus

arrays = np.load(sys.argv[1])
maps, masks = arrays["maps"][:, None], arrays["masks"][:, None]
images = np.zeros((len(maps), 3, *maps.shape[2:]), np.float32)
labels = np.zeros(len(maps), int)
found = {}
for name, metric in {
    "pointing": quantus.PointingGame,
    "mass": quantus.RelevanceMassAccuracy,
    "rank": quantus.RelevanceRankAccuracy,
    "auc": quantus.AUC,
}.items():
    asked = metric(abs=False, normalise=False, disable_warnings=True, display_progressbar=False)
    start = time.perf_counter()
    scores = asked(model=None, x_batch=images, y_batch=labels, a_batch=maps, s_batch=masks)
    found[name] = {"mean": float(np.mean(scores)), "seconds": time.perf_counter() - start}
print(json.dumps(found))
"""


def main(python: Path, images: int = 300) -> None:
    """Print a row for each score.

    Args:
        python: of the environment that Quantus is installed in.
        images: how many maps are scored.
    """
    maps, masks = made(images)
    parts = Parts(
        np.zeros((*maps.shape, 3), np.uint8),
        np.arange(images),
        ["it"] * images,
        np.arange(images),
        masks,
        np.zeros((images, 1)),
        np.zeros((*maps.shape, 3), np.uint8),
        np.ones(images, bool),
    )
    scorer = MapScorer(parts, located=images)
    start = time.perf_counter()
    found = scorer.located(maps)
    seconds = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "maps.npz"
        np.savez(path, maps=maps, masks=masks)
        done = subprocess.run(
            [python, "-c", THEIRS, path], check=True, capture_output=True, text=True
        )
    theirs = json.loads(done.stdout.splitlines()[-1])
    print("| score | rlvis | Quantus | difference |\n|---|---:|---:|---:|")
    for name, other in theirs.items():
        value = found[name].value
        print(f"| {name} | {value:.6f} | {other['mean']:.6f} | {abs(value - other['mean']):.1e} |")
    spent = sum(each["seconds"] for each in theirs.values())
    print(f"all four: {seconds:.3f} s and {spent:.3f} s, {spent / seconds:.0f} times as fast")


def made(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Maps, float32 (N, 60, 80), not negative, and masks, bool (N, 60, 80)."""
    lot = np.random.default_rng(0)
    maps = lot.random((count, 60, 80), dtype=np.float32)
    masks = np.zeros((count, 60, 80), bool)
    for mask in masks:
        top, left = lot.integers(40), lot.integers(60)
        mask[top : top + lot.integers(4, 20), left : left + lot.integers(4, 20)] = True
    return maps, masks


if __name__ == "__main__":
    tyro.cli(main)
