"""The inspector's server: what it answers is what the recording and the tools say; who may ask."""

import gzip
import json
import re
from base64 import b64decode
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

import rlvis
from rlvis import InputError
from rlvis_agents import load_policy

pytest.importorskip("starlette")
pytest.importorskip("httpx")

from starlette.testclient import TestClient

from rlvis.inspector.app import build_app
from rlvis.inspector.exported import to_html
from rlvis.inspector.live_line import live_routes
from rlvis.inspector.live_source import LiveSource
from rlvis.inspector.photo_source import PhotoSource, photo_routes
from rlvis.inspector.recorded_questions import recorded_routes
from rlvis.inspector.recorded_source import RecordedSource
from rlvis.inspector.security import Guard
from rlvis.inspector.unit_networks import Edit, edited
from rlvis.rollouts.environments import EnvConfig
from tests.inspected import Talk, assert_refused, got, unpacked

POLICY = "cube-reach"
WORLD = "rlvis_envs:CubeReach-v0"
LAYER = "features.relu3"
HERE = "http://127.0.0.1:7531"


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> rlvis.Recording:
    path = tmp_path_factory.mktemp("inspected") / "run.zarr"
    rlvis.record(load_policy(POLICY), WORLD, episodes=2, methods=["cam"], out=path, max_steps=12)
    return rlvis.Recording.open(path)


@pytest.fixture(scope="module")
def client(recording: rlvis.Recording) -> TestClient:
    source = RecordedSource(recording, recording.policy(), files=False)
    return TestClient(Guard(build_app(source, recorded_routes), "127.0.0.1", 7531), base_url=HERE)


def test_frames_and_numbers_are_the_recordings(client, recording) -> None:
    _, frames = got(client, "/api/frames/1", start=2, stop=7)
    np.testing.assert_array_equal(frames["frames"], recording.observations(1, slice(2, 7)))
    head, numbers = got(client, "/api/episode/1")
    episode = recording.episode(1)
    np.testing.assert_allclose(numbers["probability"], episode.probabilities)
    np.testing.assert_array_equal(numbers["taken"], episode.actions)
    assert head["steps"] == len(episode)
    assert head["seed"] == episode.seed


@pytest.mark.parametrize("method", ["cam", "saliency"])
def test_maps_are_the_methods_own(client, recording, method) -> None:
    head, arrays = got(
        client, "/api/maps/0", start=1, stop=4, method=method, target=["left", "chosen"]
    )
    episode = recording.episode(0)
    why = rlvis.explain(
        recording.policy(),
        episode.observations[1:4],
        method,
        ["left", "chosen"],
        taken=episode.actions[1:4],
    )
    shown = arrays["maps"] / 127 * arrays["scale"][..., None, None]
    np.testing.assert_allclose(shown, why.maps, atol=np.abs(why.maps).max() / 200)
    assert head["targets"][0][0] == "left"


def test_a_layers_units_are_its_activations(client, recording) -> None:
    from rlvis.features.activations.maps import activation_maps

    _, arrays = got(client, "/api/layer/0/3", layer=LAYER)
    image = recording.observations(0, slice(3, 4))
    maps = activation_maps(recording.policy(), image, LAYER).maps
    span = (arrays["high"] - arrays["low"])[:, None, None]
    np.testing.assert_allclose(
        arrays["low"][:, None, None] + arrays["channels"] / 255 * span, maps, atol=span.max() / 400
    )


def test_a_units_patches_are_where_it_is_strong(client, recording) -> None:
    head, arrays = got(client, "/api/unit", layer=LAYER, unit=2)
    assert len(head["places"]) == len(arrays["patches"]) == len(arrays["value"]) > 0
    assert (np.diff(arrays["value"]) <= 0).all()
    first = head["places"][0]
    _, layer = got(client, f"/api/layer/{first['episode']}/{first['step']}", layer=LAYER)
    assert layer["high"][2] == pytest.approx(arrays["value"][0], rel=1e-4)


def test_heat_of_a_unit_is_its_own(client, recording) -> None:
    _, arrays = got(
        client, "/api/maps/0", start=3, stop=4, method="saliency", target=f"unit:{LAYER}:2"
    )
    _, layer = got(client, "/api/layer/0/3", layer=LAYER)
    head, _ = got(
        client, "/api/maps/0", start=3, stop=4, method="grad-cam", target=f"unit:{LAYER}:2"
    )
    assert arrays["maps"].shape[:2] == (1, 1)
    assert head["scores"][0][0] == pytest.approx(layer["high"][2], rel=1e-4)


