"""The page as it is served: its document, modules and fonts, whatever is shown."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from rlvis.inspector.page import FONTS, PAGE
from rlvis.inspector.security import COOKIE

_POLICY = (
    "default-src 'self'; script-src 'self'; img-src 'self' blob: data:; "
    "style-src 'self' 'unsafe-inline'; media-src 'self' blob:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


def page_routes() -> list[Any]:
    """The routes of the page."""
    return [
        Route("/", _page),
        Mount("/static", StaticFiles(directory=str(PAGE))),
        Mount("/fonts", StaticFiles(directory=str(FONTS))),
    ]


async def _page(request: Request) -> Response:
    answer = Response(PAGE.joinpath("index.html").read_bytes(), media_type="text/html")
    answer.headers["cache-control"] = "no-cache"
    answer.headers["x-content-type-options"] = "nosniff"
    answer.headers["referrer-policy"] = "no-referrer"
    answer.headers["content-security-policy"] = _POLICY
    if token := request.query_params.get("token"):
        answer.set_cookie(COOKIE, token, httponly=True, samesite="strict")
    return answer
