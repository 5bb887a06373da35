"""The inspector's server: routes to what is looked at, and the page.

Whatever computes runs on threads, never on the event loop; errors of the user are one line with
status 400.
"""

import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from rlvis.errors import InputError, one_line
from rlvis.inspector.recorded_source import RecordedSource
from rlvis.inspector.security import COOKIE
from rlvis.inspector.wire import as_json, pack, quantised

PAGE = resources.files("rlvis.inspector").joinpath("static")
FONTS = resources.files("rlvis").joinpath("data/fonts")
_CACHED = "private, max-age=3600"
_AT_ONCE = 4


class Inspector:
    """The application over one source.

    Args:
        source: what is looked at.
    """

    def __init__(self, source: RecordedSource) -> None:
        self._source = source
        self._limit = anyio.CapacityLimiter(_AT_ONCE)
        self._world = ThreadPoolExecutor(1, "rlvis-world")  # OpenGL belongs to one thread
        self.app = Starlette(routes=self._routes())

    def _routes(self) -> list[Any]:
        return [
            Route("/", self._page),
            Route("/api/info", self._json(lambda _: self._source.info())),
            Route("/api/episodes", self._json(lambda _: self._source.episodes())),
            Route("/api/moments", self._json(self._moments)),
            Route("/api/episode/{number:int}", self._pack(self._episode)),
            Route("/api/frames/{number:int}", self._pack(self._frames)),
            Route("/api/views/{number:int}", self._pack(self._views, world=True)),
            Route("/api/maps/{number:int}", self._pack(self._maps)),
            Mount("/static", StaticFiles(directory=str(PAGE))),
            Mount("/fonts", StaticFiles(directory=str(FONTS))),
        ]

    async def _page(self, request: Request) -> Response:
        answer = Response(PAGE.joinpath("index.html").read_bytes(), media_type="text/html")
        answer.headers["cache-control"] = "no-cache"
        answer.headers["content-security-policy"] = (
            "default-src 'self'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; "
            "media-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        )
        if token := request.query_params.get("token"):
            answer.set_cookie(COOKIE, token, httponly=True, samesite="strict")
        return answer

    def _json(self, answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
        return self._answering(lambda request: (as_json(answer(request)), "application/json"))

    def _pack(
        self, answer: Callable[[Request], tuple[Any, Any]], *, world: bool = False
    ) -> Callable[[Request], Any]:
        def packed(request: Request) -> tuple[bytes, str]:
            return pack(*answer(request)), "application/octet-stream"

        return self._answering(packed, world)

    def _answering(
        self, answer: Callable[[Request], tuple[bytes, str]], world: bool = False
    ) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            try:
                content, kind = await self._run(answer, request, world)
            except InputError as error:
                return Response(
                    as_json({"error": str(error)}), status_code=400, media_type="application/json"
                )
            except Exception as error:  # a fault of ours: told here, its place on the terminal
                traceback.print_exc(file=sys.stderr)
                said = one_line(error) or type(error).__name__
                return Response(
                    as_json({"error": f"the server failed: {said}"}),
                    status_code=500,
                    media_type="application/json",
                )
            return Response(content, media_type=kind, headers={"cache-control": _CACHED})

        return endpoint

    async def _run(
        self, answer: Callable[[Request], tuple[bytes, str]], request: Request, world: bool
    ) -> tuple[bytes, str]:
        if not world:
            return await anyio.to_thread.run_sync(answer, request, limiter=self._limit)
        future = self._world.submit(answer, request)
        return await anyio.to_thread.run_sync(future.result, abandon_on_cancel=True)

    def _moments(self, request: Request) -> Any:
        return self._source.moments(_whole(request, "most", 20))

    def _episode(self, request: Request) -> tuple[Any, Any]:
        return self._source.episode(request.path_params["number"])

    def _frames(self, request: Request) -> tuple[Any, Any]:
        number, steps = request.path_params["number"], _steps(request)
        return {"frames": self._source.frames(number, steps)}, {"start": steps.start}

    def _views(self, request: Request) -> tuple[Any, Any]:
        number, steps = request.path_params["number"], _steps(request)
        views = self._source.views(number, steps)
        return {} if views is None else {"views": views}, {"start": steps.start}

    def _maps(self, request: Request) -> tuple[Any, Any]:
        number, steps = request.path_params["number"], _steps(request)
        method = request.query_params.get("method", "grad-cam")
        targets = request.query_params.getlist("target")
        layer = request.query_params.get("layer") or None
        maps, facts = self._source.maps(number, steps, method, targets, layer)
        count, columns = maps.shape[:2]
        levels, scale = quantised(maps.reshape(-1, *maps.shape[2:]))
        return (
            {
                "maps": levels.reshape(maps.shape),
                "scale": scale.reshape(count, columns),
            },
            {**facts, "start": steps.start},
        )


def _whole(request: Request, name: str, usual: int) -> int:
    """A whole number of a request's query.

    Raises:
        InputError: if it is none.
    """
    given = request.query_params.get(name)
    try:
        return usual if given is None else int(given)
    except ValueError:
        raise InputError(f"{name} is {given!r}; give a whole number") from None


def _steps(request: Request) -> slice:
    """The run of steps that a request asks for.

    Raises:
        InputError: if it names none.
    """
    start = _whole(request, "start", 0)
    return slice(start, _whole(request, "stop", start + 1))
