"""Receptive fields beside textbook numbers, and beside what really changes when pixels do."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from rlvis import ImageModel, InputError, Preprocess, load_classifier
from rlvis.features.receptive_field.tracing import ReceptiveField, Sources, receptive_fields


class Scored(nn.Module):
    """A body, and its mean as scores."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).flatten(1).mean(dim=1, keepdim=True)


def positive(module: nn.Module) -> nn.Module:
    """Weights above zero: no change cancels out, no rectifier is dead."""
    generator = torch.Generator().manual_seed(0)
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.1)
    return module.double().eval()


def traced(body: nn.Module, inputs: Tensor, layer: str = "body") -> ReceptiveField:
    return receptive_fields(ImageModel(Scored(body), ["one"], scores="numbers"), inputs, [layer])[
        layer
    ]


def perturbed(body: nn.Module, inputs: Tensor) -> np.ndarray:
    """By brute force: the first and last row and column whose change changes each place."""
    changes = []
    with torch.no_grad():
        before = body(inputs)[0]
        for axis in (2, 3):
            answers = []
            for line in range(inputs.shape[axis]):
                moved = inputs.clone()
                moved.select(axis, line).add_(1e3)
                answers.append((body(moved)[0] != before).numpy())
            changes.append(np.stack(answers))
    first, end = [], []
    for changed in changes:
        nothing = ~changed.any(axis=0)
        first.append(np.where(nothing, 0, changed.argmax(axis=0)))
        end.append(np.where(nothing, 0, len(changed) - changed[::-1].argmax(axis=0)))
    return np.stack([*first, *end], axis=-1)


def boxes(field: ReceptiveField) -> np.ndarray:
    return field.boxes(*np.indices((field.units, *field.grid)))


