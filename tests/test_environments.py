"""Environments as people have them: bare ids, faults, rules of success, names of actions."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack

from rlvis import InputError, record
from rlvis.errors import Notice
from rlvis.rollouts.environments import make_environment
from rlvis.rollouts.overview import success_of
from rlvis.rollouts.success import SuccessRule, ended_well
from rlvis.rollouts.wrappers import FrameStack
from rlvis_agents import evaluate
from tests.complaints import complaint
from tests.worlds import Corridor

ENVIRONMENT = "tests.worlds:Corridor-v0"


@pytest.mark.parametrize(
    "name",
    [
        "CubeReach-v0",
        "CubeReachDistractors-v0",
        "CubeReachChoice-v0",
        "MiniGrid-Empty-5x5-v0",
        "MiniWorld-Hallway-v0",
        "ALE/Pong-v5",
        "BreakoutNoFrameskip-v4",
    ],
)
def test_bare_ids_find_the_package_that_brings_them(name) -> None:
    """In a process of its own: here other tests may have imported it."""
    code = f"""
import gymnasium
from rlvis.rollouts.providers import import_provider
assert {name!r} not in gymnasium.registry
import_provider({name!r})
gymnasium.spec({name!r})
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_modules_in_the_current_folder_are_found(tmp_path) -> None:
    world = "import gymnasium, tests.worlds as w; gymnasium.register('Mine-v0', w.Corridor)"
    (tmp_path / "my_world.py").write_text(world)
    code = (
        "from rlvis.rollouts.environments import make_environment; "
        "make_environment('my_world:Mine-v0')"
    )
    root = Path(__file__).parent.parent
    folders = [str(root), str(root / "envs"), str(root / "agents")]
    code = f"import sys; sys.path[0] = ''; sys.path.remove(''); sys.path[:0] = {folders}; {code}"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, capture_output=True)


class Broken(Corridor):
    """A corridor that goes wrong in one way, at the third step if in steps at all."""

    def __init__(self, how: str = "", **options) -> None:
        super().__init__(**options)
        self.how = how

    def reset(self, *, seed=None, options=None):
        if self.how == "reset raises":
            raise RuntimeError("no rooms left\nat all")
        observation, info = super().reset(seed=seed, options=options)
        if self.how == "reset gives one thing":
            return observation
        return observation, [] if self.how == "info is a list" else info

    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        terminated = truncated = False
        late = self.steps == 3
        if late and self.how == "step raises":
            raise ZeroDivisionError("division by zero")
        if late and self.how == "step gives four":
            return observation, reward, False, info
        if late and self.how == "step gives None":
            return None
        if late and self.how == "reward is None":
            reward = None
        if late and self.how == "reward is text":
            reward = "much"
        if late and self.how == "info is None":
            info = None
        if late and self.how == "another size":
            observation = observation[:20]
        return observation, reward, terminated, truncated, info

    def render(self):
        picture = super().render()
        return {
            "no picture": None,
            "a vector": picture[0, 0],
            "nan": np.full(picture.shape, np.nan),
            "RGBA": np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)]),
            "grey": picture[..., 0],
            "floats": picture / 255,
        }.get(self.how, picture)


@pytest.mark.parametrize(
    ("how", "where", "message"),
    [
        ("reset raises", "episode 0, step 0: reset", "no rooms left at all"),
        ("reset gives one thing", "episode 0, step 0: reset", "pair of observation and info"),
        ("info is a list", "episode 0, step 0: reset", "list, not a dict"),
        ("step raises", "episode 0, step 2: step", "ZeroDivisionError"),
        ("step gives four", "episode 0, step 2: step", "4 things"),
        ("step gives None", "episode 0, step 2: step", "no tuple"),
        ("reward is None", "episode 0, step 2: step", "NoneType"),
        ("reward is text", "episode 0, step 2: step", "much"),
        ("info is None", "episode 0, step 2: step", "NoneType, not a dict"),
        ("another size", "episode 0, step 2: step", "(20, 32, 3), and its space says (24, 32, 3)"),
        ("no picture", "episode 0, step 0: render", "NoneType, no picture"),
        ("a vector", "episode 0, step 0: render", "no picture"),
        ("nan", "episode 0, step 0: render", "NaN"),
    ],
)
def test_what_fails_in_an_environment_is_told_with_its_place(policy, how, where, message) -> None:
    line = complaint(
        lambda: record(policy, Broken(how, render_mode="rgb_array"), methods=["cam"], max_steps=5)
    )
    assert where in line
    assert message in line
    assert "\n" not in line


