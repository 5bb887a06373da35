"""What every world with interventions must hold, whichever of their methods it has.

A new world is tested by a subclass whose name begins with `Test`:

    class TestMine(InterventionTests):
        def make(self):
            return gymnasium.make("mine:Mine-v0")
"""

import json
from typing import Any

import gymnasium
import numpy as np
import pytest

from rlvis.rollouts.interventions import ask, offered

SEEDS = range(6)
ONE, OTHER = (1.0, 0.0, 0.0), (0.0, 1.0, 1.0)


class InterventionTests:
    """Subclass it and say how the world is made.

    Attributes:
        one, other: two colours that no shade of an object makes alike.
    """

    one, other = ONE, OTHER

    def make(self) -> gymnasium.Env:
        """A new environment, each time the same."""
        raise NotImplementedError

    @pytest.fixture
    def env(self):
        """The world, closed in the end."""
        env = self.make()
        env.action_space.seed(0)
        yield env
        env.close()

    def test_objects_have_names_of_their_own_that_last(self, env) -> None:
        for seed in SEEDS:
            env.reset(seed=seed)
            names = env.unwrapped.objects()
            assert len(set(names)) == len(names) > 0
            assert all(isinstance(name, str) for name in names)
            wander(env, 5)
            assert env.unwrapped.objects() == names

    def test_pictures_are_like_the_observation(self, env) -> None:
        env.reset(seed=0)
        space = env.observation_space
        for method, arguments, named in requests(env):
            picture = getattr(env.unwrapped, method)(*arguments, **named)
            if method == "object_mask":
                assert (picture.dtype, picture.shape) == (np.dtype(bool), space.shape[:2])
            else:
                assert (picture.dtype, picture.shape) == (space.dtype, space.shape), method

    def test_nothing_of_the_world_changes(self) -> None:
        asked, left_alone = self.make(), self.make()
        asked.action_space.seed(0)
        for seed in SEEDS:
            kept = asked.reset(seed=seed)[0], left_alone.reset(seed=seed)[0]
            for _ in range(4):
                np.testing.assert_array_equal(*kept)
                before = state_of(asked)
                for method, arguments, named in requests(asked):
                    getattr(asked.unwrapped, method)(*arguments, **named)
                for method, arguments in wrong_requests(asked):
                    with pytest.raises(ValueError, match=r"must|no "):
                        getattr(asked.unwrapped, method)(*arguments)
                assert state_of(asked) == before
                action = asked.action_space.sample()
                steps = asked.step(action), left_alone.step(action)
                kept = steps[0][0], steps[1][0]
                if steps[0][2] or steps[0][3]:
                    break
            np.testing.assert_array_equal(*kept)
        asked.close()
        left_alone.close()

    def test_what_is_left_out_or_the_same_changes_no_pixel(self, env) -> None:
        for seed in SEEDS:
            observation, _ = env.reset(seed=seed)
            for name in (*env.unwrapped.objects(), "agent"):
                if "moved" in offered(env):
                    np.testing.assert_array_equal(env.unwrapped.moved(name), observation)

    def test_the_mask_is_what_changes_with_the_colour(self, env) -> None:
        if "recoloured" not in offered(env):
            pytest.skip("this world recolours nothing")
        seen = 0
        for seed in SEEDS:
            env.reset(seed=seed)
            for name in env.unwrapped.objects():
                one, other = (env.unwrapped.recoloured(name, c) for c in (self.one, self.other))
                mask = env.unwrapped.object_mask(name)
                np.testing.assert_array_equal(mask, (one != other).any(axis=-1))
                seen += mask.sum()
        assert seen

    def test_without_an_object_its_pixels_change_and_no_others(self, env) -> None:
        for seed in SEEDS:
            observation, _ = env.reset(seed=seed)
            for name in env.unwrapped.objects():
                changed = (env.unwrapped.without(name) != observation).any(axis=-1)
                mask = env.unwrapped.object_mask(name)
                assert not (changed & ~mask).any()
                assert changed.sum() >= 0.5 * mask.sum()

    def test_factors_as_they_are_change_nothing_and_matter_by_name(self, env) -> None:
        if not {"factors", "varied", "matters"} <= set(offered(env)):
            pytest.skip("this world tells no factors")
        for seed in SEEDS:
            observation, _ = env.reset(seed=seed)
            found = env.unwrapped.factors()
            assert json.loads(json.dumps(found)) == found
            assert set(env.unwrapped.matters()) <= set(found)
            for name, value in found.items():
                np.testing.assert_array_equal(env.unwrapped.varied(name, value), observation)

    def test_a_simulation_is_what_is_played(self, env) -> None:
        if "simulation" not in offered(env):
            pytest.skip("this world cannot be simulated")
        for seed in SEEDS:
            observation, _ = env.reset(seed=seed)
            try:
                simulation = env.unwrapped.simulation()
            except ValueError as refused:
                pytest.skip(str(refused))
            state = simulation.start
            for left in range(simulation.steps_left - 1, -1, -1):
                away = np.abs(simulation.picture(state).astype(int) - observation)
                assert (away > 2).mean() < 1e-3  # a sample on an edge
                action = int(env.action_space.sample())
                state, reward, ended = simulation.step(state, action)
                observation, real, terminated, truncated, _ = env.step(action)
                assert (reward, ended) == (real, terminated)
                assert truncated == (left == 0 and not terminated)
                if terminated:
                    break

    def test_refusals_are_one_line(self, env) -> None:
        env.reset(seed=0)
        for method, arguments in wrong_requests(env):
            with pytest.raises(ValueError, match=r"must|no ") as caught:
                ask(env, method, *arguments)
            assert "\n" not in str(caught.value)

    def test_the_plan_is_where_the_mapping_says(self, env) -> None:
        if not {"plan_mapping", "floor_area", "render_view"} <= set(offered(env)):
            pytest.skip("this world has no plan")
        env.reset(seed=0)
        x0, z0, x1, z1 = env.unwrapped.floor_area()
        for width, height in ((320, 240), (200, 300)):
            scale, x, z = env.unwrapped.plan_mapping(width, height)
            assert scale > 0
            assert 0 <= x + scale * x0 < x + scale * x1 <= width
            assert 0 <= z + scale * z0 < z + scale * z1 <= height
            assert env.unwrapped.render_view("top", width, height).shape == (height, width, 3)


