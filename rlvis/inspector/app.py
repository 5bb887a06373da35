"""The inspector's application: the page, its modules and fonts, and the routes of what is shown."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from threading import Lock
from typing import Any, Protocol, TypeVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from rlvis.inspector.answers import Answers
from rlvis.inspector.page import FONTS, PAGE
from rlvis.inspector.security import COOKIE


class Source(Protocol):
    """What is looked at.

    Attributes:
        draws: whether it draws with OpenGL to say what it is.
    """

    draws: bool

    def info(self) -> dict[str, Any]:
        """What it is, and what can be asked."""


Of = TypeVar("Of", bound=Source)


def build_app(source: Of, routes: Callable[[Of, Answers], list[Any]]) -> Starlette:
    """The application over what is looked at.

    Args:
        source: it.
        routes: makes the routes of the questions that it answers.
    """
    answers, alone = Answers(), Lock()

    def info(_: object = None) -> dict[str, Any]:
        with alone:
            return source.info()

    @asynccontextmanager
    async def ahead(_: Starlette) -> AsyncIterator[None]:
        """Find out what can be asked before a page asks; what goes wrong is told to the page."""
        run = answers.on_world if source.draws else answers.on_thread
        found = asyncio.gather(run(info), return_exceptions=True)
        yield
        await found

    return Starlette(
        lifespan=ahead,
        routes=[
            Route("/", _page),
            answers.json("/api/info", info, world=source.draws),
            *routes(source, answers),
            Mount("/static", StaticFiles(directory=str(PAGE))),
            Mount("/fonts", StaticFiles(directory=str(FONTS))),
        ],
    )


async def _page(request: Request) -> Response:
    content = PAGE.joinpath("index.html").read_bytes()
    answer = Response(content, media_type="text/html")
    answer.headers["cache-control"] = "no-cache"
    answer.headers["x-content-type-options"] = "nosniff"
    answer.headers["referrer-policy"] = "no-referrer"
    answer.headers["content-security-policy"] = (
        "default-src 'self'; script-src 'self'; img-src 'self' blob: data:; "
        "style-src 'self' 'unsafe-inline'; media-src 'self' blob:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
    if token := request.query_params.get("token"):
        answer.set_cookie(COOKIE, token, httponly=True, samesite="strict")
    return answer
