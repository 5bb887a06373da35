"""Worlds of a user's own: what they give is compared with their space, and they end nothing."""

import os
import random
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from rlvis import InputError, record
from rlvis.errors import Notice
from rlvis.models.rng import kept_generators
from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.environments import make_environment
from rlvis.rollouts.observed import as_declared
from tests.worlds import Corridor

PICTURE = spaces.Box(0, 255, (8, 8, 3), np.uint8)


class Whole(Corridor):
    """Its space says uint8, its arrays are int64."""

    def _observation(self) -> np.ndarray:
        return super()._observation().astype(np.int64)


class Leaving(Corridor):
    """Ends the program at its third step."""

    def step(self, action: Any) -> tuple:
        if self.steps == 2:
            raise SystemExit(0)
        return super().step(action)


class Wandering(Corridor):
    """Works in a folder of its own from its second step on."""

    folder = ""

    def step(self, action: Any) -> tuple:
        if self.steps == 1:
            os.chdir(self.folder)
        if self.steps > 1:
            assert os.getcwd() == self.folder
        return super().step(action)


class Refusing(Corridor):
    """Ends the program where it is made."""

    def __init__(self, **options: Any) -> None:
        raise SystemExit(3)


class Settling(Corridor):
    """Goes to a folder of its own where it is made."""

    def __init__(self, folder: str, **options: Any) -> None:
        super().__init__(**options)
        self.folder = folder
        os.chdir(folder)

    def reset(self, **options: Any) -> tuple:
        assert os.getcwd() == self.folder
        return super().reset(**options)


gymnasium.register("Refusing-v0", Refusing)
gymnasium.register("Settling-v0", Settling)


def test_whole_numbers_become_what_the_space_says(policy, tmp_path) -> None:
    with pytest.warns(Notice, match="observation is int64 where its space says uint8"):
        recording = record(policy, Whole(), methods="none")
    assert recording.episode(0).observations.dtype == np.uint8
    assert recording.to_video(tmp_path / "film.mp4").stat().st_size > 1000


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.full((8, 8, 3), 256), "int64 from 256 to 256, which its space of uint8 cannot hold"),
        (np.full((8, 8, 3), -1), "from -1 to -1"),
        (np.full((8, 8, 3), 0.5), "float64 from 0.5 to 0.5"),
        (np.full((8, 8, 3), np.nan), "float64 from nan"),
        (np.zeros((8, 8), np.uint8), r"is \(8, 8\), and its space says \(8, 8, 3\)"),
        (np.full((8, 8, 3), "a"), "is <U1"),
    ],
)
def test_what_the_space_cannot_hold_is_refused(given, message) -> None:
    with pytest.raises(ValueError, match=message):
        as_declared(given, PICTURE, "world")


def test_bounds_of_images_of_floats() -> None:
    space = spaces.Box(0, 1, (8, 8, 3), np.float32)
    inside = np.ones((8, 8, 3), np.float32)
    assert as_declared(inside, space, "world") is inside
    with pytest.raises(ValueError, match=r"holds 1\.5 to 1\.5, and its space says 0 to 1"):
        as_declared(inside * np.float32(1.5), space, "world")
    with pytest.raises(ValueError, match="holds nan"):
        as_declared(inside * np.float32(np.nan), space, "world")


def test_entries_of_a_dict() -> None:
    speed = spaces.Box(-1, 1, (2,), np.float32)
    space = spaces.Dict({"image": PICTURE, "speed": speed, "turn": spaces.Discrete(3)})
    image = np.zeros((8, 8, 3), np.uint8)
    given = {"image": image, "speed": np.zeros(2), "turn": 1, "more": "text"}
    with pytest.warns(Notice, match="observation speed is float64 where its space says float32"):
        declared = as_declared(given, space, "world")
    assert declared["speed"].dtype == np.float32
    assert (declared["turn"], declared["more"]) == (1, "text")
    with pytest.raises(ValueError, match="lacks speed, turn"):
        as_declared({"image": image}, space, "world")
    with pytest.raises(ValueError, match="not a dict"):
        as_declared(image, space, "world")


def test_a_world_that_ends_the_program(policy, tmp_path) -> None:
    with pytest.raises(InputError, match=r"episode 0, step 2: step fails \(it ends the program"):
        record(policy, Leaving(), methods="none")
    with pytest.raises(InputError, match=r"cannot make .*: it ends the program by sys\.exit"):
        make_environment("tests.test_worlds_of_ones_own:Refusing-v0")


def test_a_world_that_changes_the_folder(policy, tmp_path, monkeypatch) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(Wandering, "folder", str(there))
    record(policy, Wandering(), methods="none", out="r.zarr", render=False).save("r.csv")
    assert os.getcwd() == str(here)
    assert sorted(each.name for each in here.iterdir()) == ["r.csv", "r.zarr"]
    assert list(there.iterdir()) == []


def test_a_world_that_changes_the_folder_where_it_is_made(tmp_path) -> None:
    before = os.getcwd()
    name = "tests.test_worlds_of_ones_own:Settling-v0"
    env = CheckedEnv(make_environment(name, folder=str(tmp_path)), name)
    assert os.getcwd() == before
    env.reset(0)
    assert os.getcwd() == before


def test_generators_are_kept() -> None:
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    with kept_generators():
        torch.manual_seed(5)
        np.random.seed(5)
        random.seed(5)
    assert torch.equal(torch.get_rng_state(), states[0])
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])
    assert random.getstate() == states[2]
