"""Atari games are what Stable-Baselines3 makes of them, and can be asked about their objects."""

import pickle
import zlib
from importlib.util import find_spec
from typing import Any

import cv2
import gymnasium
import numpy as np
import pytest
import torch

pytest.importorskip("ale_py")
from stable_baselines3.common.env_util import make_atari_env
from stable_baselines3.common.vec_env import VecFrameStack

from rlvis import AuditPlan, InputError, Policy, audit
from rlvis.rollouts.environments import make_environment
from rlvis.rollouts.states import form_of
from rlvis_agents import evaluate
from rlvis_envs.atari import object_reader, sprites
from rlvis_envs.atari.object_reader import Box, ObjectReader
from tests.interventions import InterventionTests

ID = "rlvis_envs:AtariObjects-v0"
with_objects = pytest.mark.skipif(find_spec("ocatari") is None, reason="OCAtari is not installed")


def make(game: str = "Boxing", **options: Any) -> Any:
    return gymnasium.make(ID, game=game, **options)


def played(env: Any, steps: int, seed: int = 0) -> list[np.ndarray]:
    """What is seen in some steps of random actions."""
    rng = np.random.default_rng(seed)
    return [env.step(int(rng.integers(env.action_space.n)))[0] for _ in range(steps)]


@pytest.mark.parametrize(
    ("game", "options"),
    [
        ("Boxing", {}),
        ("Freeway", {}),
        ("Pong", {"noop_max": 30}),
        ("Breakout", {"noop_max": 7, "action_repeat_probability": 0.4, "clip_reward": True}),
    ],
)
def test_is_what_stable_baselines3_makes_of_the_game(game, options):
    console = {"frameskip": 1, "repeat_action_probability": 0, "max_num_frames_per_episode": 300}
    usual = {"noop_max": 0, "clip_reward": False, "terminal_on_life_loss": False}
    theirs = VecFrameStack(
        make_atari_env(
            f"ale_py:ALE/{game}-v5",
            seed=5,
            env_kwargs=console,
            wrapper_kwargs={**usual, **options},
        ),
        4,
    )
    ours = make(game, max_frames=300, **options)
    np.testing.assert_array_equal(ours.reset(seed=5)[0], theirs.reset()[0])
    assert ours.unwrapped.action_names == tuple(
        each.lower() for each in theirs.env_method("get_action_meanings")[0]
    )
    rng, ends = np.random.default_rng(0), 0
    for _ in range(160):
        action = int(rng.integers(ours.action_space.n))
        seen, reward, over, truncated, _ = ours.step(action)
        expected, rewards, dones, infos = theirs.step(np.array([action]))
        last = infos[0]["terminal_observation"] if dones[0] else expected[0]
        np.testing.assert_array_equal(seen, last)
        assert (reward, over or truncated) == (rewards[0], dones[0])
        if dones[0]:
            ends += 1
            np.testing.assert_array_equal(ours.reset()[0], expected[0])
    assert ends >= 1
    theirs.close()


@pytest.mark.parametrize("steps", [0, 1, 3, 4, 5, 40])
@pytest.mark.parametrize("game", ["Freeway", "Pong"])
def test_goes_on_from_a_state_as_it_went_on(game, steps):
    options = {"noop_max": 9, "action_repeat_probability": 0.5}
    env, other = make(game, **options), make(game, **options)
    env.reset(seed=1)
    played(env, steps)
    state, asked = env.unwrapped.get_state(), np.stack(env.unwrapped.glimpses()[-1].screens)
    went_on = played(env, 30, seed=2)
    other.reset(seed=9)
    played(other, 23)
    seen, info = other.unwrapped.set_state(state)
    assert other.unwrapped.get_state() == state
    assert len(other.unwrapped.glimpses()) == min(steps + 1, 4)
    assert set(info) == {"lives", "episode_frame_number"}
    np.testing.assert_array_equal(other.unwrapped.glimpses()[-1].screens, asked)
    again = [seen, *played(other, 30, seed=2)]
    env.unwrapped.set_state(state)
    np.testing.assert_array_equal(again[1:], went_on)
    np.testing.assert_array_equal(again[1:], played(env, 30, seed=2))
    assert form_of(env) == "bytes"


