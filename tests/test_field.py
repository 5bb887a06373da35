"""A policy as a field: what it says at a place is what it says where the agent stands there."""

import math

import gymnasium
import numpy as np
import pytest

from rlvis import InputError, Policy
from rlvis.rollouts.field import policy_field
from rlvis_agents import load_policy


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy("cube-reach")


def a_world(**options):
    env = gymnasium.make("rlvis_envs:CubeReach-v0", **options)
    env.reset(seed=3)
    return env


def test_it_is_what_the_policy_says_there(policy) -> None:
    env = a_world()
    field = policy_field(policy, env, places=4, headings=3)
    state = env.unwrapped.get_state()
    for place in (0, len(field.places) - 1):
        for heading in range(3):
            x, z = field.places[place]
            pose = {"x": float(x), "z": float(z), "angle": float(field.headings[heading])}
            observation, _ = env.unwrapped.set_state({**state, "pose": pose})
            scores = policy.scores(observation[None])
            np.testing.assert_allclose(
                field.logits[place, heading], scores.logits[0], rtol=1e-4, atol=1e-4
            )
            assert field.values[place, heading] == pytest.approx(float(scores.value[0]), abs=1e-4)


def test_the_world_is_left_as_it_was(policy) -> None:
    env = a_world()
    before = env.unwrapped.get_state()
    policy_field(policy, env, places=3, headings=2)
    assert env.unwrapped.get_state() == before


def test_places_are_free_and_all_over_the_floor(policy) -> None:
    env = a_world()
    field = policy_field(policy, env, places=8, headings=2)
    assert all(env.unwrapped.is_free(*place) for place in field.places)
    assert (np.ptp(field.places, axis=0) > 5).all()
    np.testing.assert_allclose(field.headings, [0, math.pi])
    assert field.probabilities.shape == (len(field.places), 2, 3)


def test_it_is_drawn_and_saved(policy, tmp_path) -> None:
    field = policy_field(policy, a_world(), places=5, headings=4)
    field.save(tmp_path / "f.png")
    field.save(tmp_path / "f.npz")
    table = field.table()
    assert len(table["x"]) == len(field.places) * 4
    assert table["probability left"][5] == field.probabilities[1, 1, 0]


def test_worlds_that_have_no_field(policy) -> None:
    corridor = gymnasium.make("tests.worlds:Corridor-v0")
    corridor.reset(seed=0)
    with pytest.raises(InputError, match=r"does not offer .*moved\(\)"):
        policy_field(policy, corridor)
    with pytest.raises(InputError, match="sees what wrappers make"):
        policy_field(policy, a_world(obs_height=30, obs_width=40), places=3, headings=1)
    with pytest.raises(InputError, match="places is 0"):
        policy_field(policy, a_world(), places=0)
