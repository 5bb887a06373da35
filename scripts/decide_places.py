"""Where the cells of a layer look, decided by truth: stretched, by their windows, or as rlvis says.

    python -m scripts.decide_places

Two truths. *Occluded*: small squares of noise are exchanged in an image, and the cells that change
are drawn; their centre should be the square's. *Planted*: networks are trained here to tell the
colour of a disc, and the class activation map of the right class is drawn; its centre should be the
disc's. Both in pixels of the network's input, squares and discs in the middle three fifths of it,
where no border hides them. Printed as a table; some ten minutes on one core.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import rlvis
from rlvis import ImageModel, Preprocess
from rlvis.images.places import Places
from rlvis.instrument.layers import resolve_layer
from rlvis.instrument.network_trace import NetworkTrace, trace_of
from rlvis.instrument.watching import watch
from rlvis.models.replica import replicate
from scripts.references import mend_torchvision

SQUARES, DISCS, CLASSES, STEPS = 60, 60, 3, 150


@dataclass(frozen=True)
class Family:
    """A network of one kind.

    Attributes:
        name: of the kind.
        model: the network.
        shape: (C, H, W) of its input.
    """

    name: str
    model: ImageModel
    shape: tuple[int, int, int]

    @property
    def labels(self) -> int:
        return len(self.model.labels)


def ways(family: Family, trace: NetworkTrace, layer: str) -> dict[str, Places]:
    """Where the cells may look, by name."""
    traced = trace.runs[layer][-1].cells
    assert traced is not None
    return {
        "stretched": Places.stretched(traced.layout.grid),
        "windows": traced.places,
        "rlvis": trace.cells(family.model, layer).places,
    }


def centre(maps: np.ndarray, places: Places, size: tuple[int, int]) -> np.ndarray:
    """The centre of maps (N, h, w), nowhere negative, in pixels (N, 2)."""
    rows, columns = (
        np.array([each[0] for each in side.cells]) * length - 0.5
        for side, length in zip((places.rows, places.columns), size, strict=True)
    )
    total = maps.sum(axis=(1, 2))
    down = (maps.sum(axis=2) * rows).sum(axis=1) / total
    across = (maps.sum(axis=1) * columns).sum(axis=1) / total
    return np.stack([down, across], axis=1)


def occluded(family: Family, layer: str, trace: NetworkTrace) -> tuple[np.ndarray, np.ndarray]:
    """How far squares of noise change each cell, (N, h, w), and where they are, (N, 2)."""
    generator = torch.Generator().manual_seed(0)
    _, height, width = family.shape
    layout = trace.layout(family.model, layer)
    side = max(2, height // layout.grid[0] // 3)
    replica, outputs = replicate(family.model.module), list[Tensor]()
    watch(replica, lambda _, __, ___, output: outputs.append(layout.map(output)), {layer})

    def maps(images: Tensor) -> Tensor:
        outputs.clear()
        with torch.no_grad():
            family.model.run(replica, images, {})
        return outputs[-1]

    base = torch.rand(1, *family.shape, generator=generator) * 2 - 1
    before, found, middles = maps(base), [], []
    for _ in range(SQUARES):
        top, left = (
            int(length * (0.2 + 0.6 * float(torch.rand((), generator=generator))) - side / 2)
            for length in (height, width)
        )
        image = base.clone()
        noise = torch.rand(1, family.shape[0], side, side, generator=generator) * 2 - 1
        image[..., top : top + side, left : left + side] = noise
        found.append((maps(image) - before).square().sum(1)[0].numpy())
        middles.append((top + (side - 1) / 2, left + (side - 1) / 2))
    return np.stack(found), np.array(middles)


def discs(count: int, shape: tuple[int, int, int], seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Images (N, C, H, W) of a coloured disc on noise, its colour (N,) and its middle (N, 2)."""
    generator = torch.Generator().manual_seed(seed)
    _, height, width = shape
    middles = (0.2 + 0.6 * torch.rand(count, 2, generator=generator)) * torch.tensor(
        [float(height), float(width)]
    )
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    distance = (rows - middles[:, 0, None, None]) ** 2 + (columns - middles[:, 1, None, None]) ** 2
    inside = distance <= (height / 12) ** 2
    images = 0.5 + 0.15 * torch.randn(count, *shape, generator=generator)
    kinds = torch.randint(CLASSES, (count,), generator=generator)
    for channel in range(CLASSES):
        images[:, channel] += inside * torch.where(kinds == channel, 0.6, -0.3)[:, None, None]
    return images - 0.5, kinds, middles


