"""What tests of the inspector's server share: reading its answers, talking with a live world."""

import json
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvis.inspector.faults import REFUSED

if TYPE_CHECKING:
    from starlette.testclient import TestClient

WANT = {"methods": ["cam"], "targets": ["left", "chosen"], "plan": [120, 90]}


def unpacked(content: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A pack, read as its format says."""
    (length,) = struct.unpack("<I", content[:4])
    head, place, arrays = json.loads(content[4 : 4 + length]), 4 + length, {}
    for each in head.pop("arrays"):
        count = int(np.prod(each["shape"]))
        dtype = np.dtype(each["dtype"])
        arrays[each["name"]] = np.frombuffer(content, dtype, count, place).reshape(each["shape"])
        place += -(-count * dtype.itemsize // 8) * 8
    assert place == len(content)
    return head, arrays


def got(
    client: "TestClient", path: str, **query: Any
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    assert REFUSED not in answer.headers, answer.text
    return unpacked(answer.content)


def assert_refused(answer: Any, status: int = 200) -> None:
    """It is the reason why there is no answer, in one line."""
    assert answer.status_code == status, answer.text
    assert answer.headers[REFUSED]
    assert answer.json()["error"]
    assert "\n" not in answer.json()["error"]


class Talk:
    """A page that asks and waits."""

    def __init__(self, socket: Any, want: Mapping[str, Any] | None = None) -> None:
        self._socket, self._id, self._want = socket, 0, want or WANT

    def ask(self, do: str, **more: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        self._id += 1
        self._socket.send_text(json.dumps({"id": self._id, "do": do, "want": self._want, **more}))
        head, arrays = unpacked(self._socket.receive_bytes())
        assert head["id"] == self._id
        return head, arrays
