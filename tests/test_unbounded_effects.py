"""A policy that rules out what it might do unless it sees something: KL without bound."""

import json
import warnings

import numpy as np
import pytest
import torch

from rlvis import Audit, AuditPlan, Policy, audit
from rlvis.evaluation.effects import effect_of
from rlvis.evaluation.map_scores import finite
from rlvis.evaluation.situations import Pictures
from tests.test_audit_worlds import Coin, undecided

PLAN = AuditPlan(frames=12, methods=("saliency",), decisions=0, episodes=6, quick=True)


class Spot(torch.nn.Module):
    """Forbids the first action where there is nothing bright."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = x.amax((1, 2, 3)) > 0.9
        logits = self.gain * x.mean((1, 2, 3))[:, None]
        return torch.stack(
            [torch.where(seen, logits[:, 0], -torch.inf), logits[:, 1], logits[:, 2]], dim=1
        )


class Spots(Coin):
    """A bright spot, and a dim one."""

    def seen(self, bright=True, dim=True):
        picture = np.full((24, 32, 3), 40, np.uint8)
        picture[2:8, 2:9] = 255 if bright else 40
        picture[12:20, 20:28] = 90 if dim else 40
        return picture

    def objects(self):
        return ("dim spot", "bright spot")

    def without(self, name):
        return self.seen(name != "bright spot", name != "dim spot")


@pytest.fixture(scope="module")
def found() -> Audit:
    policy = Policy(Spot(), ("a", "b", "c"), observation_shape=(24, 32, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        return audit(policy, Spots(), plan=PLAN)


def test_what_has_no_bound_comes_first_and_is_said_to_have_none(found, tmp_path) -> None:
    first, second = found.effects
    assert (first.name, second.name) == ("bright spot removed", "dim spot removed")
    assert first.divergence.value == np.inf
    assert first.unbounded.value == 1
    assert second.unbounded.value == 0
    assert "bright spot removed, KL ∞ nats" in found.text()
    found.save(tmp_path / "a.json")
    plain = json.loads((tmp_path / "a.json").read_text())["effects"]["bright spot removed"]
    assert plain["kl"]["value"] is None
    assert plain["kl_unbounded"]["value"] == 1
    found.page().html()


def test_the_strongest_case_has_a_divergence_of_its_own() -> None:
    logits = np.array([[0.0, 0.0], [0.0, 0.0]])
    images = np.zeros((2, 4, 4, 3), np.uint8)
    pictures = Pictures(undecided(), images, {}, logits, np.zeros(2), np.arange(2))
    answers = np.array([[0.0, 1.0], [0.0, 3.0]]), np.zeros(2)
    found = effect_of(
        ("it", "removed"), pictures, np.arange(2), answers, np.ones(2), np.array([5, 7])
    )
    assert found.strongest == 7
    assert found.most == pytest.approx(-0.5 * np.log(4 * 0.04742587 * 0.95257413))
    assert found.most > found.divergence.value


def test_infinite_effects_are_larger_than_all_others() -> None:
    effects = np.array([[np.inf, 0.0], [2.0, -np.inf], [-3.0, np.nan]])
    np.testing.assert_array_equal(finite(effects), [[6, 0], [2, -1], [-3, 0]])
