"""Maps lie where their cells look: in the network's input, and in the picture before it."""

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from rlvis import ImageModel, InputError, Preprocess, explain
from rlvis.errors import Notice
from rlvis.images.places import Places, Side, draw_at
from rlvis.images.preprocess import Window
from rlvis.images.window_search import find_window
from rlvis.instrument.network_trace import trace_of
from tests.by_hand import drawn

WHOLE = ((0.0, 1.0), (0.0, 1.0))
READING = ["grad-cam", "layer-cam", "hires-cam", "eigen-cam", "score-cam", "ablation-cam"]


def convolutions(*layers: tuple[int, int, int]) -> list[nn.Module]:
    """Convolutions of (kernel, stride, padding), all weights above zero, each rectified."""
    generator, parts = torch.Generator().manual_seed(0), list[nn.Module]()
    for number, (kernel, stride, padding) in enumerate(layers):
        part = nn.Conv2d(3 if number == 0 else 8, 8, kernel, stride, padding)
        nn.init.zeros_(part.bias)
        part.weight.data = torch.rand(part.weight.shape, generator=generator)
        parts += [part, nn.ReLU()]
    return parts


NATURE = (8, 4, 0), (4, 2, 0), (3, 1, 0)
PADDED = (3, 2, 1), (3, 2, 1)


class Reader(nn.Module):
    """It reads rows 4 to 11 and columns 4 to 11 of an image alone, through some way of looking."""

    def __init__(self, look, *layers: tuple[int, int, int], masked: bool = True) -> None:
        super().__init__()
        self.look, self.trunk = look, nn.Sequential(*convolutions(*layers))
        self.heads = nn.Linear(8, 2)
        self.heads.weight.data = torch.stack([torch.ones(8), -torch.ones(8)])
        mask = torch.zeros(1, 1, 48, 48)
        mask[..., 4:12, 4:12] = 1
        self.register_buffer("mask", mask if masked else torch.ones_like(mask))

    def head(self, x: Tensor) -> Tensor:
        return self.heads(self.trunk(x).mean((2, 3)))

    def forward(self, x: Tensor) -> Tensor:
        return self.look(self, x * self.mask)


LOOKS = {
    "as it lies": lambda net, x: net.head(x),
    "mirrored": lambda net, x: net.head(x.flip(-1)),
    "upside down": lambda net, x: net.head(x.flip(-2)),
    "transposed": lambda net, x: net.head(x.mT),
    "rolled": lambda net, x: net.head(x.roll((12, 20), (-2, -1))),
    "cropped": lambda net, x: net.head(x[..., :32, 2:34]),
    "framed": lambda net, x: net.head(F.pad(x, (16, 0, 8, 8))),
    "sampled": lambda net, x: net.head(
        F.grid_sample(
            x,
            F.affine_grid(
                torch.tensor([[[0.5, 0, -0.5], [0, 0.5, -0.5]]]).expand(len(x), 2, 3),
                [len(x), 3, 48, 48],
                align_corners=False,
            ),
            align_corners=False,
        )
    ),
    "with its mirror image": lambda net, x: (net.head(x) + net.head(x.flip(-1))) / 2,
}


def centre(heat: np.ndarray) -> tuple[float, float]:
    heat = np.maximum(heat, 0)
    rows, columns = np.mgrid[: heat.shape[0], : heat.shape[1]]
    return (heat * rows).sum() / heat.sum(), (heat * columns).sum() / heat.sum()


@pytest.mark.parametrize("layers", [PADDED, NATURE], ids=["padded", "nature"])
@pytest.mark.parametrize("look", LOOKS)
def test_maps_lie_where_the_network_reads(look, layers) -> None:
    if layers == NATURE and look in ("cropped", "rolled"):
        pytest.skip("no more than one cell, or none that sees the place alone")
    model = ImageModel(Reader(LOOKS[look], *layers).eval(), ["a", "b"], Preprocess((48, 48)))
    image = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    for name, why in explain(model, image, READING, "a").items():
        assert np.hypot(*np.subtract(centre(why.heatmaps[0, 0]), 7.5)) < 4.5, name