def test_evaluation_tells_the_same(policy) -> None:
    gymnasium.register("Broken-v0", Broken, kwargs={"how": "step raises"}, order_enforce=False)
    line = complaint(lambda: evaluate(policy, "Broken-v0", episodes=3))
    assert "episode 2, step 2: step" in line or "episode 0, step 2: step" in line


@pytest.mark.parametrize("how", ["RGBA", "grey", "floats"])
def test_pictures_of_other_forms_are_understood(policy, how) -> None:
    plain, other = (
        record(policy, Broken(each, render_mode="rgb_array"), methods=["cam"], max_steps=3)
        for each in ("", how)
    )
    expected = plain.episode(0).renders
    assert expected is not None
    expected = np.repeat(expected[..., :1], 3, axis=-1) if how == "grey" else expected
    np.testing.assert_array_equal(other.episode(0).renders, expected)


class CountingResets(gymnasium.Wrapper):
    """As SB3's EpisodicLife: a reset that is not the first one of a game is a step."""

    resets = 0

    def reset(self, **options):
        type(self).resets += 1
        return super().reset(**options)


def test_an_environment_is_reset_once_for_each_episode(policy) -> None:
    CountingResets.resets = 0
    world = CountingResets(Corridor(render_mode="rgb_array"))
    recording = record(policy, world, episodes=2, methods=["grad-cam"], seed=5)
    assert CountingResets.resets == 2
    expected, _ = Corridor().reset(seed=5)
    np.testing.assert_array_equal(recording.episode(0).observations[0], expected)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("return > 0.5", True), ("length>=100", False), ("place != -1", True), ("reward == 1", True)],
)
def test_the_rule_of_success_can_be_given(policy, rule, expected) -> None:
    recording = record(policy, ENVIRONMENT, episodes=6, methods=["cam"], success=rule)
    for episode in recording:
        ended = episode.terminated if "place" not in rule and "length" not in rule else True
        assert episode.success == (expected and ended)
    assert recording.header.success == str(SuccessRule.parse(rule))
    played = evaluate(policy, ENVIRONMENT, episodes=6, seed=0, success=rule)
    assert played.success_rate is not None


@pytest.mark.parametrize(
    "rule",
    ["", "return", "return >", "> 3", "return > nan", "return > inf", "return >> 3", "a b > 3"],
)
def test_rules_that_are_none_are_refused(rule) -> None:
    with pytest.raises(InputError, match="cannot read the rule of success"):
        SuccessRule.parse(rule)


def test_a_rule_about_what_the_environment_does_not_tell(policy) -> None:
    with pytest.raises(InputError, match=r"no such thing as 'plase'; did you mean 'place'"):
        record(policy, ENVIRONMENT, methods=["cam"], success="plase > 3")
    with pytest.raises(InputError, match="no number; write a rule"):
        record(policy, ENVIRONMENT, methods=["cam"], success="note > 3")


def test_actions_can_be_named(policy) -> None:
    recording = record(policy, ENVIRONMENT, methods=["cam"], labels=["a", "b", "c"])
    assert recording.header.actions == ["a", "b", "c"]
    assert recording.targets(0) is None
    played = evaluate(policy, ENVIRONMENT, episodes=2, labels=["a", "b", "c"])
    assert list(played.action_shares) == ["a", "b", "c"]
    for wrong in (["a", "b"], ["a", "a", "b"], ["a", "b", ""]):
        with pytest.raises(InputError, match="are not 3 different names"):
            record(policy, ENVIRONMENT, methods=["cam"], labels=wrong)