def test_an_edit_holds_the_unit_and_leaves_the_policy_as_it_was(client, recording) -> None:
    policy, image = recording.policy(), recording.observations(0, slice(3, 4))
    before = policy.scores(image).logits
    _, layer = got(client, "/api/layer/0/3", layer=LAYER)
    unit = int(layer["mean"].argmax())
    body = {"episode": 0, "step": 3, "edits": [{"layer": LAYER, "unit": unit, "value": 0}]}
    told = client.post("/api/edit", json=body).json()
    module = policy.module

    def silence(_, __, output):
        changed = output.clone()
        changed[:, unit] = 0
        return changed

    hook = module.get_submodule(LAYER).register_forward_hook(silence)
    expected = policy.scores(image).logits
    hook.remove()
    assert not np.allclose(expected, before)
    np.testing.assert_allclose(told["probability"], expected.softmax(1)[0], atol=1e-5)
    np.testing.assert_allclose(told["before"]["probability"], before.softmax(1)[0], atol=1e-5)
    np.testing.assert_allclose(policy.scores(image).logits, before)


def test_a_score_is_held_like_any_unit(recording) -> None:
    policy, image = recording.policy(), recording.observations(0, slice(3, 4))
    dead = edited(policy, image, {}, [Edit("policy", 0, 50.0)])
    assert float(dead.scores(image).logits[0, 0]) == pytest.approx(50)


def test_playing_on_and_futures(client, recording) -> None:
    body = {"episode": 0, "step": 2, "edits": [{"layer": "policy", "unit": 0, "value": 1000}]}
    told = client.post("/api/edit/play", json=body)
    assert told.status_code == 200, told.text
    assert set(told.json()["taken"]) == {0}
    answer = client.post("/api/whatif", json={"episode": 0, "step": 2, "actions": ["right"]})
    head, views = unpacked(answer.content)
    assert [each["action"] for each in head["futures"]] == ["right"]
    assert head["futures"][0]["taken"][0] == 2
    assert views["views_0"].shape[-1] == 3


def test_another_policy_is_asked_about_the_same_frames(client, recording) -> None:
    answer = client.post("/api/compare", json={"episode": 0, "policy": "cube-reach-distractors"})
    _, arrays = unpacked(answer.content)
    images = recording.observations(0)
    theirs = load_policy("cube-reach-distractors").scores(images).logits.softmax(1)
    np.testing.assert_allclose(arrays["probability"], theirs, atol=1e-5)


@pytest.mark.parametrize(
    "policy", ["os:getcwd", "/etc/passwd", "../cube-reach", "x.zip", "", "no-such"]
)
def test_a_page_from_elsewhere_names_neither_code_nor_files(client, policy) -> None:
    assert_refused(client.post("/api/compare", json={"episode": 0, "policy": policy}))


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/episode/99", {}),
        ("/api/frames/0", {"start": 0, "stop": 100000}),
        ("/api/maps/0", {"method": "nothing"}),
        ("/api/layer/0/3", {"layer": "nothing"}),
        ("/api/unit", {"layer": LAYER, "unit": 10**6}),
        ("/api/maps/0", {"method": "saliency", "target": "unit:x"}),
    ],
)
def test_what_cannot_be_answered_is_told_in_one_line(client, path, query) -> None:
    assert_refused(client.get(path, params=query))


@pytest.mark.parametrize(
    ("path", "query"), [("/api/frames/0", {"start": "x"}), ("/api/layer/0/3", {})]
)
def test_a_question_that_cannot_be_read_is_told_so(client, path, query) -> None:
    assert_refused(client.get(path, params=query), 400)


def test_without_its_policy_a_recording_is_still_shown(recording) -> None:
    alone = TestClient(build_app(RecordedSource(recording, None), recorded_routes))
    info = alone.get("/api/info").json()
    assert not info["can_explain"]
    assert [each["name"] for each in info["methods"]] == ["cam"]
    assert "--policy" in alone.get("/api/layer/0/0?layer=x").json()["error"]


@pytest.fixture(scope="module")
def live() -> Iterator[TestClient]:
    source = LiveSource(load_policy(POLICY), EnvConfig(WORLD, (), {}))
    guard = Guard(build_app(source, live_routes), "127.0.0.1", 7531)
    with TestClient(guard, base_url=HERE) as client:
        yield client


