"""The strongest patches beside brute force; work that is stopped, taken up, and given bad input."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from rlvis import ImageModel, InputError, Preprocess
from rlvis.features.image_sets.image_pass import skipped_line
from rlvis.features.image_sets.image_set import ArrayImages, FolderImages
from rlvis.features.top_patches.result import Patches
from rlvis.features.top_patches.search import patches
from rlvis.interrupt import Stopped
from rlvis.progress import Progress


class Twice(nn.Module):
    """A convolution that is changed in place and runs twice, and a layer of vectors."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one = nn.Conv2d(3, 4, 3, padding=1)
        self.two = nn.Conv2d(4, 4, 3, stride=2, padding=1)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.two(F.relu_(self.one(x)))
        x = F.relu_(self.two(x))
        return self.head(x.mean(dim=(2, 3)))

    def maps(self, x: Tensor) -> dict[str, Tensor]:
        one = self.one(x)
        two = self.two(self.two(one.relu()))
        return {"one": one, "two": two, "head": self(x)[..., None, None]}


@pytest.fixture
def model() -> ImageModel:
    return ImageModel(Twice(), ["a", "b"], Preprocess((12, 16), 0.9), name="twice")


@pytest.fixture
def images() -> ArrayImages:
    return ArrayImages(np.random.default_rng(0).integers(0, 256, (50, 18, 20, 3), np.uint8))


LAYERS = ["one", "two", "head"]


def arrays(found: Patches) -> dict[str, np.ndarray]:
    return {
        f"{layer} {name}": getattr(each, name)
        for layer, each in found.layers.items()
        for name in ("values", "images", "places", "boxes", "centres")
    }


@pytest.mark.parametrize(("k", "per_image"), [(5, 1), (9, 3), (50, 1)])
def test_the_strongest_places_of_all(model, images, k, per_image) -> None:
    found = patches(model, images, LAYERS, k, per_image=per_image, batch_size=7)
    inputs = torch.cat([model.inputs(images.picture(number)) for number in range(len(images))])
    with torch.no_grad():
        maps = model.module.maps(inputs)
    for layer, every in maps.items():
        mine, width = found.layers[layer], every.shape[-1]
        for unit in range(every.shape[1]):
            ranked = sorted(
                (
                    (value, number, place)
                    for number, one in enumerate(every[:, unit].flatten(1))
                    for value, place in sorted(
                        ((value, place) for place, value in enumerate(one.tolist())), reverse=True
                    )[:per_image]
                ),
                reverse=True,
            )[:k]
            values, numbers, places = map(np.array, zip(*ranked, strict=True))
            count = len(values)
            np.testing.assert_allclose(mine.values[unit][:count], values, rtol=1e-4, atol=1e-5)
            np.testing.assert_array_equal(mine.images[unit][:count], numbers)
            np.testing.assert_array_equal(mine.places[unit][:count] @ [width, 1], places)
            assert (mine.images[unit][count:] == -1).all()


def test_what_lies_outside_a_patch_does_not_matter(model, images) -> None:
    found = patches(model, images, ["one"], 3).layers["one"]
    for unit in range(4):
        for value, number, place, box in zip(
            found.values[unit],
            found.images[unit],
            found.places[unit],
            found.boxes[unit],
            strict=True,
        ):
            top, left, bottom, right = box
            alone = np.zeros_like(images.picture(number))
            alone[top:bottom, left:right] = images.picture(number)[top:bottom, left:right]
            with torch.no_grad():
                again = model.module.one(model.inputs(alone))[0, unit, place[0], place[1]]
            assert again.item() == pytest.approx(value, abs=1e-4)
            y, x = found.centres[unit][list(found.images[unit]).index(number)]
            assert top <= y < bottom
            assert left <= x < right


