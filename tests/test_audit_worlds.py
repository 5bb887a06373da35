"""The audit in small worlds whose true answers are known by heart."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from rlvis import AuditPlan, InputError, Policy, audit
from rlvis.evaluation.account import Account
from rlvis.evaluation.action_values import true_values
from rlvis.evaluation.baselines import oracle_maps
from rlvis.evaluation.changes import ask_all
from rlvis.evaluation.decisions import weighed
from rlvis.evaluation.estimates import Estimate
from rlvis.evaluation.map_scores import MapScorer
from rlvis.evaluation.parts import parts_of
from rlvis.evaluation.shortcuts import Cue
from rlvis.evaluation.situations import Situations, collect
from rlvis.models.targets import contrast
from rlvis.rollouts.checked_env import CheckedEnv
from tests.known_policies import floor_reader
from tests.test_evaluation_numbers import squares

TINY = AuditPlan(frames=12, methods=("saliency",), decisions=2, episodes=6, quick=True)


class Coin(gymnasium.Env):
    """A step, whose reward is tossed; actions only use up random numbers."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 - as in Gymnasium

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.observation_space = spaces.Box(0, 255, (24, 32, 3), np.uint8)
        self.action_space = spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self.seen(), {}

    def step(self, action):
        for _ in range(int(action)):
            self.np_random.random()
        self.steps += 1
        return self.seen(), float(self.np_random.random() < 0.5), True, False, {}

    def seen(self):
        return np.full((24, 32, 3), 40 + min(self.steps, 200), np.uint8)

    def get_state(self):
        return {"steps": self.steps, "random": self.np_random.bit_generator.state}

    def set_state(self, state):
        self.steps = state["steps"]
        self.np_random.bit_generator.state = state["random"]
        return self.seen(), {}


class Walk(Coin):
    """A reward in every step, for ever."""

    def step(self, action):
        self.steps += 1
        return self.seen(), 1.0, False, False, {}


class Lamp(Walk):
    """Forgets its lamp when it is set back."""

    def reset(self, *, seed=None, options=None):
        gymnasium.Env.reset(self, seed=seed)
        self.lamp = int(self.np_random.integers(2)) * 60
        self.steps = 0
        return self.seen(), {}

    def step(self, action):
        self.steps += 1
        return self.seen(), 0.0, self.steps > 4, False, {}

    def seen(self):
        return np.full((24, 32, 3), self.lamp, np.uint8)

    def objects(self):
        return ("spot",)

    def without(self, name):
        return self.seen()


gymnasium.register("Walk-v0", Walk, max_episode_steps=20)
gymnasium.register("Lamp-v0", Lamp)


