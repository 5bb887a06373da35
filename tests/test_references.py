"""Each method beside an independent implementation on the same model and inputs."""

from pathlib import Path

import captum.attr
import cv2
import pytest
import torch
import torch.nn.functional as F
import torchcam.methods
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from rlvis import ImageModel, explain, load_classifier
from tests.agreement import agree
from tests.by_hand import GRAD_CAMS
from tests.conftest import LABELS, PooledPolicy, randomise

PHOTOS = Path(__file__).parent.parent / "docs" / "photos"


class LogitsOnly(nn.Module):
    """The policy without its value: the libraries expect one tensor."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x)[0]


@pytest.fixture(params=["policy", "efficientnet"])
def case(request: pytest.FixtureRequest) -> tuple[ImageModel, nn.Module, nn.Module, str, Tensor]:
    """Our model, a copy for the library, its layer, the layer's name, and inputs."""
    generator = torch.Generator().manual_seed(3)
    if request.param == "policy":
        ours, theirs = randomise(PooledPolicy()).eval(), randomise(PooledPolicy()).eval()
        model = ImageModel(ours, LABELS)
        reference = LogitsOnly(theirs)
        layer = theirs.features[4]
        layer.inplace = theirs.features[1].inplace = False
        return model, reference, layer, "features.4", torch.rand(4, 3, 24, 32, generator=generator)
    model = load_classifier("efficientnet-lite0")
    theirs = load_classifier("efficientnet-lite0").module
    inputs = torch.cat([model.inputs(PHOTOS / "cat.jpg"), model.inputs(PHOTOS / "coffee.jpg")])
    return model, theirs, theirs._conv_head, "_conv_head", inputs


def likely(model: ImageModel) -> int:
    """A label whose class activation map is not empty."""
    return 2 if len(model.labels) == 3 else model.labels.index("Egyptian cat")


def test_grad_cam_is_captums(case) -> None:
    model, reference, layer, name, inputs = case
    target = likely(model)
    ours = explain(model, inputs, "grad-cam", target, layer=name).maps[:, 0]
    theirs = captum.attr.LayerGradCam(reference, layer).attribute(
        inputs, target=target, relu_attributions=True
    )
    agree("grad-cam", "captum", ours, theirs[:, 0])


@pytest.mark.parametrize(("method", "library"), GRAD_CAMS)
def test_grad_cams_are_pytorch_grad_cams(case, method, library) -> None:
    model, reference, layer, name, inputs = case
    # Its absolute epsilon of 1e-6 swamps small gradients; a larger score keeps clear of that.
    scale = 1e4
    head = reference.module.policy if isinstance(reference, LogitsOnly) else reference._fc
    ours_head = model.module.policy if isinstance(reference, LogitsOnly) else model.module._fc
    with torch.no_grad():
        head.weight.mul_(scale)
        ours_head.weight.mul_(scale)
    maps = explain(model, inputs, method, likely(model), layer=name).maps[:, 0]
    targets = [ClassifierOutputTarget(likely(model))] * len(inputs)
    with library(model=reference, target_layers=[layer]) as cam:
        theirs = cam(input_tensor=inputs, targets=targets)
    for ours, expected in zip(maps, theirs, strict=True):
        assert ours.max() > 0
        resized = cv2.resize(ours - ours.min(), (inputs.shape[3], inputs.shape[2]))
        resized = (resized - resized.min()) / (resized.max() - resized.min())
        agree(method, "pytorch-grad-cam", resized, expected)


def test_cam_is_torchcams_with_its_sign(case) -> None:
    model, reference, _, _, inputs = case
    name = "features.4" if isinstance(reference, LogitsOnly) else None
    ours = explain(model, inputs, "cam", 1, layer=name).maps[:, 0]
    network = reference.module if isinstance(reference, LogitsOnly) else reference
    head = "policy" if isinstance(reference, LogitsOnly) else "_fc"
    layer = "features.4" if isinstance(reference, LogitsOnly) else "_swish"
    with torchcam.methods.CAM(network, layer, fc_layer=head) as extractor, torch.no_grad():
        network(inputs)
        (theirs,) = extractor(class_idx=1, normalized=False)
    agree("cam", "torchcam", ours.clip(min=0) * ours[0].size, theirs.clamp(min=0))


def test_saliency_is_captums(case) -> None:
    model, reference, _, _, inputs = case
    ours = explain(model, inputs, "saliency", 2).maps[:, 0]
    theirs = captum.attr.Saliency(reference).attribute(inputs.clone().requires_grad_(), target=2)
    agree("saliency", "captum", ours, theirs.amax(dim=1))


def test_guided_backpropagation_is_captums_where_relus_are_modules() -> None:
    inputs = torch.rand(4, 3, 24, 32)
    theirs = randomise(PooledPolicy()).eval()
    for module in theirs.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    expected = captum.attr.GuidedBackprop(LogitsOnly(theirs)).attribute(
        inputs.clone().requires_grad_(), target=0
    )
    model = ImageModel(randomise(PooledPolicy()).eval(), LABELS)
    ours = explain(model, inputs, "guided-backprop", 0).maps[:, 0]
    agree("guided-backprop", "captum", ours, expected.abs().amax(dim=1))


@pytest.mark.parametrize("name", ["deconvnet", "guided-grad-cam", "input-x-gradient"])
def test_gradient_methods_are_captums(name) -> None:
    inputs = torch.rand(4, 3, 24, 32, generator=torch.Generator().manual_seed(5))
    theirs = LogitsOnly(randomise(PooledPolicy()).eval())
    for module in theirs.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    x = inputs.clone().requires_grad_()
    if name == "deconvnet":
        expected = captum.attr.Deconvolution(theirs).attribute(x, target=2).abs().amax(dim=1)
    elif name == "input-x-gradient":
        expected = captum.attr.InputXGradient(theirs).attribute(x, target=2).sum(dim=1)
    else:
        guided = captum.attr.GuidedBackprop(theirs).attribute(x, target=2)
        maps = captum.attr.LayerGradCam(theirs, theirs.module.features[4]).attribute(x, target=2)
        where = F.interpolate(maps.relu().detach(), (24, 32), mode="bilinear")
        expected = (guided * where).abs().amax(dim=1)
    model = ImageModel(randomise(PooledPolicy()).eval(), LABELS, layer="features.4")
    agree(name, "captum", explain(model, inputs, name, 2).maps[:, 0], expected)


def test_integrated_gradients_are_captums(policy, inputs) -> None:
    ours = explain(policy, inputs, "integrated-gradients", 0, steps=20, baseline=0.1).maps[:, 0]
    theirs = captum.attr.IntegratedGradients(LogitsOnly(policy.module)).attribute(
        inputs, baselines=0.1, target=0, n_steps=20, method="gausslegendre"
    )
    agree("integrated-gradients", "captum", ours, theirs.sum(dim=1))


@pytest.mark.parametrize(("patch", "stride"), [(8, 8), (8, 4), (4, 2)])
def test_occlusion_is_captums(policy, inputs, patch, stride) -> None:
    ours = explain(policy, inputs, "occlusion", 1, patch=patch, stride=stride, baseline=0.25)
    theirs = captum.attr.Occlusion(LogitsOnly(policy.module)).attribute(
        inputs,
        sliding_window_shapes=(3, patch, patch),
        strides=(3, stride, stride),
        baselines=0.25,
        target=1,
    )
    agree("occlusion", "captum", ours.maps[:, 0], theirs[:, 0])