def test_a_life_may_be_an_episode():
    lost = []
    for option in (False, True):
        env = make("Breakout", terminal_on_life_loss=option)
        _, info = env.reset(seed=0)
        lives = info["lives"]
        for _ in range(60):
            _, _, over, _, info = env.step(1)
            if info["lives"] < lives:
                break
        lost.append(over)
    assert lost == [False, True]


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (b"", "no state"),
        (b"nothing", "no state"),
        (pickle.dumps({"options": 1}), "no state"),
        (zlib.compress(b"{}"), "no state"),
        (zlib.compress(b"[1]"), "no state"),
        (zlib.compress(b" " * 2**27), "no state"),
    ],
)
def test_what_is_no_state_is_refused_and_changes_nothing(state, says):
    env = make()
    env.reset(seed=0)
    before = env.unwrapped.get_state()
    with pytest.raises(ValueError, match=says):
        env.unwrapped.set_state(state)
    assert env.unwrapped.get_state() == before


def test_a_state_of_another_game_is_refused():
    pong, boxing = make("Pong"), make("Boxing")
    pong.reset(seed=0), boxing.reset(seed=0)
    with pytest.raises(ValueError, match=r"made with rom='pong'$"):
        boxing.unwrapped.set_state(pong.unwrapped.get_state())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"game": "Bxing"}, "Boxing"),
        ({"game": 3}, "must be a game"),
        ({"noop_max": -1}, "noop_max=-1 must be"),
        ({"action_repeat_probability": 1.5}, "must be a number from 0 to 1"),
        ({"clip_reward": "no"}, "clip_reward='no' must be one of False, True"),
        ({"terminal_on_life_loss": 2}, "must be one of"),
        ({"max_frames": 0}, "max_frames=0 must be"),
    ],
)
def test_wrong_options_are_refused_in_a_line(options, says):
    with pytest.raises(InputError, match=says) as caught:
        make_environment(ID, **options)
    assert "\n" not in str(caught.value)


def test_a_missing_rom_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("ALE_ROMS_DIR", str(tmp_path))
    with pytest.raises(ValueError, match="ROM of boxing must be"):
        make()


def test_without_ocatari_a_game_is_played_and_says_what_its_objects_need(monkeypatch):
    monkeypatch.setattr(object_reader, "find_spec", lambda name: None)
    env = make()
    env.reset(seed=0)
    assert played(env, 2)[-1].any()
    with pytest.raises(ValueError, match=r"pip install --no-deps ocatari$"):
        env.unwrapped.objects()


class TestBoxing(InterventionTests):
    pytestmark = with_objects
    one, other = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)  # colours as different as grey can show

    def make(self):
        return make("Boxing", noop_max=60)


@with_objects
@pytest.mark.parametrize(
    ("game", "names", "places"),
    [
        ("Freeway", [f"car {number}" for number in range(2, 11)], range(116, 107, -1)),
        ("Pong", ["ball"], [49]),
    ],
)
def test_behind_an_object_is_what_the_game_draws_when_it_is_elsewhere(game, names, places):
    """The console's memory is edited: the object is drawn in another place."""
    compared = 0
    for name, place in zip(names, places, strict=True):
        env = make(game)
        env.reset(seed=3)
        played(env, 30)
        world, ale = env.unwrapped, env.unwrapped._game.ale
        state = world.get_state()
        env.step(0)
        glimpse = world.glimpses()[-1]
        masks = world._masks()[-1][1]
        if not masks.get(name, np.zeros(1)).any():
            continue
        taken = np.any(list(masks.values()), axis=0)
        gone = sprites.without(glimpse.screens[1], masks[name], taken)
        world.set_state(state)
        memory = int(ale.getRAM()[place])
        ale.setRAM(place, memory + 40 if memory < 120 else memory - 40)
        env.step(0)
        drawn = world.glimpses()[-1].screens[1]
        same = (drawn == gone).all(axis=-1)[masks[name]]
        assert not (drawn == glimpse.screens[1]).all(axis=-1)[masks[name]].any(), name
        assert same.all(), name
        compared += 1
    assert compared >= len(names) / 2