@pytest.mark.parametrize(
    ("layers", "size", "offset", "pitch"),
    [
        (NATURE, 84, 17.5, 8),
        (((11, 4, 2), (3, 2, 0), (5, 1, 2)), 96, 7, 8),
        (((5, 2, 0), (3, 2, 0)), 60, 4, 4),
    ],
)
def test_cells_lie_in_the_middle_of_their_windows(layers, size, offset, pitch) -> None:
    model = ImageModel(
        nn.Sequential(*convolutions(*layers), nn.AdaptiveAvgPool2d(1), nn.Flatten()), [*"abcdefgh"]
    )
    traced = trace_of(model, torch.rand(1, 3, size, size), {}).runs["0"][-1]
    assert traced.cells is not None
    last = [name for name, _ in model.module.named_modules()][-3]
    places = trace_of(model, torch.rand(1, 3, size, size), {}).cells(model, last).places
    middles = np.array([each[0] for each in places.rows.cells]) * size - 0.5
    np.testing.assert_allclose(middles, offset + pitch * np.arange(len(middles)), atol=1e-3)
    assert places.rows.pitch * size == pytest.approx(pitch)


def test_drawing_is_interpolation_that_fades_out() -> None:
    heat = np.random.default_rng(0).random((5, 7), np.float32)
    rows, columns = 9.5 + 8 * np.arange(5), 17.5 + 6 * np.arange(7)
    places = Places(
        Side(tuple(((each + 0.5) / 60,) for each in rows), 8 / 60),
        Side(tuple(((each + 0.5) / 80,) for each in columns), 6 / 80),
    )
    ours = draw_at(heat[None, None], places, (60, 80), WHOLE)[0, 0]
    np.testing.assert_allclose(ours, drawn(heat, rows, columns, (60, 80)), atol=1e-5)


