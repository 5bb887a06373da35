"""What people write every day in networks, worlds and calls is understood, or told in one line."""

import warnings
import weakref
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from gymnasium import spaces
from torch import Tensor, nn

from rlvis import (
    METHODS,
    ImageModel,
    InputError,
    Policy,
    Preprocess,
    explain,
    features,
    list_layers,
    record,
)
from rlvis.errors import Notice
from rlvis.models.pixels import channels_read

LABELS = ("a", "b", "c")
IMAGE = torch.randint(256, (1, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte()
OF_CNNS = [
    name for name, each in METHODS.items() if not each.reads_attention and name not in ("cam",)
]


class Plain(nn.Module):
    """A strided convolution, a pool, a head."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head = nn.Conv2d(3, 8, 3, 2, 1), nn.Linear(8, 3)

    def maps(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x))

    def forward(self, x: Tensor) -> Any:
        return self.head(self.maps(x).mean((2, 3)))


class InPlace(Plain):
    def forward(self, x: Tensor) -> Tensor:
        x -= 0.5
        x *= 2
        scores: Tensor = super().forward(x)
        return scores


class Autocast(Plain):
    @torch.autocast("cpu", dtype=torch.bfloat16)
    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = super().forward(x)
        return scores


class HalfTrunk(Plain):
    def maps(self, x: Tensor) -> Tensor:
        self.conv.bfloat16()
        return F.relu(self.conv(x.bfloat16())).float()


class Strided(Plain):
    """Reads memory as it usually lies."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8 * 256, 3)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.maps(x)
        scores: Tensor = self.head(maps.as_strided((len(maps), 2048), (2048, 1)))
        return scores


@pytest.mark.parametrize("method", OF_CNNS)
@pytest.mark.parametrize("kind", [InPlace, Autocast, HalfTrunk])
def test_every_method_takes_them(kind, method) -> None:
    module = kind().eval()
    expected = module(IMAGE.float() / 255).detach().float()
    found = explain(ImageModel(module, LABELS), IMAGE, method, "b")
    np.testing.assert_allclose(found.scores[0], expected[0, 1], atol=0.02)
    assert np.isfinite(found.maps).all()


def test_a_network_that_normalises_in_place_goes_through_all_tools() -> None:
    model = ImageModel(InPlace().eval(), LABELS)
    before = IMAGE.clone()
    assert [each.name for each in list_layers(model, IMAGE) if each.usual] == ["conv"]
    for rule in ("deconvnet", "guided", "plain"):
        features.project(model, IMAGE, "conv", [0], rule)
    features.attack(model, IMAGE)
    features.synthesize(model, "a", size=(32, 32), steps=2)
    features.activation_maps(model, IMAGE, "conv")
    assert torch.equal(IMAGE, before)


class Frozen(Plain):
    """Its trunk is not to be trained."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()

    @torch.no_grad()
    def maps(self, x: Tensor) -> Tensor:
        x -= 0.25
        normed: Tensor = self.relu(self.conv(x))
        return normed


class Trained(Frozen):
    def maps(self, x: Tensor) -> Tensor:
        normed: Tensor = self.relu(self.conv(x - 0.25))
        return normed


@pytest.mark.parametrize("method", [*OF_CNNS, "cam"])
def test_a_frozen_backbone_is_explained_like_a_trained_one(method) -> None:
    frozen, trained = (ImageModel(kind().eval(), LABELS) for kind in (Frozen, Trained))
    for _ in range(2):
        found = explain(frozen, IMAGE, method, "b")
        expected = explain(trained, IMAGE, method, "b")
        assert found.layer == expected.layer
        np.testing.assert_allclose(found.maps, expected.maps, rtol=1e-4, atol=1e-6)
    assert np.abs(expected.maps).max() > 0
    assert torch.is_grad_enabled()


def test_what_is_detached_passes_no_gradient() -> None:
    class Detached(Plain):
        def maps(self, x: Tensor) -> Tensor:
            return super().maps(x).detach()

    model = ImageModel(Detached().eval(), LABELS)
    with pytest.raises(InputError, match=r"as where its forward uses detach; .*use occlusion"):
        explain(model, IMAGE, "grad-cam", "b")
    assert explain(model, IMAGE, "occlusion", "b").maps.any()


@pytest.mark.parametrize("kind", [Autocast, HalfTrunk])
def test_its_gradient_is_that_of_autograd(kind) -> None:
    module = kind().eval()
    x = (IMAGE.float() / 255).requires_grad_()
    (expected,) = torch.autograd.grad(module(x)[0, 1], x)
    found = explain(ImageModel(module, LABELS), IMAGE, "input-x-gradient", "b").maps[0, 0]
    by_hand = (x * expected).detach().sum(dim=1)[0].numpy()
    np.testing.assert_allclose(found, by_hand, atol=0.02 * np.abs(by_hand).max())


@pytest.mark.parametrize("method", ["perturbation", "sarfa", "occlusion", "saliency"])
def test_under_autocast(method) -> None:
    model = ImageModel(Plain().eval(), LABELS)
    expected = explain(model, IMAGE, method, "b").maps
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = explain(model, IMAGE, method, "b").maps
    assert np.isfinite(found).all()
    assert found.shape == expected.shape


def test_memory_that_is_read_as_it_lies() -> None:
    module = Strided().eval()
    found = explain(ImageModel(module, LABELS), IMAGE, "saliency", [0, 1, 2])
    expected = module(IMAGE.float() / 255).detach()
    np.testing.assert_allclose(found.logits, expected, atol=1e-6)


def test_a_network_that_is_changed_after_it_was_asked() -> None:
    class Switched(Strided):
        flat = False

        def forward(self, x: Tensor) -> Tensor:
            maps = self.maps(x)
            scores: Tensor = self.head(maps.view(len(x), -1) if self.flat else maps.flatten(1))
            return scores

    module = Switched().eval()
    model = ImageModel(module, LABELS)
    before = explain(model, IMAGE, "saliency", "b").maps
    module.flat = True
    np.testing.assert_allclose(explain(model, IMAGE, "saliency", "b").maps, before, atol=1e-5)


def test_eval_mode_is_the_networks_own() -> None:
    class Noisy(Plain):
        noisy = True

        def train(self, mode: bool = True) -> "Noisy":
            self.noisy = mode
            return super().train(mode)

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + 5 * self.noisy

    module = Noisy().train()
    found = ImageModel(module, LABELS).scores(IMAGE).logits
    assert module.noisy
    assert module.training
    assert torch.allclose(found, module.eval()(IMAGE.float() / 255), atol=1e-6)


BACKBONE = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())


class Global(nn.Module):
    """Runs a module that it does not hold, in a method of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8, 3)

    def codes(self, x: Tensor) -> Tensor:
        return BACKBONE(x).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.codes(x))
        return scores


