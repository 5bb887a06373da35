"""Deletion and insertion, and maps of randomised networks, where the answers are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from rlvis import ImageModel, explain
from rlvis.attribution.remembered import Remembered
from rlvis.evaluation.baselines import oracle_maps, random_maps
from rlvis.evaluation.estimates import Estimate
from rlvis.evaluation.map_tests import (
    LEVELS,
    STEPS,
    deletion_and_insertion,
    likeness_when_randomised,
    randomised,
)
from rlvis.evaluation.parts import losses
from rlvis.evaluation.situations import Pictures
from rlvis.models.targets import score
from tests.test_evaluation_numbers import squares


class Brightness(nn.Module):
    """How bright the image is, against nothing: every pixel of a square counts alike."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = self.gain * x.mean(dim=(1, 2, 3))
        return torch.stack([seen, 0 * seen], dim=1)


def asked(maps):
    parts = squares()
    parts.without[:] = parts.images[parts.places]
    for part, mask in enumerate(parts.masks):
        parts.without[part][mask] = 0
    model = ImageModel(Brightness(), ["bright", "dark"])
    blank = Pictures(model, parts.images, {}, np.empty(0), np.empty(0), parts.groups)
    logits, values = blank.scores(parts.images, np.arange(60))
    pictures = replace(blank, logits=logits, values=values)
    return deletion_and_insertion(pictures, maps(parts), parts, score(0), np.arange(60))


def test_the_pixels_that_carry_the_score_delete_it_and_bring_it_back() -> None:
    def inside(parts):
        maps = np.zeros(parts.images.shape[:3], np.float32)
        np.maximum.at(maps, parts.places, parts.masks.astype(np.float32))
        return maps

    deletion, insertion = asked(inside)
    by_chance = asked(lambda parts: random_maps(parts, 0))
    wrong = asked(lambda parts: 1 - inside(parts))
    assert deletion.low > by_chance[0].high > 0 == wrong[0].value
    assert insertion.low > by_chance[1].high > 0 == wrong[1].value
    assert by_chance[0].value == pytest.approx(np.mean(STEPS), abs=0.02)
    assert by_chance[1].value == pytest.approx(np.mean(STEPS), abs=0.02)


def test_losses_are_signed_and_of_the_label_that_was_first() -> None:
    model = ImageModel(Brightness(), ["bright", "dark"])
    before = np.array([[2.0, 0.0]]), np.array([np.nan])
    after = np.array([[-1.0, 5.0]]), np.array([np.nan])
    assert losses(model, [score(0), score(1)], before, after).tolist() == [[3.0, -5.0]]


def test_weights_are_shuffled_from_the_last_defined_and_the_model_stays() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 28 * 38, 2))
    model = ImageModel(module, ["a", "b"])
    before = {name: each.clone() for name, each in module.state_dict().items()}
    half, whole = randomised(model, 0.5), randomised(model, 1.0)
    assert torch.equal(half.module[0].weight, before["0.weight"])
    assert not torch.equal(half.module[3].weight, before["3.weight"])
    assert not torch.equal(whole.module[0].weight, before["0.weight"])
    for name, each in module.state_dict().items():
        assert torch.equal(each, before[name])
        shuffled = whole.module.state_dict()[name]
        assert torch.equal(shuffled.flatten().sort().values, each.flatten().sort().values)


def test_maps_that_follow_the_weights_differ_where_these_are_shuffled() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 28 * 38, 2))
    model = ImageModel(module, ["a", "b"])
    images, groups = squares().images[:16], np.arange(16)
    maps = explain(model, images, "saliency", 1).maps[:, 0]

    def likeness(models: list[ImageModel]) -> list[Estimate]:
        return likeness_when_randomised(
            models, "saliency", 1, images, {}, maps, groups, Remembered()
        )

    assert likeness([randomised(model, level) for level in LEVELS])[-1].high < 0.3
    same = likeness([model] * 3)
    assert [each.value for each in same] == pytest.approx([1.0, 1.0, 1.0])


def test_the_oracle_spreads_an_effect_over_its_part() -> None:
    parts = squares()
    maps = oracle_maps(parts, 0)
    lone = [part for part, place in enumerate(parts.places) if (parts.places == place).sum() == 2]
    sums = [maps[parts.places[part]][parts.masks[part]].sum() for part in lone]
    np.testing.assert_allclose(sums, parts.effects[lone, 0], atol=1e-4)
