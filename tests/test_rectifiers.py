"""Rectifiers are told by what they do to numbers: crossed by the rule, or refused by name."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rlvis import ImageModel, InputError, explain
from rlvis.attribution.evidence import Evidence, GradientRequest
from rlvis.models.targets import as_targets
from tests.by_hand import relu_by_hand
from tests.conftest import LABELS, randomise


class Custom(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradient * (x > 0)


class CustomByMask(Custom):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.where(x > 0, x, torch.zeros_like(x))


class Opaque(Custom):
    """What numpy does nobody can see."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.from_numpy(x.detach().numpy().clip(0))


def by_index(x: Tensor) -> Tensor:
    x = x.clone()
    x[x < 0] = 0
    return x


def masked_in_place(x: Tensor) -> Tensor:
    y = x * 1
    return y.mul_(y > 0)


def filled_in_place(x: Tensor) -> Tensor:
    y = x.clone()
    return y.masked_fill_(y < 0, 0)


RECTIFIERS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "relu_": lambda x: x.clone().relu_(),
    "maximum": lambda x: torch.maximum(x, torch.zeros_like(x)),
    "maximum of a number": lambda x: torch.maximum(x, torch.tensor(0.0)),
    "max": lambda x: torch.max(x, torch.zeros(1)),
    "fmax": lambda x: torch.fmax(torch.zeros_like(x), x),
    "mask": lambda x: x * (x > 0),
    "float mask": lambda x: x * (x > 0).float(),
    "mask of the detached": lambda x: x * (x.detach() > 0).to(x.dtype),
    "mask of the data": lambda x: x * (x.data > 0),
    "heaviside": lambda x: x * torch.heaviside(x, torch.zeros(1)),
    "in place mask": masked_in_place,
    "where": lambda x: torch.where(x > 0, x, 0.0),
    "where tensor": lambda x: torch.where(x < 0, torch.zeros_like(x), x),
    "masked_fill": lambda x: x.masked_fill(x < 0, 0),
    "masked_fill_": filled_in_place,
    "index": by_index,
    "threshold": lambda x: F.threshold(x, 0, 0),
    "nn.Threshold": nn.Threshold(0.0, 0.0),
    "clamp": lambda x: x.clamp(min=0),
    "clamp tensor": lambda x: x.clamp(min=torch.zeros(1)),
    "clip": lambda x: torch.clip(x, torch.zeros_like(x), None),
    "abs": lambda x: (x + x.abs()) / 2,
    "abs the other way": lambda x: 0.5 * (abs(x) + x),
    "leaky": lambda x: F.leaky_relu(x, 0.0),
    "prelu": nn.PReLU(init=0.0),
    "custom": Custom.apply,
    "custom mask": CustomByMask.apply,
    "aten": torch.ops.aten.relu.default,
    "scripted": torch.jit.script(nn.ReLU()),
}
REFUSED: dict[str, Callable[[Tensor], Tensor]] = {
    "opaque": Opaque.apply,
    "leaky": lambda x: F.leaky_relu(x, 0.1),
    "abs": torch.abs,
    "square": lambda x: x * x,
    "pow": lambda x: x.pow(2),
    "silu": lambda x: x * torch.sigmoid(x),
    "gelu": F.gelu,
    "softplus": F.softplus,
    "hardswish": lambda x: x * F.relu6(x + 3) / 6,
    "prelu": nn.PReLU(),
    "other threshold": lambda x: x * (x > 0.1),
    "twice negated": lambda x: -torch.minimum(-x, torch.zeros_like(x)),
    "mask of a copy": lambda x: x.clone().mul_(x > 0),
    "crelu": lambda x: torch.where(x > 0, x, 0.3 * x),
}


class Rectified(nn.Module):
    """Several rectifiers, one of them written in another way."""

    def __init__(self, rectify: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.head = nn.Linear(6, 3)
        self.rectify = rectify

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.one(x))
        x = x + F.relu(self.rectify(self.two(x)) - 0.1)
        return self.head(F.relu(x).mean(dim=(2, 3)))


