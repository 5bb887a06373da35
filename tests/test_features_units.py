"""Statistics of units beside scikit-learn and formulas, on answers that are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, mutual_info_score, roc_auc_score
from torch import Tensor, nn

from rlvis import ImageModel, InputError
from rlvis.features.image_sets.classes import classes_of
from rlvis.features.image_sets.image_set import ArrayImages
from rlvis.features.selectivity import statistics
from rlvis.features.selectivity.result import Selectivity
from rlvis.features.selectivity.unit_selectivity import units
from rlvis.interrupt import Stopped
from rlvis.progress import Progress

CLASSES = ("red", "green", "blue", "grey")


class Colours(nn.Module):
    """Units that answer to red, green, blue, to nothing, and to everything; it takes grey for
    blue."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = nn.Conv2d(3, 5, 1)
        weights = torch.tensor([[2, -1, -1], [-1, 2, -1], [-1, -1, 2], [0, 0, 0], [1, 1, 1.0]])
        self.answer.weight.data = weights[..., None, None]
        self.answer.bias.data = torch.tensor([0, 0, 0, -1, 1.0])
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(
            [self.relu(self.answer(x)).amax((2, 3))[:, :3], -x.amax((1, 2, 3))[:, None]], 1
        )


@pytest.fixture
def images() -> ArrayImages:
    """60 pictures with a spot of their class' colour, the first of no class."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 4
    pictures = np.zeros((60, 12, 14, 3), np.uint8)
    for picture, label in zip(pictures, labels, strict=True):
        y, x = rng.integers(0, 10, 2)
        shade = rng.integers(150, 256)
        picture[y : y + 2, x : x + 2] = shade if label == 3 else shade * np.eye(3)[label]
    labels[0] = -1
    found = ArrayImages(pictures, labels, CLASSES, name="spots")
    found.metadata = {
        "warm": labels == 0,
        "cold": labels == 2,
        "any": labels >= 0,
        "shade": np.linspace(0, 1, 60),
        "third": np.arange(60) % 3,
    }
    return found


@pytest.fixture
def model() -> ImageModel:
    return ImageModel(Colours().eval(), ["red", "green", "blue", "black"], name="colours")


@pytest.fixture
def asked(model, images) -> Selectivity:
    return units(model, images, ["answer", "relu"], 4, batch_size=16)


def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Answers (80, 6) with many ties, and labels of three classes."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 80)
    peak_activations = np.maximum(
        rng.normal(size=(80, 6)) + labels[:, None] * rng.random(6) - 0.5, 0
    )
    return peak_activations.round(1), labels


def test_areas_and_information_are_scikit_learns() -> None:
    peak_activations, labels = drawn()
    members = np.arange(3)[:, None] == labels
    roc_auc, steps = (
        statistics.roc_auc(peak_activations, members),
        statistics.quantised(peak_activations),
    )
    mutual_information = statistics.mutual_information(steps, members)
    for unit in range(6):
        for number in range(3):
            expected = roc_auc_score(labels == number, peak_activations[:, unit])
            assert roc_auc[unit, number] == pytest.approx(expected, abs=1e-12)
        expected = mutual_info_score(labels, steps[:, unit]) / np.log(2)
        assert mutual_information[unit] == pytest.approx(expected, abs=1e-12)
    assert (np.bincount(statistics.quantised(np.arange(100.0)[:, None])[:, 0]) == 25).all()


def test_selectivity_and_sharing_by_their_formulas() -> None:
    means = np.array([[4.0, 1, 1], [2, 2, 2], [0, 0, 0], [0, 3, 0]])
    np.testing.assert_allclose(statistics.selectivity(means), [3 / 5, 0, 0, 1])
    shared = statistics.sharing(means, np.array([1.0, 1, 0, 0.5]))
    profile = np.array([[2, -1, -1], [0, 0, 0], [-2, 4, -2]])
    expected = [
        [a @ b / np.sqrt((a @ a) * (b @ b)) for b in profile.T.astype(float)]
        for a in profile.T.astype(float)
    ]
    np.testing.assert_allclose(shared, expected)


def test_what_never_fires_what_always_and_what_tells_a_class(asked) -> None:
    relu = asked.layers["relu"]
    assert (relu.rectified, relu.threshold) == (True, 0)
    assert relu.never.tolist() == [3]
    assert relu.always.tolist() == [4]
    assert sorted(relu.selective[:3].tolist()) == [0, 1, 2]
    assert relu.preferred[:3].tolist() == [0, 1, 2]
    np.testing.assert_allclose(relu.area[:3], 1)
    np.testing.assert_allclose(relu.selectivity[:3], 1)
    np.testing.assert_allclose(relu.firing[:3], [14 / 60 + 1 / 60, 15 / 60, 15 / 60])
    np.testing.assert_allclose(relu.class_firing[:3, :3], np.eye(3))
    assert relu.preferred[4] == CLASSES.index("grey")
    assert relu.unserved.tolist() == []
    without = replace(relu, peak_activations=relu.peak_activations[:, :4])
    assert without.unserved.tolist() == [CLASSES.index("grey")]
    answer = asked.layers["answer"]
    assert not answer.rectified
    assert answer.threshold == pytest.approx(answer.peak_activations.mean(), rel=1e-6)


def test_answers_are_the_maxima_of_the_maps(asked, model, images) -> None:
    with torch.no_grad():
        maps = model.module.answer(model.inputs(images._pictures))
    np.testing.assert_allclose(
        asked.layers["answer"].peak_activations, maps.amax((2, 3)), rtol=1e-6
    )


def test_confusion_is_scikit_learns(asked, model, images) -> None:
    known = images.labels >= 0
    said = model.scores(images._pictures).logits.argmax(1).numpy()
    names = np.array([*model.labels, "grey"])
    everything = ["red", "green", "blue", "black", "grey"]
    expected = confusion_matrix(
        np.array(CLASSES)[images.labels[known]], names[said[known]], labels=everything
    )
    assert asked.says == ("red", "green", "blue")
    np.testing.assert_array_equal(asked.confusion, expected[[0, 1, 2, 4]][:, :3])
    assert asked.predictions.confused(0, 1) == (0, 0)
    assert asked.predictions.confused(0, 3) is None


def test_classes_by_labels_predictions_and_facts(images) -> None:
    numbers, said = np.arange(60), np.zeros(60, np.int64)
    said[:30] = 2
    labels = ["a", "b", "c"]

    def by(*metadata: str) -> list[tuple[str, int]]:
        classes = classes_of(images, numbers, metadata, said, labels)
        return list(zip(classes.names, classes.members.sum(axis=1).tolist(), strict=True))

    assert by() == [("red", 14), ("green", 15), ("blue", 15), ("grey", 15)]
    assert by("warm") == [("warm", 14), ("not warm", 46)]
    assert by("warm", "cold") == [("warm", 14), ("cold", 15), ("neither", 31)]
    assert by("third") == [("third 0", 20), ("third 1", 20), ("third 2", 20)]
    images.labels = np.full(60, -1)
    assert by() == [("a", 30), ("c", 30)]
    for metadata, message in {
        ("warn",): "no metadata 'warn'; did you mean 'warm'",
        ("warm", "any"): "hold at once",
        ("shade",): "makes no classes",
        ("warm", "third"): "makes no classes",
    }.items():
        with pytest.raises(InputError, match=message):
            by(*metadata)
    said[:] = 1
    with pytest.raises(InputError, match=r"all images are of one class \(b\)"):
        by()


def test_reports_and_data(asked, tmp_path) -> None:
    asked.save(tmp_path / "units.png", "relu")
    page = asked.save(tmp_path / "units.html", "relu", most=3).read_text()
    assert page.count('<tr><th scope="row">unit') == 3
    assert page.count('<img src="data:image/') == 3 * 4 + 4
    assert 'src="http' not in page
    assert "1 never fires (3); 1 fires for 99% or more (4)" in page
    assert "grey" in page
    with np.load(asked.save_data(tmp_path / "units.npz")) as data:
        np.testing.assert_array_equal(data["relu/area"], asked.layers["relu"].area)
        assert tuple(data["classes"]) == CLASSES
    with pytest.raises(InputError, match=r"\.html"):
        asked.save(tmp_path / "units.txt")


def test_bad_input_and_being_stopped(model, images) -> None:
    with pytest.raises(InputError, match="did you mean 'relu'"):
        units(model, images, ["relo"])
    with pytest.raises(InputError, match="patches is 0"):
        units(model, images, ["relu"], 0)

    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(Stopped, match="after 10 of 60 images"):
        units(model, images, ["relu"], batch_size=10, on_progress=interrupt)
