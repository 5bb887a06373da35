"""The environment's own view: what is shown later is what was shown then, or it is left out."""

import json
import warnings
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from torch import nn

from rlvis import Policy, Recording, record
from rlvis.errors import Notice
from rlvis.inspector.album import Album
from rlvis.inspector.futures import Chance
from rlvis.inspector.live_world import LiveWorld
from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.states import FORMS, form_of, restore
from rlvis.rollouts.view_check import ViewCheck
from tests.conftest import PooledPolicy, randomise
from tests.worlds import Recalled

with_atari = pytest.mark.skipif(find_spec("ale_py") is None, reason="ale-py is not installed")
LATE = 40


class Walking(Recalled):
    """A corridor without an end, whose own view has a lamp besides what the policy sees."""

    def get_state(self) -> dict:
        return {"place": self.place, "steps": self.steps}

    def step(self, action: Any) -> tuple:
        observation, reward, _, _, info = super().step(action)
        return observation, reward, False, False, info

    def render(self) -> np.ndarray:
        view = super().render().copy()
        view[:6] = self.lamp()
        return view

    def lamp(self) -> int:
        return 7 * self.steps % 256


class Partial(Walking):
    """The lamp is lit by chance at the start, and no part of the state."""

    def reset(self, **how: Any) -> tuple:
        begun = super().reset(**how)
        self.lit = int(self.np_random.integers(256))
        return begun

    def lamp(self) -> int:
        return self.lit


class LateLamp(Walking):
    """The lamp goes on after many steps, and is no part of the state."""

    def reset(self, **how: Any) -> tuple:
        self.taken = 0
        return super().reset(**how)

    def step(self, action: Any) -> tuple:
        self.taken += 1
        return super().step(action)

    def lamp(self) -> int:
        return 255 if self.taken >= LATE * 4 else 0


class Stale(Walking):
    """The view is drawn by steps and resets alone."""

    def reset(self, **how: Any) -> tuple:
        begun = super().reset(**how)
        self.shown = super().render()
        return begun

    def step(self, action: Any) -> tuple:
        taken = super().step(action)
        self.shown = super().render()
        return taken

    def render(self) -> np.ndarray:
        return self.shown


class Forgetful(Walking):
    """The place of the spot is no part of the state, which both the policy and the view show."""

    def get_state(self) -> dict:
        return {"place": 9, "steps": self.steps}


class Refusing(Walking):
    """It goes back to no state."""

    def set_state(self, state: Any) -> np.ndarray:
        raise ValueError("no way back")


class Masked(Walking):
    """Where it may not stay; it says so, and refuses it."""

    def action_masks(self) -> np.ndarray:
        return np.array([True, False, True])

    def step(self, action: Any) -> tuple:
        if int(action) == 1:
            raise ValueError("it may not stay")
        return super().step(action)


WHOLE = (Walking, LateLamp)
LOST = (Partial, Stale, Forgetful, Refusing)
WORLDS = {each.__name__: each for each in (*WHOLE, *LOST)}
for _name, _world in WORLDS.items():
    gymnasium.register(f"{_name}View-v0", _world)


def world(name: str) -> str:
    return f"tests.test_views:{name}View-v0"


def recorded(policy: Policy, name: str, out: Path | None = None, **how: Any) -> Recording:
    how = {"methods": ["cam"], "max_steps": 30, "seed": 3, **how}
    return record(policy, world(name), out=out, **how)


@pytest.mark.parametrize("methods", [["cam"], "none"])
@pytest.mark.parametrize("name", WORLDS)
def test_views_are_those_of_then_whatever_states_hold(policy, name, methods) -> None:
    """Drawn from states where that gives the same, else kept while playing."""
    found = recorded(policy, name, episodes=3, methods=methods)
    truth = recorded(policy, name, episodes=3, render=True)
    kept = found.episode(0).renders is not None
    assert kept == (WORLDS[name] in LOST)
    assert bool(found.header.no_views) == kept
    for number in range(3):
        views = found.renders(number)
        assert views is not None
        np.testing.assert_array_equal(views, truth.episode(number).renders)


def test_only_possible_actions_are_tried() -> None:
    with ExitStack() as opened:
        assert ViewCheck(lambda: Masked(render_mode="rgb_array"), "m", opened).fault() == ""
        lost = ViewCheck(lambda: Refusing(render_mode="rgb_array"), "r", opened)
        assert "refuses the recorded state (no way back)" in lost.fault()


def test_what_a_state_lacks_is_found_late(policy) -> None:
    """From then on pictures are kept; of earlier episodes no wrong ones are drawn."""
    steps = LATE * 4 + 120
    found = recorded(policy, "LateLamp", episodes=2, max_steps=steps, parallel=1, methods="none")
    assert "at step 256" in found.header.no_views
    with pytest.warns(Notice, match="own view is left out: .* another picture than it did"):
        assert found.renders(0) is None
    views = found.renders(1)
    assert views is not None
    assert {int(view[0, 0, 0]) for view in views} == {0, 255}


