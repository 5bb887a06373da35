"""Open thousands of damaged pictures, arrays, recordings and weights, and count what comes of it.

    python -m scripts.fuzz_files --cases 5000

As `scripts.fuzz_agents` does for agents: files are made from sound ones, and opened in processes
whose memory is limited. Anything but an `InputError` or what they hold is a fault of ours.
"""

import argparse
import io
import os
import resource
import shutil
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import tifffile
import torch
from PIL import Image

import rlvis
from rlvis import Recording, load_image
from rlvis.features.image_sets.image_set import open_images
from rlvis.zoo.digits import DigitNetwork
from rlvis.zoo.state_dict import load_weights
from rlvis_agents import load_policy
from scripts.fuzz_agents import cut, flipped, outcome

MEMORY = 2**31
_BATCH = 100
_PICTURES = ("x.png", "x.jpg", "x.gif", "x.webp", "x.tif", "x.bmp", "deep.png", "deep.tif")


def make_sound(folder: Path) -> None:
    """Write the files that all others are made from."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (40, 48, 3), np.uint8)
    for name in _PICTURES[:6]:
        Image.fromarray(noise).save(folder / name)
    Image.fromarray(rng.integers(0, 4000, (40, 48)).astype(np.uint16)).save(folder / "deep.png")
    colours = rng.integers(0, 4000, (40, 48, 3)).astype(np.uint16)
    tifffile.imwrite(folder / "deep.tif", colours, photometric="rgb")
    np.savez_compressed(folder / "x.npz", images=noise[None], labels=[0], classes=["a"])
    np.save(folder / "x.npy", noise[None])
    network = DigitNetwork((2, 2, 2))
    torch.save(network.state_dict(), folder / "x.pt")
    policy = load_policy("cube-reach")
    rlvis.record(policy, "CubeReach-v0", methods=["cam"], max_steps=3, out=folder / "x.zarr")


def damaged(sound: Path, into: Path, rng: Random) -> Callable[[], object]:
    """One file with something wrong, and how it is opened."""
    kind = rng.choice(["picture", "picture", "x.npz", "x.npy", "x.pt", "x.zarr", "x.zarr"])
    if kind == "x.zarr":
        copy = Path(shutil.copytree(sound / kind, into / kind))
        path = rng.choice(sorted(each for each in copy.rglob("*") if each.is_file()))
        path.write_bytes(rng.choice((flipped, cut))(path.read_bytes(), rng))
        return lambda: (lambda found: (found.damage(), found.readable()))(Recording.open(copy))
    name = rng.choice(_PICTURES) if kind == "picture" else kind
    content = (sound / name).read_bytes()
    (into / name).write_bytes(rng.choice((flipped, cut))(content, rng))
    path = into / name
    if kind == "picture":
        return lambda: load_image(path)
    if kind == "x.pt":
        return lambda: load_weights(DigitNetwork((2, 2, 2)), path)
    return lambda: open_images(path).picture(0)


def batch(sound: Path, first: int, said: io.TextIOBase) -> None:
    """Open so many files, the chance of each seeded with its number; write what comes of each."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    warnings.simplefilter("ignore")
    for number in range(first, first + _BATCH):
        rng = Random(number)
        with tempfile.TemporaryDirectory() as into:
            found = outcome(damaged(sound, Path(into), rng))
        said.write(f"{number} {found}\n")
        said.flush()


def main() -> None:
    """Open all files and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0)
    chosen = parser.parse_args()
    counts: Counter[str] = Counter()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if (child := os.fork()) == 0:
            make_sound(Path(folder))
            os._exit(0)
        os.waitpid(child, 0)
        for first in range(chosen.first, chosen.first + chosen.cases, _BATCH):
            report = Path(folder) / "report"
            if (child := os.fork()) == 0:
                with report.open("w") as said:
                    batch(Path(folder), first, said)
                os._exit(0)
            status = os.waitpid(child, 0)[1]
            lines = report.read_text().splitlines()
            if status:
                lines.append(f"{first + len(lines)} died with status {status}")
            for number, _, found in (line.partition(" ") for line in lines):
                counts[found] += 1
                if found not in ("ok", "said"):
                    print(f"case {number}: {found}", flush=True)
    print(", ".join(f"{count} {found[:60]}" for found, count in counts.most_common()))


if __name__ == "__main__":
    main()
