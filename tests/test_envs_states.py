"""Saved states and the oracle, both through `gymnasium.make(...).unwrapped`."""

import copy
import json
import pickle

import gymnasium
import numpy as np
import pytest

from rlvis_envs.oracle import oracle_action, oracle_path

WORLDS = [
    {},
    {"domain_rand": True, "distractors": 3, "room_size": 9.0, "obs_width": 64},
]


def make(**options):
    return gymnasium.make("rlvis_envs:CubeReach-v0", **options).unwrapped


def future(env, steps: int = 60) -> list:
    """What random actions bring, a new episode included."""
    history = []
    actions = np.random.default_rng(0).integers(3, size=steps)
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        history.append((observation, reward, terminated, truncated, *info.values()))
        if terminated or truncated:
            history.append((env.reset()[0],))
    history.append((env.reset()[0],))
    return history


def assert_same(one: list, other: list) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("options", WORLDS)
@pytest.mark.parametrize("carry", [lambda s: s, lambda s: json.loads(json.dumps(s)), pickle.dumps])
def test_what_follows_a_restore_is_the_same_to_the_last_bit(options, carry):
    env = make(step_limit=40, **options)
    env.reset(seed=11)
    for action in (1, 0, 1, 2, 1):
        observation, *_, info = env.step(action)
    state = carry(env.get_state())
    state = pickle.loads(state) if isinstance(state, bytes) else state
    kept = copy.deepcopy(state)
    expected = future(env)

    elsewhere = make(step_limit=40, **options)
    elsewhere.reset(seed=12)
    for target in (env, make(step_limit=40, **options), elsewhere):
        restored, restored_info = target.set_state(state)
        assert_same([(restored, *restored_info.values())], [(observation, *info.values())])
        assert_same(future(target), expected)
    assert state == kept, "running on does not change a saved state"


def test_a_state_of_before_there_was_a_choice_is_taken():
    env = make(distractors=2, domain_rand=True)
    env.reset(seed=0)
    state = env.get_state()
    old = json.loads(json.dumps(state))
    del old["touched"], old["scene"]["choice"]
    for box in (old["scene"]["cube"], *old["scene"]["distractors"]):
        del box["size"], box["base"]
    elsewhere = make(distractors=2, domain_rand=True)
    elsewhere.set_state(old)
    assert elsewhere.get_state() == state
    assert_same(future(elsewhere), future(env))
    old["success"] = True
    assert elsewhere.set_state(old)[1]["success"]


def test_a_state_may_be_edited_without_a_trace_in_the_next():
    env = make(distractors=2)
    env.reset(seed=0)
    state = env.get_state()
    kept = copy.deepcopy(state)
    state["scene"]["cube"]["x"] = 1.0
    state["scene"]["distractors"].clear()
    state["options"]["room_size"] = 3.0
    state["pose"]["x"] = 2.0
    assert env.get_state() == kept


def test_same_seed_same_episode():
    one, other = make(domain_rand=True), make(domain_rand=True)
    np.testing.assert_array_equal(one.reset(seed=2)[0], other.reset(seed=2)[0])
    assert_same(future(one), future(other))


def test_a_state_of_other_options_is_refused():
    env = make()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"made with room_size=8\.0, distractors=0$"):
        make(room_size=6.0, distractors=1).set_state(env.get_state())
    with pytest.raises(ValueError, match="not a state of CubeReach: options, pose, random"):
        env.set_state({"scene": {}})


def test_a_broken_state_is_refused_and_changes_nothing():
    env = make()
    env.reset(seed=0)
    kept = env.get_state()
    for path, broken in ((("scene", "cube"), {"x": 1.0}), (("scene",), []), (("pose",), {"w": 1})):
        state = make_other_random(env.get_state())
        part = state
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = broken
        with pytest.raises(ValueError, match="not a state of CubeReach: "):
            env.set_state(state)
        assert env.get_state() == kept


def make_other_random(state: dict) -> dict:
    state["random"] = np.random.default_rng(99).bit_generator.state
    return state


def test_the_oracle_always_succeeds_in_the_number_of_steps_it_says():
    env = make()
    for seed in range(200):
        env.reset(seed=seed)
        path = oracle_path(env)
        for action in path[:-1]:
            assert not env.step(action)[2]
        assert env.step(path[-1])[2]


@pytest.mark.parametrize("options", [{}, {"distractors": 3}, {"domain_rand": True}])
def test_the_oracle_is_a_policy_for_wrapped_environments(options):
    env = gymnasium.make("rlvis_envs:CubeReach-v0", **options)
    for seed in range(30):
        env.reset(seed=seed)
        predicted, taken, done = len(oracle_path(env)), 0, False
        while not done:
            _, _, terminated, truncated, _ = env.step(oracle_action(env))
            done, taken = terminated or truncated, taken + 1
        assert terminated
        assert options.get("domain_rand") or taken <= predicted


def test_the_oracle_takes_the_shortest_path_straight_ahead():
    env = make()
    env.reset(seed=0)
    state = env.get_state()
    state["pose"] = {"x": 4.0, "z": 4.0, "angle": 0.0}
    state["scene"]["cube"] |= {"x": 4.0 + 2.5, "z": 4.0}
    env.set_state(state)
    assert oracle_path(env) == [1] * 7, "2.5 m less the 0.97 m of the contact are 6.1 steps"
    state["pose"]["angle"] = np.pi / 2
    env.set_state(state)
    path = oracle_path(env)
    assert path[0] == 2
    assert path.count(0) == 0


def test_the_oracle_knows_no_other_environment():
    with pytest.raises(TypeError, match="CubeReach only"):
        oracle_path(gymnasium.make("CartPole-v1"))
