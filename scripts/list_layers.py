"""Which layer is taken for class activation maps where none is named, network by network.

    python -m scripts.list_layers > docs/layers.md

The weights are random: they do not matter for the question.
"""

import torch

import rlvis
from rlvis.instrument.layers import resolve_layer
from scripts.references import mend_torchvision

NETWORKS = (
    "efficientnet-lite0",
    "alexnet",
    "vgg16",
    "googlenet",
    "inception_v3",
    "resnet18",
    "resnet50",
    "densenet121",
    "squeezenet1_1",
    "mobilenet_v3_small",
    "efficientnet_b0",
    "convnext_tiny",
    "vit_b_16",
    "swin_t",
    "timm/vit_tiny_patch16_224",
    "timm/deit_tiny_distilled_patch16_224",
    "timm/vit_small_r26_s32_224",
    "timm/swin_tiny_patch4_window7_224",
    "timm/convnext_tiny",
)
METHODS = ("cam", "deconvnet", "attention-rollout")


def row(name: str) -> str:
    """The network, its layer, the size of the map, and which methods apply."""
    model = rlvis.load_classifier(name, weights="random")
    inputs = model.inputs(torch.zeros(1, 3, 320, 320, dtype=torch.uint8))
    layer = resolve_layer(model, inputs, None)
    maps = rlvis.explain(model, inputs, "grad-cam", 0).maps
    size = "×".join(map(str, maps.shape[-2:]))
    applies = ["yes" if _applies(model, inputs, each) else "no" for each in METHODS]
    return f"| {name} | `{layer}` | {size} | {' | '.join(applies)} |"


def _applies(model: rlvis.ImageModel, inputs: torch.Tensor, method: str) -> bool:
    try:
        rlvis.explain(model, inputs, method, 0)
    except rlvis.InputError:
        return False
    return True


def main() -> None:
    """Print the table."""
    mend_torchvision()
    print("# Layers that are found by themselves\n")
    print(
        "The last layer with a map of its own through which all of the score passes: with it cut, "
        "the\nscore depends on the image no more. What only passes on or pools an earlier layer's "
        "map does not\ncount. The classes of modules are not asked: a pass decides "
        "(`rlvis/instrument/layers.py`), and\n`rlvis layers` shows the reason for each layer.\n\n"
        "Plain CAM needs a score that is linear in the means of the layer's channels, the "
        "rectifier rules (guided\nbackpropagation, deconvnet, guided Grad-CAM) a network whose "
        "activations are ReLUs, attention rollout\nand relevance attention of all tokens to all. "
        "Made by `python -m scripts.list_layers`.\n"
    )
    print("| network | layer | map | plain CAM | rectifier rules | attention |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in NETWORKS:
        print(row(name), flush=True)


if __name__ == "__main__":
    main()
