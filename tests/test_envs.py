"""CubeReach as a Gymnasium environment: rules, options, info, worlds."""

import math
import subprocess
import sys
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_env_sb3

from rlvis_envs.cube_reach import CubeReachEnv
from rlvis_envs.episode import FORWARD, LEFT, RIGHT
from rlvis_envs.geometry import CLEARANCE, CONTACT, CUBE_RADIUS, DRIFT, FORWARD_FACTORS

WORLDS = [
    {},
    {"distractors": 3},
    {"domain_rand": True, "distractors": 2, "obs_height": 96, "obs_width": 72},
]


def make(name: str = "CubeReach-v0", **options) -> CubeReachEnv:
    env = gymnasium.make(f"rlvis_envs:{name}", **options).unwrapped
    assert isinstance(env, CubeReachEnv)
    return env


def facing_cube(env: CubeReachEnv, distance: float) -> None:
    """Put the agent in the middle of the room, the cube straight ahead of it at this distance."""
    env.reset(seed=0)
    state = env.get_state()
    middle = env.options.room_size / 2
    state["pose"] = {"x": middle, "z": middle, "angle": 0.0}
    state["scene"]["cube"] |= {"x": middle + distance, "z": middle}
    env.set_state(state)


@pytest.mark.parametrize("options", WORLDS)
def test_conforms_to_gymnasium_and_sb3_without_a_warning(options):
    env = gymnasium.make("rlvis_envs:CubeReach-v0", render_mode="rgb_array", **options).unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env)
        check_env_sb3(env)


