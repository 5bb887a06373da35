"""Scores of -inf: labels that a mask forbids."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rlvis import METHODS, InputError, NonFiniteError, Policy, explain
from rlvis.models.targets import entropy, log_prob, margin, top
from tests.conftest import LABELS, PooledPolicy, PooledTransformer, randomise
from tests.test_attribution import OF_TRANSFORMERS

LAYS = ["where", "masked_fill", "add"]


class Masked(nn.Module):
    """The policy beside a fourth action that is not allowed."""

    def __init__(self, inner: nn.Module, how: str, mask: tuple[bool, ...]) -> None:
        super().__init__()
        self.inner, self.how = inner, how
        self.register_buffer("mask", torch.tensor(mask))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits, value = self.inner(x)
        if self.how == "where":
            return torch.where(self.mask, logits, -torch.inf), value
        if self.how == "masked_fill":
            return logits.masked_fill(~self.mask, -torch.inf), value
        return logits + self.mask.float().log(), value


def masked(method: str, how: str = "where", mask: tuple[bool, ...] = (True, True, False)) -> Policy:
    kind = PooledTransformer if method in OF_TRANSFORMERS else PooledPolicy
    return Policy(Masked(randomise(kind()), how, mask).eval(), LABELS)


@pytest.mark.parametrize("how", LAYS)
@pytest.mark.parametrize("method", METHODS)
def test_maps_of_the_free_labels_are_as_without_the_mask(inputs, method, how) -> None:
    policy = masked(method, how)
    ours = explain(policy, inputs, method)
    expected = explain(Policy(policy.module.inner, LABELS), inputs, method)
    assert np.isneginf(ours.scores[:, 2]).all()
    assert not ours.maps[:, 2].any()
    assert np.isfinite(ours.maps).all()
    np.testing.assert_allclose(ours.scores[:, :2], expected.scores[:, :2], rtol=1e-5)
    if method not in ("perturbation", "sarfa"):  # they read all scores
        np.testing.assert_allclose(ours.maps[:, :2], expected.maps[:, :2], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ours.probabilities.sum(axis=1), 1, rtol=1e-5)
    assert not ours.probabilities[:, 2].any()


def test_targets_are_of_the_free_labels(inputs) -> None:
    policy = masked("cam")
    free = policy.scores(inputs).logits[:, :2]
    log_p = free.log_softmax(dim=1)
    expected = {
        margin(): free.amax(1) - free.amin(1),
        top(2)[1]: free.amin(1),
        entropy(): -(log_p.exp() * log_p).sum(1),
        log_prob("left"): log_p[:, 0],
    }
    why = explain(policy, inputs, "saliency", list(expected))
    np.testing.assert_allclose(why.scores, torch.stack(list(expected.values()), 1), rtol=1e-5)
    assert np.isfinite(why.maps).all()
    assert all(why.maps[:, each].any() for each in range(4))
    for target in ("log p(right)", "left - right", "right - left"):
        with pytest.raises(InputError, match="'right' is masked"):
            explain(policy, inputs, "saliency", target)
    for among in ([margin()], top(2)):
        with pytest.raises(InputError, match="all but 1 labels are masked"):
            explain(masked("cam", mask=(True, False, False)), inputs, "saliency", among)


def test_nothing_allowed_nan_and_plus_infinity_are_errors(inputs) -> None:
    with pytest.raises(NonFiniteError):
        explain(masked("cam", mask=(False, False, False)), inputs, "cam")
    for number in (np.nan, np.inf):
        policy = masked("cam")
        policy.module.register_forward_hook(
            lambda _, __, output, number=number: (
                output[0].masked_fill(torch.tensor([True, False, False]), number),
                output[1],
            )
        )
        with pytest.raises(NonFiniteError):
            explain(policy, inputs, "saliency")
