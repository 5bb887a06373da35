"""The inspector with agents, worlds and recordings of all kinds: it works, or says what lacks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor, nn

import rlvis
from rlvis import Policy
from rlvis.models.distributions import DiagonalGaussian, Greedy, MultiCategorical

pytest.importorskip("starlette")
pytest.importorskip("httpx")

from starlette.testclient import TestClient

from rlvis.inspector.app import build_app
from rlvis.inspector.live_line import live_routes
from rlvis.inspector.live_source import LiveSource
from rlvis.inspector.recorded_questions import recorded_routes
from rlvis.inspector.recorded_source import RecordedSource
from rlvis.rollouts.environments import EnvConfig
from tests.conftest import LABELS, PooledPolicy
from tests.inspected import Talk, assert_refused, got, unpacked
from tests.old_recordings import write_as_before
from tests.worlds import Corridor, Dice, Steering


class Recalling(nn.Module):
    """Adds to its scores what it remembers: the scores before."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = PooledPolicy().eval()

    def forward(self, x: Tensor, sums: Tensor) -> dict[str, Any]:
        logits, value = self.inner(x)
        scores = torch.tanh(logits + sums)
        return {"logits": scores, "value": value, "memory": {"sums": scores}}


class Valueless(nn.Module):
    """Scores alone, from so many frames of three channels, through convolutions of its own."""

    def __init__(self, scores: int = 3, frames: int = 1) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3 * frames, 4, 3, 2), nn.ReLU())
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, scores))

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.features(x))
        return scores


class Careful(Corridor):
    """A corridor that says which actions are possible."""

    def action_masks(self) -> np.ndarray:
        return np.array([self.place > 5, True, self.place < 20])


class Anew(Dice):
    """A corridor that begins elsewhere each time, whatever the seed."""

    starts = cycle(range(5, 20))

    def reset(self, **options: Any) -> tuple:
        super().reset(**options)
        self.place = next(self.starts)
        return self._observation(), self._info()


gymnasium.register("Careful-v0", Careful)
gymnasium.register("Anew-v0", Anew)
gymnasium.register("Limited-v0", Corridor, max_episode_steps=6)
gymnasium.register("SteeringHere-v0", Steering, kwargs={"width": 32, "height": 24})
gymnasium.register("GearsHere-v0", Corridor, kwargs={"action_space": spaces.MultiDiscrete([3, 2])})

STEERED = DiagonalGaussian.within(np.zeros(2), np.array([-1.0, 0.0]), np.array([1.0, 2.0]))


