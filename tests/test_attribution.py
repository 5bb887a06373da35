"""Properties every method must have, and exactness where the theory promises it."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rlvis import METHODS, ImageModel, InputError, NonFiniteError, explain
from rlvis.attribution.evidence import Evidence, GradientRequest
from rlvis.models.targets import as_targets, contrast, entropy, log_prob, margin, score, top, value
from tests.by_hand import relu_by_hand
from tests.conftest import LABELS, PooledPolicy, PooledTransformer, randomise

OF_TRANSFORMERS = [name for name, each in METHODS.items() if each.reads_attention]
OF_CNNS = [name for name in METHODS if name not in OF_TRANSFORMERS]


def fingerprint(module: nn.Module) -> list:
    """Everything on a module that a call could leave changed."""
    marks: list = []
    for name, submodule in module.named_modules():
        own = {
            key: (id(entry), len(entry) if isinstance(entry, dict) else entry)
            for key, entry in vars(submodule).items()
            if key not in ("_parameters", "_buffers", "_modules")
        }
        marks.append((name, own))
    for name, parameter in module.named_parameters():
        marks.append((name, id(parameter), parameter.grad, parameter.requires_grad))
        marks.append(parameter.detach().numpy().tobytes())
    for name, buffer in module.named_buffers():
        marks.append((name, id(buffer), buffer.numpy().tobytes()))
    return marks


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("training", [False, True])
def test_a_call_leaves_no_mark(subject, inputs, method, training) -> None:
    subject.module.train(training)
    before, state, given = fingerprint(subject.module), torch.get_rng_state(), inputs.clone()
    explain(subject, inputs, method)
    assert fingerprint(subject.module) == before
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(inputs, given)
    assert inputs.grad is None
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("method", METHODS)
def test_a_call_that_raises_leaves_no_mark(subject, inputs, method) -> None:
    before = fingerprint(subject.module)
    with pytest.raises(NonFiniteError):
        explain(subject, inputs * float("nan"), method)
    assert fingerprint(subject.module) == before


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_is_its_images_one_by_one(subject, inputs, method) -> None:
    together = explain(subject, inputs, method).maps
    alone = np.concatenate([explain(subject, each[None], method).maps for each in inputs])
    assert together.shape[:2] == (4, 3)
    assert np.abs(together).max() > 0
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5 * np.abs(alone).max())
    np.testing.assert_array_equal(together, explain(subject, inputs, method).maps)


@pytest.mark.parametrize("network", ["policy", "transformer"])
def test_several_methods_share_evidence_without_changing_it(request, inputs, network) -> None:
    model = request.getfixturevalue(network)
    applies = [
        name for name in METHODS if network == "transformer" or not METHODS[name].reads_attention
    ]
    together = explain(model, inputs, applies, ["left", "right"])
    for name in applies:
        alone = explain(model, inputs, name, ["left", "right"]).maps
        scale = np.abs(alone).max()
        np.testing.assert_allclose(
            together[name].maps, alone, rtol=1e-4, atol=1e-5 * scale, err_msg=name
        )


@pytest.mark.parametrize("method", METHODS)
def test_frozen_weights_and_callers_without_gradient(subject, inputs, method) -> None:
    expected = explain(subject, inputs, method).maps
    subject.module.requires_grad_(False)
    with torch.no_grad():
        np.testing.assert_array_equal(explain(subject, inputs, method).maps, expected)
    with torch.inference_mode():
        np.testing.assert_array_equal(explain(subject, inputs.clone(), method).maps, expected)


def test_eight_threads_get_what_they_get_alone(policy, transformer) -> None:
    """Every method, a different one in each thread at any time, on one model."""
    names = [each if each != "rise" else "rise:masks=40" for each in METHODS]
    batches = [
        torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(i)) for i in range(8)
    ]

    def explained(number: int) -> dict[str, np.ndarray]:
        turned = names[3 * number :] + names[: 3 * number]
        models = {name: transformer if name in OF_TRANSFORMERS else policy for name in turned}
        return {name: explain(models[name], batches[number], name).maps for name in turned}

    alone = [explained(number) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(explained, range(8)))
    for ours, expected in zip(together, alone, strict=True):
        for name in names:
            scale = np.abs(expected[name]).max()
            np.testing.assert_allclose(
                ours[name], expected[name], rtol=1e-5, atol=1e-6 * scale, err_msg=name
            )


def test_one_forward_and_one_backward_per_target(policy, inputs) -> None:
    calls = {"forward": 0, "backward": 0}

    class Counted(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            calls["forward"] += 1
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            calls["backward"] += 1
            return gradient

    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = policy.module

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.inner(Counted.apply(x))

    model = ImageModel(Counting(), LABELS, layer="inner.features.4")
    methods = ["cam", "grad-cam", "grad-cam++", "saliency"]
    explain(model, inputs, methods)  # the first time, what is to be known of it is found out
    calls.update(forward=0, backward=0)
    explain(model, inputs, methods)
    assert calls == {"forward": 1, "backward": 3}


def test_cam_without_a_pooled_head_is_refused() -> None:
    flat = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 10 * 10, 3))
    with pytest.raises(InputError, match=r"global average pooling.*use grad-cam"):
        explain(ImageModel(flat, LABELS), torch.rand(1, 3, 12, 12), "cam")


def guided_by_hand(model: nn.Module, x: Tensor, target: int, rule: str) -> Tensor:
    """The gradient of FunctionalResidual with each ReLU's backward written out, in float64."""
    Rule = relu_by_hand(rule)  # noqa: N806
    x = x.double().requires_grad_()
    m = model.double()
    s = m.stem(x)
    s = s + m.one(Rule.apply(s))
    y = Rule.apply(m.two(Rule.apply(s)))
    logits = m.head(Rule.apply(s + y).mean(dim=(-2, -1)))
    return torch.autograd.grad(logits[:, target].sum(), x)[0]


