"""Vision transformers: where their maps lie, and what their attention says."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.convnext import ConvNeXt as TorchvisionConvNeXt
from torchvision.models.swin_transformer import SwinTransformer as TorchvisionSwin
from torchvision.models.vision_transformer import VisionTransformer as TorchvisionViT

from rlvis import ImageModel, InputError, explain
from rlvis.instrument.attention_maps import Attentions
from tests.agreement import agree
from tests.by_hand import GRAD_CAMS

CLASSES = [f"class {index}" for index in range(10)]
SIDE = 64


def vit(name: str = "vit_tiny_patch16_224", **how) -> nn.Module:
    return timm.create_model(name, **{"img_size": SIDE, "depth": 2, "num_classes": 10, **how})


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "torchvision vit": lambda: TorchvisionViT(SIDE, 16, 2, 2, 32, 64, num_classes=10),
    "torchvision swin": lambda: TorchvisionSwin(
        [4, 4], 24, [1, 1, 1], [2, 2, 2], [4, 4], num_classes=10
    ),
    "torchvision convnext": lambda: TorchvisionConvNeXt(
        [CNBlockConfig(24, 48, 1), CNBlockConfig(48, None, 1)], num_classes=10
    ),
    "vit": vit,
    "distilled": lambda: vit("deit_tiny_distilled_patch16_224"),
    "registers": lambda: vit(reg_tokens=4),
    "registers alone": lambda: vit(reg_tokens=4, class_token=False, global_pool="avg"),
    "average": lambda: vit(global_pool="avg", fc_norm=False),
    "normalised queries": lambda: vit(qk_norm=True),
    "hybrid": lambda: vit("vit_tiny_r_s16_p8_224"),
    "swin": lambda: timm.create_model(
        "swin_tiny_patch4_window7_224",
        img_size=SIDE,
        depths=(1, 1, 1, 1),
        embed_dim=16,
        num_heads=(1, 2, 4, 8),
        num_classes=10,
    ),
    "convnext": lambda: timm.create_model("test_convnext", num_classes=10),
}


def build(name: str, dtype: torch.dtype = torch.float32) -> ImageModel:
    """A small network with weights large enough to tell its scores apart."""
    torch.manual_seed(0)
    network = NETWORKS[name]().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return ImageModel(network.to(dtype), CLASSES, name=name)


@pytest.fixture
def inputs() -> Tensor:
    return torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("name", "layer", "size"),
    [
        ("torchvision vit", "encoder.layers.encoder_layer_0", 4),
        ("torchvision swin", "permute", 4),
        ("torchvision convnext", "features", 8),
        ("vit", "blocks.0", 4),
        ("distilled", "blocks.0", 4),
        ("registers", "blocks.0", 4),
        ("registers alone", "blocks", 4),
        ("average", "norm", 4),
        ("normalised queries", "blocks.0", 4),
        ("hybrid", "blocks.0", 2),
        ("swin", "norm", 2),
        ("convnext", "stages", 2),
    ],
)
def test_the_last_map_that_is_read_is_found(inputs, name, layer, size) -> None:
    model = build(name)
    explained = explain(model, inputs, ["grad-cam", "eigen-cam", "saliency", "occlusion"], [0, 7])
    assert explained["grad-cam"].layer == layer
    assert explained["grad-cam"].maps.shape == (2, 2, size, size)
    for each in explained.values():
        assert np.isfinite(each.maps).all()
        assert each.maps.any() or each.one_sided
    with pytest.raises(InputError, match=r"defined for ReLUs only.*GELU"):
        explain(model, inputs, "guided-backprop", 0)


def test_weights_of_zero_do_not_hide_the_layer(inputs) -> None:
    model = build("torchvision vit")
    nn.init.zeros_(model.module.heads.head.weight)
    assert explain(model, inputs, "eigen-cam", 0).layer == "encoder.layers.encoder_layer_0"


def patches(tokens: Tensor, prefix: int = 1, side: int = 4) -> Tensor:
    return tokens[:, prefix:].reshape(len(tokens), side, side, -1).permute(0, 3, 1, 2)


CASES = {
    "torchvision vit": ("encoder.layers.encoder_layer_1.ln_1", patches),
    "vit": ("blocks.1.norm1", patches),
    "registers": ("blocks.0.norm2", lambda tokens: patches(tokens, prefix=5)),
    "average": ("norm", patches),
    "torchvision swin": ("features.2", lambda maps: maps.permute(0, 3, 1, 2)),
    "swin": ("layers.1", lambda maps: maps.permute(0, 3, 1, 2)),
    "torchvision convnext": ("features.1.0.block.2", lambda maps: maps.permute(0, 3, 1, 2)),
    "convnext": ("stages.2", lambda maps: maps),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("method", "library"), GRAD_CAMS)
def test_maps_of_tokens_are_pytorch_grad_cams(inputs, name, method, library) -> None:
    layer, reshape = CASES[name]
    inputs = inputs.double()  # Grad-CAM++ divides by what may come close to zero
    model, reference = build(name, torch.double), build(name, torch.double).module
    with torch.no_grad():  # its absolute epsilon swamps small gradients
        for network in (model.module, reference):
            [each for each in network.modules() if isinstance(each, nn.Linear)][-1].weight.mul_(1e8)
    every = explain(model, inputs, method, [*range(10)], layer=layer).maps
    target = every.max(axis=(2, 3)).min(axis=0).argmax()  # one whose maps are not empty
    with library(reference, [reference.get_submodule(layer)], reshape_transform=reshape) as cam:
        theirs = cam(input_tensor=inputs, targets=[ClassifierOutputTarget(target)] * 2)
    for ours, expected in zip(every[:, target], theirs, strict=True):
        assert ours.max() > 0
        resized = cv2.resize(ours - ours.min(), (SIDE, SIDE))
        resized = (resized - resized.min()) / (resized.max() - resized.min())
        agree(f"{method}, tokens", "pytorch-grad-cam", resized, expected)


@pytest.mark.parametrize("name", ["vit", "swin"])
def test_ablation_silences_a_channel_of_tokens(inputs, name) -> None:
    layer, reshape = CASES[name]
    model = build(name)
    target = {"vit": 4, "swin": 3}[name]
    ours = explain(model, inputs, "ablation-cam", target, layer=layer).maps[:, 0]
    network = model.module.double()
    kept: list[Tensor] = []
    module = network.get_submodule(layer)
    handle = module.register_forward_hook(lambda *call: kept.append(call[2]))
    x = inputs.double()
    with torch.no_grad():
        before = network(x)[:, target]
        handle.remove()
        expected = torch.zeros(2, *ours.shape[1:], dtype=torch.double)
        for channel in range(kept[0].shape[-1]):
            keep = torch.ones(kept[0].shape[-1], dtype=torch.double)
            keep[channel] = 0
            handle = module.register_forward_hook(lambda *call, keep=keep: call[2] * keep)
            weight = before - network(x)[:, target]
            handle.remove()
            expected = expected + weight[:, None, None] * reshape(kept[0])[:, channel]
    agree("ablation-cam, tokens", "float64 formula", ours, expected.relu())


def attentions_by_hand(network: nn.Module, x: Tensor) -> list[Tensor]:
    """The attention (N, heads, T, T) of each block, from the parts of timm's or torchvision's."""
    found = []
    if isinstance(network, TorchvisionViT):
        tokens = network._process_input(x)
        tokens = torch.cat([network.class_token.expand(len(x), -1, -1), tokens], dim=1)
        tokens = tokens + network.encoder.pos_embedding
        for block in network.encoder.layers:
            y = block.ln_1(tokens)
            found.append(block.self_attention(y, y, y, average_attn_weights=False)[1])
            tokens = block(tokens)
        return found
    tokens = network.norm_pre(network._pos_embed(network.patch_embed(x)))
    for block in network.blocks:
        attention = block.attn
        q, k, _ = attention.qkv(block.norm1(tokens)).chunk(3, dim=-1)
        q, k = (each.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2) for each in (q, k))
        q, k = attention.q_norm(q), attention.k_norm(k)
        found.append((q @ k.mT / q.shape[-1] ** 0.5).softmax(dim=-1))
        tokens = block(tokens)
    return found


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(
    ("name", "prefix", "read"),
    [
        ("torchvision vit", 1, [0]),
        ("vit", 1, [0]),
        ("normalised queries", 1, [0]),
        ("distilled", 2, [0, 1]),
        ("registers", 5, [0]),
        ("average", 1, [*range(1, 17)]),
        ("registers alone", 4, [*range(4, 20)]),
    ],
)
def test_rollout_is_abnar_and_zuidemas(inputs, name, prefix, read, fused) -> None:
    model = build(name)
    for module in model.module.modules():
        if hasattr(module, "fused_attn"):
            vars(module)["fused_attn"] = fused
    explained = explain(model, inputs, "attention-rollout", [0, 7])
    with torch.no_grad():
        maps = attentions_by_hand(model.module.double(), inputs.double())
    rollout = torch.eye(maps[0].shape[-1], dtype=torch.double)
    for attention in maps:
        rollout = (0.5 * attention.mean(dim=1) + 0.5 * torch.eye(len(rollout[-1]))) @ rollout
    expected = rollout[:, read, prefix:].mean(dim=1).reshape(2, 4, 4)
    for column in range(2):
        agree("attention-rollout", "float64 formula", explained.maps[:, column], expected)


@pytest.mark.parametrize("name", ["torchvision vit", "vit", "average"])
def test_relevance_is_chefers(inputs, name) -> None:
    ours = explain(build(name), inputs, "attention-relevance", [3, 4])
    network = build(name, torch.double).module
    kept: list[Tensor] = []
    softmax = F.softmax

    def keep(x: Tensor, dim: int) -> Tensor:
        kept.append(softmax(x, dim=dim))
        kept[-1].retain_grad()
        return kept[-1]

    for module in network.modules():
        if isinstance(module, nn.MultiheadAttention):
            module.forward = slow_attention(module, keep)
        elif hasattr(module, "attn_drop"):
            vars(module)["fused_attn"] = False
            module.attn_drop.forward = lambda x: keep(x.log(), dim=-1)
    for column, target in enumerate((3, 4)):
        kept.clear()
        network(inputs.double())[:, target].sum().backward()
        relevance = torch.eye(17, dtype=torch.double).repeat(2, 1, 1)
        for attention in kept:
            cam = (attention.grad * attention).clamp(min=0).mean(dim=1)
            relevance = relevance + cam @ relevance
        read = [0] if name != "average" else [*range(1, 17)]
        rows = relevance - torch.eye(17)
        expected = rows[:, read, 1:].mean(dim=1).reshape(2, 4, 4)
        agree("attention-relevance", "float64 formula", ours.maps[:, column], expected)


def slow_attention(module: nn.MultiheadAttention, softmax: Callable) -> Callable:
    """`nn.MultiheadAttention` written out."""

    def forward(x: Tensor, *_: object, **__: object) -> tuple[Tensor, None]:
        qkv = F.linear(x, module.in_proj_weight, module.in_proj_bias)
        q, k, v = qkv.unflatten(-1, (3, module.num_heads, -1)).permute(2, 0, 3, 1, 4)
        attention = softmax(q @ k.mT / q.shape[-1] ** 0.5, dim=-1)
        return module.out_proj((attention @ v).transpose(1, 2).flatten(2)), None

    return forward


@pytest.mark.parametrize("how", ["plain", "causal", "boolean", "additive", "scale", "grouped"])
def test_attention_seen_is_attention_done(how) -> None:
    q, k, v = torch.randn(3, 2, 4, 5, 8)
    options = {
        "plain": {},
        "causal": {"is_causal": True},
        "boolean": {"attn_mask": torch.eye(5, dtype=torch.bool) | (torch.rand(5, 5) > 0.5)},
        "additive": {"attn_mask": torch.randn(2, 1, 5, 5)},
        "scale": {"scale": 0.9},
        "grouped": {"enable_gqa": True},
    }[how]
    if how == "grouped":
        k, v = k[:, :2], v[:, :2]
    with Attentions() as attentions:
        ours = F.scaled_dot_product_attention(q, k, v, **options)
    expected = F.scaled_dot_product_attention(q, k, v, **options)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)
    values = v.repeat_interleave(2, 1) if how == "grouped" else v
    torch.testing.assert_close(attentions.maps[0] @ values, expected, rtol=1e-4, atol=1e-5)
    with torch.no_grad(), Attentions() as attentions:
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
        torch.testing.assert_close(layer(q[0]), layer(q[0]))
    assert [tuple(each.shape) for each in attentions.maps] == [(8, 5, 5)] * 2


@pytest.mark.parametrize(
    ("name", "method", "layer", "message"),
    [
        ("convnext", "attention-rollout", None, r"need a transformer.*use grad-cam"),
        ("swin", "attention-relevance", None, r"within windows.*use grad-cam"),
        ("torchvision swin", "attention-rollout", None, r"within windows.*use grad-cam"),
        ("vit", "cam", None, r"global average pooling.*use grad-cam"),
        ("vit", "grad-cam", "blocks.1", r"through its class token only; name an earlier"),
        ("vit", "grad-cam", "head", r"gives \(N, 10\), not a map"),
        ("torchvision vit", "grad-cam", "encoder.layers.encoder_layer_0.self_attention", "tuple"),
        (
            "normalised queries",
            "grad-cam",
            "blocks.0.attn.q_norm",
            "no rows and columns of the image",
        ),
        ("swin", "grad-cam", "layers.0.blocks.0.attn", "not a map"),
    ],
)
def test_where_a_method_makes_no_sense_it_says_so(inputs, name, method, layer, message) -> None:
    with pytest.raises(InputError, match=message) as caught:
        explain(build(name), inputs, method, 0, layer=layer)
    assert "\n" not in str(caught.value)


def test_an_axis_that_was_mixed_is_no_side_of_a_map() -> None:
    class Either(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.linear = nn.Conv2d(3, 8, 1), nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(self.conv(x)).mean(dim=(2, 3))

    model = ImageModel(Either(), CLASSES[:8])
    with pytest.raises(InputError, match="no rows and columns of the image"):
        explain(model, torch.rand(1, 3, 8, 8), "grad-cam", 0, layer="linear")
