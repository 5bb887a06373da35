"""How the server answers: computed on threads, never on the event loop.

Errors are one line; see `faults`. Whatever draws with OpenGL runs on one thread, to which its
contexts belong.
"""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rlvis.inspector.faults import REFUSED, UnreadableError, fault
from rlvis.inspector.wire import as_json, pack

MOST_BODY = 1 << 16
"""Bytes of a question, where it brings no picture."""

_AT_ONCE = 4
_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}

Content = tuple[bytes, str]
Found = TypeVar("Found")


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        path: the parameters in the path.
        query: those behind it.
        body: what was posted.
    """

    path: Mapping[str, Any]
    query: QueryParams
    body: bytes = b""

    def whole(self, name: str, usual: int | None = None) -> int:
        """A whole number of the query.

        Raises:
            UnreadableError: if it is none, or missing where nothing is usual.
        """
        given = self.query.get(name)
        try:
            return usual if given is None and usual is not None else int(given or "")
        except ValueError:
            raise UnreadableError(f"{name} is {given!r}; give a whole number") from None

    def text(self, name: str) -> str:
        """A text of the query.

        Raises:
            UnreadableError: if it is missing.
        """
        if not self.query.get(name):
            raise UnreadableError(f"give {name}")
        return str(self.query[name])

    def steps(self) -> slice:
        """The run of steps that is asked for.

        Raises:
            UnreadableError: if it names none.
        """
        start = self.whole("start", 0)
        return slice(start, self.whole("stop", start + 1))

    @property
    def posted(self) -> "Posted":
        """What was posted as JSON.

        Raises:
            UnreadableError: if it is no JSON object.
        """
        try:
            said = json.loads(self.body)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise UnreadableError("post a JSON object")
        return Posted(said)


@dataclass(frozen=True)
class Posted:
    """A JSON object of the page, whose entries are what they must be or refused.

    Attributes:
        said: the object.
    """

    said: Mapping[str, Any]

    def get(self, name: str, kind: type[Found]) -> Found:
        """An entry of a kind.

        Raises:
            UnreadableError: if it is missing or of another kind.
        """
        value = self.said.get(name)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            what = _KINDS.get(kind, "another")
            raise UnreadableError(f"{name} is {str(value)[:80]!r}; give {what}")
        return value

    def texts(self, name: str) -> list[str]:
        """A list of texts, empty where it is missing; see `get`."""
        return [str(each) for each in self._list(name)]

    def wholes(self, name: str) -> list[int]:
        """A list of whole numbers, empty where it is missing; see `get`."""
        return [Posted({name: each}).get(name, int) for each in self._list(name)]

    def objects(self, name: str) -> list[dict[str, Any]]:
        """A list of objects, empty where it is missing; see `get`."""
        return [Posted({name: each}).get(name, dict) for each in self._list(name)]

    def _list(self, name: str) -> list[Any]:
        return self.get(name, list) if name in self.said else []


_KINDS: Mapping[type, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    list: "a list",
    dict: "an object",
}


class Answers:
    """Makes routes of functions that answer questions."""

    def __init__(self) -> None:
        self._limit = anyio.CapacityLimiter(_AT_ONCE)
        self._world = ThreadPoolExecutor(1, "rlvis-world")

    def json(self, path: str, answer: Callable[[Question], Any], **how: Any) -> Route:
        """A route that gives JSON; see `of`."""
        return self.of(path, lambda asked: (as_json(answer(asked)), "application/json"), **how)

    def pack(
        self,
        path: str,
        answer: Callable[[Question], tuple[Mapping[str, Any], Mapping[str, Any]]],
        **how: Any,
    ) -> Route:
        """A route that gives a pack; see `of` and `rlvis.inspector.wire`."""
        return self.of(
            path, lambda asked: (pack(*answer(asked)), "application/octet-stream"), **how
        )

    def of(
        self,
        path: str,
        answer: Callable[[Question], Content],
        *,
        world: bool = False,
        posted: bool = False,
        most: int = MOST_BODY,
    ) -> Route:
        """A route.

        Args:
            path: with its parameters.
            answer: gives the bytes and their media type.
            world: whether it draws with OpenGL.
            posted: whether it takes POST in place of GET.
            most: bytes of what is posted.
        """

        async def endpoint(request: Request) -> Response:
            try:
                body = await _bounded(request, most) if posted else b""
                asked = Question(request.path_params, request.query_params, body)
                run = self.on_world if world else self.on_thread
                content, kind = await run(lambda: answer(asked))
            except Exception as error:  # told in the page, whatever it is
                said, status = fault(error)
                headers = {**_HEADERS, REFUSED: "1"}
                return Response(as_json({"error": said}), status, headers, "application/json")
            return Response(content, 200, _HEADERS, kind)

        return Route(path, endpoint, methods=["POST"] if posted else ["GET"])

    async def on_thread(self, work: Callable[[], Found]) -> Found:
        """What work gives, on one of a few threads."""
        return await anyio.to_thread.run_sync(work, limiter=self._limit)

    async def on_world(self, work: Callable[[], Found]) -> Found:
        """What work gives on the thread to which OpenGL belongs."""
        future = self._world.submit(work)
        return await anyio.to_thread.run_sync(future.result, abandon_on_cancel=True)


async def _bounded(request: Request, most: int) -> bytes:
    """The body of a request.

    Raises:
        UnreadableError: if it is longer than `most` bytes.
    """
    parts, length = [], 0
    async for part in request.stream():
        parts.append(part)
        length += len(part)
        if length > most:
            raise UnreadableError(f"more than {most} bytes; send less")
    return b"".join(parts)