def train(network: nn.Module, shape: tuple[int, int, int]) -> nn.Module:
    """The network, trained to tell the colour of the disc."""
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    network.train()
    for step in range(STEPS):
        images, kinds, _ = discs(16, shape, step)
        optimizer.zero_grad()
        F.cross_entropy(network(images), kinds).backward()
        optimizer.step()
    return network.eval()


class Nature(nn.Module):
    """The usual network of reinforcement learning, pooled."""

    def __init__(self) -> None:
        super().__init__()
        layers = (3, 32, 8, 4), (32, 64, 4, 2), (64, 64, 3, 1)
        parts = [each for layer in layers for each in (nn.Conv2d(*layer), nn.ReLU())]
        self.trunk, self.head = nn.Sequential(*parts), nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.trunk(x).mean((2, 3)))
        return scores


def families() -> Iterator[tuple[Family, bool]]:
    """Networks, and whether they were trained on discs."""
    import torchvision.models as known

    lite = rlvis.load_classifier("efficientnet-lite0")
    yield Family("EfficientNet-Lite0, ImageNet", lite, (3, 224, 224)), False
    makers: dict[str, tuple[Callable[[], nn.Module], tuple[int, int, int]]] = {
        "NatureCNN": (Nature, (3, 84, 84)),
        "ResNet-18": (lambda: known.resnet18(num_classes=CLASSES), (3, 128, 128)),
        "MobileNetV2": (lambda: known.mobilenet_v2(num_classes=CLASSES), (3, 128, 128)),
        "GoogLeNet": (
            lambda: known.googlenet(num_classes=CLASSES, aux_logits=False, init_weights=False),
            (3, 128, 128),
        ),
        "SqueezeNet": (lambda: known.squeezenet1_1(num_classes=CLASSES), (3, 128, 128)),
        "ShuffleNetV2": (lambda: known.shufflenet_v2_x0_5(num_classes=CLASSES), (3, 128, 128)),
    }
    for name, (make, shape) in makers.items():
        torch.manual_seed(0)
        network = train(make(), shape)
        labels = [f"colour {each}" for each in range(CLASSES)]
        yield Family(name, ImageModel(network, labels, Preprocess(shape[1:])), shape), True


def row(family: Family, trained: bool) -> str:
    """A row of the table: the mean distance by each way, for each truth."""
    inputs = torch.zeros(1, *family.shape)
    layer = resolve_layer(family.model, inputs, None)
    trace, size = trace_of(family.model, inputs, {}), family.shape[1:]
    candidates = ways(family, trace, layer)
    moved, squares = occluded(family, layer, trace)
    cells = [family.name, f"`{layer}`", "×".join(map(str, candidates["windows"].grid))]
    cells += [f"{_distance(moved, places, size, squares):.1f}" for places in candidates.values()]
    if not trained:
        return "| " + " | ".join([*cells, "–", "–", "–", "–"]) + " |"
    images, kinds, middles = discs(DISCS, family.shape, -1)
    right = family.model.scores(images).logits.argmax(1) == kinds
    every = rlvis.explain(family.model, images, "grad-cam", list(range(CLASSES))).maps
    maps = every[np.arange(DISCS), kinds.numpy()]
    known = right.numpy() & (maps.sum(axis=(1, 2)) > 0)
    truth = middles.numpy()[known]
    cells += [f"{right.float().mean():.0%}"]
    cells += [f"{_distance(maps[known], each, size, truth):.1f}" for each in candidates.values()]
    return "| " + " | ".join(cells) + " |"


def _distance(maps: np.ndarray, places: Places, size: tuple, truth: np.ndarray) -> float:
    return float(np.linalg.norm(centre(maps, places, size) - truth, axis=1).mean())


def main() -> None:
    """Print the table."""
    mend_torchvision()
    columns = ["stretched", "windows", "rlvis"]
    names = ["network", "layer", "map", *columns, "discs told", *columns]
    print("| " + " | ".join(names) + " |")
    print("|---|---|---|" + "---:|" * 7)
    for family, trained in families():
        print(row(family, trained), flush=True)


if __name__ == "__main__":
    main()