@pytest.mark.parametrize("rule", ["plain", "guided", "deconvnet"])
def test_rectifier_rules_hold_for_functional_and_residual_relus(residual, inputs, rule) -> None:
    evidence = Evidence(
        residual,
        inputs,
        as_targets(["left", "right"], residual),
        needs=[GradientRequest("input", rule)],
    )
    ours = evidence.input_gradients(rule)
    for column, target in enumerate((0, 2)):
        expected = guided_by_hand(residual.module, inputs, target, rule)
        torch.testing.assert_close(ours[:, column].double(), expected, rtol=1e-4, atol=1e-6)
        residual.module.float()


@pytest.mark.parametrize(
    "rectify",
    [
        F.relu, torch.relu, Tensor.relu, nn.ReLU(), nn.ReLU(inplace=True), Tensor.relu_, F.relu_,
        lambda x: x.clamp(min=0), lambda x: torch.clamp_min(x, 0), lambda x: x.clamp_(0),
        lambda x: F.relu(x, inplace=True), lambda x: (x.relu_(), x)[1],
        lambda x: (x[..., :].relu_(), x)[1], lambda x: torch.clip(x, 0.0, None), nn.Hardtanh(0, 9),
    ],
)  # fmt: skip
def test_every_way_to_write_a_relu_is_rectified(rectify) -> None:
    class Network(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return rectify(x * torch.tensor([1.0, -1.0])).flatten(1) @ torch.tensor([[-1.0], [2.0]])

    x = torch.tensor([[[[3.0, -4.0]]]])
    model = ImageModel(Network(), ["only"])
    evidence = Evidence(model, x, as_targets(0, model), needs=[GradientRequest("input", "guided")])
    assert evidence.input_gradients("guided").flatten().tolist() == [0.0, -2.0]


def test_relu6_passes_nothing_above_its_ceiling() -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu6 = nn.ReLU6()

        def forward(self, x: Tensor) -> Tensor:
            return self.relu6(x).sum(dim=(1, 2, 3))[:, None]

    model = ImageModel(Network(), ["only"])
    x = torch.tensor([[[[-1.0, 3.0, 7.0]]]])
    needs = [GradientRequest("input", "guided"), GradientRequest("input", "deconvnet")]
    evidence = Evidence(model, x, as_targets(0, model), needs=needs)
    assert evidence.input_gradients("guided").flatten().tolist() == [0, 1, 0]
    assert evidence.input_gradients("deconvnet").flatten().tolist() == [1, 1, 1]


@pytest.mark.parametrize("activation", [nn.SiLU(), nn.GELU(), nn.ELU(), nn.Tanh()])
@pytest.mark.parametrize("method", ["guided-backprop", "deconvnet", "guided-grad-cam"])
def test_rectifier_rules_are_refused_for_other_activations(activation, method) -> None:
    smooth = nn.Sequential(nn.Conv2d(3, 3, 3), activation, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(InputError, match=r"defined for ReLUs only.*use saliency"):
        explain(ImageModel(smooth, LABELS), torch.rand(1, 3, 12, 12), method)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("method", METHODS)
def test_other_precisions_say_the_same(subject, inputs, method, dtype) -> None:
    expected = explain(subject, inputs, method, ["left", "right"]).maps
    subject.module.to(dtype)
    ours = explain(subject, inputs, method, ["left", "right"]).maps
    assert ours.dtype == np.float32
    assert np.isfinite(ours).all()
    alike = np.corrcoef(ours.ravel(), expected.ravel())[0, 1]
    assert alike > (0.999 if dtype == torch.float64 else 0.8)


class Wrapped(nn.Module):
    """A network whose scores come in another form."""

    def __init__(self, inner: nn.Module, form: str) -> None:
        super().__init__()
        self.inner, self.form = inner, form

    def forward(self, x: Tensor) -> object:
        logits, value = self.inner(x)
        return {
            "tensor": logits,
            "tuple": (logits, value[:, None]),
            "list": [logits],
            "dict": {"logits": logits, "value": value},
            "object": SimpleNamespace(logits=logits),
        }[self.form]


@pytest.mark.parametrize("form", ["tensor", "tuple", "list", "dict", "object"])
def test_scores_come_in_many_forms(policy, inputs, form) -> None:
    expected = explain(policy, inputs, "cam", "right", layer="features.4").maps
    wrapped = ImageModel(Wrapped(policy.module, form), LABELS, layer="inner.features.4")
    np.testing.assert_allclose(explain(wrapped, inputs, "cam", "right").maps, expected, atol=1e-6)


def test_grouped_and_dilated_convolutions(inputs) -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2, groups=3),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3, dilation=2, padding=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    )
    randomise(network)
    explained = explain(ImageModel(network, LABELS), inputs, ["cam", "saliency"], "left")
    bias = network[6].bias[0].item()
    np.testing.assert_allclose(
        explained["cam"].maps.sum((2, 3)), explained["cam"].scores - bias, atol=1e-4
    )
    x = inputs.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(x)[:, 0].sum(), x)
    np.testing.assert_allclose(
        explained["saliency"].maps[:, 0], gradient.abs().amax(1), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("method", [*OF_TRANSFORMERS, "grad-cam", "saliency"])
def test_a_flip_of_the_image_flips_the_map_of_a_symmetric_transformer(inputs, method) -> None:
    model = ImageModel(randomise(PooledTransformer()).eval(), LABELS)
    with torch.no_grad():
        for module in model.module.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.copy_((module.weight + module.weight.flip(-1)) / 2)
    maps = explain(model, inputs[:1], method, "left").maps
    flipped = explain(model, inputs[:1].flip(-1), method, "left").maps
    atol = 1e-3 * np.abs(maps).max()
    np.testing.assert_allclose(flipped[..., ::-1], maps, rtol=1e-3, atol=atol)


def test_a_score_that_does_not_depend_on_the_image_is_refused_or_empty(inputs) -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            dead = (self.conv(x) - 1e6).relu().mean(dim=(-2, -1))
            return torch.stack([dead[:, 0], torch.zeros(len(x))], dim=1)

    model = ImageModel(Constant(), ["dead", "nothing"])
    assert explain(model, inputs, "saliency", "dead").maps.max() == 0
    assert explain(model, inputs, "grad-cam", "dead").maps.max() == 0


def test_an_activation_followed_by_an_in_place_relu_is_kept_as_it_was(inputs) -> None:
    network = randomise(PooledPolicy()).eval()
    model = ImageModel(network, LABELS)
    evidence = Evidence(
        model, inputs, as_targets(None, model), layer="features.3", needs=[GradientRequest("layer")]
    )
    expected = network.features[3](
        network.features[2](network.features[1](network.features[0](inputs)))
    )
    assert float(evidence.activations.min()) < 0
    torch.testing.assert_close(evidence.activations[:, 0], expected)


def test_an_activation_followed_by_a_functional_in_place_relu_is_kept(residual, inputs) -> None:
    targets = as_targets("left", residual)
    evidence = Evidence(residual, inputs, targets, layer="two", needs=[GradientRequest("layer")])
    assert float(evidence.activations.min()) < 0
    assert float(evidence.gradients[:, 0][evidence.activations[:, 0] < 0].abs().max()) == 0


class Overwriting(nn.Module):
    """The policy behind operations that change its input in place."""

    def __init__(self, inner: nn.Module, in_place: bool) -> None:
        super().__init__()
        self.inner, self.in_place, self.relu = inner, in_place, nn.ReLU(inplace=in_place)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.inner(self.relu(x.sub_(0.3).mul_(2) if self.in_place else (x - 0.3) * 2))


@pytest.mark.parametrize("method", OF_CNNS)
def test_a_network_may_change_its_input_in_place(policy, inputs, method) -> None:
    maps = []
    for in_place in (True, False):
        given = inputs.clone(memory_format=torch.channels_last)
        model = ImageModel(Overwriting(policy.module, in_place), LABELS, layer="inner.features.4")
        maps.append(explain(model, given, method, ["left", "right"]).maps)
        torch.testing.assert_close(given, inputs, rtol=0, atol=0)
    np.testing.assert_allclose(maps[0], maps[1], rtol=1e-5, atol=1e-6)


def test_an_in_place_rectifier_may_come_first(policy, inputs) -> None:
    first = nn.Sequential(nn.ReLU(inplace=True), policy.module)
    ours = explain(ImageModel(first, LABELS), inputs, "saliency", "left").maps
    np.testing.assert_array_equal(ours, explain(policy, inputs, "saliency", "left").maps)


def test_occlusion_reaches_the_border_and_sees_a_known_spot() -> None:
    class Corner(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, :1, -1, -1]

    x = torch.zeros(1, 3, 21, 33)
    x[..., -1, -1] = 1
    maps = explain(
        ImageModel(Corner(), ["corner"]), x, "occlusion", patch=6, stride=4, baseline=0.0
    )
    heat = maps.maps[0, 0]
    assert heat.shape == (21, 33)
    assert heat[-1, -1] == 1
    assert heat[:14].max() == 0
    assert heat[:, :26].max() == 0


class Spot(nn.Module):
    """The scores are two channels of one pixel."""

    def __init__(self, row: int, column: int) -> None:
        super().__init__()
        self.row, self.column = row, column

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :2, self.row, self.column]


