"""Attacks: on linear models, where the smallest change is known, and what they leave alone."""

import numpy as np
import pytest
import torch
from torch import nn

from rlvis import ImageModel, InputError, Policy, Preprocess
from rlvis.features.adversarial.attacked_policy import AttackedPolicy
from rlvis.features.adversarial.attacks import attack, smallest_attack
from rlvis.features.adversarial.result import save_attack, save_attack_data
from rlvis.models.distributions import DiagonalGaussian, MultiCategorical

GREY = np.full((6, 8, 3), 128, np.uint8)


@pytest.fixture
def linear() -> ImageModel:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(6 * 8 * 3, 2))
    return ImageModel(network, ["a", "b"], Preprocess(mean=(0.4,) * 3, std=(0.2,) * 3))


def margin_and_slope(model: ImageModel) -> tuple[float, np.ndarray]:
    """How far the decision is ahead, and its slope by pixels 0..1 (the preprocessing's std 0.2)."""
    logits = model.scores(GREY).logits[0].numpy()
    weight = model.module[1].weight.detach().numpy() / 0.2
    ahead = int(logits.argmax())
    return float(logits[ahead] - logits[1 - ahead]), weight[ahead] - weight[1 - ahead]


@pytest.mark.parametrize(("norm", "dual"), [("linf", 1), ("l2", 2)])
@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_the_smallest_change_of_a_linear_model(linear, norm, dual, method):
    margin, slope = margin_and_slope(linear)
    expected = margin / np.linalg.norm(slope, dual)
    found = smallest_attack(linear, GREY, method, norm=norm, largest=0.4)
    assert found.success.all()
    assert float(found.eps) == pytest.approx(expected, rel=0.02)
    assert not attack(linear, GREY, method, norm=norm, eps=0.9 * expected).success.any()


def test_fgsm_is_one_step_along_the_sign(linear):
    found = attack(linear, GREY, "fgsm", eps=0.01)
    _, slope = margin_and_slope(linear)
    expected = -0.01 * np.sign(slope.reshape(3, 6, 8))
    np.testing.assert_allclose(found.change[0], expected, atol=1e-6)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_changes_stay_in_the_ball_and_between_black_and_white(linear, norm, method):
    rng = np.random.default_rng(0)
    images = rng.choice(np.array([0, 255], np.uint8), (3, 6, 8, 3))
    found = attack(linear, images, method, norm=norm, eps=0.05)
    order = torch.inf if norm == "linf" else 2
    size = torch.linalg.vector_norm(found.change.flatten(1), order, dim=1)
    assert (size <= 0.05 + 1e-6).all()
    assert found.attacked.min() >= 0
    assert found.attacked.max() <= 1
    assert size.max() > 0.01


def test_a_goal_is_reached(linear):
    ahead = int(linear.scores(GREY).logits.argmax())
    found = attack(linear, GREY, eps=0.3, target=1 - ahead)
    assert found.targeted
    assert found.after.logits.argmax() == 1 - ahead
    stays = attack(linear, GREY, eps=0.01, target=ahead)
    assert stays.success.all()


def test_a_batch_is_attacked_as_one_by_one(linear):
    images = np.stack([GREY, GREY // 2])
    both = smallest_attack(linear, images)
    for index in range(2):
        alone = smallest_attack(linear, images[index])
        torch.testing.assert_close(both.attacked[index], alone.attacked[0])


def test_pictures_and_numbers(linear, tmp_path):
    found = smallest_attack(linear, GREY)
    assert save_attack(linear, [found], tmp_path / "attack.png", "saliency").stat().st_size > 1000
    kept = np.load(save_attack_data(found, tmp_path / "attack.npz"))
    np.testing.assert_allclose(kept["attacked"], found.attacked)


def test_a_policy_under_attack(policy):
    observation = np.full((*(policy.observation_shape or (24, 32))[:2], 3), 40, np.uint8)
    attacked = AttackedPolicy(policy, 8 / 255, method="fgsm")
    before, after = policy.scores(observation), attacked.scores(observation)
    ahead = before.logits.argmax()
    assert after.log_probabilities[0, ahead] < before.log_probabilities[0, ahead]
    assert isinstance(attacked, Policy)
    assert attacked.act(observation, deterministic=True).probabilities.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "fgs"}, "no attack 'fgs'; did you mean 'fgsm'"),
        ({"norm": "l1"}, "no norm 'l1'"),
        ({"eps": 0}, "is 0"),
        ({"steps": 0}, "is 0"),
        ({"target": "c"}, "no target 'c'"),
    ],
)
def test_wrong_attacks(linear, options, message):
    with pytest.raises(InputError, match=message):
        attack(linear, GREY, **options)


def test_a_model_without_gradient():
    class Steps(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(144, 2)

        def forward(self, x):
            return self.layer((x > 0.5).float().flatten(1))

    with pytest.raises(InputError, match="not differentiable at the image"):
        attack(ImageModel(Steps(), ["a", "b"]), GREY)


CONTINUOUS = DiagonalGaussian((0.0, 0.0), (-1.0, -1.0), (1.0, 1.0))


@pytest.mark.parametrize(
    ("distribution", "options", "message"),
    [
        (CONTINUOUS, {}, "an attack is about one choice among all labels"),
        (MultiCategorical((2, 2)), {}, "an attack is about one choice among all labels"),
        (None, {"method": "cw"}, "no attack 'cw'"),
        (None, {"steps": 0}, "steps is 0"),
        (None, {"eps": 0}, "eps is 0"),
        (None, {"seed": -1}, "seed is -1"),
        (None, {"target": "gaz"}, "no target 'gaz'"),
    ],
)
def test_an_attacked_policy_refuses_before_anything_is_played(distribution, options, message):
    labels = [f"a{number}" for number in range(len(distribution.labels) if distribution else 2)]
    network = nn.Sequential(nn.Flatten(), nn.Linear(6 * 8 * 3, len(labels)))
    policy = Policy(network, labels, distribution=distribution)
    with pytest.raises(InputError, match=message):
        AttackedPolicy(policy, **{"eps": 0.1, **options})
