"""Whom the inspector's server answers, what it reads, and what harm a client can do: none."""

import asyncio
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor, nn

import rlvis

pytest.importorskip("starlette")
pytest.importorskip("httpx")

from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

import tests.worlds  # noqa: F401 - registers them
from rlvis.inspector.app import build_app
from rlvis.inspector.live_line import live_routes
from rlvis.inspector.live_source import LiveSource
from rlvis.inspector.photo_source import PhotoSource, photo_routes
from rlvis.inspector.recorded_questions import recorded_routes
from rlvis.inspector.recorded_source import RecordedSource
from rlvis.inspector.security import COOKIE, Guard
from rlvis.rollouts.environments import EnvConfig
from tests.conftest import LABELS, PooledPolicy
from tests.inspected import Talk, assert_refused

HERE = "http://127.0.0.1:7531"
HOST = {"host": "127.0.0.1:7531"}


class Nervous(nn.Module):
    """Fails wherever it is asked about a dark image."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = PooledPolicy().eval()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if float(x.detach().mean()) < 0.01:
            raise RuntimeError("too dark")
        logits, value = self.inner(x)
        return logits, value


@pytest.fixture(scope="module")
def model() -> rlvis.Policy:
    return rlvis.Policy(Nervous(), LABELS, name="nervous")


@pytest.fixture(scope="module")
def recorded(model) -> Guard:
    recording = rlvis.record(model, "Corridor-v0", episodes=1, methods="none", max_steps=4)
    return Guard(build_app(RecordedSource(recording, model), recorded_routes), "127.0.0.1", 7531)


@pytest.fixture(scope="module")
def client(recorded) -> TestClient:
    return TestClient(recorded, base_url=HERE)


@pytest.fixture(scope="module")
def source(model) -> LiveSource:
    return LiveSource(model, EnvConfig("Corridor-v0", (), {}))


@pytest.fixture(scope="module")
def live(source) -> Iterator[TestClient]:
    guard = Guard(build_app(source, live_routes), "127.0.0.1", 7531)
    with TestClient(guard, base_url=HERE) as client:
        yield client


@pytest.fixture(scope="module")
def photos(model) -> TestClient:
    return TestClient(build_app(PhotoSource(model), photo_routes))


def status_of(app: Any, path: str, headers: Sequence[tuple[bytes, bytes]]) -> int:
    """The status of the answer to a request that no client makes more polite."""
    raw, _, query = path.partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": raw,
        "raw_path": raw.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": headers,
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/../../pyproject.toml",
        "/static/..\\app.py",
        "/static//etc/passwd",
        "/static/../static_elsewhere/x",
        "/static/\x00",
        "/fonts/../../errors.py",
        "/api/frames/../../etc/passwd",
    ],
)
def test_nothing_outside_the_page_is_readable(recorded, path) -> None:
    assert status_of(recorded, path, [(b"host", b"127.0.0.1:7531")]) == 404
    encoded = path.replace("..", "%2e%2e")
    assert status_of(recorded, encoded, [(b"host", b"127.0.0.1:7531")]) == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example:7531"},
        {"host": "127.0.0.1:80"},
        {"host": "127.0.0.1"},
        {"host": "127.0.0.1.:7531"},
        {"host": "127.0.0.1:7531@evil.example"},
        {"host": "[::1]:80"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://127.0.0.1:80"},
        {"origin": "http://127.0.0.1.evil.example:7531"},
        {"origin": "http://[::1]:7531"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_pages_of_others_are_refused(client, live, headers) -> None:
    assert client.get("/api/info", headers=headers).status_code == 403
    assert client.post("/api/edit", headers=headers, json={}).status_code == 403
    with (
        pytest.raises(WebSocketDisconnect),
        live.websocket_connect("/api/live", headers={**HOST, **headers}) as socket,
    ):
        socket.receive_bytes()


@pytest.mark.parametrize("host", ["127.0.0.1:7531", "LOCALHOST:7531", "[::1]:7531"])
def test_its_own_page_is_answered_by_all_its_names(client, host) -> None:
    own = {"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"}
    assert client.get("/api/info", headers=own).json()["kind"] == "recording"
    page = client.get("/", headers=own)
    assert "script-src 'self'" in page.headers["content-security-policy"]


def test_of_two_hosts_none_is_believed(recorded) -> None:
    for second in (b"127.0.0.1:7531", b"evil.example"):
        headers = [(b"host", second), (b"host", b"127.0.0.1:7531")]
        assert status_of(recorded, "/", headers) == 403
        assert status_of(recorded, "/", headers[::-1]) == 403


def test_off_the_loopback_a_token_is_asked_for(recorded) -> None:
    guard = Guard(recorded._app, "0.0.0.0", 7531)
    there = TestClient(guard, base_url="http://192.0.2.7:7531")
    token = guard.token
    assert len(token) >= 24
    refused: list[tuple[str, dict[str, str]]] = [
        ("/api/info", {}),
        ("/api/info?token=wrong", {}),
        ("/api/info?token=", {}),
        ("/api/info?tokens=" + token, {}),
        ("/api/info", {"cookie": f"{COOKIE}=wrong"}),
        ("/api/info", {"cookie": f"other={token}"}),
        ("/api/info", {"authorization": f"Bearer {token}"}),
        (f"/{token}/api/info", {}),
    ]
    for path, headers in refused:
        assert there.get(path, headers=headers).status_code == 403, (path, headers)
    strange = [(b"host", b"192.0.2.7:7531"), (b"cookie", f"{COOKIE}=é".encode())]
    assert status_of(guard, "/api/info", strange) == 403
    assert there.get(f"/?token={token}").status_code == 200
    assert there.get("/api/info", headers={"cookie": f"{COOKIE}={token}"}).status_code == 200


def test_off_the_loopback_a_line_needs_the_token_too(source, live) -> None:
    guard = Guard(live.app._app, "0.0.0.0", 7531)
    there = TestClient(guard, base_url="http://192.0.2.7:7531")
    with pytest.raises(WebSocketDisconnect), there.websocket_connect("/api/live") as socket:
        socket.receive_bytes()
    cookie = {"cookie": f"{COOKIE}={guard.token}"}
    with there.websocket_connect("/api/live", headers=cookie) as socket:
        head, _ = Talk(socket, {}).ask("look")
    assert head["step"] == 0


def packed_png(width: int, height: int) -> bytes:
    """A small file of many black pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        length, code = len(content).to_bytes(4, "big"), zlib.crc32(checked).to_bytes(4, "big")
        return length + checked + code

    sizes = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    row = bytes(1 + (width + 7) // 8)
    packer, packed = zlib.compressobj(9), b""
    for _ in range(height):
        packed += packer.compress(row)
    packed += packer.flush()
    head, end = chunk(b"IHDR", sizes + bytes([1, 0, 0, 0, 0])), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", packed) + end


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 200),
        (b"no picture", 200),
        (b"\x89PNG\r\n\x1a\n", 200),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 200),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', 200),
        (packed_png(9000, 9000), 200),
        (packed_png(65_000, 1), 200),
        (bytes(20_000_001), 400),
        (bytes(60_000_000), 400),
    ],
    ids=["empty", "text", "cut off", "eps", "svg", "bomb", "flat", "20 MB", "60 MB"],
)
def test_what_is_no_photo_is_refused_in_one_line(photos, content, status) -> None:
    answer = photos.post("/api/photo?method=saliency", content=content)
    assert_refused(answer, status)
    assert "/tmp" not in answer.json()["error"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"[" * 5000,
        b"\xff",
        json.dumps({"edits": 3}).encode(),
        json.dumps({"episode": True, "step": 1e400, "edits": []}).encode(),
        b"x" * 100_000,
    ],
)
def test_a_body_that_cannot_be_read_is_told_so(client, body) -> None:
    assert_refused(client.post("/api/edit", content=body), 400)


