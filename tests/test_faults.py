"""Inputs that a network was not made for are told in one line; its own faults keep theirs."""

import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision.models.vision_transformer import VisionTransformer

from rlvis import ImageModel, InputError, Preprocess, explain
from tests.conftest import LABELS, PooledPolicy


def flat(size: int = 12) -> nn.Module:
    """A network that takes one size only, and notices at its last layer."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * size * size, 3)
    )


NETWORKS = {
    "flat": flat,
    "torchvision vit": lambda: VisionTransformer(16, 8, 1, 2, 16, 16, num_classes=3),
    "timm vit": lambda: timm.create_model(
        "vit_tiny_patch16_224", img_size=32, depth=1, num_classes=3
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("method", ["grad-cam", "saliency"])
def test_an_image_of_another_size_is_told_in_one_line(name, method) -> None:
    model = ImageModel(NETWORKS[name](), LABELS, name=name)
    for run in (lambda x: explain(model, x, method), model.scores):
        with pytest.raises(InputError, match="takes no input of 3 channels and 24×40") as caught:
            run(torch.rand(1, 3, 40, 24))
        assert "\n" not in str(caught.value)
        assert caught.value.__cause__ is not None


def test_another_number_of_channels_is_told_in_one_line() -> None:
    model = ImageModel(PooledPolicy(), LABELS, Preprocess((24, 32)), name="pooled")
    with pytest.raises(InputError, match="pooled takes no input of 1 channels"):
        explain(model, torch.rand(1, 1, 24, 32), "cam")


@pytest.mark.parametrize(
    ("kind", "text"),
    [(KeyError, "x"), (RuntimeError, "disk on fire"), (RuntimeError, "shapes do not match")],
)
def test_faults_of_the_network_itself_pass(kind, text) -> None:
    fault = kind(text)

    class Faulty(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            raise fault

    model = ImageModel(Faulty(), LABELS, Preprocess((12, 12)))
    with pytest.raises(kind) as caught:
        explain(model, torch.rand(1, 3, 12, 12), "saliency")
    assert caught.value is fault


def test_weights_on_two_devices_are_told_in_one_line() -> None:
    model = ImageModel(flat(), LABELS, name="flat")
    model.module[3].to("meta")
    with pytest.raises(InputError, match=r"flat lie on cpu and meta; put the module on one device"):
        explain(model, torch.rand(1, 3, 12, 12), "saliency")
    with pytest.raises(InputError, match=r"'3\.weight' of flat lies on the device meta"):
        ImageModel(model.module, LABELS, name="flat")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a second device")
def test_inputs_are_moved_to_the_weights() -> None:
    model = ImageModel(flat(), LABELS)
    inputs = torch.rand(1, 3, 12, 12, device="cuda")
    assert explain(model, inputs, "saliency").maps.any()


def test_a_layer_the_target_does_not_depend_on() -> None:
    class Aside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.aside = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            self.aside(x)
            return self.used(x).mean(dim=(2, 3))

    with pytest.raises(InputError, match="'left' does not depend on layer 'aside'"):
        explain(
            ImageModel(Aside(), LABELS), torch.rand(1, 3, 8, 8), "grad-cam", "left", layer="aside"
        )


def test_labels_that_do_not_match_the_scores() -> None:
    with pytest.raises(InputError, match="gives 3 scores per image, but there are 2 labels"):
        explain(ImageModel(flat(), LABELS[:2]), torch.rand(1, 3, 12, 12), "saliency")