def test_occlusion_sends_many_patches_through_the_network_at_once() -> None:
    network, batches = Spot(5, 7), []
    network.register_forward_pre_hook(lambda _, inputs: batches.append(len(inputs[0])))
    model, image = ImageModel(network, ["a", "b"]), torch.rand(1, 3, 60, 80)
    model.scores(image)
    batches.clear()
    explain(model, image, "occlusion:patch=8,stride=4")
    assert sum(batches) == 1 + 14 * 19
    assert len(batches) < 12


@pytest.mark.parametrize("method", ["occlusion", "perturbation", "sarfa", "rise"])
@pytest.mark.parametrize(("row", "column"), [(0, 0), (6, 20), (22, 31), (23, 15)])
def test_changes_of_the_image_are_shown_where_they_were_made(method, row, column) -> None:
    options = {
        "occlusion": {"patch": 3, "stride": 1, "baseline": 0.0},
        "perturbation": {"radius": 1, "stride": 1},
        "sarfa": {"radius": 1, "stride": 1},
        "rise": {"masks": 2000, "cells": 8},
    }[method]
    x = torch.zeros(1, 3, 24, 32)
    x[:, 0, row, column] = 1
    model = ImageModel(Spot(row, column), ["a", "b"])
    heat = explain(model, x, method, "a", **options).maps[0, 0]
    found = np.argwhere(heat >= 0.99 * heat.max()).mean(axis=0)
    assert heat.max() > 0
    np.testing.assert_allclose(found, (row, column), atol=2 if method == "rise" else 1)


