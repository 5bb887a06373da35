"""What actions are worth by rollouts: which mistakes are sure, and worlds that make it hard."""

from typing import Any

import numpy as np
import pytest

from rlvis import InputError
from rlvis.evaluation.action_values import TrueValues, true_values
from rlvis.evaluation.paired_futures import student, surely_better
from tests.test_audit_worlds import HOW, Coin, situations, undecided


def test_the_luckiest_of_many_equal_actions_is_not_surely_better() -> None:
    """Outcomes of 0 and 1, often 16 equal ones of the action that was taken."""
    lot = np.random.default_rng(0)
    for actions in (2, 18):
        for chance in (0.1, 0.5):
            played = (lot.random((1000, actions, 16)) < chance).astype(float)
            assert surely_better(played, np.zeros(1000, int)).mean() < 0.025


def test_what_every_pair_of_futures_says_is_sure() -> None:
    chances = 5 * np.random.default_rng(0).normal(size=(4, 1, 16))
    played = chances + np.array([0.0, 1.0, -3.0])[:, None]
    taken = np.array([0, 1, 2, 0])
    values = TrueValues(np.arange(4), played.mean(2), played.min(2), played.max(2), 1.0, False, 1)
    assert not values.sure_mistakes(taken).any()
    played[3, 1:] = np.nan  # forbidden
    values = TrueValues(
        *(values.places, values.values, values.low, values.high), 1.0, False, 1, played
    )
    assert values.sure_mistakes(taken).tolist() == [True, False, True, False]


def test_quantiles_of_student() -> None:
    for freedom, share, expected in ((15, 0.975, 2.1314), (16, 0.9985, 3.4942), (10, 0.99, 2.7638)):
        assert student(freedom, share) == pytest.approx(expected, rel=2e-3)


class Ruled(Coin):
    """Refuses its second action."""

    def step(self, action):
        assert action != 1, "illegal"
        return super().step(action)


def test_forbidden_actions_are_not_tried() -> None:
    found = true_values(situations(Ruled(), undecided(forbidden=1)), np.arange(3), **HOW)
    assert found.drawn == 3 * 2 * 16
    assert np.isfinite(found.half_width)
    np.testing.assert_array_equal(np.isnan(found.values), [[False, True, False]] * 3)


@pytest.mark.parametrize("reward", [np.nan, np.inf])
def test_rewards_that_are_no_numbers_are_told(reward) -> None:
    class Broken(Coin):
        def step(self, action):
            observation, _, *rest = super().step(action)
            return observation, reward, *rest

    with pytest.raises(InputError, match=f"rewards of it add up to {reward}"):
        true_values(situations(Broken()), np.arange(2), **HOW)


def test_what_set_state_must_return_is_told() -> None:
    class Three(Coin):
        def set_state(self, state) -> Any:
            return *super().set_state(state), 3

    with pytest.raises(InputError, match=r"set_state\(state\) must return \(observation, info\)"):
        true_values(situations(Three()), np.arange(2), **HOW)
