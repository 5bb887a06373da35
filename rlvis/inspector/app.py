"""The inspector's application: the page, its modules and fonts, and the routes of what is shown."""

from collections.abc import Callable
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
    answers = Answers()
    return Starlette(
        routes=[
            Route("/", _page),
            answers.json("/api/info", lambda _: source.info(), world=source.draws),
            *routes(source, answers),
            Mount("/static", StaticFiles(directory=str(PAGE))),
            Mount("/fonts", StaticFiles(directory=str(FONTS))),
        ]
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