def undecided(forbidden: int | None = None) -> Policy:
    class Flat(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = torch.nn.Parameter(torch.tensor(1e-3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits = self.gain * x.mean(dim=(1, 2, 3))[:, None].repeat(1, 3)
            if forbidden is not None:
                logits[:, forbidden] = -torch.inf
            return logits

    return Policy(Flat(), ("a", "b", "c"), observation_shape=(24, 32, 3))


def situations(env: gymnasium.Env, policy: Policy | None = None, frames: int = 24) -> Situations:
    return collect(policy or undecided(), [CheckedEnv(env, "it")], frames)


HOW: dict[str, Any] = {"discount": 1.0, "max_steps": 1000, "on_progress": lambda _: None}


def test_every_future_has_chances_of_its_own() -> None:
    asked = situations(Coin(), frames=60)
    found = true_values(asked, np.arange(12), **HOW)
    assert abs(found.values.mean() - 0.5) < 0.1
    assert found.widths.min() > 0.05
    decisions = weighed(asked, found)
    assert decisions.regret.low <= 0 <= decisions.regret.high + 1e-9
    assert not found.sure_mistakes(asked.taken[:12]).any()


def test_time_that_is_used_up_is_used_up() -> None:
    asked = situations(gymnasium.make("Walk-v0"))
    found = true_values(asked, np.arange(6), **HOW)
    np.testing.assert_array_equal(found.values[:, 0], 20 - asked.steps[:6])


def test_what_counts_for_nothing_is_not_played() -> None:
    asked = situations(gymnasium.make("Walk-v0"))
    walk: Any = asked.world.environment.unwrapped
    found = true_values(asked, np.array([0]), **{**HOW, "discount": 0.5})
    left = 20 - asked.steps[0]
    np.testing.assert_allclose(found.values, 2 * (1 - 0.5**left), rtol=1e-3)
    assert walk.steps - asked.steps[0] == min(left, 10)


def test_wrappers_that_cannot_be_taken_back_are_told() -> None:
    class Ten(gymnasium.RewardWrapper):
        def reward(self, reward):
            return 10 * float(reward)

    with pytest.raises(InputError, match="Ten around the environment"):
        true_values(situations(Ten(Coin())), np.arange(2), **HOW)


def test_what_is_forbidden_is_not_the_best() -> None:
    asked = situations(Coin(), undecided(forbidden=1))
    found = true_values(asked, np.arange(6), **HOW)
    assert np.isnan(found.values[:, 1]).all()
    assert not (found.best == 1).any()
    assert np.isfinite(weighed(asked, found).regret.value)


def test_a_world_that_forgets_something_is_not_asked() -> None:
    asked = situations(gymnasium.make("Lamp-v0"), frames=40)
    assert asked.form == ""
    assert "its states leave something out" in asked.no_states
    found = audit(undecided(), "tests.test_audit_worlds:Lamp-v0", plan=TINY)
    assert "its states leave something out" in " ".join(found.left_out)


def test_a_map_that_says_nothing_of_the_parts_ranks_none_of_them_first() -> None:
    parts = squares()
    maps = np.zeros((60, 30, 40), np.float32)
    maps[:, 0, 0] = 1
    outside = ~parts.masks[:, 0, 0].reshape(60, 2).any(axis=1)
    scores = MapScorer(parts).score(maps, 0)
    assert outside.mean() > 0.8
    assert abs(scores.largest_first.value - 0.5) < 0.1
    against = MapScorer(parts).score(-np.abs(oracle_maps(parts, 0)), 0)
    assert against.pointing.count == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [({"discount": 5}, "a number from 0 to 1"), ({"discount": "x"}, "a number from 0 to 1")],
)
def test_wrong_options_are_told_in_a_line(options, said) -> None:
    with pytest.raises(InputError, match=said):
        audit(undecided(), "tests.test_audit_worlds:Walk-v0", plan=TINY, **options)


def test_methods_that_do_not_exist_are_refused_and_other_files_left_alone(tmp_path) -> None:
    with pytest.raises(InputError, match="salency"):
        AuditPlan(methods=("salency",))
    assert AuditPlan(methods="cam").named == ["cam"]
    mine = tmp_path / "mine.json"
    mine.write_text("[1]")
    with pytest.raises(InputError, match="holds something else"):
        audit(undecided(), "tests.test_audit_worlds:Walk-v0", plan=TINY, keep=mine)
    assert mine.read_text() == "[1]"


def test_a_factor_that_does_harm_is_no_shortcut_and_is_told() -> None:
    lost = Estimate(-0.45, -0.53, -0.37, 200, 200)
    misled = Cue("ceiling", False, None, lost=lost)
    assert misled.misleads
    assert not misled.is_shortcut
    assert misled.verdict == "it misleads: 45% more of the success where it is otherwise"
    assert not Cue("marker colour", True, None, lost=lost).misleads
    assert not Cue("floor", False, None, lost=Estimate(-0.45, -0.9, 0.0, 9, 9)).misleads


def test_a_surface_that_differs_between_episodes_is_a_part() -> None:
    options = {"cue": "floor", "step_limit": 40}
    env = gymnasium.make("rlvis_envs:CubeReachChoice-v0", **options)
    asked = situations(env, floor_reader())
    account = Account.of(asked)
    assert "floor" in account.values
    assert {"wall", "ceiling"} < set(account.constant)
    changed = ask_all(asked, account, quick=True, on_progress=lambda _: None)
    parts = parts_of(changed, [contrast(0, 2)], account.matters)
    of_floor = np.array([name == "floor" for name in parts.names])
    assert of_floor.sum() > 8
    assert not {"wall", "ceiling", "light"} & set(parts.names)
    assert not parts.relevant[of_floor].any()
    assert parts.masks[of_floor][:, 50:].mean() > 0.5
    assert not parts.masks[of_floor][:, :30].any()
    others = np.abs(parts.effects[~of_floor])
    assert np.abs(parts.effects[of_floor]).mean() > 2 * others.mean()
    env.close()