def test_a_changed_image_keeps_the_labels_of_the_image_as_it_was(policy, inputs) -> None:
    first = int(policy.scores(inputs[:1]).logits.argmax())
    ranked = explain(policy, inputs[:1], "occlusion", top(1), baseline=9.0).maps
    named = explain(policy, inputs[:1], "occlusion", first, baseline=9.0).maps
    np.testing.assert_array_equal(ranked, named)
    covered = inputs[:1].clone()
    covered[..., :4, :4] = 9.0
    assert int(policy.scores(covered).logits.argmax()) != first


def test_targets_are_what_they_say(policy, inputs) -> None:
    scores = policy.scores(inputs)
    logits, log_p = scores.logits, scores.logits.log_softmax(1)
    expected = {
        score("forward"): logits[:, 1],
        log_prob("right"): log_p[:, 2],
        contrast("left", "right"): logits[:, 0] - logits[:, 2],
        entropy(): -(log_p.exp() * log_p).sum(1),
        value(): scores.value,
        top(2)[1]: logits.sort(dim=1).values[:, 1],
        margin(): logits.sort(dim=1).values[:, 2] - logits.sort(dim=1).values[:, 1],
    }
    explained = explain(policy, inputs, "saliency", list(expected))
    np.testing.assert_allclose(explained.scores, torch.stack(list(expected.values()), 1), rtol=1e-5)
    second = logits.argsort(dim=1)[:, 1]
    assert [row[-2] for row in explained.targets] == [LABELS[index] for index in second]