def closed_over() -> tuple[nn.Module, nn.BatchNorm2d]:
    norm, conv = nn.BatchNorm2d(8), nn.Conv2d(3, 8, 3, 2, 1)

    class Closed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            scores: Tensor = self.head(norm(conv(x)).mean((2, 3)))
            return scores

    return Closed(), norm


def weakly_held() -> tuple[nn.Module, nn.BatchNorm2d]:
    class Child(nn.Module):
        def __init__(self, parent: nn.Module) -> None:
            super().__init__()
            self.parent = weakref.ref(parent)

        def forward(self, x: Tensor) -> Tensor:
            parent: Any = self.parent()
            normed: Tensor = parent.norm(x)
            return normed

    class Parent(Plain):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.child = nn.BatchNorm2d(8), Child(self)

        def maps(self, x: Tensor) -> Tensor:
            return F.relu(self.child(self.conv(x)))

    parent = Parent()
    return parent, parent.norm


@pytest.mark.parametrize("make", [lambda: (Global(), BACKBONE[1]), closed_over, weakly_held])
def test_modules_that_are_held_elsewhere_stay_as_they_are(make) -> None:
    module, norm = make()
    module.train()
    norm.train()
    before = norm.running_mean.clone()
    found = ImageModel(module, LABELS).scores(IMAGE).logits
    explain(ImageModel(module, LABELS), IMAGE, ["saliency", "occlusion"], "b")
    assert torch.equal(norm.running_mean, before)
    assert norm.training
    norm.eval()
    assert torch.allclose(found, module.eval()(IMAGE.float() / 255), atol=1e-6)


