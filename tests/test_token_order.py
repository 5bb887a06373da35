"""Tokens that do not lie row by row: the map is put together, or the network is refused."""

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rlvis import METHODS, ImageModel, InputError, Policy, explain
from rlvis.features import activation_maps
from tests.conftest import LABELS, PooledTransformer, randomise

METHODS_OF_TOKENS = [name for name, each in METHODS.items() if each.reads_layer and name != "cam"]
METHODS_OF_TOKENS += [name for name, each in METHODS.items() if each.reads_attention]


class Shuffled(PooledTransformer):
    """It has no positions, so that the order of its tokens changes nothing but their order."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.end = nn.Parameter(torch.zeros(1, 1, 8))

    def order(self, tokens: Tensor) -> Tensor:
        if self.how == "shuffled":
            return tokens[:, torch.randperm(12, generator=torch.Generator().manual_seed(4))]
        if self.how == "rolled":
            return tokens.roll(5, dims=1)
        if self.how == "column by column":
            return tokens.unflatten(1, (3, 4)).transpose(1, 2).flatten(1, 2)
        if self.how == "snake":
            rows = tokens.unflatten(1, (3, 4))
            return torch.cat([rows[:, 0], rows[:, 1].flip(1), rows[:, 2]], dim=1)
        return tokens

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.norm(self.blocks(self.order(self.patches(x).flatten(2).mT))).mean(dim=1)
        return self.policy(x), self.value(x).squeeze(1)


@pytest.mark.parametrize("how", ["row by row", "shuffled", "rolled", "column by column", "snake"])
@pytest.mark.parametrize("method", METHODS_OF_TOKENS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_order_of_tokens_does_not_matter(inputs, method, how, dtype) -> None:
    network = randomise(Shuffled(how)).eval()
    plain = Shuffled("row by row").eval()
    plain.load_state_dict(network.state_dict())
    expected = explain(Policy(plain.to(dtype), LABELS), inputs, method).maps
    ours = explain(Policy(network.to(dtype), LABELS), inputs, method).maps
    assert all(each.dtype == dtype for each in network.parameters())
    tolerance = 1e-4 if dtype == torch.float32 else 0.2
    np.testing.assert_allclose(ours, expected, atol=tolerance * np.abs(expected).max())


class Grouped(nn.Module):
    """Attention whose queries share the values of half as many heads."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = nn.Linear(8, 8), nn.Linear(8, 4), nn.Linear(8, 4)
        self.join = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            each(x).unflatten(-1, (-1, 2)).transpose(1, 2)
            for each in (self.query, self.key, self.value)
        )
        attended = F.scaled_dot_product_attention(query, key, value, enable_gqa=True)
        return x + self.join(attended.transpose(1, 2).flatten(2))


@pytest.mark.skipif(
    "enable_gqa" not in str(F.scaled_dot_product_attention.__doc__), reason="newer than this torch"
)
def test_queries_may_share_their_values(inputs) -> None:
    torch.manual_seed(0)
    network, plain = (Shuffled(how).eval() for how in ("shuffled", "row by row"))
    network.blocks = nn.Sequential(Grouped())
    plain.blocks = nn.Sequential(Grouped())
    plain.load_state_dict(randomise(network).state_dict())
    ours, expected = (
        explain(Policy(each, LABELS), inputs, "grad-cam", layer="blocks.0").maps
        for each in (network, plain)
    )
    assert expected.any()
    np.testing.assert_allclose(ours, expected, atol=1e-4 * np.abs(expected).max())


class Asked(Shuffled):
    """One question is put to all tokens, rather than their mean taken."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.norm(self.blocks(self.order(self.patches(x).flatten(2).mT)))
        x = ((self.end + 1) @ x.mT).softmax(-1) @ x
        return self.policy(x[:, 0]), self.value(x[:, 0]).squeeze(1)


def test_a_question_to_all_tokens_leaves_their_order(inputs) -> None:
    network, plain = Asked("shuffled").eval(), Asked("row by row").eval()
    plain.load_state_dict(randomise(network).state_dict())
    ours, expected = (
        explain(Policy(each, LABELS), inputs, "grad-cam", layer="norm").maps
        for each in (network, plain)
    )
    assert expected.any()
    np.testing.assert_allclose(ours, expected, atol=1e-4 * np.abs(expected).max())


class Mixer(nn.Module):
    """Each token is made of all places."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.mix = nn.Conv2d(3, 8, 8, stride=8), nn.Linear(12, 12)
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).mT
        return self.head(self.norm(self.mix(tokens.mT).mT).mean(dim=1))


def test_tokens_of_many_places_are_refused(inputs) -> None:
    model = ImageModel(randomise(Mixer()).eval(), LABELS)
    with pytest.raises(InputError, match=r"'norm' gives .* no rows and columns"):
        explain(model, inputs, "grad-cam", layer="norm")
    assert explain(model, inputs, "grad-cam").layer == "patches"


def test_two_patches_are_a_grid() -> None:
    model = Policy(randomise(PooledTransformer()).eval(), LABELS)
    image = torch.rand(1, 3, 8, 16, generator=torch.Generator().manual_seed(0))
    ours = explain(model, image, "grad-cam", [0, 1, 2], layer="blocks")
    assert ours.maps.shape[-2:] == (1, 2)


def test_hiera_keeps_its_tokens_in_blocks() -> None:
    torch.manual_seed(0)
    network = timm.create_model("hiera_tiny_224", pretrained=False, num_classes=3).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    model, x = ImageModel(network.double(), LABELS), torch.rand(1, 3, 224, 224).double()
    ours = explain(model, x, "hires-cam", [0, 1, 2], layer="blocks.0").maps[0]
    kept: list[Tensor] = []

    def keep(_: nn.Module, __: object, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_())
        return kept[0].clone()

    handle = network.blocks[0].register_forward_hook(keep)
    logits = network(x)
    handle.remove()
    for column in range(3):
        (gradient,) = torch.autograd.grad(logits[0, column], kept[0], retain_graph=True)
        heat = (gradient * kept[0]).sum(dim=2, keepdim=True).relu()
        expected = network.reroll(heat, 0).detach()[0, :, :, 0]
        if not expected.any():
            continue
        np.testing.assert_allclose(ours[column], expected, atol=1e-4 * float(expected.max()))
    assert ours.any(axis=(1, 2)).sum() >= 2
    scrambled = heat.detach().reshape(56, 56).numpy()
    assert np.abs(ours[2] - scrambled).max() > 0.5 * scrambled.max()


@pytest.mark.parametrize("how", ["shuffled", "column by column", "snake"])
def test_maps_and_receptive_fields_of_tokens_are_at_their_places(inputs, how) -> None:
    network = randomise(Shuffled(how)).eval()
    plain = Shuffled("row by row").eval()
    plain.load_state_dict(network.state_dict())
    layer = "blocks.0"
    ours, theirs = (Policy(each, LABELS) for each in (network, plain))
    images = (inputs[:1].clamp(0, 1) * 255).to(torch.uint8)
    seen, expected = (activation_maps(each, images, layer).maps for each in (ours, theirs))
    np.testing.assert_allclose(seen, expected, atol=1e-4 * np.abs(expected).max())
