"""Feature visualization beside torch-lucent: time per step and the objective that is reached.

    pip install torch-lucent
    python -m scripts.benchmark_synthesis

Both make a 224×224 image of a unit of EfficientNet-Lite0 with the same settings: Fourier
parametrization, decorrelated colours, random moves, Adam at 0.05. The objective is that of the
finished image, unmoved, computed once for both.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

import rlvis
from rlvis.features.synthesis.network import ObjectiveNetwork
from rlvis.features.synthesis.objectives import channel
from rlvis.features.synthesis.visualization import synthesize
from scripts.references import mend_torchvision

LAYER, SIDE = "_blocks.10", 224


def ours(model: rlvis.ImageModel, unit: int, steps: int) -> np.ndarray:
    """An image (3, H, W) in 0..1 by rlvis."""
    return synthesize(model, channel(LAYER, unit), steps=steps, seed=unit).images[0]


def lucents(model: rlvis.ImageModel, unit: int, steps: int) -> np.ndarray:
    """An image (3, H, W) in 0..1 by torch-lucent."""
    from lucent.optvis import objectives, param, render, transform

    torch.manual_seed(unit)
    scale = [lambda x: (x * 255 - 127) / 128]
    name = LAYER.replace(".", "_")
    made = render.render_vis(
        model.module,
        objectives.channel(name, unit),
        lambda: param.image(SIDE, fft=True, decorrelate=True),
        transforms=[*transform.standard_transforms, *scale],
        thresholds=(steps,),
        preprocess=False,
        fixed_image_size=SIDE,
        progress=False,
        show_image=False,
    )
    return made[-1][0].transpose(2, 0, 1)


def reached(model: rlvis.ImageModel, unit: int, image: np.ndarray) -> float:
    """The objective of an image as it is."""
    inputs = (torch.from_numpy(image.copy())[None].float() * 255 - 127) / 128
    with torch.no_grad():
        return float(ObjectiveNetwork(model, channel(LAYER, unit))(inputs))


def main() -> None:
    """Print a line per unit, and the medians of the ratios."""
    mend_torchvision()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=128)
    parser.add_argument("--units", type=int, nargs="+", default=[3, 17, 51])
    asked = parser.parse_args()
    model = rlvis.load_classifier("efficientnet-lite0")
    makers: dict[str, Callable[..., np.ndarray]] = {"rlvis": ours, "torch-lucent": lucents}
    for make in makers.values():
        make(model, asked.units[0], 2)
    ratios, heights = [], []
    for unit in asked.units:
        seconds, values = {}, {}
        for name, make in makers.items():
            started = time.perf_counter()
            image = make(model, unit, asked.steps)
            seconds[name] = (time.perf_counter() - started) / asked.steps
            values[name] = reached(model, unit, image)
        ratios.append(seconds["torch-lucent"] / seconds["rlvis"])
        heights.append(values["rlvis"] / values["torch-lucent"])
        told = ", ".join(
            f"{name} {1000 * seconds[name]:.1f} ms a step, objective {values[name]:.2f}"
            for name in makers
        )
        print(f"unit {unit}: {told}")
    print(
        f"torch-lucent takes {statistics.median(ratios):.2f}× as long per step; rlvis reaches "
        f"{statistics.median(heights):.2f}× its objective after {asked.steps} steps"
    )


if __name__ == "__main__":
    main()