@with_objects
def test_an_object_is_taken_out_of_every_frame_before_anything_is_made_of_it():
    env = make("Freeway")
    env.reset(seed=0)
    played(env, 12)
    world, reader = env.unwrapped, ObjectReader("freeway")
    for channel, glimpse in enumerate(world.glimpses()):
        frames = []
        for screen, memory in zip(glimpse.screens, glimpse.memories, strict=True):
            masks = sprites.pixels_of(screen, reader.boxes(memory))
            taken = np.any(list(masks.values()), axis=0)
            frames.append(sprites.without(screen, masks["car 4"], taken))
        grey = cv2.cvtColor(np.maximum(*frames), cv2.COLOR_RGB2GRAY)
        expected = cv2.resize(grey, (84, 84), interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(world.without("car 4")[..., channel], expected)


@with_objects
def test_a_memory_always_reads_alike():
    """OCAtari remembers the segments of Centipede that it read last."""
    env, memories = make("Centipede"), []
    env.reset(seed=0)
    for number in range(40):
        played(env, 3, seed=number)
        memories.append(env.unwrapped.glimpses()[-1].memories[1])
    reader = ObjectReader("centipede")
    once = [reader.boxes(each) for each in memories]
    assert [ObjectReader("centipede").boxes(each) for each in memories[::-1]] == once[::-1]


@with_objects
def test_objects_are_numbered_by_their_slots():
    reader = ObjectReader("freeway")
    assert reader.usual[:4] == ("chicken", "chicken 2", "car", "car 2")
    boxes = reader.boxes(np.zeros(128, np.uint8))
    assert boxes["chicken"] == Box(44, 193, 6, 8, (252, 252, 84))
    assert boxes["car 3"].top == 27 + 2 * 16


@with_objects
def test_bytes_are_not_small_numbers():
    """As in NumPy 1, for which OCAtari was written: 250 + 38 is no small number again."""
    memory = np.zeros(128, np.uint8)
    memory[[32, 34]] = 250
    assert ObjectReader("boxing").boxes(memory)["player"] == Box(255, 288, 14, 46, (214, 214, 214))


def screen_of(rows: list[str]) -> np.ndarray:
    """A screen of letters: a colour each."""
    colours = {".": (10, 120, 10), "#": (90, 90, 90), "a": (214, 214, 214), "b": (0, 0, 0)}
    colours["c"] = (200, 10, 10)
    return np.array([[colours[letter] for letter in row] for row in rows], np.uint8)


ARM = [
    "............",
    "..aa........",
    "..a.aaa..b..",
    "..ba...b.b..",
    "..ac........",
    "............",
    "############",
    "############",
]
LETTERS = np.array([list(row) for row in ARM])
WHITE, BLACK, GREEN = (214, 214, 214), (0, 0, 0), (10, 120, 10)


def test_an_object_is_its_colours_and_its_arm_and_not_another_one():
    boxes = {"a": Box(2, 1, 2, 4, WHITE), "b": Box(7, 2, 3, 2, BLACK)}
    found = sprites.pixels_of(screen_of(ARM), boxes)
    in_box = np.isin(LETTERS, ["a", "c"])
    in_box[:, 6:] = False
    np.testing.assert_array_equal(found["a"][:, :4], in_box[:, :4])
    assert not found["a"][3, [2, 7]].any()
    np.testing.assert_array_equal(found["b"][:, 4:], (LETTERS == "b")[:, 4:])


def test_what_hangs_together_with_an_object_belongs_to_it():
    rows = [".......", ".aa....", ".aaa...", ".aa....", ".aa....", ".aa....", "......."]
    found = sprites.pixels_of(screen_of(rows), {"boxer": Box(1, 1, 2, 5, WHITE)})["boxer"]
    np.testing.assert_array_equal(found, (screen_of(rows) == WHITE).all(axis=-1))


def test_a_wall_of_its_colour_is_no_part_of_a_ball():
    rows = ["aaaaaaaaaaaa", "....aa......", "....aa......", "....aa......", "....aa......"]
    rows += ["............"] * 3
    mask = sprites.pixels_of(screen_of(rows), {"ball": Box(4, 1, 2, 4, WHITE)})["ball"]
    expected = (screen_of(rows) == WHITE).all(axis=-1)
    expected[0] = False
    np.testing.assert_array_equal(mask, expected)


def test_an_object_of_a_wrong_colour_is_what_is_unlike_its_surroundings():
    mask = sprites.pixels_of(screen_of(ARM), {"it": Box(2, 1, 2, 4, GREEN)})["it"]
    assert mask[4, 3]
    assert not mask[LETTERS == "."].any()


def test_in_its_place_is_what_is_beside_it():
    rows = ["............", ".....aa.....", "#####aa#####", "####abb#####"]
    screen = screen_of(rows)
    letters = np.array([list(row) for row in rows])
    mask, taken = letters == "a", np.isin(letters, ["a", "b"])
    gone = sprites.without(screen, mask, taken)
    expected = screen_of(["............", "............", "############", "#####bb#####"])
    np.testing.assert_array_equal(gone, expected)
    blue = sprites.painted(screen, mask, (0, 0, 255))
    np.testing.assert_array_equal((blue == (0, 0, 255)).all(axis=-1), mask)
    nothing = np.zeros(mask.shape, bool)
    np.testing.assert_array_equal(sprites.without(screen, nothing, taken), screen)


class Bright(torch.nn.Module):
    """Goes up by how much is brighter than the ring in the latest image: the player, its score."""

    def forward(self, images):
        bright = (images[:, 3] > 0.7).float().sum(dim=(1, 2)) * 0.02
        logits = torch.nn.functional.one_hot(torch.tensor(2), 18) * bright[:, None]
        return logits, bright


def bright() -> Policy:
    labels = [f"action {number}" for number in range(18)]
    return Policy(Bright(), labels, observation_shape=(84, 84, 4), name="bright")


PLAN = AuditPlan(frames=12, methods=("saliency",), decisions=0, episodes=6, quick=True)


@with_objects
def test_an_audit_finds_what_a_known_policy_looks_at():
    found = audit(bright(), ID, plan=PLAN, env_options={"game": "Boxing"}, max_steps=24)
    moved = {each.effect.name: each.effect.divergence.value for each in found.moved}
    assert moved["player removed"] > 0.01
    others = [moved.get(f"{name} removed", 0.0) for name in ("enemy", "clock", "enemy score")]
    assert max(others) < 0.001 * moved["player removed"]  # a pixel is of what is beside it, too
    assert found.environment == f"{ID}, game=Boxing"
    assert found.actions[:3] == ("noop", "fire", "up")
    assert (np.ptp(found.example, axis=-1) == 0).all()


def test_policies_are_evaluated_without_knowing_the_way():
    found = evaluate(bright(), ID, 1, game="Boxing", max_frames=100)
    assert found.oracle_length is None
    assert sum(found.action_shares.values()) == pytest.approx(1)


def test_an_audit_says_why_a_game_has_no_objects():
    found = audit(bright(), ID, plan=PLAN, env_options={"game": "Solaris"}, max_steps=8)
    needed = "OCAtari has no objects of solaris" if find_spec("ocatari") else "pip install"
    assert any(needed in each for each in found.left_out)