@pytest.mark.parametrize("path", ["/api/edit", "/api/info", "/api/maps/0", "/", "/static/main.js"])
def test_another_verb_does_nothing(client, path) -> None:
    verb = client.get if path == "/api/edit" else client.put
    assert verb(path).status_code == 405


def test_a_network_that_fails_is_told_and_the_next_question_answered(photos, capsys) -> None:
    def sent(shade: int) -> Any:
        buffer = BytesIO()
        Image.fromarray(np.full((24, 32, 3), shade, np.uint8)).save(buffer, "PNG")
        return photos.post("/api/photo?method=saliency", content=buffer.getvalue())

    assert_refused(sent(0), 500)
    assert "too dark" in capsys.readouterr().err
    assert "rlvis-refused" not in sent(200).headers


def test_a_failure_of_ours_is_told_and_the_next_question_answered(client, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a fault\nof ours")

    monkeypatch.setattr(RecordedSource, "frames", fail)
    assert_refused(client.get("/api/frames/0"), 500)
    monkeypatch.undo()
    assert client.get("/api/frames/0").status_code == 200


def test_a_world_ends_with_its_page_whatever_it_does(live, source) -> None:
    for last in ({"do": "play", "speed": 60}, {"do": "until", "condition": "step > 99"}, None):
        with live.websocket_connect("/api/live", headers=HOST) as socket:
            Talk(socket, {}).ask("look")
            if last:
                socket.send_text(json.dumps({"id": 2, **last, "want": {"methods": ["saliency"]}}))
    with live.websocket_connect("/api/live", headers=HOST) as socket:
        Talk(socket, {}).ask("look")
        assert len(source._worlds) == 1


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '{"id": "x"}', '{"id": 1}', '{"id": 1, "do": ["look"]}', "é" * 900]
)
def test_what_is_no_message_is_told_and_the_line_stays(live, text) -> None:
    with live.websocket_connect("/api/live", headers=HOST) as socket:
        socket.send_text(text)
        with suppress(KeyError):
            socket.receive_bytes()
        head, _ = Talk(socket, {}).ask("look")
        assert "error" not in head


def test_bytes_in_place_of_a_message_end_the_line_alone(live) -> None:
    with live.websocket_connect("/api/live", headers=HOST) as socket:
        socket.send_bytes(b"\x00")
        with pytest.raises(WebSocketDisconnect):
            socket.receive_bytes()
    assert live.get("/api/info").status_code == 200