def test_a_target_is_written_as_pictures_call_it(policy, inputs) -> None:
    written = ["left - right", "log p(forward)", "entropy", "value", "margin"]
    made = [contrast("left", "right"), log_prob("forward"), entropy(), value(), margin()]
    ours, expected = (explain(policy, inputs, "saliency", each) for each in (written, made))
    np.testing.assert_array_equal(ours.scores, expected.scores)
    assert ours.targets == expected.targets
    assert ours.targets[0][:4] == written[:4]
    for wrong in ("left - up", "log p(up)", "margins"):
        with pytest.raises(InputError, match="no target"):
            explain(policy, inputs, "saliency", wrong)


def test_the_layer_found_is_the_last_spatial_one(policy, residual, inputs) -> None:
    assert explain(policy, inputs, "grad-cam").layer == "features"
    assert explain(residual, inputs, "grad-cam").layer == "stem"  # `two` has a way beside it


def test_heatmaps_have_the_size_of_the_image_and_lie_where_the_network_looked() -> None:
    class Brightest(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 1, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x).mean(dim=(-2, -1))

    from rlvis import Preprocess

    network = Brightest()
    nn.init.ones_(network.conv.weight)
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[40:60, 90:110] = 255
    model = ImageModel(network, ["bright"], Preprocess((32, 32), crop=0.5))
    heat = explain(model, picture, "grad-cam").heatmaps[0, 0]
    assert heat.shape == (100, 200)
    rows, columns = np.nonzero(heat > heat.max() / 2)
    assert abs(rows.mean() - 49.5) < 1
    assert abs(columns.mean() - 99.5) < 1
    assert heat[:24].max() == heat[76:].max() == heat[:, :74].max() == heat[:, 126:].max() == 0