def test_views_that_do_not_show_what_the_policy_saw_are_left_out(policy) -> None:
    """In a recording of which nobody tried whether its states are whole."""
    found = recorded(policy, "Forgetful", render=False)
    with pytest.warns(Notice, match=r"episode 0: .*step 0, .* only part of it.*render=True"):
        assert found.renders(0) is None
    whole = recorded(policy, "Walking", render=False)
    assert whole.renders(0) is not None


def test_the_reason_is_kept_with_the_recording(policy, tmp_path) -> None:
    out = tmp_path / "r.zarr"
    recorded(policy, "Stale", out)
    attributes = json.loads((out / "zarr.json").read_text())["attributes"]
    assert "shows another picture" in attributes["no_views"]
    found = Recording.open(out)
    assert "shows another picture" in found.header.no_views
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert found.renders(0) is not None


@with_atari
def test_ataris_screen_is_stale_after_a_state_is_restored() -> None:
    """What `redraws` says of the form: else pictures would be drawn from states."""
    env = gymnasium.make("ale_py:ALE/Breakout-v5", render_mode="rgb_array")
    env.reset(seed=0)
    form, seen = FORMS[form_of(env)], []
    for step in range(20):
        seen.append((form.get(env), env.render()))
        env.step([1, 2, 3][step % 3])
    alike = []
    for state, view in seen:
        restore("atari", env, state)
        alike.append(bool((env.render() == view).all()))
    assert sum(alike) < 10
    assert not form.redraws
    env.close()


def four_actions() -> Policy:
    """A policy for Breakout that knows nothing."""
    network = randomise(PooledPolicy())
    network.policy = nn.Linear(8, 4)
    labels = ("NOOP", "FIRE", "RIGHT", "LEFT")
    return Policy(network.eval(), labels, observation_shape=(210, 160, 3), name="four")


def grey_actions(shape: tuple[int, int, int]) -> Policy:
    """The same for grey frames."""
    network = randomise(PooledPolicy())
    network.features = nn.Sequential(nn.Conv2d(1, 8, 5, stride=2), nn.ReLU())
    network.policy = nn.Linear(8, 4)
    labels = ("NOOP", "FIRE", "RIGHT", "LEFT")
    return Policy(network.eval(), labels, observation_shape=shape, name="grey")


@with_atari
def test_views_of_atari_are_kept_while_playing(tmp_path) -> None:
    policy = four_actions()
    how = {"max_steps": 24, "methods": "none", "seed": 1}
    out = tmp_path / "r.zarr"
    record(policy, "ale_py:ALE/Breakout-v5", out=out, **how)
    found = Recording.open(out)
    views = found.renders(0)
    assert views is not None
    env = gymnasium.make("ale_py:ALE/Breakout-v5", render_mode="rgb_array")
    env.reset(seed=1)
    for step, action in enumerate(found.numbers(0).actions):
        np.testing.assert_array_equal(views[step], env.render())
        env.step(int(action))
    env.close()
    assert len({view.tobytes() for view in views}) > 5
    assert "Atari" in found.header.no_views


@with_atari
@pytest.mark.filterwarnings("ignore:the wrapper atari plays whole games")
@pytest.mark.parametrize("wrappers", [(), ("atari",), ("grayscale", "frame-skip:frames=3")])
def test_views_of_atari_that_were_not_kept_are_drawn_by_the_step_before(wrappers) -> None:
    policy = four_actions()
    if wrappers:
        policy = grey_actions((84, 84, 1) if "atari" in wrappers else (210, 160, 1))
    how = {"max_steps": 24, "methods": "none", "seed": 1, "wrappers": wrappers}
    without = record(policy, "ale_py:ALE/Breakout-v5", render=False, **how)
    kept = record(policy, "ale_py:ALE/Breakout-v5", render=True, **how).episode(0).renders
    assert without.episode(0).renders is None
    np.testing.assert_array_equal(without.renders(0), kept)
    np.testing.assert_array_equal(without.renders(0, slice(9, 12)), kept[9:12])


@with_atari
def test_a_step_that_leads_elsewhere_draws_nothing(tmp_path) -> None:
    policy = four_actions()
    how = {"max_steps": 12, "methods": "none", "seed": 1, "env_options": {"frameskip": 3}}
    recording = record(policy, "ale_py:ALE/Breakout-v5", render=False, **how)
    recording.header = replace(recording.header, env_options={"frameskip": 5})
    with pytest.warns(Notice, match="lead elsewhere now"):
        assert recording.renders(0, slice(4, 6)) is None


@with_atari
def test_a_future_that_is_tried_live_begins_with_the_picture_of_the_moment() -> None:
    """Whatever Atari's screen shows after its state was restored."""
    env = gymnasium.make("ale_py:ALE/Breakout-v5", render_mode="rgb_array")
    world = LiveWorld(four_actions(), CheckedEnv(env, "Breakout"), 0, Album("a", 8))
    world.reset(3)
    for _ in range(6):
        world.act(1)
    expected = env.render().copy()
    world.act(2)
    world.back()
    for _ in range(2):  # the second after the screen has gone on
        future = world._future(2, 0, world.policy, Chance())
        assert future.renders is not None
        np.testing.assert_array_equal(future.renders[0], expected)
    world.close()
