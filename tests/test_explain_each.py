"""Images of different sizes in one call, and as many as there are one after the other."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from rlvis import ImageModel, InputError, Preprocess, explain, explain_each
from tests.conftest import LABELS, PooledPolicy, randomise

RNG = np.random.default_rng(0)
PICTURES = [RNG.integers(0, 255, (*size, 3), np.uint8) for size in ((24, 32), (40, 30), (24, 32))]


@pytest.fixture
def resizing() -> ImageModel:
    return ImageModel(randomise(PooledPolicy()).eval(), LABELS, Preprocess((24, 32)))


@pytest.mark.parametrize("resizes", [True, False])
def test_images_of_different_sizes_are_explained_as_each_alone(resizing, policy, resizes) -> None:
    model = resizing if resizes else policy
    found = explain(model, PICTURES, ["grad-cam", "saliency"], ["left", "right"])
    parts: Any
    for method, parts in found.items():
        assert len(parts) == 3
        for picture, part in zip(PICTURES, parts, strict=True):
            alone = explain(model, picture, method, ["left", "right"])
            np.testing.assert_array_equal(part.images, alone.images)
            np.testing.assert_allclose(part.scores, alone.scores, rtol=1e-4)
            np.testing.assert_allclose(part.heatmaps, alone.heatmaps, atol=1e-5)
            assert part.targets == alone.targets


def test_images_of_one_size_are_one_explanation(policy) -> None:
    found = explain(policy, [PICTURES[0], PICTURES[2]], "grad-cam")
    assert found.maps.shape[:2] == (2, 3)


def test_the_word_for_methods_is_either(policy) -> None:
    assert list(explain(policy, PICTURES[0], methods=["cam"])) == ["cam"]
    assert explain(policy, PICTURES[0]).method == "grad-cam"
    with pytest.raises(InputError, match="one parameter"):
        explain(policy, PICTURES[0], "cam", methods=["cam"])
    with pytest.raises(InputError, match="no method given"):
        explain(policy, PICTURES[0], [])


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_a_stream_gives_what_each_image_alone_gives(resizing, batch_size) -> None:
    stream = explain_each(resizing, iter(PICTURES), "grad-cam", "left", batch_size=batch_size)
    for picture, found in zip(PICTURES, stream, strict=True):
        alone = explain(resizing, picture, "grad-cam", "left")
        np.testing.assert_allclose(found.heatmaps, alone.heatmaps, atol=1e-5)


def test_a_stream_reads_no_further_than_a_batch(policy) -> None:
    taken: list[int] = []

    def endless() -> Iterator[np.ndarray]:
        for number in itertools.count():
            taken.append(number)
            yield PICTURES[0]

    found = list(itertools.islice(explain_each(policy, endless(), "cam", batch_size=4), 6))
    assert len(found) == 6
    assert len(taken) == 8


def test_batches_of_a_data_loader_are_one_explanation_each(policy, inputs) -> None:
    found = list(explain_each(policy, [inputs[:3], inputs[3:]], ["cam"]))
    assert [len(each["cam"].maps) for each in found] == [3, 1]


def test_bad_images_are_told_and_left_out_or_end_the_stream(policy, tmp_path) -> None:
    Image.fromarray(PICTURES[0]).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    tiny = np.zeros((1, 1, 3), np.uint8)
    images = [tmp_path / "good.png", tmp_path / "bad.png", tiny, PICTURES[1]]
    told: dict[int, str] = {}
    found = [
        each.images.shape[1:3]
        for each in explain_each(
            policy,
            images,
            "grad-cam",
            on_error=lambda number, error: told.update({number: str(error)}),
        )
    ]
    assert found == [(24, 32), (40, 30)]
    assert list(told) == [1, 2]
    assert "not a picture" in told[1]
    with pytest.raises(InputError, match=r"bad\.png"):
        list(explain_each(policy, images, "grad-cam"))


def test_the_layer_is_looked_for_once_for_each_size(policy, monkeypatch) -> None:
    from rlvis.attribution import explainer

    asked = []

    def resolve(model, inputs, *rest):
        asked.append(tuple(inputs.shape[2:]))
        return "features.4"

    monkeypatch.setattr(explainer, "resolve_layer", resolve)
    list(explain_each(policy, PICTURES * 3, "grad-cam", batch_size=2))
    assert sorted(asked) == [(24, 32), (40, 30)]


def test_a_float_image_without_its_batch_is_refused(policy) -> None:
    with pytest.raises(InputError, match=r"float tensor \(N, C, H, W\)"):
        explain(policy, torch.rand(3, 24, 32))


def test_paths_are_pictures_too(policy, tmp_path: Path) -> None:
    for number, picture in enumerate(PICTURES):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    paths = sorted(tmp_path.glob("*.png"))
    found: Any = explain(policy, paths, "cam")
    assert [each.images.shape[1:] for each in found] == [picture.shape for picture in PICTURES]


def test_a_list_of_different_sizes_is_a_result(resizing, tmp_path) -> None:
    found: Any = explain(resizing, PICTURES, "saliency", ["left", "right"])
    assert "3 images of different sizes" in repr(found)
    assert [each.shape for each in found.overlay(colormap="turbo")] == [
        (2, *picture.shape) for picture in PICTURES
    ]
    np.testing.assert_array_equal(found.scores, np.concatenate([each.scores for each in found]))
    assert found.probabilities.shape == (3, 3)
    assert found.targets == [["left", "right"]] * 3
    assert [each.size for each in found.to_pil()[1]] == [(30, 40)] * 2
    assert len(found[1:]) == 2
    assert list(found.table()["image"]) == [0, 0, 1, 1, 2, 2]
    saved = np.load(found.save(tmp_path / "x.npz"))
    np.testing.assert_array_equal(saved["1/maps"], found[1].maps)


def test_panels_of_different_sizes_stand_one_under_the_other(resizing, tmp_path) -> None:
    several: Any = explain(resizing, PICTURES, ["cam", "saliency"])
    with Image.open(several.save(tmp_path / "x.png")) as drawn:
        whole = drawn.size
    alone = [
        explain(resizing, each, ["cam", "saliency"]).page().picture().size for each in PICTURES
    ]
    assert whole == (max(width for width, _ in alone), sum(height for _, height in alone))
    html = several.save(tmp_path / "x.html").read_text()
    assert html.count("<!doctype") == 1
    assert html.count("<img") == sum(
        explain(resizing, each, ["cam", "saliency"]).html().count("<img") for each in PICTURES
    )
