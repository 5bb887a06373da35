"""Networks that were traced, exported, scripted, quantised or that cast themselves."""

import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rlvis import METHODS, ImageModel, InputError, explain
from tests.conftest import LABELS, randomise
from tests.test_attribution import OF_CNNS

OF_LAYERS = [name for name in OF_CNNS if METHODS[name].reads_layer]
BY_RULES = ["guided-backprop", "deconvnet"]
OF_PIXELS = [name for name in OF_CNNS if name not in (*OF_LAYERS, *BY_RULES)]


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3, stride=2), nn.ReLU()
        )
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean(dim=(2, 3)))


class Casting(Network):
    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return super().forward(x)


class Extra(Network):
    def get_extra_state(self) -> dict[str, int]:
        return {"version": 1}

    def set_extra_state(self, state: object) -> None:
        pass


def network() -> nn.Module:
    return randomise(Network()).eval()


def convert(how: str, x: Tensor) -> nn.Module:
    module = network()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if how in ("exported", "exported for a batch"):
            batch = {"x": {0: torch.export.Dim("batch")}} if how == "exported" else None
            return torch.export.export(module, (x,), dynamic_shapes=batch).module()
        if how == "quantised":
            return torch.ao.quantization.quantize_dynamic(module, {nn.Linear})
        if how == "scripted inside":
            module.add_module("features", torch.jit.script(module.features))
        elif how == "traced by fx inside":
            module.features = torch.fx.symbolic_trace(module.features)
        elif how in ("casting", "extra state"):
            other = (Casting if how == "casting" else Extra)().eval()
            other.load_state_dict(module.state_dict(), strict=False)
            return other
        else:
            return {
                "traced by fx": torch.fx.symbolic_trace,
                "scripted": torch.jit.script,
                "traced": lambda each: torch.jit.trace(each, x),
                "frozen": lambda each: torch.jit.freeze(torch.jit.script(each)),
            }[how](module)
    return module


@pytest.mark.parametrize(
    ("how", "methods"),
    [
        ("traced by fx", OF_CNNS),
        ("traced by fx inside", OF_CNNS),
        ("extra state", OF_CNNS),
        ("exported", [*OF_PIXELS, *BY_RULES]),
        ("scripted", OF_PIXELS),
        ("traced", OF_PIXELS),
        ("frozen", OF_PIXELS),
        ("scripted inside", [*OF_PIXELS, *(each for each in OF_LAYERS if "guided" not in each)]),
    ],
)
def test_what_can_work_does_and_the_rest_says_why(inputs, how, methods) -> None:
    plain, model = ImageModel(network(), LABELS), ImageModel(convert(how, inputs), LABELS)
    for method in OF_CNNS:
        if method in methods:
            ours, expected = explain(model, inputs, method), explain(plain, inputs, method)
            atol = 1e-4 * np.abs(expected.maps).max()
            np.testing.assert_allclose(ours.maps, expected.maps, atol=atol, err_msg=method)
        else:
            with pytest.raises(InputError, match=r"use saliency|cannot be seen into") as caught:
                explain(model, inputs, method)
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize("method", OF_CNNS)
def test_a_network_that_casts_itself(inputs, method) -> None:
    ours = explain(ImageModel(convert("casting", inputs), LABELS), inputs, method)
    expected = explain(ImageModel(network(), LABELS), inputs, method)
    assert np.isfinite(ours.maps).all()
    np.testing.assert_allclose(ours.scores, expected.scores, rtol=0.05, atol=0.05)


def test_a_quantised_network(inputs) -> None:
    model = ImageModel(convert("quantised", inputs), LABELS)
    expected = explain(ImageModel(network(), LABELS), inputs, ["rise", "eigen-cam"])
    for name, each in expected.items():
        ours = explain(model, inputs, name)
        np.testing.assert_allclose(ours.maps, each.maps, atol=0.05 * np.abs(each.maps).max())
    for method in ("grad-cam", "saliency", "integrated-gradients", "guided-backprop"):
        with pytest.raises(InputError, match="pass no gradient on"):
            explain(model, inputs, method)


def test_a_network_exported_for_one_number_of_images(inputs) -> None:
    model = ImageModel(convert("exported for a batch", inputs), LABELS)
    assert explain(model, inputs, "saliency").maps.any()
    with pytest.raises(InputError, match="exported for another number of images at once than"):
        explain(model, inputs, "occlusion")