def test_a_map_fades_out_as_far_as_cells_see() -> None:
    module = nn.Sequential(*convolutions(*NATURE), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = ImageModel(module, [*"abcdefgh"], Preprocess((90, 90)))
    image = torch.rand(1, 3, 90, 90, generator=torch.Generator().manual_seed(0)).requires_grad_()
    module[:-2](image).square().sum().backward()
    seen = image.grad.abs().sum((0, 1)).numpy() > 0
    assert not seen.all()
    last = str(len(module) - 3)
    places = trace_of(model, image.detach(), {}).cells(model, last).places
    flat = draw_at(np.ones((7, 7), np.float32), places, (90, 90), WHOLE)
    np.testing.assert_array_equal(flat > 0, seen)
    off = np.abs(np.arange(90)[:, None] - (17.5 + 8 * np.arange(7))).min(axis=1)
    fading = np.clip((18 - off) / (18 - 4), 0, 1)
    np.testing.assert_allclose(flat, fading[:, None] * fading, atol=1e-6)


def padded(moved: set[int]) -> nn.Sequential:
    """Evenly padded convolutions of stride 2, of which some look half a pixel off their middle."""
    layers = [nn.Conv2d(1, 1, 3, 2, 1, bias=False) for _ in range(4)]
    with torch.no_grad():
        for number, layer in enumerate(layers):
            layer.weight.fill_(1)
            if number in moved:
                layer.weight[..., 0, :] = layer.weight[..., :, 0] = 0
    return nn.Sequential(*layers)


@pytest.mark.parametrize(
    ("moved", "stretched"), [(set(), False), ({3}, True), ({0, 1, 2, 3}, True)], ids=str
)
def test_padded_cells_lie_on_the_stretched_grid_unless_windows_are_much_nearer(
    moved, stretched
) -> None:
    module = nn.Sequential(padded(moved), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = ImageModel(module.eval(), ["a"], Preprocess((96, 96)))
    trace = trace_of(model, torch.rand(1, 1, 96, 96), {})
    traced = trace.runs["0"][-1].cells
    assert traced is not None
    places = trace.cells(model, "0").places
    assert places == (Places.stretched((6, 6)) if stretched else traced.places)


def test_unpadded_cells_lie_at_their_windows_unless_the_stretched_grid_is_much_nearer() -> None:
    layer = nn.Conv2d(1, 1, 33, 8, bias=False)
    nn.init.zeros_(layer.weight)
    with torch.no_grad():
        layer.weight[..., 14, 14] = 1  # between the middle of the window and the stretched grid
    module = nn.Sequential(layer, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = ImageModel(module.eval(), ["a"], Preprocess((81, 81)))
    places = trace_of(model, torch.rand(1, 1, 81, 81), {}).cells(model, "0").places
    np.testing.assert_allclose(places.rows.cells[0][0] * 81 - 0.5, 16)


@pytest.mark.parametrize("size", [(21, 35), (3, 4)], ids=["enlarged", "reduced"])
def test_even_places_are_torchs_interpolation(size) -> None:
    heat = np.random.default_rng(0).random((1, 2, 6, 7), np.float32)
    ours = draw_at(heat, Places.stretched((6, 7)), size, WHOLE)
    expected = F.interpolate(
        torch.tensor(heat), size, mode="bilinear", antialias=size[0] < heat.shape[2]
    )
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_a_cell_that_looks_at_two_places_is_drawn_at_both() -> None:
    side = Side(((0.1, 0.9), (0.3, 0.7)), 0.2)
    weights = side.weights(10)
    np.testing.assert_allclose(weights, weights[::-1], atol=1e-6)
    assert weights[0, 0] == weights[9, 0] == pytest.approx(1)
    assert weights[5].argmax() == 1


def test_places_are_what_they_were_recorded_as() -> None:
    places = Places(Side(((0.1, 0.9), ()), 0.25, 0.4), Side.stretched(3))
    assert Places.from_record(places.record()) == places
    for wrong in (
        {},
        {**places.record(), "rows": {"cells": [], "pitch": 0.1, "reach": 0}},
        {**places.record(), "rows": {"cells": [["a"]], "pitch": 0.1, "reach": 0}},
        {**places.record(), "rows": {"cells": [[0.5]], "pitch": float("nan"), "reach": 0}},
        {**places.record(), "rows": {"cells": [[0.5]], "pitch": 0.1, "reach": -1}},
        {**places.record(), "rows": {"cells": [[0.5]], "pitch": 0.1}},
    ):
        with pytest.raises(ValueError, match="places"):
            Places.from_record(wrong)


def scaled(pixels: Tensor) -> Tensor:
    return pixels.float() / 255


def resized(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(scaled(pixels), size, mode="bilinear", antialias=True)


def letterboxed(pixels: Tensor) -> Tensor:
    return F.pad(resized(pixels, (40, 64)), (0, 0, 12, 12), value=0.44)


def by_pillow(pixels: Tensor) -> Tensor:
    pictures = [Image.fromarray(each.permute(1, 2, 0).numpy()) for each in pixels]
    cut = [np.asarray(each.crop((120, 40, 440, 360)).resize((64, 64))) for each in pictures]
    return torch.tensor(np.stack(cut)).permute(0, 3, 1, 2) / 255


def standardised(pixels: Tensor) -> Tensor:
    small = resized(pixels, (50, 80))
    return (small - small.mean((1, 2, 3), keepdim=True)) / small.std((1, 2, 3), keepdim=True)


WINDOWS = {
    "scaled": (scaled, Window(0, 0, 400, 640)),
    "resized": (partial(resized, size=(50, 50)), Window(0, 0, 400, 640)),
    "cropped": (lambda each: scaled(each)[..., 30:330, 100:500], Window(30, 100, 300, 400)),
    "mirrored": (lambda each: scaled(each).flip(-1), Window(0, 0, 400, 640, False, True)),
    "upside down": (lambda each: resized(each, (40, 64)).flip(-2), Window(0, 0, 400, 640, True)),
    "letterboxed": (letterboxed, Window(-120, 0, 640, 640)),
    "by Pillow": (by_pillow, Window(40, 120, 320, 320)),
    "negative": (lambda each: 1 - scaled(each), Window(0, 0, 400, 640)),
    "gamma": (lambda each: scaled(each) ** 2.2, Window(0, 0, 400, 640)),
    "grey": (lambda each: resized(each, (50, 80)).mean(1, keepdim=True), Window(0, 0, 400, 640)),
    "standardised": (standardised, Window(0, 0, 400, 640)),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_the_window_of_a_preprocessing_is_found(name) -> None:
    prepare, expected = WINDOWS[name]
    found = find_window(prepare, (3, 400, 640))
    assert found.known
    assert (found.flipped_rows, found.flipped_columns) == (
        expected.flipped_rows,
        expected.flipped_columns,
    )
    for side in ("top", "left", "height", "width"):
        assert abs(getattr(found, side) - getattr(expected, side)) <= 3, side


def crop_at_random(pixels: Tensor) -> Tensor:
    left = int(torch.randint(0, 500, ()))
    return scaled(pixels)[..., left : left + 100]


@pytest.mark.parametrize(
    "prepare",
    [
        lambda each: scaled(each).mT,
        lambda each: scaled(each)[:, :, torch.randperm(400)],
        lambda each: torch.zeros(len(each), 3, 8, 8),
        crop_at_random,
        lambda each: each.unknown,
    ],
    ids=["turned", "shuffled", "constant", "random", "wrong"],
)
def test_where_no_window_can_be_found_none_is_claimed(prepare) -> None:
    assert not find_window(prepare, (3, 400, 640)).known


class Corner(nn.Module):
    """It reads one place of its input, in the upper left."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        score = x[:, 0, : height // 4, : width // 4].mean((1, 2)) * self.weight
        return torch.stack([score, -score], 1)


@pytest.mark.parametrize("name", ["cropped", "mirrored", "upside down", "letterboxed", "by Pillow"])
def test_maps_lie_where_the_picture_moves_the_score(name) -> None:
    picture = np.random.default_rng(0).integers(100, 150, (400, 640, 3), np.uint8)
    model = ImageModel(Corner(), ["a", "b"], WINDOWS[name][0])
    heat = explain(model, picture, "saliency", "a").heatmaps[0, 0]
    base = float(model.scores(picture).logits[0, 0])
    moves = np.zeros((20, 32))
    for row, column in np.ndindex(*moves.shape):
        changed = picture.copy()
        changed[20 * row : 20 * row + 20, 20 * column : 20 * column + 20] = 255
        moves[row, column] = abs(float(model.scores(changed).logits[0, 0]) - base)
    expected = np.array(centre(moves)) * 20 + 10
    assert np.abs(np.array(centre(np.abs(heat))) - expected).max() < 6


def test_an_unknown_window_is_reported() -> None:
    model = ImageModel(Corner(), ["a", "b"], lambda each: scaled(each).mT)
    with pytest.warns(Notice, match="cannot be found; maps are stretched over all of it"):
        why = explain(model, np.zeros((40, 60, 3), np.uint8), "saliency", "a")
    assert not why.window.known


def test_a_map_of_no_place_is_refused() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.mix = nn.Conv2d(3, 4, 4, 4), nn.Linear(64, 64)
            self.head = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            maps = self.mix(self.conv(x).flatten(2))
            return self.head(maps.mean(2))

    with pytest.raises(InputError, match="no rows and columns of the image"):
        explain(
            ImageModel(Mixed(), ["a", "b"]), torch.rand(1, 3, 32, 32), "grad-cam", 0, layer="mix"
        )


def shown_both_ways(pixels: Tensor) -> Tensor:
    return torch.cat([scaled(pixels), scaled(pixels).flip(-1)], dim=1)


def foveated(pixels: Tensor) -> Tensor:
    """Sharp in the middle, a strong blur outside of it; everything stays where it is."""
    sharp = resized(pixels, (200, 320))
    blurred = F.interpolate(F.avg_pool2d(sharp, 20), (200, 320), mode="bilinear")
    rows, columns = torch.meshgrid(
        torch.linspace(-1, 1, 200), torch.linspace(-1, 1, 320), indexing="ij"
    )
    return torch.where(rows.square() + columns.square() < 0.6, sharp, blurred)


def two_scales(pixels: Tensor) -> Tensor:
    """The middle half of the columns at full size, the sides at half of it."""
    whole = scaled(pixels)
    left, middle, right = whole[..., :160], whole[..., 160:480], whole[..., 480:]
    return torch.cat([left[..., ::4], middle, right[..., ::4]], dim=-1)


def cropped_to_content(pixels: Tensor) -> Tensor:
    filled = (pixels.float().mean((0, 1)) > 30).nonzero()
    (top, left), (bottom, right) = filled.amin(0).tolist(), filled.amax(0).tolist()
    return F.interpolate(scaled(pixels)[..., top : bottom + 1, left : right + 1], (40, 64))


def test_channels_that_show_other_parts_have_no_window() -> None:
    assert not find_window(shown_both_ways, (3, 400, 640)).known


def test_a_window_is_known_to_its_ends() -> None:
    found = find_window(foveated, (3, 400, 640))
    assert not found.known or (abs(found.top) < 12 and abs(found.height - 400) < 24)
    assert not find_window(two_scales, (3, 400, 640)).known


def test_a_window_must_hold_for_the_picture() -> None:
    """A crop to what is on a picture takes all of the stripes, and not all of the picture."""
    picture = np.random.default_rng(0).integers(100, 256, (400, 640, 3), np.uint8)
    picture[:120], picture[:, 400:] = 0, 0
    model = ImageModel(Corner(), ["a", "b"], cropped_to_content)
    with pytest.warns(Notice, match="cannot be found"):
        assert not explain(model, picture, "saliency", "a").window.known


@pytest.mark.parametrize("name", WINDOWS)
def test_a_window_that_is_found_holds_for_pictures(name) -> None:
    prepare, expected = WINDOWS[name]
    for seed in range(3):
        pixels = torch.from_numpy(
            np.random.default_rng(seed).integers(0, 256, (3, 400, 640), np.uint8)
        )
        found = find_window(prepare, (3, 400, 640), pixels)
        assert found.known
        assert abs(found.left - expected.left) <= 3
