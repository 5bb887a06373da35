"""What can be asked of a recording can be asked of photos and of a live world: units, stills."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import rlvis
from rlvis.features.activations.maps import activation_maps

pytest.importorskip("starlette")
pytest.importorskip("httpx")

from starlette.testclient import TestClient

import tests.worlds  # noqa: F401 - registers them
from rlvis.inspector.album import Album
from rlvis.inspector.app import build_app
from rlvis.inspector.live_line import live_routes
from rlvis.inspector.live_source import LiveSource
from rlvis.inspector.maps import window_facts
from rlvis.inspector.photo_source import PhotoSource, photo_routes
from rlvis.inspector.recorded_questions import recorded_routes
from rlvis.inspector.recorded_source import RecordedSource
from rlvis.inspector.units import Units
from rlvis.rollouts.environments import EnvConfig
from tests.conftest import LABELS, PooledPolicy
from tests.inspected import Talk, assert_refused, got, unpacked

WORLD = "Recalled-v0"
LAYER = "features.4"
UNITS = 8


def policy() -> rlvis.Policy:
    torch.manual_seed(0)
    return rlvis.Policy(PooledPolicy().eval(), LABELS, name="pooled")


@dataclass(frozen=True)
class Shown:
    """A source with something to look at.

    Attributes:
        client: asks it.
        model: it shows.
        place: of an image.
        image: there.
        count: how many images there are.
    """

    client: TestClient
    model: rlvis.ImageModel
    place: tuple[int, int]
    image: np.ndarray
    count: int


def recorded_source() -> Iterator[Shown]:
    model = policy()
    recording = rlvis.record(model, WORLD, episodes=1, methods="none", max_steps=5)
    client = TestClient(build_app(RecordedSource(recording, model), recorded_routes))
    image = recording.observations(0, slice(1, 2))[0]
    yield Shown(client, model, (0, 1), image, recording.steps())


def photo_source() -> Iterator[Shown]:
    model = policy()
    client = TestClient(build_app(PhotoSource(model), photo_routes))
    random = np.random.default_rng(0)
    for number in range(3):
        image = random.integers(0, 256, (24, 32, 3), np.uint8)
        assert sent(client, image) == number
    yield Shown(client, model, (2, 0), image, 3)


def live_source() -> Iterator[Shown]:
    model = policy()
    source = LiveSource(model, EnvConfig(WORLD, (), {}))
    with (
        TestClient(build_app(source, live_routes)) as client,
        client.websocket_connect("/api/live") as socket,
    ):
        talk = Talk(socket, {"methods": []})
        talk.ask("reset", seed=3)
        talk.ask("step")
        head, arrays = talk.ask("look")
        image = arrays["frame"]
        yield Shown(client, model, (head["world"], head["moment"]), image, 2)


SOURCES: dict[str, Callable[[], Iterator[Shown]]] = {
    "recording": recorded_source,
    "photos": photo_source,
    "live": live_source,
}


@pytest.fixture(scope="module", params=SOURCES)
def shown(request: pytest.FixtureRequest) -> Iterator[Shown]:
    yield from SOURCES[request.param]()


def place_of(shown: Shown) -> dict[str, int]:
    return dict(zip(("episode", "step"), shown.place, strict=True))


def test_tiles_are_the_layers_activations(shown) -> None:
    _, arrays = got(shown.client, "/api/layer/{}/{}".format(*shown.place), layer=LAYER)
    maps = activation_maps(shown.model, shown.image, LAYER).maps
    span = (arrays["high"] - arrays["low"])[:, None, None]
    shades = arrays["low"][:, None, None] + arrays["channels"] / 255 * span
    np.testing.assert_allclose(shades, maps, atol=span.max() / 400)


def test_patches_are_cut_where_a_unit_is_strongest(shown) -> None:
    layers = {}
    for unit in range(UNITS):
        head, arrays = got(shown.client, "/api/unit", layer=LAYER, unit=unit)
        assert len(head["places"]) == len(arrays["patches"]) <= shown.count
        for place, value in zip(head["places"], arrays["value"], strict=True):
            at = place["episode"], place["step"]
            if at not in layers:
                _, layers[at] = got(shown.client, "/api/layer/{}/{}".format(*at), layer=LAYER)
            assert layers[at]["high"][unit] == pytest.approx(value, rel=1e-4)
    assert len(layers) > 1


def test_pictures_of_a_unit(shown) -> None:
    head, arrays = got(shown.client, "/api/unit/synthesis", layer=LAYER, unit=1)
    assert np.isfinite(head["activation"])
    assert arrays["picture"].shape[-1] == 3
    path = "/api/unit/projection/{}/{}".format(*shown.place)
    _, arrays = got(shown.client, path, layer=LAYER, unit=1)
    assert arrays["picture"].shape == shown.image.shape


def test_a_unit_held_changes_what_is_said(shown) -> None:
    edit = {"layer": LAYER, "unit": 0, "value": 50}
    told = shown.client.post("/api/edit", json={**place_of(shown), "edits": [edit]}).json()
    before = shown.model.scores(shown.image).logits.softmax(1)[0]
    np.testing.assert_allclose(told["before"]["probability"], before, atol=1e-5)
    assert np.abs(np.subtract(told["probability"], before)).max() > 0.01
    assert told["labels"] == list(shown.model.labels)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/layer/99/99", {"layer": LAYER}),
        ("/api/unit", {"layer": "nothing", "unit": 0}),
        ("/api/unit", {"layer": LAYER, "unit": UNITS}),
        ("/api/unit/projection/99/0", {"layer": LAYER, "unit": 0}),
    ],
)
def test_what_is_not_there_is_refused(shown, path, query) -> None:
    assert_refused(shown.client.get(path, params=query))


def test_a_still_is_a_picture(shown) -> None:
    query = {**place_of(shown), "method": "saliency", "target": "left"}
    answer = shown.client.get("/api/still", params=query)
    assert answer.headers["content-type"] == "image/png", answer.text
    assert Image.open(BytesIO(answer.content)).width > 200


def test_an_edit_is_played_on_from_a_live_moment() -> None:
    with contextmanager(live_source)() as shown:
        check_played_on(shown)


def check_played_on(shown: Shown) -> None:
    body = {**place_of(shown), "edits": [{"layer": "policy", "unit": 0, "value": 1000}]}
    told = shown.client.post("/api/edit/play", json={**body, "deterministic": True}).json()
    assert set(told["taken"]) == {0}
    assert (told["count"], told["before"]["count"]) == (1, 1)
    elsewhere = {**body, "step": shown.place[1] - 1}
    assert_refused(shown.client.post("/api/edit/play", json=elsewhere))


def sent(client: TestClient, image: np.ndarray) -> int:
    """The number of a photo that is sent."""
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    answer = client.post("/api/photo?method=saliency", content=buffer.getvalue())
    return int(unpacked(answer.content)[0]["id"])


def test_patches_are_found_anew_when_another_photo_came() -> None:
    client = TestClient(build_app(PhotoSource(policy()), photo_routes))
    assert_refused(client.get("/api/unit", params={"layer": LAYER, "unit": 0}))
    random = np.random.default_rng(0)
    for count in (1, 2):
        sent(client, random.integers(0, 256, (24, 32, 3), np.uint8))
        places = [
            place["episode"]
            for unit in range(UNITS)
            for place in got(client, "/api/unit", layer=LAYER, unit=unit)[0]["places"]
        ]
        assert set(places) == set(range(count))


def test_of_many_labels_the_likeliest_before_and_after_are_told() -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 40),
    )
    model = rlvis.ImageModel(module.eval(), [f"label {each}" for each in range(40)])
    client = TestClient(build_app(PhotoSource(model), photo_routes))
    image = np.full((24, 32, 3), 90, np.uint8)
    edits = [{"layer": "0", "unit": 1, "value": 100}]
    body = {"episode": sent(client, image), "step": 0, "edits": edits}
    told = client.post("/api/edit", json=body).json()
    before = model.scores(image).logits.softmax(1)[0]
    best = [model.labels[each] for each in before.argsort(descending=True)[:5]]
    assert set(best) < set(told["labels"])
    assert 5 < len(told["labels"]) <= 10
    expected = [before[model.labels.index(each)] for each in told["labels"]]
    np.testing.assert_allclose(told["before"]["probability"], expected, atol=1e-6)
    assert max(told["probability"]) == told["probability"][0]


@pytest.mark.parametrize(
    ("asked", "count"),
    [({}, 8), ({"futures": 3}, 3), ({"deterministic": True}, 1)],
    ids=["usual", "three", "greedy"],
)
def test_futures_are_sampled_as_asked(asked, count) -> None:
    model = policy()
    recording = rlvis.record(model, WORLD, episodes=1, methods="none", max_steps=5)
    client = TestClient(build_app(RecordedSource(recording, model), recorded_routes))
    body = {"episode": 0, "step": 1, "actions": ["right"], **asked}
    head, _ = unpacked(client.post("/api/whatif", json=body).content)
    expected = rlvis.what_if(recording, model, 0, 1, ["right"], max_steps=1000, **asked)
    future = next(each for each in expected.futures if each.action == "right")
    assert [each["count"] for each in head["futures"]] == [count]
    assert head["futures"][0]["summary"] == future.summary


@pytest.mark.parametrize("asked", [{"futures": 0}, {"futures": 10**6}, {"deterministic": "yes"}])
def test_futures_that_cannot_be_played(asked) -> None:
    model = policy()
    recording = rlvis.record(model, WORLD, episodes=1, methods="none", max_steps=2)
    client = TestClient(build_app(RecordedSource(recording, model), recorded_routes))
    body = {"episode": 0, "step": 0, "actions": ["right"], **asked}
    assert_refused(client.post("/api/whatif", json=body), 400)


def test_an_album_keeps_the_latest_and_what_was_given() -> None:
    def image(shade: int) -> np.ndarray:
        return np.full((2, 2, 3), shade, np.uint8)

    album = Album("test", 2, {(0, 0): (image(0), {})})
    before = album.images()
    for number in range(1, 4):
        album.keep((number, 0), (image(number), {}))
    assert album.images() is album.images()
    assert len(before) == 1
    assert album.images().metadata["episode"].tolist() == [0, 2, 3]
    with pytest.raises(rlvis.InputError, match="kept"):
        album.at((1, 0))
    np.testing.assert_array_equal(album.at((3, 0))[0], image(3))


def test_a_units_map_lies_where_class_activation_maps_of_its_layer_do() -> None:
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Conv2d(3, 4, 8, 4), nn.ReLU(), nn.Conv2d(4, 4, 4, 2), nn.ReLU())
    network = nn.Sequential(trunk, nn.Flatten(), nn.Linear(4 * 9 * 9, 3))
    model = rlvis.ImageModel(network, ["a", "b", "c"], rlvis.Preprocess((84, 84), crop=0.8))
    picture = np.random.default_rng(0).integers(0, 256, (100, 140, 3), np.uint8)
    album = Album("pictures", 4, {(0, 0): (picture, {})})

    class Pictures:
        def __init__(self) -> None:
            self.model, self.images, self.seen = model, album.images, album.at

    _, head = Units(Pictures()).layer((0, 0), "0")
    why = rlvis.explain(model, picture, "grad-cam", layer="0")
    assert why.places
    assert head["size"] == [100, 140]
    assert head["window"] == window_facts(why.window, why.places[:1])
    assert head["window"]["top"] > 0
    assert head["window"]["places"][0]["rows"]["cells"][0][0] > 0.5 / 9
