"""CubeReachChoice: both sides alike, the marker always right, the cue as often as it should be."""

import json
import math
import re
from collections import Counter

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from scipy.stats import binomtest

from rlvis_envs.choice import MARKER_COLOR, sample_choice
from rlvis_envs.cube_reach import CubeReachEnv
from rlvis_envs.cube_reach_choice import CubeReachChoiceEnv
from rlvis_envs.episode import FORWARD, LEFT, RIGHT
from rlvis_envs.geometry import CONTACT, CUBE_RADIUS
from rlvis_envs.options import CUES
from rlvis_envs.oracle import oracle_path
from rlvis_envs.scene import Scene

NAME = "rlvis_envs:CubeReachChoice-v0"


def make(**options) -> CubeReachChoiceEnv:
    env = gymnasium.make(NAME, **options).unwrapped
    assert isinstance(env, CubeReachChoiceEnv)
    return env


def scenes(count: int, first: int = 0, **options) -> list:
    """Worlds as `reset` draws them for these seeds, without their pictures."""
    env = make(**options)
    rngs = (np.random.default_rng(seed) for seed in range(first, first + count))
    return [sample_choice(env.options, rng)[0] for rng in rngs]


def before(env: CubeReachChoiceEnv, name: str) -> None:
    """Put the agent a step away from touching a cube, looking at it."""
    state = env.get_state()
    box = env.episode.scene.goals[name]
    state["pose"] = {"x": box.x - CONTACT - 0.2, "z": box.z, "angle": 0.0}
    env.set_state(state)


@pytest.mark.parametrize("options", [{}, {"cue": "object", "domain_rand": True, "room_size": 9.0}])
def test_conforms_to_gymnasium(options):
    check_env(gymnasium.make(NAME, render_mode="rgb_array", **options).unwrapped)


@pytest.mark.parametrize("name", ["left cube", "right cube"])
def test_the_cube_that_counts_wins_and_the_other_ends(name):
    env = make()
    for seed in range(12):
        _, info = env.reset(seed=seed)
        side = LEFT if name == "left cube" else RIGHT
        before(env, name)
        *_, after = env.step(LEFT)
        assert not after["wrong_cube"]
        env.step(RIGHT)
        _, reward, terminated, truncated, after = env.step(FORWARD)
        right = info["side"] == side
        assert (terminated, truncated) == (True, False)
        assert (reward, after["success"], after["wrong_cube"]) == (float(right), right, not right)


def test_the_wrong_cube_ends_the_episode_even_at_the_step_limit():
    env = make(step_limit=1)
    for seed in range(4):
        _, info = env.reset(seed=seed)
        before(env, "right cube" if info["side"] == LEFT else "left cube")
        assert env.step(FORWARD)[1:4] == (0.0, True, False)


def test_both_sides_count_equally_often():
    sides = Counter(scene.choice.side for scene in scenes(4000))
    assert binomtest(sides["left"], 4000).pvalue > 0.01


def test_scenes_are_those_of_reset():
    env = make(cue="floor", cue_agreement=0.5)
    for seed, scene in enumerate(scenes(5, cue="floor", cue_agreement=0.5)):
        env.reset(seed=seed)
        assert env.episode.scene == scene


def test_each_side_in_half_of_the_held_out_episodes():
    sides = Counter(scene.choice.side for scene in scenes(500, 1_001_000_000))
    assert 0.45 <= sides["left"] / 500 <= 0.55


def test_the_marker_tells_the_side_and_the_info_says_it():
    env = make()
    for seed in range(20):
        _, info = env.reset(seed=seed)
        choice = env.episode.scene.choice
        assert choice is not None
        assert MARKER_COLOR[choice.side] == choice.marker.color
        assert env.action_names[info["side"]] == choice.side
        assert "cue_side" not in info
        wrong = env.episode.scene.goals["left cube" if info["side"] == RIGHT else "right cube"]
        cube = env.episode.scene.goals[f"{choice.side} cube"]
        np.testing.assert_array_equal(info["cube_position"], [cube.x, cube.z])
        assert (cube.z < wrong.z) == (choice.side == "left")
        facing_far_wall = env.get_state()
        facing_far_wall["pose"]["angle"] = 0.0
        _, info = env.set_state(facing_far_wall)
        assert (info["bearing"] > 0) == (choice.side == "left"), "left of one who faces the marker"
        np.testing.assert_array_equal(env.cube_mask(), env.object_mask(f"{choice.side} cube"))


