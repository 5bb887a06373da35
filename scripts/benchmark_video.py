"""Frames per second of an annotated film: policy, environment, Grad-CAM of every action, H.264.

rlvis beside the usual way, one frame after the other: pytorch-grad-cam for the heatmaps, a
matplotlib figure of the same size and content, the same encoder. Both play the same environment
with the same policy, in one run.

    python -m scripts.benchmark_video
"""

import argparse
import tempfile
import time
from pathlib import Path

import gymnasium
import matplotlib
import numpy as np
import torch

from rlvis import Policy, record
from rlvis.display.video_file import film_writer
from rlvis_agents import load_policy
from scripts.references import mend_torchvision
from scripts.rivals import Logits

ENVIRONMENT = "rlvis_envs:CubeReach-v0"


def with_rlvis(policy: Policy, folder: Path, episodes: int) -> float:
    """Frames per second of recording to disk and drawing the film."""
    start = time.perf_counter()
    recording = record(
        policy, ENVIRONMENT, episodes=episodes, methods=["grad-cam"], out=folder / "recording.zarr"
    )
    recording.to_video(folder / "rlvis.mp4")
    return recording.steps() / (time.perf_counter() - start)


def with_libraries(policy: Policy, folder: Path, steps: int) -> float:
    """Frames per second with pytorch-grad-cam and matplotlib."""
    matplotlib.use("agg")
    from matplotlib import pyplot
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    network = Logits(policy.module).eval()
    layer = network.get_submodule("module.features")
    world = gymnasium.make(ENVIRONMENT, render_mode="rgb_array")
    generator = torch.Generator().manual_seed(0)
    start = time.perf_counter()
    observation, _ = world.reset(seed=0)
    history: list[np.ndarray] = []
    with (
        film_writer(folder / "libraries.mp4", 10) as write,
        GradCAM(model=network, target_layers=[layer]) as cam,
    ):
        for _ in range(steps):
            decision = policy.act(observation, generator)
            inputs = policy.inputs(observation[None])
            history.append(decision.probabilities)
            figure, axes = pyplot.subplot_mosaic(
                [["camera", "0", "1", "2"], ["view", "bars", "bars", "bars"], ["strip"] * 4],
                figsize=(12.8, 7.2),
                dpi=100,
            )
            axes["camera"].imshow(observation)
            axes["view"].imshow(np.asarray(world.render()))
            for action, label in enumerate(policy.labels):
                heat = cam(input_tensor=inputs, targets=[ClassifierOutputTarget(action)])[0]
                axes[str(action)].imshow(observation)
                axes[str(action)].imshow(heat, alpha=0.5, cmap="inferno")
                axes[str(action)].set_title(label)
            axes["bars"].barh(policy.labels, decision.probabilities)
            axes["strip"].stackplot(range(len(history)), np.array(history).T)
            figure.suptitle(f"step {len(history)}   value {decision.value:.2f}")
            figure.canvas.draw()
            canvas: np.ndarray = np.asarray(figure.canvas.buffer_rgba())  # type: ignore[attr-defined]
            write(np.ascontiguousarray(canvas[..., :3]))
            pyplot.close(figure)
            observation, _, terminated, truncated, _ = world.step(decision.action)
            if terminated or truncated:
                observation, _ = world.reset()
                history.clear()
    world.close()
    return steps / (time.perf_counter() - start)


def main() -> None:
    """Print the two rates and their ratio."""
    mend_torchvision()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--library-steps", type=int, default=40)
    options = parser.parse_args()
    policy = load_policy("cube-reach")
    with tempfile.TemporaryDirectory() as folder:
        with_rlvis(policy, Path(folder) / "warm-up", 1)
        ours = with_rlvis(policy, Path(folder) / "measured", options.episodes)
        theirs = with_libraries(policy, Path(folder), options.library_steps)
    print("annotated 1280×720 H.264 film with Grad-CAM of every action, frames per second")
    print(f"rlvis                            {ours:7.1f}")
    print(f"pytorch-grad-cam and matplotlib  {theirs:7.1f}")
    print(f"ratio                            {ours / theirs:7.1f}")


if __name__ == "__main__":
    main()
