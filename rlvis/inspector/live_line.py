"""The line between the page and a world that runs: messages up, packs down.

Every connection has a world of its own. What is asked waits in line; of moves of one object the
latest counts, so that a drag never lags behind the hand.
"""

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from rlvis.inspector.answers import Answers, Posted, Question
from rlvis.inspector.audited import audit_routes
from rlvis.inspector.faults import fault
from rlvis.inspector.futures import Chance
from rlvis.inspector.live_messages import obey
from rlvis.inspector.live_source import LiveSource
from rlvis.inspector.live_world import LiveWorld
from rlvis.inspector.unit_questions import posted_edits, posted_place, unit_routes
from rlvis.inspector.wire import pack
from rlvis.rollouts.conditions import Condition

MOST_WORLDS = 8
"""That run at once."""

_MOST_WAITING = 64
_FASTEST = 60.0


def live_routes(source: LiveSource, answers: Answers) -> list[Any]:
    """The routes of a world that runs: a line to it, and questions about its moment."""
    running: set[WebSocket] = set()

    async def live(socket: WebSocket) -> None:
        await socket.accept()
        if len(running) >= MOST_WORLDS:
            await _refuse(socket, f"{MOST_WORLDS} worlds run already; close another page")
            return
        running.add(socket)
        try:
            await _Line(socket, source, answers).run()
        finally:
            running.discard(socket)

    def still(of: Question) -> tuple[bytes, str]:
        names = {"methods": "method", "targets": "target"}
        want = {name: of.query.getlist(each) for name, each in names.items()}
        place = of.whole("episode"), of.whole("step")
        return source.still(place, {**want, "layer": of.query.get("layer")}), "image/png"

    def play(of: Question) -> Mapping[str, Any]:
        return source.play_with(posted_place(of), posted_edits(of), Chance.read(of.posted))

    return [
        WebSocketRoute("/api/live", live),
        *unit_routes(source, answers),
        *audit_routes(source.audit, answers),
        answers.json("/api/edit/play", play, posted=True, world=True),
        answers.of("/api/still", still, world=True),
    ]


async def _refuse(socket: WebSocket, why: str) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        await socket.send_bytes(pack({}, {"id": 0, "error": why}))
        await socket.close()


@dataclass
class _Playing:
    """The policy acts until stopped.

    Attributes:
        pause: seconds between steps.
        until: what ends it, too.
    """

    pause: float
    until: Condition | None = None


@dataclass
class _Line:
    """One connection and its world."""

    socket: WebSocket
    source: LiveSource
    answers: Answers
    waiting: deque[dict[str, Any]] = field(default_factory=deque)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    playing: _Playing | None = None
    want: dict[str, Any] = field(default_factory=dict)
    last: int = 0

    async def run(self) -> None:
        """Answer until the page leaves."""
        reading = asyncio.create_task(self._read())
        world: LiveWorld | None = None
        try:
            try:
                world = await self.answers.on_world(self.source.open)
            except Exception as error:  # told in the page, whatever it is
                await _refuse(self.socket, fault(error)[0])
                return
            while not reading.done():
                await self._turn(world)
        except (WebSocketDisconnect, RuntimeError):
            pass  # the page left while it was answered
        finally:
            reading.cancel()
            if world is not None:
                await self.answers.on_world(lambda: self.source.close(world))
            with suppress(WebSocketDisconnect, RuntimeError):
                await self.socket.close()

    async def _read(self) -> None:
        try:
            while True:
                self._take(await self.socket.receive_text())
        except (WebSocketDisconnect, RuntimeError, KeyError):
            pass
        finally:
            self.asked.set()

    def _take(self, text: str) -> None:
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict) or not isinstance(said.get("id"), int):
            said = {"id": self.last, "do": "nothing that can be read"}
        name = said.get("name")
        if said.get("do") == "move":
            self.waiting = deque(
                each
                for each in self.waiting
                if each.get("do") != "move" or each.get("name") != name
            )
        if len(self.waiting) < _MOST_WAITING:
            self.waiting.append(said)
        self.asked.set()

    async def _turn(self, world: LiveWorld) -> None:
        """Answer a message, or play a step where none waits."""
        if self.waiting:
            await self._send(world, self.waiting.popleft())
        elif self.playing is not None:
            await self._play(world, self.playing)
        else:
            self.asked.clear()
            if not self.waiting:
                await self.asked.wait()

    async def _play(self, world: LiveWorld, playing: _Playing) -> None:
        self.asked.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.asked.wait(), playing.pause)
        if not self.waiting:
            await self._send(world, {"id": self.last, "do": "step"})

    async def _send(self, world: LiveWorld, said: dict[str, Any]) -> None:
        self.last = said["id"]
        if isinstance(said.get("want"), dict):
            self.want = said["want"]
        try:
            content = await self.answers.on_world(lambda: self._answer(world, Posted(said)))
        except Exception as error:  # told in the page, whatever it is
            self.playing = None
            content = pack({}, {"id": self.last, "error": fault(error)[0], "playing": False})
        await self.socket.send_bytes(content)

    def _answer(self, world: LiveWorld, said: Posted) -> bytes:
        what, more = said.said.get("do"), {}
        if what == "play":
            speed = said.get("speed", float)
            self.playing = _Playing(1 / min(max(speed, 0.1), _FASTEST))
        elif what == "until":
            until = Condition.read(said.get("condition", str), "condition", "margin < 0.1")
            world.number_called(until.name)
            self.playing = _Playing(1 / _FASTEST, until)
        elif what == "stop":
            self.playing = None
        else:
            more = obey(world, said)
        if world.ended or (what == "step" and self._holds(world)):
            self.playing = None
        more = {**more, "id": self.last, "playing": self.playing is not None}
        return pack(*self.source.answer(world, self.want, more))

    def _holds(self, world: LiveWorld) -> bool:
        """Whether what it plays on for has come."""
        until = self.playing.until if self.playing else None
        return until is not None and bool(until.compare(world.number_called(until.name)))