class Transposed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mT


class Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=1)


def test_noise_of_the_network_is_told() -> None:
    class Noisy(Plain):
        def forward(self, x: Tensor) -> Tensor:
            scores: Tensor = self.head(F.dropout(self.maps(x).mean((2, 3))))
            return scores

    model = ImageModel(Noisy().eval(), LABELS)
    with pytest.warns(Notice, match="draws random numbers whenever it runs"):
        explain(model, IMAGE, "occlusion", "b")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explain(ImageModel(Plain().eval(), LABELS), IMAGE, "occlusion", "b")
        layer = nn.TransformerEncoderLayer(8, 2, 8, batch_first=True)
        tokens = nn.Sequential(nn.Conv2d(3, 8, 8, 8), nn.Flatten(2), Transposed(), layer, Mean())
        explain(ImageModel(tokens.eval(), list("abcdefgh")), IMAGE, "occlusion", "b")


@pytest.mark.parametrize("images", [1, 2, 3])
def test_a_weight_beside_the_scores_is_no_value(images) -> None:
    class Spread(Plain):
        def __init__(self) -> None:
            super().__init__()
            self.log_std = nn.Parameter(torch.zeros(images))

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return super().forward(x), self.log_std

    model = ImageModel(Spread().eval(), LABELS)
    assert model.scores(IMAGE.expand(images, -1, -1, -1)).value is None


@pytest.mark.parametrize("pixel_range", [(0, 255), (-1, 1), (0, 1)])
def test_what_is_explained_is_what_was_acted_on(pixel_range) -> None:
    class ActorCritic(Plain):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            scores = super().forward(x)
            return scores, scores.sum(dim=1)

    low, high = pixel_range
    observation = np.random.default_rng(0).uniform(low, high, (32, 32, 3)).astype(np.float32)
    policy = Policy(ActorCritic().eval(), LABELS, pixel_range=pixel_range)
    decision = policy.act(observation)
    found = explain(policy, decision.image, "saliency", "b").logits[0]
    np.testing.assert_allclose(found, decision.logits, atol=2e-3 * np.abs(decision.logits).max())


def test_floats_are_not_taken_for_levels() -> None:
    with pytest.raises(InputError, match=r"holds float32; give Policy\(pixel_range="):
        Policy(Plain().eval(), LABELS).act(np.ones((32, 32, 3), np.float32))
    with pytest.raises(InputError, match="is no range"):
        Policy(Plain().eval(), LABELS, pixel_range=(1, 1))


def test_actions_that_begin_with_one() -> None:
    class FromOne(gymnasium.Env):
        observation_space = spaces.Box(0, 255, (32, 32, 3), np.uint8)
        action_space = spaces.Discrete(3, start=1)

        def reset(self, **_: Any) -> tuple:
            self.taken: list[int] = []
            return np.zeros((32, 32, 3), np.uint8), {}

        def step(self, action: Any) -> tuple:
            self.taken.append(int(action))
            done = len(self.taken) == 40
            return np.zeros((32, 32, 3), np.uint8), 0.0, done, False, {}

    world = FromOne()
    record(Policy(Plain().eval(), LABELS), world, episodes=1, methods="none")
    assert set(world.taken) == {1, 2, 3}