@dataclass(frozen=True)
class Case:
    """A policy and its world.

    Attributes:
        module: of the policy.
        world: its id.
        wrappers: around it.
        options: of the policy.
    """

    module: Callable[[], nn.Module]
    world: str = "Corridor-v0"
    wrappers: tuple[str, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()

    def policy(self) -> Policy:
        """It, with weights of its own."""
        torch.manual_seed(0)
        options: dict[str, Any] = {"labels": LABELS, "name": "case", **dict(self.options)}
        return Policy(self.module().eval(), **options)


MASK = (("context", {"action_mask": (3,)}),)
CASES = {
    "plain": Case(PooledPolicy),
    "memory": Case(Recalling, options=(("memory", {"sums": (3,)}),)),
    "frames": Case(lambda: Valueless(frames=4), wrappers=("frame-stack:frames=4",)),
    "no value": Case(Valueless, options=(("distribution", Greedy(3)),)),
    "states": Case(PooledPolicy, "Recalled-v0"),
    "states in a stack": Case(
        lambda: Valueless(frames=4), "Recalled-v0", wrappers=("frame-stack:frames=4",)
    ),
    "limit": Case(PooledPolicy, "Limited-v0"),
    "continuous": Case(
        lambda: Valueless(2),
        "SteeringHere-v0",
        options=(("labels", ("direction", "speed")), ("distribution", STEERED)),
    ),
}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@contextmanager
def live(case: Case, **want: Any) -> Iterator[tuple[TestClient, Talk]]:
    source = LiveSource(case.policy(), EnvConfig(case.world, case.wrappers, {}))
    with (
        TestClient(build_app(source, live_routes)) as client,
        client.websocket_connect("/api/live") as socket,
    ):
        yield client, Talk(socket, want)


def recorded(case: Case, policy: Policy, **options: Any) -> rlvis.Recording:
    return rlvis.record(
        policy, case.world, episodes=1, wrappers=case.wrappers, max_steps=4, **options
    )


def client_of(recording: rlvis.Recording, policy: Policy | None) -> TestClient:
    return TestClient(build_app(RecordedSource(recording, policy), recorded_routes))


def walk(talk: Talk) -> list[tuple[dict[str, Any], dict[str, np.ndarray]]]:
    """Some moments of an episode, from its first on."""
    for seed in range(50):
        seen = [talk.ask("reset", seed=seed)]
        while seen[-1][0]["ended"] is None and len(seen) < 4:
            seen.append(talk.ask("step"))
        if len(seen) > 2:
            return seen
    raise AssertionError("all episodes end at once")


def test_a_live_world_gives_what_it_offers(case) -> None:
    with live(case, methods=["saliency", "grad-cam"]) as (client, talk):
        info = client.get("/api/info").json()
        for target in info["targets"]:
            talk._want = {"methods": ["saliency", "grad-cam"], "targets": [target]}
            head, arrays = talk.ask("look")
            told = {name: each.get("error") for name, each in head["maps"].items()}
            assert told == {"saliency": None, "grad-cam": None}, target
        assert len(arrays["probability"]) == len(info["actions"])
        assert arrays["frame"].shape == tuple(info["frame"]) == (24, 32, 3)
        assert ("value" in info["targets"]) == (head["value"] is not None)
        assert walk(talk)[-1][0]["step"] > 1


def test_a_live_world_leads_back(case) -> None:
    with live(case, methods=[]) as (client, talk):
        assert client.get("/api/info").json()["states"]
        seen = walk(talk)
        for head, arrays in seen[-2::-1]:
            again, frames = talk.ask("back")
            assert again["step"] == head["step"]
            np.testing.assert_array_equal(frames["frame"], arrays["frame"])
            np.testing.assert_array_equal(frames["probability"], arrays["probability"])
        for head, arrays in seen[1:]:
            again, frames = talk.ask("step")
            assert again["return"] == head["return"]
            np.testing.assert_array_equal(frames["frame"], arrays["frame"])
            np.testing.assert_array_equal(frames["probability"], arrays["probability"])


def test_a_live_world_is_gone_on_from_and_stays_as_it_is(case) -> None:
    with live(case, methods=[]) as (client, talk):
        info = client.get("/api/info").json()
        head, arrays = walk(talk)[-1] if info["choice"] else talk.ask("step")
        if head["ended"] is not None:
            head, arrays = talk.ask("back")
        layer = next(each["name"] for each in info["layers"] if len(each["shape"]) == 4)
        edit = {"layer": layer, "unit": 0, "value": 3}
        body = {"episode": head["world"], "step": head["moment"], "edits": [edit], "futures": 2}
        told = client.post("/api/edit/play", json=body).json()
        assert told["steps"] > 0
        assert told["before"]["steps"] > 0
        if info["choice"]:
            found, _ = talk.ask("whatif", futures=2)
            assert [each["action"] for each in found["futures"]] == list(LABELS)
            assert [each["taken"][0] for each in found["futures"]] == [0, 1, 2]
        again, frames = talk.ask("look")
        assert again["moment"] == head["moment"]
        np.testing.assert_array_equal(frames["probability"], arrays["probability"])
        other, _ = talk.ask("step")
        assert other["step"] == head["step"] + 1


def test_a_recording_gives_what_it_offers(case) -> None:
    policy = case.policy()
    client = client_of(recorded(case, policy, methods="none"), policy)
    info = client.get("/api/info").json()
    for method in ("saliency", "grad-cam"):
        head, arrays = got(client, "/api/maps/0", stop=2, method=method, target=[*info["targets"]])
        assert arrays["maps"].shape[:2] == (2, len(info["targets"]))
        assert len(head["units"]) == len(info["targets"])
    for path in ("/api/episode/0", "/api/frames/0"):
        got(client, path)
    assert isinstance(client.get("/api/moments").json(), list)
    still = client.get("/api/still?episode=0&step=0")
    assert still.headers["content-type"] == "image/png", still.text


def test_actions_that_are_no_choice_are_told_so() -> None:
    case = CASES["continuous"]
    policy = case.policy()
    client = client_of(recorded(case, policy, methods="none"), policy)
    info = client.get("/api/info").json()
    assert not info["choice"]
    assert not {"chosen", "entropy"} & {*info["targets"]}
    assert_refused(client.post("/api/whatif", json={"episode": 0, "step": 0, "actions": []}))
    edit = {"layer": "head.2", "unit": 0, "value": 1}
    body = {"episode": 0, "step": 0, "edits": [edit], "deterministic": True}
    assert client.post("/api/edit/play", json=body).json()["steps"] > 0


def test_several_choices_at_once() -> None:
    labels = ("left", "stay", "right", "slow", "fast")
    options = (("labels", labels), ("distribution", MultiCategorical((3, 2))))
    case = Case(lambda: Valueless(5), "Gears-v0", ("resize:height=24,width=32",), options)
    with live(case, methods=["saliency"], targets=["left", "fast"]) as (_, talk):
        head, _ = talk.ask("step")
        assert "error" not in head["maps"]["saliency"]
        assert "no choice" in talk.ask("act", action="left")[0]["error"]


def test_a_masked_policy_acts_live() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = PooledPolicy().eval()

        def forward(self, x: Tensor, action_mask: Tensor) -> tuple[Tensor, Tensor]:
            logits, value = self.inner(x)
            return logits.masked_fill(action_mask < 0.5, -torch.inf), value

    case = Case(Masked, "Careful-v0", options=MASK)
    with live(case, methods=["saliency"], targets=["chosen"]) as (_, talk):
        head, _ = talk.ask("step")
        assert head["step"] == 1
        assert "error" not in head["maps"]["saliency"]


@pytest.mark.parametrize(
    ("world", "said"), [("Anew-v0", "begins otherwise"), ("Dice-v0", "begins anew")]
)
def test_a_world_of_chance_says_why_there_is_no_way_back(world, said) -> None:
    with live(Case(PooledPolicy, world), methods=[]) as (client, talk):
        assert client.get("/api/info").json()["states"] == (world == "Dice-v0")
        for _ in range(20):  # chance may once play the same again
            walk(talk)
            if "error" in (answer := talk.ask("back")[0]):
                break
        assert said in answer["error"]
        assert "error" not in talk.ask("look")[0]


def test_a_world_that_cannot_be_changed_says_so() -> None:
    with live(CASES["plain"], methods=[]) as (client, talk):
        info = client.get("/api/info").json()
        assert info["interventions"] == info["objects"] == []
        assert "change()" in talk.ask("move", name="spot", x=1, z=1)[0]["error"]
        start = talk.ask("look")[1]["frame"]
        hidden = talk.ask("hide", rect=[0, 0, 20, 30])[1]["frame"]
        assert (hidden != start).any()
        np.testing.assert_array_equal(talk.ask("undo")[1]["frame"], start)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_recordings_of_earlier_versions_are_shown_without_their_policy(tmp_path, version) -> None:
    policy = CASES["plain"].policy()
    now = recorded(CASES["plain"], policy, methods=["cam", "saliency"])
    old = rlvis.Recording.open(write_as_before(now, tmp_path / "old.zarr", version))
    client = client_of(old, None)
    info = client.get("/api/info").json()
    assert [each["name"] for each in info["methods"]] == ["cam", "saliency"]
    assert not info["can_explain"]
    for method in ("cam", "saliency"):
        target = info["targets"]
        head, arrays = got(client, "/api/maps/0", stop=2, method=method, target=target)
        expected = old.explained(0, slice(2), [method])[method].maps
        shown = arrays["maps"] / 127 * arrays["scale"][..., None, None]
        np.testing.assert_allclose(shown, expected, atol=np.abs(expected).max() / 200)
        _, alone = got(client, "/api/maps/0", stop=2, method=method, target="right")
        place = target.index("right")
        np.testing.assert_array_equal(alone["maps"][:, 0], arrays["maps"][:, place])
        assert head["targets"][0][place] == "right"
    assert_refused(client.get("/api/maps/0", params={"method": "cam", "target": "value"}))
    assert "--policy" in client.get("/api/unit?layer=features.4&unit=0").json()["error"]


def test_a_recording_of_one_step() -> None:
    case = CASES["states"]
    policy = case.policy()
    recording = rlvis.record(policy, case.world, episodes=1, methods=["cam"], max_steps=1)
    client = client_of(recording, policy)
    _, arrays = got(client, "/api/episode/0")
    assert arrays["probability"].shape == (1, 3)
    got(client, "/api/maps/0", method="cam", target=["left", "chosen"])
    answer = client.post("/api/whatif", json={"episode": 0, "step": 0, "futures": 2})
    assert [each["count"] for each in unpacked(answer.content)[0]["futures"]] == [2, 2, 2]