class Branches(nn.Module):
    """Branches of other reach side by side, a kernel per channel over them, a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(2, 2, 1)
        self.wide = nn.Conv2d(2, 2, (5, 3), padding=(2, 1))
        self.apart = nn.Conv2d(2, 2, 3, padding=3, dilation=3)
        self.each = nn.Conv2d(6, 6, 3, padding=1, groups=6)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.narrow(x), F.relu(self.wide(x)), self.apart(x)], dim=1)
        x = x + self.each(x)
        x[:, :, 1:] += 1
        return F.max_pool2d(x, 3, 2, ceil_mode=True)


class Squeezed(nn.Module):
    """Squeeze and excitation: every place knows of the whole image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.gate = nn.Conv2d(2, 3, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x * torch.sigmoid(1e-9 * self.gate(x.mean(dim=(2, 3))))[..., None, None]


class Lopsided(nn.Module):
    """Padding on one side only, and parts of the map put elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, (2, 3), stride=2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(F.pad(x, (0, 1, 2, 0)))
        left, right = x.chunk(2, dim=1)
        return F.pixel_shuffle(torch.stack([right, left], dim=2).flatten(1, 2), 2).flip(3)


class Reduced(nn.Module):
    """Every place knows of its column, or of its row, and of the place across."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.conv, self.axis = nn.Conv2d(2, 3, 3, 2), axis

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        x = torch.max(x, x.flip(self.axis))
        return x + x.mean(dim=self.axis, keepdim=True)


BODIES = {
    "columns": Reduced(2),
    "rows": Reduced(3),
    "branches": Branches(),
    "lopsided": Lopsided(),
    "squeezed": Squeezed(),
    "pooled": nn.Sequential(
        nn.Conv2d(2, 2, 3), nn.AvgPool2d(3, 2, 1, ceil_mode=True), nn.AdaptiveAvgPool2d((3, 2))
    ),
    "transposed": nn.Sequential(
        nn.Conv2d(2, 2, 3, 2), nn.ConvTranspose2d(2, 4, 4, 3, 1, 1, groups=2, dilation=2)
    ),
    "normalised": nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.PReLU(), nn.Hardswish()),
    "resized": nn.Sequential(
        nn.MaxPool2d(2, dilation=2), nn.Upsample(scale_factor=2), nn.Conv2d(2, 2, 3, padding=5)
    ),
    "smoothed": nn.Sequential(
        nn.Conv2d(2, 2, 3, 2), nn.Upsample(scale_factor=1.5, mode="bilinear"), nn.ReflectionPad2d(1)
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_fields_are_the_pixels_that_change_a_place(name) -> None:
    body = positive(BODIES[name])
    inputs = torch.rand(1, 2, 13, 16, dtype=torch.float64)
    np.testing.assert_array_equal(boxes(traced(body, inputs)), perturbed(body, inputs))


@st.composite
def stacks(draw) -> nn.Module:
    parts: list[nn.Module] = []
    for _ in range(draw(st.integers(1, 4))):
        kernel, stride = draw(st.integers(1, 4)), draw(st.integers(1, 2))
        padding, dilation = draw(st.integers(0, kernel // 2)), draw(st.integers(1, 2))
        kind = draw(st.sampled_from(["conv", "apart", "max", "mean", "pad", "transposed"]))
        parts.append(
            {
                "conv": lambda k=kernel, s=stride, p=padding, d=dilation: nn.Conv2d(
                    2, 2, k, s, p + 2, d
                ),
                "apart": lambda k=kernel, p=padding: nn.Conv2d(2, 2, (1, k), 1, (1, p), groups=2),
                "max": lambda k=kernel, s=stride, p=padding: nn.MaxPool2d(k, s, p, ceil_mode=True),
                "mean": lambda k=kernel, s=stride, p=padding: nn.AvgPool2d(k, s, p),
                "pad": lambda p=padding: nn.ReplicationPad2d((p, 0, 1, p)),
                "transposed": lambda k=kernel, s=stride: nn.ConvTranspose2d(2, 2, k, s),
            }[kind]()
        )
    return nn.Sequential(*parts)


@settings(max_examples=40, deadline=None)
@given(stacks(), st.integers(9, 14), st.integers(9, 14))
def test_fields_of_any_stack_are_the_pixels_that_change_a_place(body, height, width) -> None:
    body = positive(body)
    inputs = torch.rand(1, 2, height, width, dtype=torch.float64)
    try:
        body(inputs)
    except RuntimeError:
        reject()  # the map has become too small for the next layer
    np.testing.assert_array_equal(boxes(traced(body, inputs)), perturbed(body, inputs))


def test_lite0_pads_on_one_side() -> None:
    model = load_classifier(weights="random")
    blocks = [model.module._blocks[number] for number in (0, 1)]
    for block in blocks:
        block._swish = nn.ReLU()  # one that does not saturate
    body = positive(nn.Sequential(model.module._conv_stem, *blocks))
    inputs = torch.rand(1, 3, 48, 48, dtype=torch.float64)
    field = traced(body, inputs)
    changed = perturbed(body, inputs)
    np.testing.assert_array_equal(boxes(field)[0], changed[0])
    assert changed[0, 0, 0].tolist() == [0, 0, 9, 9]


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        (
            "alexnet",
            {0: (11, 4), 3: (51, 8), 6: (99, 16), 8: (131, 16), 10: (163, 16), 12: (195, 32)},
        ),
        ("vgg16", {14: (40, 4), 21: (92, 8), 28: (196, 16), 30: (212, 32)}),
    ],
)
def test_sizes_and_strides_of_the_textbook(name, layers) -> None:
    import torchvision

    kwargs = {"init_weights": False} if name == "vgg16" else {}
    network = torchvision.models.get_model(name, weights=None, **kwargs).features
    model = ImageModel(Scored(network), ["one"])
    side = 300
    fields = receptive_fields(
        model, torch.rand(1, 3, side, side), [f"body.{number}" for number in layers]
    )
    for number, (size, stride) in layers.items():
        geometry = fields[f"body.{number}"].geometry()
        assert geometry.size == (size, size)
        assert geometry.stride == (stride, stride)


def test_units_of_one_layer_differ_behind_a_concatenation() -> None:
    inputs = torch.rand(1, 2, 40, 40, dtype=torch.float64)
    body = positive(Branches())
    field = receptive_fields(
        ImageModel(Scored(body), ["one"], scores="numbers"), inputs, ["body.each"]
    )["body.each"]
    sizes = [field.geometry(unit).size for unit in (0, 2, 4)]
    assert sizes == [(3, 3), (7, 5), (9, 9)]


def test_boxes_in_the_picture_are_the_pixels_that_change_the_input() -> None:
    model = ImageModel(Scored(nn.Conv2d(3, 1, 1)), ["one"], Preprocess((7, 9), 0.8, (0.5,), (0.2,)))
    picture = np.random.default_rng(0).integers(0, 128, (30, 50, 3), np.uint8)
    given = np.array([[y, x, y + 1, x + 2] for y in range(7) for x in range(8)])
    found = Sources(model).boxes(given, picture.shape)
    before = model.inputs(picture)[0].amax(0)
    for axis in (0, 1):
        changes = []
        for line in range(picture.shape[axis]):
            moved = picture.copy()
            np.moveaxis(moved, axis, 0)[line] += 127
            changes.append((model.inputs(moved)[0].amax(0) != before).numpy())
        for box, (top, left, bottom, right) in zip(found, given, strict=True):
            lines = np.flatnonzero(np.array(changes)[:, top:bottom, left:right].any(axis=(1, 2)))
            assert (lines[0], lines[-1] + 1) == (box[axis], box[axis + 2])


def test_boxes_hold_every_pixel_where_preprocessing_does_not_keep_the_order() -> None:
    """Mirrored and rolled: rows of the input that lie together come from apart."""
    prepare = Preprocess((12, 10), 1.0)

    def mirrored(images: Tensor) -> Tensor:
        return prepare(images).flip(-1).roll(4, -2)

    sources = Sources(ImageModel(Scored(nn.Conv2d(3, 1, 1)), ["one"], mirrored))
    for box in ([2, 1, 7, 4], [0, 0, 3, 2], [5, 6, 12, 10]):
        found = sources.boxes(np.array(box), (12, 10, 3))
        rows = (np.arange(box[0], box[2]) - 4) % 12
        columns = 9 - np.arange(box[1], box[3])
        assert found[0] <= rows.min()
        assert found[1] <= columns.min()
        assert found[2] > rows.max()
        assert found[3] > columns.max()


class InPlace(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mul_(2)


def test_a_network_may_change_its_input_in_place() -> None:
    inputs = torch.ones(1, 3, 8, 8)
    assert traced(nn.Sequential(InPlace(), nn.Conv2d(3, 1, 3)), inputs).geometry().size == (3, 3)
    assert (inputs == 1).all()


def test_what_it_cannot_follow_depends_on_everything() -> None:
    class Sorted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.fft.ifft2(torch.fft.fft2(x)).real

    field = traced(positive(Sorted()), torch.rand(1, 2, 6, 8, dtype=torch.float64))
    assert (boxes(field) == [0, 0, 6, 8]).all()
    blind = ImageModel(Scored(nn.Conv2d(3, 1, 1)), ["one"], lambda x: torch.zeros(1, 3, 4, 4))
    assert Sources(blind).boxes(np.array([0, 0, 1, 1]), (9, 9, 3)).tolist() == [0, 0, 9, 9]


def test_bad_layers_are_named() -> None:
    model = ImageModel(Scored(nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten(2))), ["one"])
    inputs = torch.rand(1, 3, 8, 8)
    with pytest.raises(InputError, match=r"did you mean .*'body\.0'"):
        receptive_fields(model, inputs, ["body.O"])
    with pytest.raises(InputError, match="no rows and columns"):
        receptive_fields(model, inputs, ["body.1"])
