"""Codes and their layouts, beside scikit-learn; colours, places and stopping half-way."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from rlvis import ImageModel, InputError
from rlvis.features.embedding.figure import colouring
from rlvis.features.embedding.layer_codes import codes
from rlvis.features.embedding.neighbourhood import ceiling, chance, evenly, neighbours, purity
from rlvis.features.embedding.plane import embed, image_grid, scatter
from rlvis.features.image_sets.image_set import ArrayImages
from rlvis.interrupt import Stopped
from rlvis.progress import Progress


@pytest.fixture(scope="module")
def model() -> ImageModel:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(54, 3)
    )
    return ImageModel(network, ["a", "b", "c"], name="small")


@pytest.fixture(scope="module")
def images() -> ArrayImages:
    rng = np.random.default_rng(0)
    labels = np.repeat(range(3), 40)
    pictures = rng.integers(0, 60, (120, 12, 12), dtype=np.uint8)
    for index, label in enumerate(labels):
        pictures[index, 4 * label : 4 * label + 4] += 150
    return ArrayImages(pictures, labels, ["top", "middle", "bottom"], name="stripes")


def test_codes_are_what_the_scores_are_made_from(model, images):
    found = codes(model, images, batch_size=50)
    inputs = torch.cat([model.inputs(images.picture(index)) for index in range(120)])
    with torch.no_grad():
        expected = model.module[:4](inputs)
    np.testing.assert_allclose(found.values, expected, atol=1e-6)
    assert found.indices.tolist() == list(range(120))


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        ("mean", lambda maps: maps.mean((2, 3))),
        ("max", lambda maps: maps.amax((2, 3))),
        ("flatten", lambda maps: maps.flatten(1)),
    ],
)
def test_codes_of_a_map(model, images, pool, expected):
    found = codes(model, images, "1", pool=pool)
    inputs = torch.cat([model.inputs(images.picture(index)) for index in range(120)])
    with torch.no_grad():
        np.testing.assert_allclose(found.values, expected(model.module[:2](inputs)), atol=1e-5)


def test_principal_components(model, images):
    found = codes(model, images)
    reference = PCA(2).fit(found.values)
    placed = embed(found, "pca")
    expected = reference.transform(found.values)
    np.testing.assert_allclose(abs(placed.points), abs(expected), atol=1e-4)
    share = reference.explained_variance_ratio_.sum()
    assert f"{share:.0%}" in placed.method


def test_tsne_keeps_classes_together(model, images, tmp_path):
    found = codes(model, images)
    placed = embed(found, perplexity=15)
    assert placed.trustworthiness > 0.9
    assert 0.3 < placed.preserved <= 1
    chosen = colouring(placed.codes, images)
    assert [name for name, _ in chosen.legend] == ["top (40)", "middle (40)", "bottom (40)"]
    assert "(by chance 33%)" in chosen.note  # 39 of 119 others
    for page in (scatter(placed, images), image_grid(placed, images)):
        assert min(page.size) > 500
    kept = np.load(placed.save_data(tmp_path / "embedding.npz"))
    assert kept["points"].shape == (120, 2)


def test_chance_and_ceiling_of_purity_are_those_of_counting():
    """39 of 119 others are alike; of small classes no more than there are, whatever is near."""
    labels = np.array([0, 0, 1, 1, 1, 2, 2, 2, 2])
    alike = labels[:, None] == labels
    np.fill_diagonal(alike, False)
    assert chance(labels) == pytest.approx(alike.sum(axis=1).mean() / 8)
    for count in (1, 2, 3, 8):
        most = np.minimum(alike.sum(axis=1), count) / count
        assert ceiling(labels, count) == pytest.approx(most.mean())


def test_where_classes_are_small_the_note_says_what_could_be_reached():
    rng = np.random.default_rng(0)
    images = ArrayImages(
        rng.integers(0, 256, (48, 8, 8), dtype=np.uint8),
        np.arange(48) // 2,
        list(map(str, range(24))),
    )
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    found = codes(ImageModel(nn.Sequential(network, nn.Linear(6, 2)), ["a", "b"]), images)
    note = colouring(found, images).note
    near = neighbours(found.values)
    assert near.shape[1] == 15
    assert note.endswith("(by chance 2%, at most 7%)")  # 1 of 47, and 1 of 15


def test_purity_by_hand():
    nearest = np.array([[1, 2], [0, 2], [0, 1]])
    assert purity(nearest, np.array([0, 0, 1])) == pytest.approx(2 / 6)


def test_tsne_goes_on_where_it_was_stopped(model, images, tmp_path, monkeypatch):
    found, state = codes(model, images), tmp_path / "state.npz"
    steps: list[int] = []

    def stop_at_200(progress: Progress) -> None:
        steps.append(progress.done)
        if progress.done == 200:
            raise KeyboardInterrupt

    with pytest.raises(Stopped, match=r"after 200 of 750 iterations; .*state\.npz keeps the work"):
        embed(found, perplexity=15, state=state, on_progress=stop_at_200)
    with pytest.raises(InputError, match=r"made with perplexity 15\.0, not 20\.0"):
        embed(found, perplexity=20, state=state, resume=True)
    placed = embed(
        found,
        perplexity=15,
        state=state,
        resume=True,
        on_progress=lambda progress: steps.append(progress.done),
    )
    assert steps == [*range(50, 201, 50), *range(250, 751, 50)]
    assert not state.exists()
    assert placed.trustworthiness > 0.9


def test_codes_go_on_where_they_were_stopped(model, images, tmp_path):
    state, seen = tmp_path / "codes.npz", list[int]()

    def stop(progress: Progress) -> None:
        seen.append(progress.done)
        raise KeyboardInterrupt

    with pytest.raises(Stopped, match="after 50 of 120 images"):
        codes(model, images, batch_size=50, state=state, on_progress=stop)
    goes_on = {"state": state, "resume": True, "on_progress": lambda each: seen.append(each.done)}
    found = codes(model, images, batch_size=50, **goes_on)
    assert seen == [50, 100, 120]
    whole = codes(model, images, batch_size=50)
    np.testing.assert_array_equal(found.values, whole.values)
    np.testing.assert_array_equal(found.indices, whole.indices)
    again = codes(model, images, batch_size=50, **goes_on)
    assert len(seen) == 3
    np.testing.assert_array_equal(again.values, whole.values)


def test_many_classes(model):
    rng = np.random.default_rng(0)
    labels = np.concatenate([np.repeat(range(25), 4), [24] * 3, [-1] * 2])
    pictures = rng.integers(0, 256, (len(labels), 12, 12), dtype=np.uint8)
    many = ArrayImages(pictures, labels, [f"class {number} of many" for number in range(25)])
    chosen = colouring(codes(model, many), many)
    assert len(chosen.legend) == 22
    assert len({colour for _, colour in chosen.legend[:20]}) == 20
    names = [name for name, _ in chosen.legend]
    assert "class 24 of many (7)" in names
    assert names[20:] == ["5 others (20)", "none (2)"]


def test_measures_of_many_images_are_of_a_sample():
    assert evenly(5).tolist() == [0, 1, 2, 3, 4]
    assert evenly(5000).tolist() == list(range(5000))
    assert evenly(12000).tolist() == list(range(0, 12000, 3))


def test_colours_by_what_is_known(model, images):
    placed = embed(codes(model, images), "pca")
    images.metadata["height"] = np.linspace(0, 1, 120)
    images.metadata["in_view"] = np.arange(120) < 30
    assert len(colouring(placed.codes, images, "height").legend) == 5
    assert colouring(placed.codes, images, "in_view").legend[1][0] == "True (30)"
    with pytest.raises(InputError, match="no metadata to colour by 'hight'; did you mean 'height'"):
        colouring(placed.codes, images, "hight")


def test_wrong_layouts(model, images):
    found = codes(model, images)
    with pytest.raises(InputError, match="perplexity of 60 does not fit 120 images; take 1 to 39"):
        embed(found, perplexity=60)
    with pytest.raises(InputError, match="no layout 'umap'"):
        embed(found, "umap")
    with pytest.raises(InputError, match="3 images cannot be laid out"):
        embed(codes(model, ArrayImages(np.zeros((3, 12, 12), np.uint8))))
    with pytest.raises(InputError, match="no layer 'x'"):
        codes(model, images, "x")
    with pytest.raises(InputError, match="no way 'sum' to pool"):
        codes(model, images, pool="sum")
