"""However a network runs its parts, it is explained like the same network written plainly."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.utils.checkpoint import checkpoint

from rlvis import METHODS, ImageModel, InputError, explain, features
from rlvis.features.synthesis.network import ObjectiveNetwork
from rlvis.features.synthesis.objectives import channel
from rlvis.models.scores import read_output
from tests.conftest import randomise

LABELS = ("left", "forward", "right")
IMAGES = torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(0))
METHODS_OF_ALL = [name for name, each in METHODS.items() if not each.reads_attention]


class Plain(nn.Module):
    """A trunk that sees the image, a way beside it, and a head on both."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 6, 5, 2), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3, 2), nn.ReLU()
        )
        self.side = nn.Linear(3, 4)
        self.head = nn.Linear(12, 3)

    def maps(self, x: Tensor) -> Tensor:
        maps: Tensor = self.trunk(x)
        return maps

    def forward(self, x: Tensor) -> Tensor:
        seen = torch.cat([self.maps(x).mean((2, 3)), self.side(x.mean((2, 3)))], dim=1)
        scores: Tensor = self.head(seen)
        return scores


class NoGrad(Plain):
    @torch.no_grad()
    def maps(self, x: Tensor) -> Tensor:
        return super().maps(x)


class SwitchedOff(Plain):
    def maps(self, x: Tensor) -> Tensor:
        before = torch.is_grad_enabled()
        torch.set_grad_enabled(False)
        found = super().maps(x)
        torch.set_grad_enabled(before)
        return found


class Inference(Plain):
    def maps(self, x: Tensor) -> Tensor:
        with torch.inference_mode():
            return super().maps(x)


class AllInference(Plain):
    @torch.inference_mode()
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


class InferenceThere(Plain):
    def maps(self, x: Tensor) -> Tensor:
        with torch.inference_mode():
            moved = x + 0.0
            with torch.inference_mode(False), torch.no_grad():
                return super().maps(moved)


class Checkpointed(Plain):
    def maps(self, x: Tensor) -> Tensor:
        maps: Tensor = checkpoint(super().maps, x, use_reentrant=False)
        return maps