def dict_world() -> gymnasium.Env:
    class Both(gymnasium.Env):
        observation_space = spaces.Dict(
            camera=spaces.Box(0, 255, (36, 40, 3), np.uint8),
            speed=spaces.Box(-1, 1, (2,), np.float32),
        )
        action_space = spaces.Discrete(2)

        def reset(self, *, seed=None, options=None):
            self.observation_space.seed(3)
            return self.observation_space.sample(), {}

        def step(self, action):
            return self.observation_space.sample(), 0.0, False, False, {}

    return Both()


def test_frames_of_dict_observations_are_stacked_as_by_stable_baselines() -> None:
    ours, theirs = FrameStack(dict_world(), 3), VecFrameStack(DummyVecEnv([dict_world]), 3)
    expected: Any = theirs.reset()
    seen = ours.reset()[0]
    for _ in range(4):
        assert ours.observation_space.contains(seen)
        for key in ("camera", "speed"):
            np.testing.assert_array_equal(seen[key], expected[key][0])
        seen, expected = ours.step(1)[0], theirs.step(np.array([1]))[0]


@pytest.mark.parametrize(
    "wrapper",
    [
        "frame-stack:frames=100000",
        "frame-stack:frames=0",
        "frame-stack:frames=4.5",
        "frame-stack:frames=nan",
        "frame-stack:frames=true",
        "frame-stack:frames",
        "frame-skip:frames=-1",
        "frame-skip:frames=1000000000",
        "resize:height=0",
        "resize:height=1000000",
        "resize:height=-84,width=84",
        "resize:height=inf",
        "resize",
        "tests.test_environments.explodes",
        "os.path",
        ".",
        "a..b",
        "",
        ":",
    ],
)
def test_wrappers_that_cannot_be_are_one_line(wrapper) -> None:
    line = complaint(lambda: make_environment(ENVIRONMENT, wrappers=[wrapper]))
    assert line
    assert "\n" not in line


def explodes(environment):
    raise MemoryError


@pytest.mark.parametrize(
    "name",
    [
        "",
        ":",
        "a:",
        ":b",
        "a:b:c",
        "..x:Y-v0",
        "x/../y:Z-v0",
        "Coridor",
        "CubeReach-v9",
        "ALE/-v5",
    ],
)
def test_environments_that_are_none_are_one_line(name) -> None:
    line = complaint(lambda: make_environment(name))
    assert line
    assert "\n" not in line


def test_what_is_no_policy_is_told_how_to_become_one() -> None:
    with pytest.raises(InputError, match=r"Linear is no policy; give rlvis\.Policy\(module"):
        record(torch.nn.Linear(1, 1), ENVIRONMENT)
    with pytest.raises(InputError, match=r"cannot play str; .* rlvis_agents\.load_policy"):
        evaluate("agent.zip", ENVIRONMENT, 1)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (True, True),
        (np.bool_(False), False),
        (1.0, True),
        (0, False),
        (np.array([1.0]), True),
        (None, None),
    ],
)
def test_success_is_true_or_false(said, expected) -> None:
    assert ended_well({"is_success": said}) is expected
    assert ended_well({"success": None, "is_success": said}) is expected


@pytest.mark.parametrize("said", [float("nan"), "False", "no", -1, 2, 0.5, np.array([1, 0])])
def test_what_is_neither_true_nor_false_is_no_success(said) -> None:
    with pytest.warns(Notice, match="is_success = .* neither true nor false"):
        assert ended_well({"is_success": said}) is None


def test_a_rule_about_nan_is_refused() -> None:
    with pytest.raises(InputError, match="'score' in the environment's info is 'nan', no number"):
        SuccessRule.parse("score > 1").holds(0, 1, 0, {"score": float("nan")})


def test_success_that_nobody_defined_is_not_counted(policy) -> None:
    recording = record(policy, ENVIRONMENT, episodes=3, methods="none", success="return > 1e9")
    assert success_of(recording) == "0 with success"
    recording = record(policy, ENVIRONMENT, episodes=3, methods="none")
    known = [each for each in recording.successes if each is not None]
    assert success_of(recording) == f"{sum(known)} with success"
    for episode in recording._opened.values():
        episode.attributes["success"] = None
    assert "success not defined" in success_of(recording)
    recording._stored(0).attributes["success"] = True
    assert success_of(recording) == "1 with success, 2 with success unknown"