@pytest.fixture
def talk(live: TestClient) -> Iterator[Talk]:
    with live.websocket_connect("/api/live", headers={"host": "127.0.0.1:7531"}) as socket:
        yield Talk(socket)


def test_a_moved_cube_is_seen_where_it_is_put(talk) -> None:
    import gymnasium

    talk.ask("reset", seed=3)
    head, arrays = talk.ask("move", name="cube", x=3.0, z=2.0)
    env = gymnasium.make(WORLD)
    env.reset(seed=3)
    world: Any = env.unwrapped
    state = world.get_state()
    state["scene"]["cube"] |= {"x": 3.0, "z": 2.0}
    expected, _ = world.set_state(state)
    np.testing.assert_array_equal(arrays["frame"], expected)
    policy = load_policy(POLICY)
    np.testing.assert_allclose(
        arrays["probability"], policy.scores(expected[None]).logits.softmax(1)[0], atol=1e-5
    )
    why = rlvis.explain(policy, expected[None], "cam", ["left"])
    shown = arrays["maps:cam"][0] / 127 * arrays["scale:cam"][0]
    np.testing.assert_allclose(shown, why.maps[0, 0], atol=np.abs(why.maps).max() / 200)
    cube = next(each for each in head["objects"] if each["name"] == "cube")
    assert (cube["x"], cube["z"]) == (3.0, 2.0)


def test_steps_back_and_undo_lead_back(talk) -> None:
    _, start = talk.ask("reset", seed=4)
    for _ in range(3):
        head, _ = talk.ask("step")
    assert head["step"] == 3
    for _ in range(3):
        head, arrays = talk.ask("back")
    np.testing.assert_array_equal(arrays["frame"], start["frame"])


def test_undo_takes_back_one_gesture_after_the_other(talk) -> None:
    pictures = [talk.ask("reset", seed=4)[1]["frame"]]
    pictures.append(talk.ask("recolour", name="cube", colour="blue")[1]["frame"])
    for gesture in (1, 2):
        for place in (2.0, 2.5, 3.0):
            x = place + gesture / 4
            _, arrays = talk.ask("move", name="agent", x=x, z=2.0, gesture=gesture)
        pictures.append(arrays["frame"])
    head, arrays = talk.ask("hide", rect=[0, 0, 30, 30])
    assert len(head["interventions"]) == 3
    assert (arrays["frame"][:30, :30] == arrays["frame"][0, 0]).all()
    for expected in reversed(pictures):
        head, arrays = talk.ask("undo")
        np.testing.assert_array_equal(arrays["frame"], expected)
    assert head["interventions"] == []
    assert head["undo"] == 0


def test_all_changes_are_undone_at_once_also_after_steps(talk) -> None:
    _, start = talk.ask("reset", seed=4)
    talk.ask("recolour", name="cube", colour="blue")
    talk.ask("step")
    talk.ask("move", name="agent", x=2.0, z=2.0)
    head, arrays = talk.ask("undo", all=True)
    np.testing.assert_array_equal(arrays["frame"], start["frame"])
    assert (head["step"], head["interventions"]) == (0, [])


def test_futures_leave_the_world_as_it_is(talk) -> None:
    _, start = talk.ask("reset", seed=4)
    head, arrays = talk.ask("whatif", actions=["left", "right"])
    assert [each["taken"][0] for each in head["futures"]] == [0, 2]
    np.testing.assert_array_equal(arrays["frame"], start["frame"])
    assert head["step"] == 0


@pytest.mark.parametrize(
    "message",
    [
        {"do": "nothing"},
        {"do": 3},
        {"do": "move", "name": "cube", "x": 99, "z": 0},
        {"do": "move", "name": "nobody", "x": 1, "z": 1},
        {"do": "act", "action": "fly"},
        {"do": "until", "condition": "margin"},
        {"do": "until", "condition": "nothing < 1"},
        {"do": "reset", "seed": -1},
        {"do": "hide", "rect": [1, 2]},
    ],
)
def test_a_wrong_message_is_told_and_the_line_stays(talk, message) -> None:
    head, _ = talk.ask(**message)
    assert "\n" not in head["error"]
    assert "failed" not in head["error"]
    head, _ = talk.ask("look")
    assert "error" not in head


