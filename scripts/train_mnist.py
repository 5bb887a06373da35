"""Train a small network on 4,000 digits of MNIST and test it on 1,000 others.

python scripts/train_mnist.py --out out/mnist.safetensors
"""

import argparse
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from rlvis.features.image_sets.image_set import mnist
from rlvis.zoo.digits import DigitNetwork


def digits(held_out: bool) -> tuple[Tensor, Tensor]:
    """Images (N, 1, 28, 28) in 0..1 and labels (N,): every fifth digit is held out."""
    images = mnist()
    chosen = [index for index in range(len(images)) if (index % 5 == 0) == held_out]
    pixels = torch.stack([torch.from_numpy(images.picture(index)) for index in chosen])
    return pixels.permute(0, 3, 1, 2).float() / 255, torch.from_numpy(images.labels[chosen])


def train(epochs: int, seed: int = 0) -> DigitNetwork:
    """A trained network."""
    torch.manual_seed(seed)
    network = DigitNetwork()
    images, labels = digits(held_out=False)
    steps = epochs * (len(images) // 64)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-2, steps)
    for _ in range(epochs):
        for part in torch.randperm(len(images)).split(64)[: len(images) // 64]:
            loss = F.cross_entropy(network(_shifted(images[part])), labels[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def _shifted(images: Tensor, most: int = 2) -> Tensor:
    """The batch moved by up to so many pixels."""
    down, right = torch.randint(-most, most + 1, (2,)).tolist()
    return images.roll((down, right), (-2, -1))


def accuracy(network: nn.Module) -> float:
    """The share of the held-out digits that are named rightly."""
    images, labels = digits(held_out=True)
    with torch.no_grad():
        return float((network(images).argmax(dim=1) == labels).float().mean())


def main() -> None:
    """Train, test, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/mnist.safetensors"))
    parser.add_argument("--epochs", type=int, default=12)
    asked = parser.parse_args()
    started = time.perf_counter()
    network = train(asked.epochs)
    seconds = time.perf_counter() - started
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    save_file(network.state_dict(), asked.out)
    print(f"{asked.out}  {accuracy(network):.1%} of 1,000 held-out digits after {seconds:.0f} s")


if __name__ == "__main__":
    main()
