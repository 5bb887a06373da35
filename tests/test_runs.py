"""Modules that run several times in a forward pass, and what was asked before or besides."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rlvis import METHODS, ImageModel, InputError, Policy, explain, load_classifier
from rlvis.models.targets import contrast
from tests.conftest import LABELS, PooledTransformer, randomise
from tests.test_attribution import OF_CNNS
from tests.test_references import PHOTOS


class Shared(nn.Module):
    """One ReLU and one convolution, each used twice, on maps of several sizes."""

    def __init__(self, apart: bool = False) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv2d(3, 6, 3, stride=2), nn.Conv2d(6, 6, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(6, 3)
        if apart:  # the same weights and no sharing
            self.conv2, self.relu2, self.relu3 = nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(), nn.ReLU()
        self.apart = apart

    def forward(self, x: Tensor) -> Tensor:
        conv, one, two = self.conv, self.relu, self.relu
        if self.apart:
            conv, one, two = self.conv2, self.relu2, self.relu3
        x = self.conv(self.relu(self.stem(x)))
        x = nn.functional.avg_pool2d(one(x), 2)
        return self.head(two(conv(x)).mean(dim=(2, 3)))


def shared_and_apart() -> tuple[ImageModel, ImageModel]:
    shared, apart = randomise(Shared()).eval(), Shared(apart=True).eval()
    apart.load_state_dict(
        {**shared.state_dict(), "conv2.weight": shared.conv.weight, "conv2.bias": shared.conv.bias}
    )
    return ImageModel(shared, LABELS), ImageModel(apart, LABELS)


@pytest.mark.parametrize(("layer", "same"), [("relu", "relu3"), ("conv", "conv2"), (None, None)])
@pytest.mark.parametrize("method", OF_CNNS)
def test_of_a_module_used_again_the_last_run_is_read(inputs, method, layer, same) -> None:
    shared, apart = shared_and_apart()
    if method == "cam" and layer == "conv":
        pytest.skip("no head behind it")
    ours = explain(shared, inputs, method, layer=layer)
    expected = explain(apart, inputs, method, layer=same)
    scale = np.abs(expected.maps).max()
    assert scale > 0
    np.testing.assert_allclose(ours.maps, expected.maps, rtol=1e-4, atol=1e-5 * scale)


class Twice(nn.Module):
    """Actor and critic each run the same trunk, the critic on the image turned over."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 5, 3, stride=2), nn.ReLU(inplace=True))
        self.actor, self.critic = nn.Linear(5, 3), nn.Linear(5, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.actor(self.trunk(x).mean(dim=(2, 3)))
        return logits, self.critic(self.trunk(x.flip(-1)).mean(dim=(2, 3)))


class Once(Twice):
    """Its actor alone, or its critic alone as the only score."""

    def __init__(self, critic: bool) -> None:
        super().__init__()
        self.alone = critic

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        if self.alone:
            return self.critic(self.trunk(x.flip(-1)).mean(dim=(2, 3)))
        return self.actor(self.trunk(x).mean(dim=(2, 3)))


@pytest.mark.parametrize("method", [each for each in OF_CNNS if each != "sarfa"])
def test_each_target_is_read_where_the_trunk_ran_for_it(inputs, method) -> None:
    twice = randomise(Twice()).eval()
    with torch.no_grad():
        twice.trunk[0].weight.add_(0.2)
    both = Policy(twice, LABELS)
    parts = []
    for critic, labels in ((False, LABELS), (True, ("value",))):
        once = Once(critic).eval()
        once.load_state_dict(twice.state_dict())
        model = ImageModel(once, labels)
        if method == "perturbation" and critic:
            model = Policy(once, labels)
        parts.append(explain(model, inputs, method, list(labels), layer="trunk").maps)
    expected = np.concatenate(parts, axis=1)
    targets = [*LABELS, "value"]
    for asked in ([0, 1, 2, 3], [3], [1], [3, 0]):
        ours = explain(both, inputs, method, [targets[each] for each in asked], layer="trunk")
        scale = np.abs(expected).max()
        np.testing.assert_allclose(
            ours.maps, expected[:, asked], rtol=1e-4, atol=1e-5 * scale, err_msg=str(asked)
        )


class TransformerTwice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = PooledTransformer()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.inner(x)[0], self.inner(x.flip(-1))[1]


@pytest.mark.parametrize("method", ["attention-rollout", "attention-relevance"])
def test_attention_belongs_to_the_run_of_the_target(transformer, inputs, method) -> None:
    twice = TransformerTwice()
    twice.inner.load_state_dict(transformer.module.state_dict())
    policy = Policy(twice.eval(), LABELS)
    expected = explain(transformer, inputs, method, "left").maps
    np.testing.assert_allclose(explain(policy, inputs, method, "left").maps, expected, rtol=1e-4)
    turned = explain(transformer, inputs.flip(-1), method, "value").maps[..., ::-1]
    np.testing.assert_allclose(explain(policy, inputs, method, "value").maps, turned, rtol=1e-4)
    with pytest.raises(InputError, match="one target at a time"):
        explain(policy, inputs, method, ["left", "value"])


class Branches(nn.Module):
    """A critic and a third score that have convolutions of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.actor, self.critic = nn.Conv2d(3, 2, 3), nn.Conv2d(3, 1, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        scores = self.actor(x).relu().mean(dim=(2, 3))
        value = self.critic(x).relu().mean(dim=(1, 2, 3))
        return torch.cat([scores, torch.ones(len(x), 1)], dim=1), value


def reading(*kinds: str) -> list[str]:
    return [
        name
        for name, each in METHODS.items()
        if ("layer" in kinds and each.reads_layer) or ("input" in kinds and each.needs)
        if not each.reads_attention
    ]


@pytest.mark.parametrize("method", reading("layer"))
def test_a_target_beside_the_layer_is_refused_alone_and_among_others(inputs, method) -> None:
    policy = Policy(randomise(Branches()).eval(), LABELS)
    for targets in (["value"], ["left", "value"], ["value", "left"]):
        with pytest.raises(InputError, match="'value' does not depend on layer 'actor'"):
            explain(policy, inputs, method, targets, layer="actor")
    if method != "cam":
        assert explain(policy, inputs, method, "value").layer == "critic"
        assert explain(policy, inputs, method, ["left", "forward"]).layer == "actor"


@pytest.mark.parametrize("method", [*reading("input"), "smoothgrad", "integrated-gradients"])
def test_a_target_beside_the_image_is_refused_alone_and_among_others(inputs, method) -> None:
    policy = Policy(randomise(Branches()).eval(), LABELS)

    def constant(scores) -> Tensor:
        return torch.ones(len(scores.logits))

    for targets in ([constant], ["left", constant], [constant, "left"]):
        with pytest.raises(InputError, match="'constant' does not depend on"):
            explain(policy, inputs, method, targets)


@pytest.mark.parametrize("method", ["grad-cam", "ablation-cam", "score-cam"])
def test_the_default_model_uses_one_activation_everywhere(method) -> None:
    model = load_classifier("efficientnet-lite0")
    inputs = model.inputs(PHOTOS / "cat.jpg")[..., ::3, ::3]
    why = explain(model, inputs, method, "Egyptian cat")
    assert why.layer == "_swish"
    assert np.isfinite(why.maps).all()


def test_the_layer_does_not_depend_on_what_was_asked_before() -> None:
    """At 32×32 the last convolution sees one place, at 64×64 it does not."""
    network = nn.Sequential(
        nn.Conv2d(3, 4, 8, stride=8),
        nn.ReLU(),
        nn.Conv2d(4, 4, 4, stride=4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )
    small, large = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 64, 64)
    model = ImageModel(randomise(network), LABELS)
    for _ in range(2):
        assert explain(model, small, "grad-cam").layer == "1"
        assert explain(model, large, "grad-cam").layer == "3"
    assert model.layer is None


def test_a_module_under_two_names_is_found_under_both(inputs) -> None:
    network = randomise(Shared()).eval()
    network.add_module("again", network.relu)
    model = ImageModel(network, LABELS)
    one, two = (explain(model, inputs, "grad-cam", layer=each).maps for each in ("relu", "again"))
    np.testing.assert_array_equal(one, two)
    assert explain(model, inputs, "grad-cam", contrast(0, 1), layer="again").maps.any()
