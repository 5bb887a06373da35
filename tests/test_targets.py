"""What holds of every target, by whatever it is made; and how targets and labels are found."""

import re

import numpy as np
import pytest
import torch

from rlvis import find_labels, list_layers
from rlvis.models.distributions import Categorical
from rlvis.models.image_model import ImageModel
from rlvis.models.score_kinds import LOGITS
from rlvis.models.scores import Scores
from rlvis.models.targets import OF_SCORES, TARGETS, Target, as_targets, rank
from tests.complaints import complaint
from tests.conftest import LABELS, PooledPolicy

UNITS = {"logit", "nats", "value", "score", "probability"}


def example(form: str) -> str:
    """A target of this form, its labels filled in."""
    labels = iter(LABELS)
    return re.sub(r"\{\w+\}", lambda _: next(labels), form)


EXAMPLES = [*map(example, TARGETS), "top 1", "top 2"]


@pytest.fixture
def model() -> ImageModel:
    return ImageModel(PooledPolicy().eval(), LABELS)


def target(written: str, model: ImageModel) -> Target:
    if written.startswith("top "):
        return rank(int(written[-1]) - 1)
    return as_targets(written, model)[0]


def scores(requires_grad: bool = False) -> Scores:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 3, generator=generator, requires_grad=requires_grad)
    value = torch.randn(5, generator=generator, requires_grad=requires_grad)
    return Scores(logits, value, LABELS, taken=torch.tensor([0, 1, 2, 1, 0]))


def part(whole: Scores, index: int) -> Scores:
    taken = whole.taken[index : index + 1]
    value = whole.value[index : index + 1]
    return Scores(whole.logits[index : index + 1], value, LABELS, taken=taken)


@pytest.mark.parametrize("written", EXAMPLES)
def test_it_is_a_number_for_each_image_that_has_a_gradient(model, written) -> None:
    asked = scores(requires_grad=True)
    numbers = target(written, model)(asked)
    assert numbers.shape == (5,)
    leaves = [asked.logits, asked.value]
    gradients = torch.autograd.grad(numbers.sum(), leaves, allow_unused=True)
    assert any(each is not None and each.abs().sum() > 0 for each in gradients)


@pytest.mark.parametrize("written", EXAMPLES)
def test_it_says_its_name_and_unit(model, written) -> None:
    found = target(written, model)
    assert len(found.labels(scores())) == 5
    assert all(isinstance(name, str) and name for name in found.labels(scores()))
    assert found.unit_for(LOGITS) in UNITS
    assert found.unit_for(Categorical(3)) == found.unit_for(LOGITS)
    if "{" not in written and not written.startswith("top"):
        assert found.name == written


@pytest.mark.parametrize("written", EXAMPLES)
def test_no_image_changes_that_of_another(model, written) -> None:
    asked, found = scores(), target(written, model)
    alone = [found(part(asked, index)) for index in range(5)]
    torch.testing.assert_close(torch.cat(alone), found(asked))


@pytest.mark.parametrize("written", EXAMPLES)
def test_of_masked_labels_it_is_no_nan(model, written) -> None:
    """It is a number, or -inf as a masked label's own score, or refused in one line."""
    asked = scores()
    asked.logits[:, 2] = -torch.inf
    asked.logits[:, 1] = -torch.inf
    numbers: list[torch.Tensor] = []
    said = complaint(lambda: numbers.append(target(written, model)(asked)))
    assert "masked" in said if said else not numbers[0].isnan().any()


@pytest.mark.parametrize("written", EXAMPLES)
def test_its_label_stays_that_of_the_image_as_it_was(model, written) -> None:
    before, found = scores(), target(written, model)
    after = Scores(before.logits.flip(1), before.value, LABELS, taken=before.taken)
    changed = found(after, before)
    assert changed.shape == (5,)
    assert found.labels(before) == found.labels(before)
    if written in ("top 1", "highest"):
        chosen = before.logits.argmax(dim=1, keepdim=True)
        torch.testing.assert_close(changed, after.logits.gather(1, chosen)[:, 0])


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("left - forward", "left - forward"),
        ("left − forward", "left - forward"),
        ("log p(right)", "log p(right)"),
        ("LEFT", "left"),
        ("2", "right"),
        (2, "right"),
    ],
)
def test_how_targets_are_written(model, written, name) -> None:
    assert as_targets(written, model)[0].labels(scores()) == [name] * 5


