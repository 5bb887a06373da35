"""Throughput of the strongest patches beside that of the bare forward pass, in one run.

EfficientNet-Lite0 over an array of photos' crops and over a folder of photos, decoded and prepared
the same way in the same batches; all units of five layers, nine patches each. Rounds alternate; the
ratio is the median of the rounds' ratios.

    python -m scripts.benchmark_patches
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from rlvis import ImageModel, load_classifier, load_image
from rlvis.features.image_sets.batches import BatchReader
from rlvis.features.image_sets.image_set import ArrayImages, FolderImages, ImageSet
from rlvis.features.top_patches.search import patches

PHOTOS = Path(__file__).parent.parent / "docs" / "photos"
LAYERS = ("_blocks.0", "_blocks.2", "_blocks.4", "_blocks.10", "_bn1")


def crops(count: int, size: tuple[int, int] = (240, 320)) -> np.ndarray:
    """Parts of the photos chosen by lot, uint8 (count, 240, 320, 3)."""
    rng = np.random.default_rng(0)
    photos = [np.asarray(load_image(path)) for path in sorted(PHOTOS.glob("*.jpg"))]
    found = []
    for number in range(count):
        photo = photos[number % len(photos)]
        top, left = (
            int(rng.integers(0, have - want + 1))
            for have, want in zip(photo.shape[:2], size, strict=True)
        )
        found.append(photo[top : top + size[0], left : left + size[1]])
    return np.stack(found)


def bare(model: ImageModel, images: ImageSet, batch_size: int) -> None:
    """The forward pass over the same batches, and nothing else."""
    with torch.no_grad():
        for batch in BatchReader(images, model, batch_size):
            model.module(batch.inputs)


def seconds(run: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=192)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    model = load_classifier()
    pictures = crops(options.images)
    with tempfile.TemporaryDirectory() as folder:
        for number, picture in enumerate(pictures):
            Image.fromarray(picture).save(Path(folder) / f"{number:04d}.jpg", quality=92)
        sets: dict[str, ImageSet] = {
            "array": ArrayImages(pictures),
            "folder of JPEGs": FolderImages(folder),
        }
        print(f"{options.images} images, {len(LAYERS)} layers, {torch.get_num_threads()} threads\n")
        print("| images | forward pass, images/s | with patches, images/s | share of it |")
        print("| --- | ---: | ---: | ---: |")
        for name, images in sets.items():
            runs = (
                partial(bare, model, images, options.batch),
                partial(patches, model, images, LAYERS, batch_size=options.batch),
            )
            times = [[seconds(run) for run in runs] for _ in range(options.rounds + 1)][1:]
            plain, ours = (
                options.images / statistics.median(column) for column in zip(*times, strict=True)
            )
            share = statistics.median(a / b for a, b in times)
            print(f"| {name} | {plain:.1f} | {ours:.1f} | {share:.0%} |", flush=True)


if __name__ == "__main__":
    main()