def test_at_the_start_the_colour_of_the_marker_can_be_read_once_one_looks_ahead():
    env = make()
    for seed in range(40):
        env.reset(seed=seed)
        state = env.get_state()
        state["pose"]["angle"] = 0.0
        observation, _ = env.set_state(state)
        mask = env.object_mask("marker")
        assert mask.sum() > 120
        red, _, blue = np.median(observation[mask], axis=0)
        assert (blue > red) == (state["scene"]["choice"]["side"] == "left")


def test_a_smaller_marker_is_the_only_difference():
    large, small = make(), make(marker_scale=0.5)
    for seed in range(10):
        large.reset(seed=seed)
        small.reset(seed=seed)
        np.testing.assert_array_equal(large.without("marker"), small.without("marker"))
        one, other = large.object_mask("marker"), small.object_mask("marker")
        assert not (other & ~one).any()
        state = large.get_state()
        state["pose"].update(x=1.0, z=4.0, angle=0.0)
        large.set_state(state)
        mask = large.object_mask("marker")
        state["options"]["marker_scale"] = 0.5
        state["scene"]["choice"]["marker"] = small.get_state()["scene"]["choice"]["marker"]
        small.set_state(state)
        assert 0.2 < small.object_mask("marker").sum() / mask.sum() < 0.4
        rows = np.flatnonzero(mask.any(axis=1))
        assert abs(np.flatnonzero(small.object_mask("marker").any(axis=1)).mean() - rows.mean()) < 1


@pytest.mark.parametrize("cue", CUES)
@pytest.mark.parametrize("agreement", [0.0, 0.3, 1.0])
def test_a_cue_agrees_as_often_as_it_should(cue, agreement):
    drawn = scenes(1000, cue=cue, cue_agreement=agreement)
    agree = sum(scene.choice.cue_side == scene.choice.side for scene in drawn)
    if agreement in (0, 1):
        assert agree == 1000 * agreement
    else:
        assert binomtest(agree, 1000, agreement).pvalue > 0.01


def parts_of(scene: Scene) -> dict[str, object]:
    """What each cue changes of a world."""
    return {
        "floor": scene.look.floor,
        "ceiling": scene.look.ceiling,
        "light": scene.look.light_color,
        "object": [each.z < scene.room_size / 2 for each in scene.distractors],
        "shade": [cube.color[0] for cube in scene.goals.values()],
    }


@pytest.mark.parametrize("cue", CUES)
def test_a_cue_shows_its_side_and_nothing_else_differs(cue):
    plain, with_cue = make(), make(cue=cue, cue_agreement=0.5)
    pictures: dict[str, list] = {"left": [], "right": []}
    for seed in range(12):
        plain.reset(seed=seed)
        _, info = with_cue.reset(seed=seed)
        scene, other = plain.episode.scene, with_cue.episode.scene
        assert scene.choice is not None
        assert other.choice is not None
        assert with_cue.action_names[info["cue_side"]] == other.choice.cue_side
        assert other.choice.side == scene.choice.side
        assert plain.episode.pose == with_cue.episode.pose
        for name, box in scene.goals.items():
            assert (box.x, box.z) == (other.goals[name].x, other.goals[name].z)
        parts, default = parts_of(other), parts_of(scene)
        pictures[other.choice.cue_side].append(parts.pop(cue))
        default.pop(cue)
        assert parts == default
    left, right = ({str(each) for each in shown} for shown in pictures.values())
    assert len(left) == len(right) == 1
    assert left != right


def test_worlds_of_one_seed_are_the_same_to_the_last_bit():
    options = {"cue": "floor", "cue_agreement": 0.5, "domain_rand": True}
    one, other = make(**options), make(**options)
    for seed in range(5):
        np.testing.assert_array_equal(one.reset(seed=seed)[0], other.reset(seed=seed)[0])
        assert one.get_state() == other.get_state()
    assert len({one.reset(seed=seed)[0].tobytes() for seed in range(20)}) == 20