def requests(env: gymnasium.Env) -> list[tuple[str, tuple, dict[str, Any]]]:
    """Something for each method that gives a picture and that the world has."""
    world: Any = env.unwrapped
    name = world.objects()[-1]
    found: list[tuple[str, tuple, dict[str, Any]]] = [
        ("object_mask", (name,), {}),
        ("without", (name,), {}),
        ("recoloured", (name, ONE), {}),
        ("moved", (name,), {"angle": 1.0}),
        ("moved", ("agent",), {"angle": 1.0}),
        ("relit", (), {"brightness": 0.5}),
    ]
    if "colours" in offered(env):
        found += [("recoloured", (name, colour), {}) for colour in world.colours()]
    if "surfaces" in offered(env):
        for surface, textures in world.surfaces().items():
            found += [("resurfaced", (surface, texture), {}) for texture in textures]
    if "factors" in offered(env):
        found += [("varied", each, {}) for each in world.factors().items()]
    return [request for request in found if request[0] in offered(env)]


def wrong_requests(env: gymnasium.Env) -> list[tuple[str, tuple]]:
    """Requests that the world must refuse."""
    name = env.unwrapped.objects()[0]  # type: ignore[attr-defined]
    found: list[tuple[str, tuple]] = [
        ("object_mask", ("nothing",)),
        ("without", ("nothing",)),
        ("recoloured", ("nothing", ONE)),
        ("recoloured", (name, "no colour")),
        ("recoloured", (name, (0.0, 2.0, 0.0))),
        ("moved", ("nothing",)),
        ("resurfaced", ("nowhere", "wood_1")),
        ("resurfaced", ("floor", "nothing")),
        ("varied", ("nothing", ONE)),
    ]
    return [request for request in found if request[0] in offered(env)]


def state_of(env: gymnasium.Env) -> Any:
    """The world's state, None where it tells none."""
    return ask(env, "get_state") if "get_state" in offered(env) else None


def wander(env: gymnasium.Env, steps: int) -> None:
    """Take random steps within an episode."""
    for _ in range(steps):
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            return