def test_import_registers_without_loading_opengl_or_miniworld():
    code = """
import sys, rlvis_envs, gymnasium
ids = {f"CubeReach{kind}-v0" for kind in ("", "Distractors", "Choice")}
assert ids <= set(gymnasium.registry)
assert not {"miniworld", "pyglet", "rlvis", "rlvis_agents", "torch"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_registered_with_distractors():
    env = make("CubeReachDistractors-v0")
    env.reset(seed=0)
    assert len(env.episode.scene.distractors) == 3


def test_a_touch_is_rewarded_and_terminates_even_at_the_step_limit():
    env = make(step_limit=1)
    facing_cube(env, CONTACT + 0.25 - 1e-6)
    _, reward, terminated, truncated, info = env.step(FORWARD)
    assert (reward, terminated, truncated, info["success"]) == (1.0, True, False, True)


def test_a_miss_by_a_hair_is_no_touch_and_the_limit_truncates():
    env = make(step_limit=1)
    facing_cube(env, CONTACT + 0.25 + 1e-6)
    _, reward, terminated, truncated, info = env.step(FORWARD)
    assert (reward, terminated, truncated, info["success"]) == (0.0, False, True, False)
    assert info["distance"] == pytest.approx(CONTACT + 1e-6)


def test_walls_and_distractors_block_the_way():
    env = make(distractors=1)
    facing_cube(env, 3.0)
    start = env.get_state()
    x, z = start["pose"]["x"], start["pose"]["z"]
    start["scene"]["distractors"][0] |= {"x": x + CONTACT + 0.2, "z": z}
    env.set_state(start)
    for _ in range(3):
        *_, info = env.step(FORWARD)
        np.testing.assert_allclose(info["agent_position"], [x + 0.2, z], atol=1e-6)

    env.set_state(start | {"pose": {"x": 0.41, "z": z, "angle": math.pi}})
    *_, info = env.step(FORWARD)
    assert info["agent_position"].tolist() == [0.41, z]


@pytest.mark.parametrize("options", [*WORLDS, {"room_size": 3.4, "forward_step": 0.5}])
def test_no_single_step_from_the_start_touches_the_cube(options):
    env = make(**options)
    longest = math.hypot(env.options.forward_step * FORWARD_FACTORS[1], DRIFT)
    for seed in range(100):
        _, info = env.reset(seed=seed)
        assert info["distance"] > CONTACT + longest + 0.05
        assert not env.episode.scene.blocks(*info["agent_position"])


def test_an_agent_slides_along_a_distractor():
    env = make(distractors=1)
    facing_cube(env, 3.0)
    state = env.get_state()
    x, z = state["pose"]["x"], state["pose"]["z"]
    state["scene"]["distractors"][0] |= {"x": x + CONTACT + 0.1, "z": z + 0.1}
    env.set_state(state)
    ways = []
    for _ in range(12):
        *_, info = env.step(FORWARD)
        ways.append(info["agent_position"])
        cube = env.episode.scene.distractors[0]
        assert np.hypot(cube.x - ways[-1][0], cube.z - ways[-1][1]) >= CONTACT
    assert ways[-1][0] > x + 1.0
    assert ways[-1][1] < z


def test_distractors_are_never_red_and_leave_room_to_walk_round_them():
    env = make(distractors=5)
    for seed in range(30):
        env.reset(seed=seed)
        scene = env.episode.scene
        for i, cube in enumerate(scene.distractors):
            red, green, blue = cube.color
            assert red <= max(green, blue)
            to_wall = min(cube.x, cube.z, 8 - cube.x, 8 - cube.z) - CUBE_RADIUS
            assert to_wall >= CLEARANCE
            for other in (scene.cube, *scene.distractors[:i]):
                gap = math.hypot(cube.x - other.x, cube.z - other.z) - 2 * CUBE_RADIUS
                assert gap >= CLEARANCE


def test_turns_and_bearing_have_the_signs_that_the_names_say():
    env = make()
    facing_cube(env, 3.0)
    *_, left = env.step(LEFT)
    assert left["agent_angle"] == pytest.approx(math.radians(15))
    assert left["bearing"] == pytest.approx(-math.radians(15))
    mask = np.flatnonzero(env.cube_mask().any(axis=0))
    assert mask.mean() > 45, "after a turn to the left the cube is right of the middle"
    env.step(RIGHT)
    *_, right = env.step(RIGHT)
    assert right["bearing"] == pytest.approx(math.radians(15))
    assert env.action_names == ("left", "forward", "right")


def test_the_side_of_the_cube_agrees_with_the_pixels():
    env = make(domain_rand=True)
    agreed = []
    for seed in range(200):
        info = env.reset(seed=seed)[1]
        assert info["cube_on_left"] + info["cube_on_right"] == info["cube_in_view"]
        columns = np.nonzero(env.cube_mask())[1]
        if len(columns) and abs(columns.mean() - 39.5) > 1:
            agreed.append(info["cube_on_left"] == (columns.mean() < 39.5))
    assert len(agreed) > 20
    assert all(agreed)


@pytest.mark.parametrize("domain_rand", [False, True])
def test_cube_in_view_agrees_with_the_pixels(domain_rand):
    env = make(domain_rand=domain_rand)
    agree = [
        env.reset(seed=seed)[1]["cube_in_view"] == env.cube_mask().any() for seed in range(500)
    ]
    assert np.mean(agree) > 0.99


def test_domain_randomisation_changes_everything_it_names_and_keeps_the_cube_red():
    env = make(domain_rand=True)
    states, strides = [], []
    for seed in range(40):
        observation, before = env.reset(seed=seed)
        states.append(env.get_state()["scene"])
        if (mask := env.cube_mask()).sum() > 40:
            red, green, blue = np.median(observation[mask], axis=0)
            assert red > 2 * max(green, blue)
        *_, after = env.step(FORWARD)
        strides.append(np.linalg.norm(after["agent_position"] - before["agent_position"]))
    for part in ("look", "camera"):
        for name in states[0][part]:
            assert len({str(state[part][name]) for state in states}) > 3, name
    assert len({tuple(state["cube"]["color"]) for state in states}) > 30
    assert len(set(strides)) > 30


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("room_size", 2),
        ("forward_step", 0),
        ("turn_step", "15"),
        ("step_limit", 0),
        ("domain_rand", 1),
        ("distractors", 50),
        ("obs_width", 80.5),
        ("render_mode", "human"),
        ("view", "side"),
        ("render_height", -1),
        ("forward_step", math.nan),
    ],
)
def test_a_wrong_option_is_named_with_what_would_work(option, value):
    with pytest.raises(ValueError, match=f"{option}=.* must be") as caught:
        CubeReachEnv(**{option: value})
    assert "\n" not in str(caught.value)


def test_misuse_is_told():
    env = make()
    with pytest.raises(ResetNeeded):
        env.step(FORWARD)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action=3 must be 0"):
        env.step(3)
    env.close()
    with pytest.raises(ResetNeeded):
        env.cube_mask()


def test_forked_workers_draw_the_same_pictures():
    first, _ = make().reset(seed=5)
    vector = gymnasium.vector.AsyncVectorEnv(
        [lambda: gymnasium.make("rlvis_envs:CubeReach-v0")] * 2, context="fork"
    )
    try:
        observations, _ = vector.reset(seed=[5, 6])
    finally:
        vector.close()
    np.testing.assert_array_equal(observations[0], first)