def test_it_plays_until_a_condition_holds(live) -> None:
    with live.websocket_connect("/api/live", headers={"host": "127.0.0.1:7531"}) as socket:
        socket.send_text(json.dumps({"id": 1, "do": "reset", "seed": 1, "want": {}}))
        unpacked(socket.receive_bytes())
        socket.send_text(json.dumps({"id": 2, "do": "until", "condition": "step >= 4"}))
        heads = [unpacked(socket.receive_bytes())[0] for _ in range(5)]
    assert [each["step"] for each in heads] == [0, 1, 2, 3, 4]
    assert [each["playing"] for each in heads] == [True] * 4 + [False]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    model = rlvis.load_model("digits", weights="random")
    path = tmp_path_factory.mktemp("photos") / "a.png"
    Image.fromarray(np.arange(28 * 28, dtype=np.uint8).reshape(28, 28)).save(path)
    return TestClient(build_app(PhotoSource(model, [path]), photo_routes))


def test_a_photo_is_explained_by_its_likeliest_labels(photos) -> None:
    assert photos.get("/api/info").json()["pictures"] == 1
    head, arrays = got(photos, "/api/photo/0", method="saliency")
    model = rlvis.load_model("digits", weights="random")
    assert len(head["labels"]) == len(arrays["maps"]) == 5
    assert head["probability"] == sorted(head["probability"], reverse=True)
    assert set(head["labels"]) <= set(model.labels)


def test_a_sent_photo_is_kept_and_asked_again(photos) -> None:
    buffer = BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (600, 900, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    answer = photos.post("/api/photo?method=saliency&target=3", content=buffer.getvalue())
    head, arrays = unpacked(answer.content)
    assert head["labels"] == ["3"]
    assert head["size"] == [600, 900]
    assert max(arrays["picture"].shape) == 512
    _, again = got(photos, f"/api/photo/{head['id']}", method="saliency", target="3")
    np.testing.assert_array_equal(again["maps"], arrays["maps"])


def test_the_exported_page_holds_the_recordings_pixels(recording, tmp_path) -> None:
    marks = [{"episode": 1, "step": 2, "note": "</script> é"}, {"episode": 0, "step": 0}]
    path = tmp_path / "page.html"
    to_html(recording, path, methods=["cam", "saliency"], episodes=[1], bookmarks=marks)
    page = path.read_text()
    assert "/static/" not in page
    assert "/fonts/" not in page
    held = re.search(r'id="rlvis-file">(.*?)</script>', page)
    assert held
    shown = json.loads(held[1])
    assert shown["episodes"]["episode"] == [1]
    assert shown["bookmarks"] == marks[:1]
    frames = [
        np.asarray(Image.open(BytesIO(b64decode(each)))) for each in shown["pictures"]["frames/1"]
    ]
    np.testing.assert_array_equal(frames, recording.observations(1))
    head, arrays = unpacked(gzip.decompress(b64decode(shown["packs"]["maps/1/saliency"])))
    assert head["asked"] == ["left", "forward", "right", "chosen"]
    why = recording.explained(1, slice(0, 3), ["saliency"])["saliency"]
    drawn = arrays["maps"][:3] / 127 * arrays["scale"][:3, :, None, None]
    np.testing.assert_allclose(drawn, why.maps, atol=np.abs(why.maps).max() / 250)
    modules = json.loads(re.findall(r'<script type="importmap">(.*?)</script>', page)[0])["imports"]
    for address in modules.values():
        text = b64decode(address.partition(",")[2]).decode()
        assert set(re.findall(r'from "(.*?)"', text)) <= set(modules)


def test_the_page_is_exported_with_its_bookmarks(client, recording) -> None:
    marks = [{"episode": 0, "step": 3, "note": "here"}]
    body = {"episodes": [0], "methods": ["saliency"], "bookmarks": marks}
    answer = client.post("/api/export", json=body)
    assert answer.headers["content-type"].startswith("text/html")
    held = re.search(r'id="rlvis-file">(.*?)</script>', answer.text)
    assert held
    shown = json.loads(held[1])
    assert shown["bookmarks"] == marks
    assert [each["name"] for each in shown["info"]["methods"]] == ["saliency"]
    assert "maps/0/saliency" in shown["packs"]
    for wrong in ({"step": "x", "episode": 0}, {}):
        assert_refused(client.post("/api/export", json={**body, "bookmarks": [wrong]}))
    assert_refused(client.post("/api/export", json={"bookmarks": 3}), 400)


def test_units_are_read_as_they_are_written() -> None:
    from rlvis.inspector.unit_networks import read_unit

    assert read_unit("unit:a.b:3") == ("a.b", 3)
    with pytest.raises(InputError, match="unit:layer:number"):
        read_unit("unit:3")
