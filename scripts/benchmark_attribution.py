"""Time of a bundle of methods over all actions, here and in the libraries that have them.

CAM, Grad-CAM, Grad-CAM++ and saliency for every action of the shipped policy on a batch of frames,
heatmaps at image size: rlvis beside torchcam (CAM), pytorch-grad-cam (Grad-CAM, Grad-CAM++) and
captum (saliency). Rounds alternate in one process with the same number of threads.

    python -m scripts.benchmark_attribution
"""

import argparse
import statistics
import time
from collections.abc import Callable

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn

from rlvis import Policy, explain
from rlvis_agents import load_policy
from scripts.references import mend_torchvision

METHODS = ["cam", "grad-cam", "grad-cam++", "saliency"]


class Logits(nn.Module):
    """The policy's network without its value: the libraries expect one tensor."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.module(x)[0]
        return logits


def frames(count: int) -> np.ndarray:
    """Frames of random walks, uint8 (count, H, W, 3)."""
    world = gymnasium.make("rlvis_envs:CubeReach-v0")
    world.action_space.seed(0)
    observation, _ = world.reset(seed=0)
    seen = []
    for _ in range(count):
        seen.append(observation)
        observation, _, terminated, truncated, _ = world.step(world.action_space.sample())
        if terminated or truncated:
            observation, _ = world.reset()
    world.close()
    return np.stack(seen)


def with_rlvis(policy: Policy, images: np.ndarray) -> None:
    """The whole bundle in one call."""
    for each in explain(policy, images, METHODS).values():
        assert each.heatmaps.shape[:2] == (len(images), len(policy.labels))


def with_libraries(policy: Policy, images: np.ndarray) -> None:
    """The same from three libraries, action by action as they want it."""
    import torchcam.methods
    from captum.attr import Saliency
    from pytorch_grad_cam import GradCAM, GradCAMPlusPlus
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    inputs = policy.inputs(images)
    network = Logits(policy.module).eval()
    layer = network.get_submodule("module.features")
    actions = range(len(policy.labels))
    with torchcam.methods.CAM(network, layer, fc_layer="module.policy") as cam:
        for action in actions:
            with torch.no_grad():
                network(inputs)
                cam(class_idx=action)
    for library in (GradCAM, GradCAMPlusPlus):
        with library(model=network, target_layers=[layer]) as cam:
            for action in actions:
                cam(input_tensor=inputs, targets=[ClassifierOutputTarget(action)] * len(inputs))
    for action in actions:
        Saliency(network).attribute(inputs.clone().requires_grad_(), target=action)


def seconds(run: Callable[[], None]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    mend_torchvision()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    policy, images = load_policy("cube-reach"), frames(options.batch)
    ours, theirs = [], []
    for number in range(options.rounds + 2):
        times = (
            seconds(lambda: with_rlvis(policy, images)),
            seconds(lambda: with_libraries(policy, images)),
        )
        if number >= 2:
            ours.append(times[0])
            theirs.append(times[1])
    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    print(f"{', '.join(METHODS)} for {len(policy.labels)} actions, {len(images)} frames,")
    print(f"{options.threads} threads, median of {options.rounds} rounds")
    print(f"rlvis      {statistics.median(ours) * 1000:8.1f} ms")
    print(f"libraries  {statistics.median(theirs) * 1000:8.1f} ms")
    print(f"ratio      {ratio:8.1f}")


if __name__ == "__main__":
    main()