def test_centres_are_the_middles_of_cells() -> None:
    """Windows side by side, no resizing: the middle of a place is the middle of its window."""
    model = ImageModel(
        nn.Sequential(nn.Conv2d(3, 4, 6, 6), nn.Flatten()), [f"score {n}" for n in range(36)]
    )
    pictures = np.random.default_rng(0).integers(0, 256, (9, 18, 18, 3), np.uint8)
    found = patches(model, ArrayImages(pictures), ["0"], 5).layers["0"]
    assert found.places.max() == 2
    np.testing.assert_array_equal(found.boxes[..., :2], found.places * 6)
    np.testing.assert_array_equal(found.centres, found.places * 6 + 3)


@pytest.mark.parametrize(("padding", "first"), [(0, 3), (3, 0)])
def test_centres_are_where_cells_look(padding, first) -> None:
    """Windows of 7 pixels, 4 apart: the first has its middle at pixel 3, less the padding."""
    network = nn.Sequential(nn.Conv2d(3, 4, 7, 4, padding), nn.Flatten(), nn.LazyLinear(2))
    network(torch.zeros(1, 3, 33, 33))
    pictures = np.random.default_rng(0).integers(0, 256, (9, 33, 33, 3), np.uint8)
    found = patches(ImageModel(network.eval(), ["a", "b"]), ArrayImages(pictures), ["0"], 5)
    layer = found.layers["0"]
    np.testing.assert_allclose(layer.centres, layer.places * 4 + first, atol=1)


