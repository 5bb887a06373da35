"""Audits of worlds that fail, answer wrongly or change when they are asked: what is said of it."""

from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from rlvis import AuditPlan, InputError, Policy, audit
from rlvis.evaluation.audit_numbers import check_requirements
from rlvis.evaluation.audit_result import Audit
from rlvis.evaluation.effects import Effect
from rlvis.evaluation.estimates import NOTHING, Estimate
from rlvis.evaluation.shortcuts import Cue

PLAN = AuditPlan(frames=12, methods=("saliency",), decisions=0, episodes=12, quick=True)
SIZE = (12, 16)


class Spots(gymnasium.Env):
    """A red spot that says where to go, and a green one that means nothing."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 - as in Gymnasium

    def __init__(self, actions: int = 2) -> None:
        self.render_mode = None
        self.observation_space = spaces.Box(0, 255, (*SIZE, 3), np.uint8)
        self.action_space = spaces.Discrete(actions)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.red, self.green = (int(each) for each in self.np_random.integers(1, 13, 2))
        self.right, self.steps = self.red > 6, 0
        return self.seen(), {}

    def step(self, action):
        self.steps += 1
        good, end = int(action) == int(self.right), self.steps >= 3
        return self.seen(), float(good), end, False, {"success": good} if end else {}

    def seen(self, red: bool = True, green: bool = True) -> np.ndarray:
        image = np.full((*SIZE, 3), 40, np.uint8)
        if red:
            image[1:4, self.red : self.red + 3] = 220, 20, 20
        if green:
            image[8:11, self.green : self.green + 3] = 20, 220, 20
        return image

    def get_state(self):
        random = self.np_random.bit_generator.state
        return [self.red, self.green, bool(self.right), self.steps, random]

    def set_state(self, state):
        self.red, self.green, self.right, self.steps, random = state
        self.np_random.bit_generator.state = random
        return self.seen(), {}

    def objects(self):
        return ("red", "green")

    def object_mask(self, name):
        return (self.seen() != self.without(name)).any(axis=-1)

    def without(self, name):
        return self.seen(red=name != "red", green=name != "green")

    def factors(self):
        return {"red place": self.red, "green place": self.green}

    def matters(self):
        return ("red place",)

    def varied(self, factor, value):
        before = self.red, self.green
        seen, _ = self.change("varied", factor, value)
        self.red, self.green = before
        return seen

    def change(self, intervention, factor, value):
        setattr(self, factor.split()[0], value)
        return self.seen(), {}


class Reader(torch.nn.Module):
    """Goes where the spot of one colour is, 0 red and 1 green."""

    def __init__(self, colour: int, actions: int) -> None:
        super().__init__()
        self.colour = colour
        self.gain = torch.nn.Parameter(torch.linspace(-20.0, 20.0, actions))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spot = (x[:, self.colour] - x[:, 1 - self.colour]).relu().sum(dim=1)
        place = (spot * torch.linspace(-1, 1, SIZE[1])).sum(dim=1)
        return self.gain * place[:, None]


def reader(colour: int = 0, actions: int = 2) -> Policy:
    labels = tuple("ab"[:actions])
    return Policy(Reader(colour, actions), labels, observation_shape=(*SIZE, 3), name="reader")


def world(**methods: Any) -> Spots:
    return type("World", (Spots,), methods)()


def fails(*arguments: Any) -> Any:
    raise RuntimeError("not today")


def said(env: gymnasium.Env, colour: int = 0, plan: AuditPlan = PLAN, **how: Any) -> list[str]:
    """What an audit leaves out."""
    return list(audit(reader(colour), env, plan=plan, **how).left_out)


@pytest.fixture(scope="module")
def sound() -> Audit:
    return audit(reader(), Spots(), plan=PLAN)


def test_what_was_tested_is_no_shortcut(sound) -> None:
    assert sound.left_out == []
    assert sound.unmet(["shortcuts == 0"]) == []
    assert "No shortcut was found" in sound.text()


@pytest.mark.parametrize(
    ("env", "episodes", "why"),
    [
        (Spots(), 0, "episodes=0"),
        (world(change=fails), 12, "cannot answer change(): not today"),
        (world(change=lambda *_: None), 12, "change() gives object ()"),
        (world(change=lambda *_: (np.zeros((3, 3, 3), np.uint8), {})), 12, "uint8 (3, 3, 3)"),
        (
            world(change=lambda *_: (np.zeros(SIZE), {}, 3)),
            12,
            "change() must return (observation, info), not (ndarray, dict, int)",
        ),
        (world(change=None), 12, "would need factors()"),
        (world(factors=lambda _: None), 12, "factors() returned None; it must return values"),
        (world(factors=lambda _: {3: 4}), 12, "factors() returned {3: 4}"),
        (world(matters=fails), 12, "cannot answer matters(): not today"),
        (world(matters=lambda _: "red place"), 12, "returned 'red place'; it must return the"),
        (world(matters=lambda _: ("red plaice",)), 12, "did you mean 'red place'"),
    ],
)
def test_what_was_not_tested_is_not_said_to_be_free_of_shortcuts(env, episodes, why) -> None:
    found = audit(reader(1), env, plan=replace(PLAN, episodes=episodes))
    assert "Shortcuts were not tested" in found.text()
    assert why in " ".join(found.left_out)
    assert not found.shortcuts
    (unmet,) = found.unmet(["shortcuts == 0"])
    assert "does not hold: it is not tested: " in unmet


def test_where_all_should_matter_there_is_nothing_to_test() -> None:
    env = world(factors=lambda self: {"red place": self.red})
    found = audit(reader(), env, plan=PLAN)
    assert "not tested: all that differs between episodes should matter (red place)" in found.text()
    assert found.unmet(["shortcuts == 0"])


def test_a_factor_that_could_not_be_played_is_told_in_the_text() -> None:
    found = audit(reader(), world(change=fails), plan=PLAN)
    assert "green place: could not be played" in found.text()
    assert found.cues[-1].plain()["why"] == "World cannot answer change(): not today"


def test_of_a_vague_factor_nothing_is_said() -> None:
    flips = Estimate(0.5, 0.4, 0.6, 60, 60)
    turned = Effect("green", "removed", flips, NOTHING, flips, flips, 0.1, 0, 0.5)
    vague = Cue("green", False, turned, lost=Estimate(0.0, -0.4, 0.4, 9, 9))
    assert vague.is_vague
    assert not vague.distracts
    assert not Cue("green", False, turned).distracts
    assert replace(vague, lost=Estimate(0.0, -0.01, 0.01, 60, 60)).distracts


def moving(self: Spots, name: str) -> np.ndarray:
    image = Spots.without(self, name)
    self.red = 1
    return image


def test_a_world_that_changes_when_it_is_asked_is_set_back_and_told(sound) -> None:
    found = audit(reader(), world(without=moving, object_mask=None), plan=PLAN)
    expected = audit(reader(), world(object_mask=None), plan=PLAN)
    assert found.left_out == [
        "without(), in 12 of 12 moments: it changed the world, which was set back each time"
    ]
    assert found.plain()["effects"] == expected.plain()["effects"]
    masks = world(object_mask=moved_mask)
    assert [each[:45] for each in said(masks)] == [
        "object_mask() of red, in 12 of 12 moments: it",
        "object_mask() of green, in 12 of 12 moments: ",
    ]


def moved_mask(self: Spots, name: str) -> np.ndarray:
    mask = Spots.object_mask(self, name)
    self.red = 1
    return mask


def nothing(image: np.ndarray) -> np.ndarray:
    return image


INSTEAD = "objects: maps are held against windows that are swapped with other images"


@pytest.mark.parametrize(
    ("methods", "lines"),
    [
        (
            {"without": fails},
            ["red removed, in 12 of 12 moments: World cannot answer without(): not today"],
        ),
        (
            {"without": lambda self, _: self.seen()[:9]},
            ["red removed, in 12 of 12 moments: without() gives uint8 (9, 16, 3)"],
        ),
        (
            {
                "without": lambda self, _: self.seen(),
                "object_mask": lambda *_: np.ones(SIZE, bool),
            },
            ["red: without() shows it as before, though object_mask() shows it"],
        ),
        (
            {"without": lambda self, _: self.seen(), "object_mask": None},
            ["red, green: never in view in these moments"],
        ),
        (
            {"object_mask": lambda *_: np.zeros(SIZE, bool)},
            ["red: object_mask() shows none of it, though without() takes it away"],
        ),
        ({"objects": lambda _: None}, ["objects(), in 12 of 12 moments: objects() returned None"]),
        ({"objects": lambda _: [["x"]]}, ["objects() returned [['x']]; it must return the names"]),
        ({"set_state": fails}, ["objects: none can be removed, as the world cannot be set to"]),
    ],
)
def test_why_objects_are_no_parts_is_true(methods, lines) -> None:
    told = said(world(**methods))
    assert INSTEAD in told
    assert not [each for each in told if "in view in any" in each or "would need objects" in each]
    for line in lines:
        assert [each for each in told if line in each], told


@pytest.mark.parametrize(
    ("methods", "line"),
    [
        ({"colours": lambda _: None, "recoloured": fails}, "colours() returned None"),
        ({"surfaces": lambda _: ["floor"], "resurfaced": fails}, "surfaces() returned ['floor']"),
        ({"surfaces": lambda _: {"floor": 3}, "resurfaced": fails}, "a dict of tuples of str"),
        ({"object_mask": lambda *_: np.full(SIZE, np.nan)}, "object_mask() returned float64"),
        ({"object_mask": fails}, "object_mask() of red, in 12 of 12 moments"),
        ({"without": lambda self, _: (self.seen(), {})}, "without() gives no observation"),
    ],
)
def test_what_a_world_answers_wrongly_is_told_in_a_line(methods, line) -> None:
    assert [each for each in said(world(**methods)) if line in each]


class Process:
    start, steps_left, gains = 0, 3, (0.0, 1.0)
    picture = step = fails


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (None, "simulation() returned None, which has no start"),
        (Process(), "the process of simulation() fails: not today"),
    ],
)
def test_a_simulation_that_is_none_costs_the_true_values_alone(told, line) -> None:
    env = world(simulation=lambda _: told)
    (said_of_it,) = said(env, plan=replace(PLAN, decisions=2))
    assert said_of_it.startswith(f"true values: {line}")


def broken(image: np.ndarray) -> np.ndarray:
    return image if image[2, 3, 0] > 200 else fails()


@pytest.mark.parametrize(
    ("function", "line"),
    [
        (fails, "red removed, in 12 of 12 moments: the function that takes red away fails: not"),
        (lambda: None, "takes 0 positional arguments"),
        (broken, "the function that takes red away fails: not today"),
        (lambda image: image[:3], "red removed gives uint8 (3, 16, 3)"),
        (nothing, "interventions: none that could be drawn shows anything else"),
    ],
)
def test_what_a_users_function_does_is_told(function, line) -> None:
    told = said(world(objects=None, factors=None), without={"red": function})
    assert [each for each in told if line in each]
    assert not [each for each in told if "the world offers none" in each]


@pytest.mark.parametrize("without", [[nothing], {"red": 5}, {5: nothing}, {"": nothing}])
def test_what_takes_nothing_away_is_refused(without) -> None:
    with pytest.raises(InputError, match="for each object"):
        audit(reader(), Spots(), plan=PLAN, without=without)


def test_a_policy_of_one_action_has_nothing_to_choose() -> None:
    with pytest.raises(InputError, match=r"needs several actions.*reader has one"):
        audit(reader(actions=1), Spots(actions=1), plan=PLAN)


@pytest.mark.parametrize(
    ("name", "plan", "why"),
    [
        ("regret.low", replace(PLAN, decisions=0), "regret needs decisions"),
        ("saliency.deletion", PLAN, "left out of a quick audit"),
        ("shortcuts", replace(PLAN, episodes=0), "needs episodes that are played again"),
        ("floor.lost", replace(PLAN, episodes=0), "needs episodes that are played again"),
        ("nonsense", PLAN, "own_colour.causal"),
    ],
)
def test_what_a_plan_leaves_out_cannot_be_required(name, plan, why) -> None:
    with pytest.raises(InputError, match=why):
        check_requirements([f"{name} >= 0"], plan)
