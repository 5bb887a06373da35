"""Interventions: what every world must hold, and CubeReach's against pictures drawn otherwise."""

import copy
import math
from typing import Any

import gymnasium
import numpy as np
import pytest

from rlvis import InputError
from rlvis.rollouts.interventions import METHODS, Interventions, ask, offered, require
from rlvis_envs.cube_reach import CubeReachEnv
from rlvis_envs.geometry import CUBE_RADIUS
from tests.interventions import InterventionTests
from tests.worlds import Corridor


class TestCubeReach(InterventionTests):
    """The world without options."""

    def make(self) -> gymnasium.Env:
        return gymnasium.make("rlvis_envs:CubeReach-v0")


class TestDistractors(InterventionTests):
    """Cubes that hide one another, everything drawn by lot."""

    def make(self) -> gymnasium.Env:
        return gymnasium.make("rlvis_envs:CubeReachDistractors-v0", domain_rand=True)


class TestChoice(InterventionTests):
    """Two red cubes, a marker on the wall, a green cube."""

    def make(self) -> gymnasium.Env:
        return gymnasium.make("rlvis_envs:CubeReachChoice-v0", cue="object", cue_agreement=0.5)


class SpottedCorridor(Corridor):
    """A corridor of a few of these methods: its spot can be found and taken away."""

    def objects(self) -> tuple[str, ...]:
        """The spot."""
        return ("spot",)

    def object_mask(self, name: str) -> np.ndarray:
        """Where it is."""
        self._check(name)
        return (self._observation() != 40).any(axis=-1)

    def without(self, name: str) -> np.ndarray:
        """A corridor without it."""
        self._check(name)
        return np.full_like(self._observation(), 40)

    def _check(self, name: str) -> None:
        if name != "spot":
            raise ValueError(f"no object {name!r}")


class TestCorridor(InterventionTests):
    """A world of others with three of the methods."""

    def make(self) -> gymnasium.Env:
        return SpottedCorridor()


WORLDS: list[tuple[str, dict[str, Any]]] = [
    ("CubeReach-v0", {}),
    ("CubeReachDistractors-v0", {"domain_rand": True}),
    ("CubeReachChoice-v0", {"cue": "object", "obs_width": 64}),
]


def make(name: str, options: dict[str, Any]) -> CubeReachEnv:
    env = gymnasium.make(f"rlvis_envs:{name}", **options).unwrapped
    assert isinstance(env, CubeReachEnv)
    return env


@pytest.fixture(params=WORLDS, ids=[name for name, _ in WORLDS])
def pair(request):
    """A world to ask, and another of the same options that draws edited states."""
    envs = make(*request.param), make(*request.param)
    yield envs
    for env in envs:
        env.close()


