"""Maps that know nothing of the network, and one that knows everything, to hold others against."""

from collections.abc import Callable, Mapping

import numpy as np

from rlvis.evaluation.parts import Parts

Baseline = Callable[[Parts, int], np.ndarray]
"""Makes maps float (N, H, W) of all images for a target, by its number."""


def random_maps(parts: Parts, target: int) -> np.ndarray:
    """Every pixel drawn by lot."""
    lot = np.random.default_rng((20, target))
    return lot.random(parts.images.shape[:3], dtype=np.float32)


def centre_maps(parts: Parts, target: int) -> np.ndarray:
    """A bell in the middle of the image, a quarter of its sides wide."""
    count, height, width = parts.images.shape[:3]
    y, x = (np.linspace(-2, 2, side, dtype=np.float32) for side in (height, width))
    bell = np.exp(-0.5 * (y[:, None] ** 2 + x**2))
    return np.broadcast_to(bell, (count, height, width))


def edge_maps(parts: Parts, target: int) -> np.ndarray:
    """The length of the gradient of the grey image."""
    grey = parts.images.astype(np.float32).mean(axis=-1)
    down, across = np.gradient(grey, axis=(1, 2))
    return np.hypot(down, across)


def colour_maps(parts: Parts, target: int) -> np.ndarray:
    """Whatever has the colour of one of the parts: exp(-(distance / 32)²) to the nearest."""
    images = parts.images.astype(np.float32)
    found = np.zeros(images.shape[:3], np.float32)
    names = np.array(parts.names)
    for name in dict.fromkeys(parts.names):
        of = np.flatnonzero(names == name)
        pixels = [images[parts.places[part]][parts.masks[part]] for part in of]
        colour = np.median(np.concatenate(pixels), axis=0)
        away = ((images - colour) ** 2).sum(axis=-1)
        found = np.maximum(found, np.exp(-away / 32**2))
    return found


def oracle_maps(parts: Parts, target: int) -> np.ndarray:
    """The true effect of every part, spread over its pixels."""
    found = np.zeros(parts.images.shape[:3], np.float32)
    for part, place in enumerate(parts.places):
        mask = parts.masks[part]
        found[place][mask] += parts.effects[part, target] / mask.sum()
    return found


BASELINES: Mapping[str, Baseline] = {
    "random": random_maps,
    "centre": centre_maps,
    "edges": edge_maps,
    "own colour": colour_maps,
    "oracle": oracle_maps,
}
"""By the names that they have beside the methods."""
