"""The libraries that have our methods: what explains the same model, inputs and targets with each.

Every call does what its library asks for, no more: a hook manager is entered once, one forward pass
serves all targets where the library can do that, and classes are looped over where it cannot.
"""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn

from rlvis import ImageModel, load_classifier
from rlvis_agents import load_policy

PHOTO = Path(__file__).parent.parent / "docs" / "photos" / "cat.jpg"

Run = Callable[[], object]


class Logits(nn.Module):
    """A policy's network without its value: the libraries expect one tensor."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.module(x)[0]
        return logits


@dataclass(frozen=True)
class Case:
    """A model, what of it is explained, and the same network for the libraries.

    Attributes:
        title: what the tables call it.
        model: for rlvis.
        network: a copy with the same weights that gives one tensor.
        inputs: float (N, C, H, W).
        targets: indices of the scores explained.
        network_layer: the layer of the class activation maps in `network`.
        pooled_layer: the layer of plain CAM in `network`, before `head`.
        head: the linear layer in `network`.
        patch: side of the occluded patches, twice their stride.
        channel_by_channel: whether the layer has few enough channels for one pass per channel.
    """

    title: str
    model: ImageModel
    network: nn.Module
    inputs: Tensor
    targets: tuple[int, ...]
    network_layer: str
    pooled_layer: str
    head: str
    patch: int
    channel_by_channel: bool


def photo() -> Case:
    """EfficientNet-Lite0, one photo, one target."""
    model = load_classifier()
    return Case(
        title="EfficientNet-Lite0, one photo, one target",
        model=model,
        network=load_classifier().module,
        inputs=model.inputs(PHOTO),
        targets=(285,),
        network_layer="_bn1",
        pooled_layer="_swish",
        head="_fc",
        patch=28,
        channel_by_channel=False,
    )


def policy(count: int) -> Case:
    """The shipped policy, `count` frames of 60×80, all three actions."""
    model = load_policy("cube-reach")
    return Case(
        title=f"policy, {count} frame{'s' * (count > 1)} of 60×80, all 3 actions",
        model=model,
        network=Logits(load_policy("cube-reach").module).eval(),
        inputs=model.inputs(frames(count)),
        targets=(0, 1, 2),
        network_layer="module.features",
        pooled_layer="module.features",
        head="module.policy",
        patch=8,
        channel_by_channel=True,
    )


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


def rivals(case: Case) -> Iterator[tuple[str, str, Run]]:
    """Our method with its options, the library, and a call that does the same with it."""
    for of_library, library in (
        (_captum, "captum"),
        (_pytorch_grad_cam, "pytorch-grad-cam"),
        (_torchcam, "torchcam"),
    ):
        for name, run in of_library(case):
            if case.channel_by_channel or name not in ("score-cam", "ablation-cam"):
                yield name, library, run


def _captum(case: Case) -> Iterator[tuple[str, Run]]:
    from captum import attr

    def run(kind: type, *what: object, **how: object) -> Run:
        def call() -> object:
            method = kind(case.network, *what)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return [
                    method.attribute(case.inputs.clone().requires_grad_(), target=target, **how)
                    for target in case.targets
                ]

        return call

    layer, patch = case.network.get_submodule(case.network_layer), case.patch
    yield "grad-cam", run(attr.LayerGradCam, layer)
    yield "saliency", run(attr.Saliency)
    yield "input-x-gradient", run(attr.InputXGradient)
    yield "guided-backprop", run(attr.GuidedBackprop)
    yield "deconvnet", run(attr.Deconvolution)
    yield "guided-grad-cam", run(attr.GuidedGradCam, layer)
    yield "integrated-gradients:steps=20", run(attr.IntegratedGradients, n_steps=20)
    window = {
        "sliding_window_shapes": (3, patch, patch),
        "strides": (3, patch // 2, patch // 2),
    }
    yield f"occlusion:patch={patch},stride={patch // 2}", run(attr.Occlusion, **window)


def _pytorch_grad_cam(case: Case) -> Iterator[tuple[str, Run]]:
    import pytorch_grad_cam as library
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    layer = case.network.get_submodule(case.network_layer)

    def run(kind: type) -> Run:
        def call() -> object:
            with kind(model=case.network, target_layers=[layer]) as cam:
                return [
                    cam(case.inputs, [ClassifierOutputTarget(target)] * len(case.inputs))
                    for target in case.targets
                ]

        return call

    yield "grad-cam", run(library.GradCAM)
    yield "grad-cam++", run(library.GradCAMPlusPlus)
    yield "hires-cam", run(library.HiResCAM)
    yield "layer-cam", run(library.LayerCAM)
    yield "xgrad-cam", run(library.XGradCAM)
    yield "eigen-cam", run(library.EigenCAM)
    yield "ablation-cam", run(library.AblationCAM)


def _torchcam(case: Case) -> Iterator[tuple[str, Run]]:
    from torchcam import methods

    def run(kind: Any, layer: str, backward: bool, **how: str) -> Run:
        def call() -> object:
            with torch.set_grad_enabled(backward), kind(case.network, layer, **how) as cam:
                scores = case.network(case.inputs)
                kept = {"retain_graph": True} if backward else {}
                return [cam(target, scores, **kept) for target in case.targets]

        return call

    yield "cam", run(methods.CAM, case.pooled_layer, False, fc_layer=case.head)
    yield "score-cam", run(methods.ScoreCAM, case.network_layer, False)
    yield "grad-cam", run(methods.GradCAM, case.network_layer, True)
    yield "grad-cam++", run(methods.GradCAMpp, case.network_layer, True)
    yield "xgrad-cam", run(methods.XGradCAM, case.network_layer, True)
    yield "layer-cam", run(methods.LayerCAM, case.network_layer, True)