def gradients(rectify: Callable[[Tensor], Tensor], inputs: Tensor, rule: str) -> Tensor:
    model = ImageModel(randomise(Rectified(rectify)), LABELS)
    with torch.no_grad():
        for each in model.module.modules():
            if isinstance(each, nn.PReLU) and rectify is RECTIFIERS["prelu"]:
                each.weight.zero_()
    evidence = Evidence(
        model, inputs, as_targets(None, model), needs=[GradientRequest("input", rule)]
    )
    return evidence.input_gradients(rule)


def by_hand(inputs: Tensor, rule: str) -> Tensor:
    """The backward pass of `Rectified` written out."""
    Rule = relu_by_hand(rule)  # noqa: N806
    m, x = randomise(Rectified(nn.Identity())), inputs.clone().requires_grad_()
    y = Rule.apply(m.one(x))
    y = y + Rule.apply(Rule.apply(m.two(y)) - 0.1)
    logits = m.head(Rule.apply(y).mean(dim=(2, 3)))
    columns = [
        torch.autograd.grad(logits[:, each].sum(), x, retain_graph=True)[0] for each in range(3)
    ]
    return torch.stack(columns, dim=1)


@pytest.mark.parametrize("rule", ["guided", "deconvnet"])
@pytest.mark.parametrize("way", RECTIFIERS)
def test_however_a_rectifier_is_written(inputs, way, rule) -> None:
    if way == "scripted":
        with pytest.raises(InputError, match="scripted parts"):
            gradients(RECTIFIERS[way], inputs, rule)
        return
    ours, expected = gradients(RECTIFIERS[way], inputs, rule), by_hand(inputs, rule)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("way", REFUSED)
@pytest.mark.parametrize("method", ["guided-backprop", "deconvnet", "guided-grad-cam"])
def test_any_other_activation_is_refused(inputs, way, method) -> None:
    model = ImageModel(randomise(Rectified(REFUSED[way])), LABELS, layer="one")
    with pytest.raises(InputError, match=r"defined for ReLUs only.*use saliency") as caught:
        explain(model, inputs, method)
    assert "\n" not in str(caught.value)
    assert "are none" not in str(caught.value)


HARMLESS: dict[str, Callable[[Tensor], Tensor]] = {
    "gate": lambda x: x * torch.sigmoid(x.mean(dim=(2, 3), keepdim=True)),
    "pool": lambda x: F.max_pool2d(x, 3, 1, 1),
    "norm": lambda x: F.layer_norm(x, x.shape[1:]),
    "softmax": lambda x: x.softmax(dim=1),
    "scale": lambda x: x * torch.linspace(1, 2, 6)[:, None, None] + 1,
    "dropout": lambda x: F.dropout(x, training=False),
    "checked": lambda x: x if bool((x < 1e9).all()) else -x,
    "normalised": F.normalize,
}


@pytest.mark.parametrize("way", HARMLESS)
def test_gates_pooling_and_normalisation_keep_their_derivative(inputs, way) -> None:
    model = ImageModel(randomise(Rectified(HARMLESS[way])), LABELS)
    assert explain(model, inputs, "guided-backprop").maps.any()


def test_a_ceiling_passes_nothing_above_it() -> None:
    class Network(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.where(x > 0, x.clamp(max=6), 0).sum(dim=(1, 2, 3))[:, None]

    model, x = ImageModel(Network(), ["only"]), torch.tensor([[[[-1.0, 3.0, 7.0]]]])
    evidence = Evidence(model, x, as_targets(0, model), needs=[GradientRequest("input", "guided")])
    assert evidence.input_gradients("guided").flatten().tolist() == [0, 1, 0]


def test_a_redirected_gradient_only_descends() -> None:
    """Where a ReLU blocks a whole image, what would switch its units on goes through, no more."""
    from rlvis.instrument.relu_rules import Rectifier

    x = torch.tensor([[-1.0, -2.0], [-1.0, 3.0]], requires_grad=True)
    rectifier = Rectifier()
    rectifier.rule = "redirected"
    with rectifier:
        y = F.relu(x)
    (gradient,) = torch.autograd.grad(y, x, torch.tensor([[-2.0, 5.0], [-3.0, 4.0]]))
    assert gradient.tolist() == [[-2.0, 0.0], [0.0, 4.0]]
