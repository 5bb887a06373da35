"""Time per image of every method, here and in each library that has it, in one run.

EfficientNet-Lite0, one target, the same photo and number of threads. Rounds alternate between the
sides; the ratio is the median of the rounds' ratios.

    python -m scripts.benchmark_methods
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from rlvis import explain, load_classifier
from scripts.references import mend_torchvision

PHOTO = Path(__file__).parent.parent / "docs" / "photos" / "cat.jpg"
TARGET = 285

Rival = Callable[[], object]


def rivals(network: nn.Module, x: Tensor) -> Iterator[tuple[str, str, Rival]]:
    """Method, library, and a call that explains `x` with it."""
    import pytorch_grad_cam
    from captum import attr
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    layer = network.get_submodule("_bn1")

    def grad_cam_library(kind: type) -> Rival:
        def run() -> object:
            with kind(model=network, target_layers=[layer]) as cam:
                return cam(input_tensor=x, targets=[ClassifierOutputTarget(TARGET)])

        return run

    for name, kind in {
        "grad-cam": pytorch_grad_cam.GradCAM,
        "grad-cam++": pytorch_grad_cam.GradCAMPlusPlus,
        "hires-cam": pytorch_grad_cam.HiResCAM,
        "layer-cam": pytorch_grad_cam.LayerCAM,
        "xgrad-cam": pytorch_grad_cam.XGradCAM,
        "eigen-cam": pytorch_grad_cam.EigenCAM,
    }.items():
        yield name, "pytorch-grad-cam", grad_cam_library(kind)

    def captum(kind: type, *what: object, **how: object) -> Rival:
        def run() -> object:
            method = kind(network, *what)
            return method.attribute(x.clone().requires_grad_(), target=TARGET, **how)

        return run

    window = {"sliding_window_shapes": (3, 28, 28), "strides": (3, 14, 14)}
    yield "grad-cam", "captum", captum(attr.LayerGradCam, layer)
    yield "saliency", "captum", captum(attr.Saliency)
    yield "input-x-gradient", "captum", captum(attr.InputXGradient)
    yield "guided-backprop", "captum", captum(attr.GuidedBackprop)
    yield "deconvnet", "captum", captum(attr.Deconvolution)
    yield "guided-grad-cam", "captum", captum(attr.GuidedGradCam, layer)
    yield "integrated-gradients:steps=20", "captum", captum(attr.IntegratedGradients, n_steps=20)
    yield "occlusion:patch=28,stride=14", "captum", captum(attr.Occlusion, **window)


def seconds(run: Rival) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    mend_torchvision()
    model, theirs = load_classifier(), load_classifier().module
    x = model.inputs(PHOTO)
    print(f"{torch.get_num_threads()} threads, median of {options.rounds} rounds\n")
    print("| method | library | rlvis, ms | library, ms | ratio |")
    print("| --- | --- | ---: | ---: | ---: |")
    for name, library, rival in rivals(theirs, x):

        def ours(name: str = name) -> object:
            return explain(model, x, name, TARGET, layer="_bn1").heatmaps

        times = [(seconds(ours), seconds(rival)) for _ in range(options.rounds + 1)][1:]
        mine, other = (statistics.median(column) * 1000 for column in zip(*times, strict=True))
        ratio = statistics.median(b / a for a, b in times)
        print(f"| {name} | {library} | {mine:.1f} | {other:.1f} | {ratio:.1f} |", flush=True)


if __name__ == "__main__":
    main()