def test_what_was_passed_over_is_remembered(model, tmp_path) -> None:
    (tmp_path / "images").mkdir()
    rng = np.random.default_rng(1)
    for number in range(8):
        pixels = rng.integers(0, 256, (12, 16, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")
    for number in (1, 6):
        (tmp_path / "images" / f"{number}.png").write_bytes(b"noise")
    images, options = FolderImages(tmp_path / "images"), {"batch_size": 2}
    whole = patches(model, images, ["two"], 3, **options)

    def interrupt(progress: Progress) -> None:
        if progress.done >= 3:
            raise KeyboardInterrupt

    with pytest.raises(Stopped):
        patches(
            model,
            images,
            ["two"],
            3,
            **options,
            state=tmp_path / "state.npz",
            on_progress=interrupt,
        )
    resumed = patches(
        model, images, ["two"], 3, **options, state=tmp_path / "state.npz", resume=True
    )
    assert list(resumed.skipped) == [1, 6]
    assert resumed.skipped == whole.skipped


def test_stopped_work_goes_on_to_the_same_result(model, images, tmp_path) -> None:
    state = tmp_path / "state.npz"
    whole = patches(model, images, LAYERS, 6, per_image=2, batch_size=8)

    def interrupt(progress: Progress) -> None:
        if progress.done == 16:
            raise KeyboardInterrupt

    options = {"per_image": 2, "batch_size": 8, "state": state}
    with pytest.raises(Stopped, match=r"after 16 of 50 images; .*state\.npz keeps the work"):
        patches(model, images, LAYERS, 6, **options, on_progress=interrupt)
    for change, message in {"k": "k 6, not 5", "layers": r"not \['one'\]"}.items():
        asked = {"layers": LAYERS, "k": 6, change: 5 if change == "k" else ["one"]}
        with pytest.raises(InputError, match=message):
            patches(model, images, **asked, **options, resume=True)
    seen: list[int] = []
    resumed = patches(
        model,
        images,
        LAYERS,
        6,
        **options,
        resume=True,
        on_progress=lambda progress: seen.append(progress.done),
    )
    assert seen == [24, 32, 40, 48, 50]
    for name, array in arrays(resumed).items():
        np.testing.assert_array_equal(array, arrays(whole)[name])
    assert not state.exists()
    with pytest.raises(InputError, match="holds no unfinished work"):
        patches(model, images, LAYERS, 6, **options, resume=True)


def test_other_weights_are_other_work(model, images, tmp_path) -> None:
    state = tmp_path / "state.npz"

    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(Stopped):
        patches(
            model,
            images,
            LAYERS,
            batch_size=9,
            state=state,
            on_progress=interrupt,
        )
    with torch.no_grad():
        model.module.head.bias += 1
    with pytest.raises(InputError, match="was made with model twice"):
        patches(model, images, LAYERS, batch_size=9, state=state, resume=True)
    state.write_bytes(b"noise")
    with pytest.raises(InputError, match="cannot be read as unfinished work"):
        patches(model, images, LAYERS, batch_size=9, state=state, resume=True)


def test_unreadable_images_are_passed_over_and_named(model, tmp_path) -> None:
    rng = np.random.default_rng(1)
    for number in range(8):
        size = (20 + number, 30, 3)
        Image.fromarray(rng.integers(0, 256, size, np.uint8)).save(tmp_path / f"{number}.png")
    for number in (2, 3, 7):
        (tmp_path / f"{number}.png").write_bytes(b"noise")
    images = FolderImages(tmp_path)
    found = patches(model, images, ["two"], 6, batch_size=2)
    line = skipped_line(images, found.skipped)
    assert line == "3 of 8 images could not be read: 2.png, 3.png, 7.png"
    assert set(found.layers["two"].images[0]) == {0, 1, 4, 5, 6, -1}
    assert found.layers["two"].boxes[..., 3].max() <= 30
    for path in tmp_path.iterdir():
        path.write_bytes(b"noise")
    with pytest.raises(InputError, match=r"none of 8 images can be read; the first: .*0\.png"):
        patches(model, images, ["two"], 2)


def test_bad_input(model, images, tmp_path) -> None:
    with pytest.raises(InputError, match=r"51 patches .* holds 50; ask for at most 50"):
        patches(model, images, ["one"], 51)
    with pytest.raises(InputError, match="did you mean 'one'"):
        patches(model, images, ["onne"])
    with pytest.raises(InputError, match="patches is 0"):
        patches(model, images, ["one"], 0)
    with pytest.raises(InputError, match="name the file"):
        patches(model, images, ["one"], resume=True)
    other = ImageModel(Twice(), ["a", "b"])
    for number in range(4):
        Image.new("RGB", (9, 9 + number // 2)).save(tmp_path / f"{number}.png")
    few = FolderImages(tmp_path)
    with pytest.raises(InputError, match=r"differ in size \(not all are 9×9\) and Twice does not"):
        patches(other, few, ["one"], 2, batch_size=2)


def test_pages_and_data(model, images, tmp_path) -> None:
    found = patches(model, images, LAYERS, 4)
    assert found.picture("one", [2]).height < found.picture("one").height
    page = np.asarray(found.picture("two", whole=True, most=1))
    assert (page == (255, 176, 0)).all(axis=-1).sum() > 100
    body = nn.Sequential(nn.Conv2d(3, 14, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    many = patches(ImageModel(body, [f"score {n}" for n in range(14)]), images, ["0"], 1)
    pages = {most: many.picture(most=most).tobytes() for most in (11, 12, 13)}
    assert [most for most, page in pages.items() if page == many.picture().tobytes()] == [12]
    with pytest.raises(InputError, match="units 0 to 3, no 4"):
        found.picture("two", [4])
    with pytest.raises(InputError, match="no layer 'three'"):
        found.picture("three")
    with np.load(found.save_data(tmp_path / "patches.npz")) as data:
        np.testing.assert_array_equal(data["two/boxes"], found.layers["two"].boxes)
        shown = found.layers["one"].images[1, 0]
        assert data["image_titles"][list(data["image_numbers"]).index(shown)] == str(shown)


def test_nothing_is_left_on_the_model(model, images) -> None:
    model.module.train()
    before = {name: vars(part).copy() for name, part in model.module.named_modules()}
    patches(model, images, LAYERS, 2)
    assert {name: vars(part) for name, part in model.module.named_modules()} == before