def test_a_state_goes_on_elsewhere_through_json():
    options = {"cue": "object", "domain_rand": True}
    env, elsewhere = make(**options), make(**options)
    env.reset(seed=3)
    before(env, "left cube")
    env.step(FORWARD)
    state = json.loads(json.dumps(env.get_state()))
    _, info = elsewhere.set_state(state)
    assert (info["success"], info["wrong_cube"]) == (info["side"] == LEFT, info["side"] == RIGHT)
    assert elsewhere.get_state() == env.get_state() == state
    for target in (env, elsewhere):
        target.step(LEFT)
    np.testing.assert_array_equal(env.reset()[0], elsewhere.reset()[0])
    assert elsewhere.get_state() == env.get_state() != state


def test_states_of_one_world_do_not_fit_the_other():
    choice, plain = make(), gymnasium.make("rlvis_envs:CubeReach-v0").unwrapped
    assert isinstance(plain, CubeReachEnv)
    choice.reset(seed=0)
    plain.reset(seed=0)
    with pytest.raises(ValueError, match=r"of another world, one with room_size, .*marker_scale$"):
        plain.set_state(choice.get_state())
    with pytest.raises(ValueError, match=r"of another world, one with room_size, .*obs_width$"):
        choice.set_state(plain.get_state())
    with pytest.raises(ValueError, match=r"made with cue=None$"):
        make(cue="floor").set_state(choice.get_state())


@pytest.mark.parametrize("options", [{}, {"room_size": 4.9}, {"cue": "object", "room_size": 12.0}])
def test_cubes_are_apart_in_the_room_and_out_of_reach(options):
    env = make(**options)
    for seed in range(50):
        _, info = env.reset(seed=seed)
        scene = env.episode.scene
        left, right = scene.goals.values()
        assert math.hypot(left.x - right.x, left.z - right.z) > 2 * CONTACT
        assert info["distance"] > CONTACT + 0.25
        for box in (left, right):
            assert CUBE_RADIUS < box.z < scene.room_size - CUBE_RADIUS
        assert not scene.blocks(*info["agent_position"])


@pytest.mark.parametrize("options", [{}, {"cue": "object"}])
def test_the_oracle_walks_to_the_cube_that_counts(options):
    env = make(**options)
    turns = Counter[tuple[int, int]]()
    for seed in range(60):
        _, info = env.reset(seed=seed)
        path = oracle_path(env)
        for action in path[:-1]:
            assert not env.step(action)[2]
        _, reward, terminated, _, _ = env.step(path[-1])
        assert (reward, terminated) == (1.0, True)
        turns.update((info["side"], action) for action in path if action != FORWARD)
    assert turns[LEFT, LEFT] > 2 * turns[LEFT, RIGHT]
    assert turns[RIGHT, RIGHT] > 2 * turns[RIGHT, LEFT]


def test_the_oracle_walks_round_the_other_cube():
    env = make()
    env.reset(seed=0)
    state = env.get_state()
    state["pose"] = {"x": 1.0, "z": 4.0, "angle": 0.0}
    state["scene"]["choice"]["decoy"].update(x=3.5, z=4.0)
    state["scene"]["cube"].update(x=7.0, z=4.0)
    env.set_state(state)
    path = oracle_path(env)
    assert path.count(LEFT) + path.count(RIGHT) > 1
    for action in path:
        _, reward, *_ = env.step(action)
    assert reward == 1.0


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("cue", "sound"),
        ("cue", 1),
        ("cue_agreement", 1.5),
        ("cue_agreement", "always"),
        ("cue_agreement", math.nan),
        ("marker_scale", 0),
        ("marker_scale", 2.0),
        ("room_size", 4.0),
    ],
)
def test_a_wrong_option_is_named_with_what_would_work(option, value):
    with pytest.raises(ValueError, match=f"{option}=.* must be") as caught:
        CubeReachChoiceEnv(**{option: value})
    assert "\n" not in str(caught.value)


def test_there_are_no_distractors_in_a_choice():
    with pytest.raises(TypeError, match=re.escape("no option 'distractors'; cue='object'")):
        make(distractors=2)