def boxes(state: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The boxes of a state by the names that they should have."""
    scene = state["scene"]
    if scene["choice"] is None:
        named = {"cube": scene["cube"]}
    else:
        side = scene["choice"]["side"]
        other = "left" if side == "right" else "right"
        named = {f"{side} cube": scene["cube"], f"{other} cube": scene["choice"]["decoy"]}
        named["marker"] = scene["choice"]["marker"]
    names = {
        (0, 1, 0): "green cube",
        (0, 0, 1): "blue cube",
        (0.44, 0.15, 0.76): "purple cube",
        (1, 1, 0): "yellow cube",
        (0.39, 0.39, 0.39): "grey cube",
    }
    for box in scene["distractors"]:
        name = names[tuple(box["color"])]
        alike = sum(each.startswith(name) for each in named)
        named[f"{name} {alike + 1}" if alike else name] = box
    return named


SEEDS = range(8)


def look_down_the_room(env: CubeReachEnv, seed: int) -> dict[str, Any]:
    """Start an episode at a place from which most of the room is seen, and return its state."""
    env.reset(seed=seed)
    state = env.get_state()
    state["pose"] = {"x": 0.6, "z": 4.0 + 0.3 * seed, "angle": 0.05 * seed}
    env.set_state(state)
    return state


def test_each_object_against_an_edited_state(pair):
    asked, drawing = pair
    visible = 0
    for seed in SEEDS:
        state = look_down_the_room(asked, seed)
        assert set(asked.objects()) == set(boxes(state))
        for name in asked.objects():

            def edited(name=name, state=state, **changes: Any) -> np.ndarray:
                other = copy.deepcopy(state)
                boxes(other)[name].update(changes)
                return drawing.set_state(other)[0]

            gone = edited(x=1e6, z=1e6)
            np.testing.assert_array_equal(asked.without(name), gone)
            visible += (gone != asked.moved(name)).any()
            pose = state["pose"]
            behind = {
                "x": pose["x"] - 2 * math.cos(pose["angle"]),
                "z": pose["z"] + 2 * math.sin(pose["angle"]),
            }
            np.testing.assert_array_equal(asked.without(name), edited(**behind))
            for colour, rgb in (("blue", [0, 0, 1]), ((0.2, 0.5, 0.1), [0.2, 0.5, 0.1])):
                np.testing.assert_array_equal(asked.recoloured(name, colour), edited(color=rgb))
            for place in ({"x": 3.5}, {"x": 2.0, "z": 6.5, "angle": 0.7}, {"angle": -2}):
                np.testing.assert_array_equal(asked.moved(name, **place), edited(**place))
    assert visible >= len(SEEDS) - 2


def test_the_agent_against_an_edited_state(pair):
    asked, drawing = pair
    for seed in SEEDS:
        asked.reset(seed=seed)
        for place in ({"x": 1.0}, {"x": 6.0, "z": 2.5, "angle": 3}, {"angle": -40.0}):
            state = asked.get_state()
            state["pose"].update(place)
            np.testing.assert_array_equal(
                asked.moved("agent", **place), drawing.set_state(state)[0]
            )


def test_surfaces_and_light_against_an_edited_state(pair):
    asked, drawing = pair
    for seed in range(2):
        look_down_the_room(asked, seed)
        for surface, textures in asked.surfaces().items():
            pictures = set()
            for texture in textures:
                state = asked.get_state()
                state["scene"]["look"][surface] = None if texture == "sky" else texture
                picture = asked.resurfaced(surface, texture)
                np.testing.assert_array_equal(picture, drawing.set_state(state)[0])
                pictures.add(picture.tobytes())
            assert len(pictures) == len(textures)
        light = {
            "direction": (3.0, 2.0, -5.0),
            "color": (0.9, 0.2, 0.1),
            "ambient": (0.1, 0.3, 0.2),
        }
        state = asked.get_state()
        for name, value in light.items():
            state["scene"]["look"][f"light_{name}"] = list(value)
        light["colour"] = light.pop("color")
        np.testing.assert_array_equal(asked.relit(**light), drawing.set_state(state)[0])
        state = asked.get_state()
        look = state["scene"]["look"]
        for name in ("light_color", "light_ambient"):
            look[name] = [0.4 * each for each in look[name]]
        np.testing.assert_array_equal(asked.relit(brightness=0.4), drawing.set_state(state)[0])


def test_what_hides_an_object_is_left_out_of_its_mask():
    env = make("CubeReachChoice-v0", {})
    env.reset(seed=0)
    state = env.get_state()
    state["pose"] = {"x": 1.0, "z": 4.0, "angle": 0.0}
    env.set_state(state)
    whole = env.object_mask("marker")
    state["scene"]["choice"]["decoy"].update(x=2.5, z=4.0, base=0.8)
    env.set_state(state)
    name = "left cube" if state["scene"]["choice"]["side"] == "right" else "right cube"
    hidden = whole & ~env.object_mask("marker")
    assert hidden.sum() > 20
    assert not (hidden & ~env.object_mask(name)).any()


def test_a_place_is_free_where_the_agent_can_walk():
    env = make("CubeReachChoice-v0", {"cue": "object"})
    env.reset(seed=1)
    assert env.floor_area() == (0.0, 0.0, 8.0, 8.0)
    for box in boxes(env.get_state()).values():
        if box["base"] == 0:
            assert not env.is_free(box["x"], box["z"])
            assert not env.is_free(box["x"] - 0.9, box["z"])
            assert env.is_free(box["x"] - 1.0, box["z"])
    assert env.is_free(0.4, 0.4)
    assert not env.is_free(0.39, 4.0)
    assert not env.is_free(1.0, 7.61)


@pytest.mark.parametrize("size", [(320, 240), (150, 260)])
def test_the_plan_shows_a_cube_where_the_mapping_says(size):
    env = make("CubeReach-v0", {})
    env.reset(seed=0)
    scale, offset_x, offset_z = env.plan_mapping(*size)
    for x, z in ((1.0, 1.0), (6.5, 2.0), (4.0, 7.0)):
        state = env.get_state()
        state["pose"] = {"x": 2.5, "z": 4.0, "angle": 0.0}
        state["scene"]["cube"].update(x=x, z=z, angle=0.0)
        env.set_state(state)
        picture = env.render_view("top", *size).astype(int)
        red = np.argwhere(picture[..., 0] - picture[..., 1] > 200) + 0.5
        row, column = red.mean(axis=0)
        assert abs(column - (offset_x + scale * x)) < 0.6
        assert abs(row - (offset_z + scale * z)) < 0.6
        extent = red.max(axis=0) - red.min(axis=0) + 1
        np.testing.assert_allclose(extent, 0.8 * scale, atol=2)


@pytest.mark.parametrize(
    ("method", "arguments", "named", "message"),
    [
        ("object_mask", ("cub",), {}, "name='cub' must be one of 'cube'"),
        ("without", ("marker",), {}, "name='marker' must be one of 'cube'"),
        ("without", ("agent",), {}, "name='agent' must be one of 'cube'"),
        ("recoloured", ("cube", "redd"), {}, "colour='redd' must be one of 'red', 'green'"),
        ("recoloured", ("cube", (1, 0)), {}, "or three numbers from 0 to 1"),
        ("recoloured", ("cube", (1, 0, math.nan)), {}, "or three numbers from 0 to 1"),
        ("recoloured", ("cube", 7), {}, "or three numbers from 0 to 1"),
        ("moved", ("cube",), {"x": math.nan}, "x=nan must be a number from 0 to 8 metres"),
        ("moved", ("cube",), {"z": 8.5}, "z=8.5 must be a number from 0 to 8 metres"),
        ("moved", ("agent",), {"x": 0.3}, "x=0.3 must be a number from 0.4 to 7.6 metres"),
        ("moved", ("cube",), {"angle": math.inf}, "angle=inf must be a number"),
        ("moved", ("cube",), {"x": "left"}, "x='left' must be a number"),
        ("resurfaced", ("roof", "wood_1"), {}, "surface='roof' must be one of 'floor', 'wall'"),
        ("resurfaced", ("floor", "sky"), {}, "texture='sky' must be one of 'floor_tiles_bw_1'"),
        ("relit", (), {"brightness": -1}, "brightness=-1 must be a number from 0 to 10"),
        ("relit", (), {"direction": (0, 0, 0)}, "must be three numbers, not all of them 0"),
        ("relit", (), {"direction": (0, math.nan, 1)}, "must be three numbers, not all of them 0"),
        ("relit", (), {"direction": 3}, "must be three numbers, not all of them 0"),
        ("relit", (), {"colour": "dark"}, "colour='dark' must be one of"),
        ("plan_mapping", (4, 100), {}, "width=4 must be a whole number"),
    ],
)
def test_wrong_requests_are_named_with_what_would_work(method, arguments, named, message):
    env = gymnasium.make("rlvis_envs:CubeReach-v0")
    env.reset(seed=0)
    with pytest.raises(InputError) as caught:
        ask(env, method, *arguments, **named)
    assert str(caught.value).startswith(f"CubeReach-v0 cannot answer {method}(): ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_before_an_episode_there_is_nothing_to_ask():
    with pytest.raises(InputError, match=r"cannot answer objects\(\): .*call reset"):
        ask(gymnasium.make("rlvis_envs:CubeReach-v0"), "objects")


def test_what_a_world_offers_and_lacks():
    cube_reach = gymnasium.make("rlvis_envs:CubeReach-v0")
    assert offered(cube_reach) == METHODS
    assert require(cube_reach, *METHODS) is cube_reach.unwrapped
    corridor = SpottedCorridor()
    assert offered(corridor) == ("objects", "object_mask", "without")
    with pytest.raises(InputError) as caught:
        require(corridor, "objects", "moved", "get_state")
    assert str(caught.value).startswith("SpottedCorridor does not offer moved(), get_state(); ")
    assert offered(gymnasium.make("CartPole-v1")) == ()


def test_the_room_is_drawn_once_for_all_pictures_of_it():
    """An intervention costs a picture: with every texture at hand nothing is compiled anew."""
    from rlvis_envs.render import drawings

    env = make("CubeReachChoice-v0", {})
    env.reset(seed=0)

    def ask_everything() -> None:
        for surface, textures in env.surfaces().items():
            for texture in textures:
                env.resurfaced(surface, texture)
        for name in env.objects():
            env.moved(name, x=CUBE_RADIUS + 1)
            env.recoloured(name, "green")
            env.without(name)
            env.object_mask(name)

    ask_everything()
    before = dict(drawings._lists)
    ask_everything()
    assert dict(drawings._lists) == before


def test_the_protocol_is_what_cube_reach_has() -> None:
    """A method added to the protocol is to be thought of in `tests.interventions`."""
    assert set(METHODS) == {
        *("get_state", "set_state", "objects", "object_mask", "without", "recoloured", "moved"),
        *("resurfaced", "relit", "surfaces", "colours", "floor_area", "is_free"),
        *("render_view", "plan_mapping", "factors", "matters", "varied", "change", "simulation"),
    }
    world: Interventions = make("CubeReach-v0", {})
    assert world is not None