class CheckpointedTwice(Plain):
    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = checkpoint(self.scores, x, use_reentrant=False)
        return scores

    def scores(self, x: Tensor) -> Tensor:
        return super().forward(x)

    def maps(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            maps: Tensor = checkpoint(super().maps, x, use_reentrant=False)
        return maps


class Reentrant(Plain):
    def maps(self, x: Tensor) -> Tensor:
        maps: Tensor = checkpoint(super().maps, x, use_reentrant=True)
        return maps


class OneByOne(Plain):
    """Runs several images into each other."""

    def forward(self, x: Tensor) -> Tensor:
        seen = [self.maps(x).mean((2, 3)), self.side(x.mean((2, 3)))]
        scores: Tensor = self.head(torch.cat([each.view(1, -1) for each in seen], dim=1))
        return scores


class Squeezed(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).squeeze()


class Mixed(Plain):
    """Takes images at once, and lets each change what it says of the others."""

    def forward(self, x: Tensor) -> Tensor:
        scores = super().forward(x)
        return (scores + scores.mean(0)) / 2


class FixedBatch(Plain):
    def forward(self, x: Tensor) -> Tensor:
        assert len(x) == 1, "exported for one image"
        return super().forward(x)[0]


class Convolved(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[:, :, None, None]


class Between(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[:, None]


class Called(Plain):
    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = functional_call(_Forward(self), dict(_Forward(self).state_dict()), (x,))
        return scores


class _Forward(nn.Module):
    def __init__(self, network: Plain) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return Plain.forward(self.network, x)


class Vmapped(Plain):
    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = vmap(lambda one: super(Vmapped, self).forward(one[None])[0])(x)
        return scores


KEPT: list[type[Plain]] = [
    NoGrad,
    SwitchedOff,
    Inference,
    AllInference,
    InferenceThere,
    Checkpointed,
    CheckpointedTwice,
]
ALONE: list[type[Plain]] = [OneByOne, Mixed, FixedBatch]
VARIANTS = [*KEPT, *ALONE, Squeezed, Convolved, Between, Called]


def pair(kind: type[Plain]) -> tuple[Plain, Plain]:
    """A network, and the same one written plainly."""
    plain, other = randomise(Plain()).eval(), kind().eval()
    other.load_state_dict(plain.state_dict())
    return other, plain


def of(module: nn.Module) -> ImageModel:
    return ImageModel(module, LABELS, name="network")


def derivative(module: Callable[[Tensor], Tensor], x: Tensor, score: Any) -> np.ndarray:
    """Finite differences of a score at one image, (C, H, W), in double precision."""
    step = 1e-6 * torch.eye(x[0].numel(), dtype=x.dtype).view(-1, *x.shape[1:])
    with torch.no_grad():
        rows = [(module(x + each) - module(x - each)).view(-1)[score] for each in step[:, None]]
    return (torch.stack(rows) / 2e-6).view(x.shape[1:]).numpy()


@pytest.mark.filterwarnings("ignore:all of the score")
@pytest.mark.parametrize("kind", VARIANTS)
@pytest.mark.parametrize("method", [each for each in METHODS_OF_ALL if each != "cam"])
def test_every_method_explains_it_like_the_plain_one(method, kind) -> None:
    found, expected = (explain(of(each), IMAGES, method, LABELS) for each in pair(kind))
    assert found.layer == expected.layer
    largest = np.abs(expected.maps).max()
    assert largest > 0
    np.testing.assert_allclose(found.maps, expected.maps, atol=1e-4 * largest, rtol=0)


@pytest.mark.parametrize("method", [each for each in METHODS_OF_ALL if each != "cam"])
def test_what_runs_within_vmap_is_explained_at_the_image(method) -> None:
    vmapped, plain = map(of, pair(Vmapped))
    rules, layer = {"guided", "deconvnet"}, METHODS[method].reads_layer
    if layer or any(need.rule in rules for need in METHODS[method].needs):
        with pytest.raises(InputError, match=r"within torch\.func\.vmap"):
            explain(vmapped, IMAGES, method, LABELS)
        if layer:
            with pytest.raises(InputError, match="gives VmappedTensor, not a map"):
                explain(vmapped, IMAGES, method, LABELS, layer="trunk.4")
        return
    found, expected = (explain(each, IMAGES, method, LABELS).maps for each in (vmapped, plain))
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max(), rtol=0)


@pytest.mark.parametrize("kind", [*VARIANTS, Vmapped])
def test_its_gradient_is_that_of_finite_differences(kind) -> None:
    ours = pair(kind)[0].double()
    x = IMAGES[:1, :, :12, :14].double()
    expected = np.abs(derivative(ours, x, 1)).max(0)
    found = explain(of(ours), x, "saliency", "forward").maps[0, 0]
    np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max(), rtol=0)


def test_a_gradient_that_nobody_can_keep_is_refused() -> None:
    class Hidden(Plain):
        scripted = torch.jit.script(nn.ELU())

        def maps(self, x: Tensor) -> Tensor:
            with torch.inference_mode():
                return torch.relu(self.scripted(super().maps(x)))

    hidden = pair(Hidden)[0]
    with pytest.raises(InputError, match=r"within torch.inference_mode\(\).*use torch.no_grad"):
        explain(of(hidden), IMAGES, "saliency", "left")
    assert explain(of(hidden), IMAGES, "occlusion", "left").maps.any()


class Tokens(nn.Module):
    """Normalises maps whose gradient comes back from tokens, as LeViT does."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.conv, self.norm, self.mix = nn.Conv2d(3, 6, 3, 2), norm, nn.Linear(6, 6)
        self.head = nn.Linear(6, 3)

    def mixed(self, x: Tensor) -> Tensor:
        x = x.view(len(x), -1).view(x.shape)  # images as they usually lie
        tokens = self.norm(self.conv(x)).flatten(2).transpose(1, 2)
        mixed: Tensor = self.mix(tokens)
        return mixed

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.mixed(x).tanh().mean(1))
        return scores


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.rand(6)), nn.Parameter(torch.rand(6))
        self.register_buffer("running_mean", torch.rand(6))
        self.register_buffer("running_var", 0.5 + torch.rand(6))

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)


NORMS = {
    "BatchNorm2d": lambda: nn.BatchNorm2d(6),
    "functional": Functional,
    "scripted": lambda: torch.jit.script(randomise(nn.BatchNorm2d(6)).eval()),
    "InstanceNorm2d": lambda: nn.InstanceNorm2d(6, affine=True),
    "SyncBatchNorm": lambda: nn.SyncBatchNorm(6),
    "GroupNorm": lambda: nn.GroupNorm(2, 6),
}


@pytest.mark.parametrize("images", [1, 2])
@pytest.mark.parametrize("norm", NORMS)
def test_normalisation_of_maps_that_lie_as_tokens(norm, images) -> None:
    network = randomise(Tokens(NORMS[norm]())).double().eval()
    x = IMAGES[:images, :, :9, :11].double()
    expected = np.abs(derivative(network, x[:1], 1)).max(0)
    model = of(network)
    found = explain(model, x, ["saliency", "integrated-gradients:steps=200"], "forward")
    saliency, integrated = found.values()
    np.testing.assert_allclose(saliency.maps[0, 0], expected, atol=1e-5 * expected.max(), rtol=0)
    with torch.no_grad():
        change = (network(x) - network(0 * x))[:, 1]
    np.testing.assert_allclose(integrated.maps.sum((1, 2, 3)), change, atol=1e-3)


def test_synthesis_through_normalisation_of_maps_that_lie_as_tokens() -> None:
    network = randomise(Tokens(nn.BatchNorm2d(6))).double().eval()
    x = IMAGES[:1, :, :9, :11].double().requires_grad_()
    objective = ObjectiveNetwork(of(network), channel("mix", 1))
    (found,) = torch.autograd.grad(objective(x).sum(), x)
    expected = derivative(lambda x: network.mixed(x).mean(1), x.detach(), 1)
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(found[0], expected, atol=1e-5 * np.abs(expected).max(), rtol=0)


@pytest.mark.parametrize("kind", ALONE)
def test_other_tools_ask_it_about_one_image_after_the_other(kind) -> None:
    found, expected = map(of, pair(kind))
    images = features.ArrayImages((IMAGES * 255).to(torch.uint8).movedim(1, -1).numpy())
    for model in (found, expected):
        assert model.takes_batches(IMAGES, {}) is (model is expected)
    with torch.no_grad():
        torch.testing.assert_close(found.scores(IMAGES).logits, expected.module(IMAGES))
    arrays, same = (
        features.patches(each, images, ["trunk.4"], k=2).arrays() for each in (found, expected)
    )
    assert arrays.keys() == same.keys()
    for name, array in arrays.items():
        if array.dtype.kind == "f":
            np.testing.assert_allclose(array, same[name], rtol=1e-4, atol=1e-5)
        else:
            np.testing.assert_array_equal(array, same[name])
    x = IMAGES.double()
    channels = [
        ObjectiveNetwork(of(each.double()), channel("trunk.3", 1))(x) for each in pair(kind)
    ]
    torch.testing.assert_close(*channels)


@pytest.mark.parametrize(
    ("shape", "images", "said"),
    [
        ((2, 5, 3), 2, r"\(2, 5, 3\) for 2 images; .*choose or average its rows"),
        ((5, 3), 1, r"\(5, 3\) for 1 image"),
        ((1, 3), 2, r"\(1, 3\) for 2 images"),
        ((3,), 2, r"\(3,\) for 2 images"),
        ((2, 3, 4, 4), 2, r"\(2, 3, 4, 4\) for 2 images"),
    ],
)
def test_what_is_no_row_of_scores_for_each_image_is_refused(shape, images, said) -> None:
    with pytest.raises(InputError, match=said):
        read_output(torch.zeros(shape), LABELS, images)


@pytest.mark.parametrize(
    ("shape", "images"),
    [((3,), 1), ((1, 3, 1, 1), 1), ((2, 3, 1, 1), 2), ((2, 1, 3), 2), ((1, 1, 3), 1), ((3, 1), 1)],
)
def test_axes_of_length_one_are_no_matter(shape, images) -> None:
    numbers = torch.arange(3.0 * images)
    found = read_output(numbers.view(shape), LABELS, images).logits
    assert torch.equal(found, numbers.view(images, 3))
    one = read_output(numbers[:images].clone(), LABELS[:1], images).logits
    assert torch.equal(one, numbers[:images, None])


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_layers_and_reentrant_checkpoints() -> None:
    for layer in ("trunk.0", "trunk.3"):
        found, expected = (
            explain(of(each), IMAGES, "grad-cam", 1, layer=layer).maps
            for each in pair(Checkpointed)
        )
        np.testing.assert_allclose(found, expected, atol=1e-6)
    reentrant = pair(Reentrant)[0]
    for method in ("saliency", "integrated-gradients"):
        with pytest.raises(InputError, match=r"use_reentrant=True, .*; use use_reentrant=False"):
            explain(of(reentrant), IMAGES, method, "left")
    assert explain(of(reentrant), IMAGES, "occlusion", "left").maps.any()


class Attending(nn.Module):
    """Tokens attend to themselves, and one, or a few, are made of them."""

    def __init__(self, queries: int) -> None:
        super().__init__()
        self.patches, self.norm = nn.Conv2d(3, 8, 8, 8), nn.LayerNorm(8)
        self.attention, self.last = (
            nn.MultiheadAttention(8, 2, batch_first=True) for _ in range(2)
        )
        self.queries = nn.Parameter(torch.rand(1, queries, 8))
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, -x.shape[3] % 8, 0, -x.shape[2] % 8))
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = tokens + self.attention(tokens, self.norm(tokens), tokens)[0]
        asking = self.queries.expand(len(x), -1, -1) if self.queries.shape[1] else tokens
        scores: Tensor = self.head(self.last(asking, tokens, tokens)[0].mean(1))
        return scores


@pytest.mark.parametrize("method", ["attention-rollout", "attention-relevance"])
@pytest.mark.parametrize("queries", [1, 5])
def test_other_queries_than_keys_are_refused(method, queries) -> None:
    with pytest.raises(InputError, match="lets tokens attend to others than themselves"):
        explain(of(randomise(Attending(queries)).eval()), IMAGES, method, "left")


@pytest.mark.parametrize("method", ["attention-rollout", "attention-relevance", "grad-cam"])
def test_sizes_may_change_between_calls(method) -> None:
    network = of(randomise(Attending(0)).eval())
    for height, width in ((24, 32), (40, 32), (21, 30), (24, 32)):
        x = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))
        found = explain(network, x, method, "left")
        fresh = explain(of(randomise(Attending(0)).eval()), x, method, "left")
        assert (found.layer, found.places) == (fresh.layer, fresh.places)
        assert found.maps.shape[2:] == (-(-height // 8), -(-width // 8))
        np.testing.assert_array_equal(found.maps, fresh.maps)
        cells = [cell[0] for cell in found.places[0].rows.cells] if found.places else None
        seen = [(8 * row + 4) / height for row in range(found.maps.shape[2])]
        even = [(row + 0.5) / found.maps.shape[2] for row in range(found.maps.shape[2])]
        np.testing.assert_allclose(cells or even, seen, atol=0.03)


class BesideNoGrad(nn.Module):
    """Two ways from the image to the scores, one of them without gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Conv2d(3, 3, 5), nn.Conv2d(3, 3, 5)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            kept = self.one(x)
        return (kept + self.other(x)).mean((2, 3))


@pytest.mark.parametrize("inner", [False, True], ids=["whole", "a part"])
def test_a_script_that_leaves_gradients_out_is_refused_with_the_reason(inner) -> None:
    scripted = torch.jit.script(BesideNoGrad().eval())
    model = ImageModel(nn.Sequential(scripted) if inner else scripted, LABELS)
    with pytest.raises(InputError, match=r"scripted with torch.no_grad\(\) in it"):
        explain(model, IMAGES, "saliency", "left")
    assert explain(model, IMAGES, "occlusion", "left").maps.any()