@pytest.mark.parametrize("method", ["attention-rollout", "attention-relevance"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_tokens_before_images(method, batch_first) -> None:
    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=batch_first)
            self.patches = nn.Conv2d(3, 16, 8, 8)
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.head = nn.Linear(16, 3)

        def forward(self, x: Tensor) -> Tensor:
            tokens = self.patches(x).flatten(2)
            order = (0, 2, 1) if batch_first else (2, 0, 1)
            seen = self.encoder(tokens.permute(*order)).mean(1 if batch_first else 0)
            scores: Tensor = self.head(seen)
            return scores

    images = torch.cat([IMAGE, IMAGE.flip(3)])
    found = explain(ImageModel(Encoder().eval(), LABELS), images, method, "b").maps
    assert found.shape == (2, 1, 4, 4)
    assert np.ptp(found) > 0


def test_attention_that_gives_its_weights_besides() -> None:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, 16, 8, 8)
            self.attend = nn.MultiheadAttention(16, 4, batch_first=True)
            self.head = nn.Linear(16, 3)

        def forward(self, x: Tensor) -> Tensor:
            tokens = self.patches(x).flatten(2).mT
            scores: Tensor = self.head((tokens + self.attend(tokens, tokens, tokens)[0]).mean(1))
            return scores

    found = explain(ImageModel(Attending().eval(), LABELS), IMAGE, "attention-rollout", "b")
    assert found.maps.shape == (1, 1, 4, 4)


@pytest.mark.parametrize(
    ("module", "channels"),
    [
        (nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 8, 3)), 4),
        (nn.Conv2d(3, 3, 3, groups=3), 3),
    ],
)
def test_channels_are_those_of_the_first_convolution(module, channels) -> None:
    assert channels_read(nn.Sequential(module)) == channels


def test_masks_in_buffers_are_no_broken_weights() -> None:
    module = Plain()
    module.register_buffer("mask", torch.full((4, 4), -torch.inf).triu(1))
    ImageModel(module, LABELS)
    module.head.weight.data[0, 0] = torch.inf
    with pytest.raises(InputError, match=r"'head\.weight' of Plain holds NaN or infinity"):
        ImageModel(module, LABELS)


@pytest.mark.parametrize("target", [np.int64(1), torch.tensor(1), [np.int64(1)], [np.array(1)]])
def test_numbers_of_labels_of_any_kind(target) -> None:
    assert explain(ImageModel(Plain().eval(), LABELS), IMAGE, "saliency", target).targets == [["b"]]


ARRAY: Any = np.array([0, 1])
REFUSED: dict[str, Callable[[], Any]] = {
    "an array of 2 targets is ambiguous": lambda: explain(
        ImageModel(Plain(), LABELS), IMAGE, "saliency", ARRAY
    ),
    "labels are names, one for each score": lambda: ImageModel(Plain(), 3),
    "not 'cat'": lambda: ImageModel(Plain(), "cat"),
    "the size 32 is none; give": lambda: Preprocess(size=32),
    "function is no environment": lambda: record(Policy(Plain(), LABELS), lambda: None),
    "has no size yet; let the network run": lambda: ImageModel(nn.LazyConv2d(3, 3), LABELS),
    "made inside torch.inference_mode": lambda: ImageModel(
        torch.inference_mode()(lambda: Plain())(), LABELS
    ),
    "transpose an array": lambda: explain(
        ImageModel(Plain(), LABELS), np.zeros((3, 32, 32), np.uint8), "saliency"
    ),
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_cannot_be_meant_is_told_in_one_line(said) -> None:
    with pytest.raises(InputError, match=said) as caught:
        REFUSED[said]()
    assert "\n" not in str(caught.value)


def test_labels_by_their_number() -> None:
    assert ImageModel(Plain(), {0: "cat", 2: "x", 1: "dog"}).labels == ("cat", "dog", "x")