def test_a_label_that_looks_like_a_target_is_a_label() -> None:
    model = ImageModel(PooledPolicy().eval(), ["value", "a - b", "7"])
    assert [each.unit for each in as_targets(["value", "a - b", "7"], model)] == [OF_SCORES] * 3
    found = as_targets("7", model)[0]
    values = Scores(torch.tensor([[1.0, 2.0, 3.0]]), None, model.labels)
    assert found(values).item() == 3


def test_labels_that_hold_the_minus_of_pictures_are_found() -> None:
    model = ImageModel(PooledPolicy().eval(), ["x − y", "x", "y"])
    names = [as_targets(each, model)[0].name for each in ("x − y", "p(x − y)", "x − y - x")]
    assert names == ["x − y", "p(x − y)", "x − y - x"]


@pytest.mark.parametrize("written", ["entropy - margin", "p(value)", "left - entropy"])
def test_targets_are_made_of_labels_alone(model, written) -> None:
    said = complaint(lambda: as_targets(written, model))
    assert "is a target of its own" in said
    assert "did you mean" not in said


def test_labels_that_come_several_times_have_their_numbers() -> None:
    names = ["crane", "dog", "crane"]
    model = ImageModel(PooledPolicy().eval(), names)
    assert model.labels == ("crane (0)", "dog", "crane (2)")
    assert as_targets("crane (2)", model)[0].name == "crane (2)"
    said = complaint(lambda: as_targets("crane", model))
    assert "'crane (0)' or 'crane (2)'" in said


KINDS = ["crate", "Egyptian cat", "cattle", "tabby, tabby cat", "bobcat", "dog"]


def test_labels_are_found_by_part_of_their_name() -> None:
    model = ImageModel(torch.nn.Identity(), KINDS)
    assert [index for index, _ in find_labels(model, "cat")] == [1, 3, 2, 4]
    assert [index for index, _ in find_labels(model, " CAT ")] == [1, 3, 2, 4]
    assert find_labels(model, "tabby cat") == [(3, "tabby, tabby cat")]
    assert [index for index, _ in find_labels(model)] == list(range(6))
    assert "did you mean 'crate'" in complaint(lambda: find_labels(model, "crete"))
    said = complaint(lambda: as_targets("cat", model))
    assert "'Egyptian cat' or 'tabby, tabby cat'" in said
    assert "rlvis labels" in said
    assert "no label 99" in complaint(lambda: as_targets("99", model))


def test_layers_are_listed_with_what_can_be_read_of_them(policy) -> None:
    layers = {each.name: each for each in list_layers(policy)}
    assert list(layers) == [
        *(f"features.{number}" for number in range(5)),
        *("features", "policy", "value"),
    ]
    assert layers["features.0"].kind == "Conv2d"
    assert layers["features.0"].shape == (1, 6, 12, 16)
    assert layers["features.0"].grid == (12, 16)
    assert layers["features.0"].parameters == 6 * 3 * 25 + 6
    assert layers["policy"].grid is None
    assert [name for name, each in layers.items() if each.usual] == ["features"]
    assert [name for name, each in layers.items() if each.exact] == ["features.4", "features"]


def test_layers_of_a_transformer_have_the_grid_of_its_patches(transformer) -> None:
    layers = {each.name: each for each in list_layers(transformer, np.zeros((32, 40, 3), np.uint8))}
    assert layers["patches"].grid == (4, 5)
    assert layers["blocks.0.norm1"].grid == (4, 5)
    assert sum(each.usual for each in layers.values()) == 1
