"""Who may ask: pages of this server on this machine; from elsewhere only with the token.

A page of another site must drive nothing: it can make a browser send requests here, and names of
its own can be made to point here. So a request must name this server (Host), come from one of its
own pages where it says from which (Origin), and off the loopback carry the token.
"""

import hmac
import ipaddress
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "rlvis-token"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """An application that answers those alone who may ask.

    Args:
        app: the application.
        host: that it is served on.
        port: of it.
    """

    def __init__(self, app: App, host: str, port: int) -> None:
        self._app = app
        self.token = "" if is_loopback(host) else secrets.token_urlsafe(24)
        names = ("localhost", "127.0.0.1", "[::1]", host)
        self._hosts = {f"{name}:{port}" for name in names} if is_loopback(host) else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse with 403."""
        if scope["type"] not in ("http", "websocket") or self._may(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            kind = (b"content-type", b"text/plain; charset=utf-8")
            await send({"type": "http.response.start", "status": 403, "headers": [kind]})
            await send({"type": "http.response.body", "body": b"this server answers its own page"})

    def _may(self, scope: Scope) -> bool:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        host = headers.get("host", "").lower()
        if [name for name, _ in scope["headers"]].count(b"host") > 1:
            return False
        if self._hosts is not None and host not in self._hosts:
            return False
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host:
            return False
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return False
        return not self.token or self._has_token(scope, headers)

    def _has_token(self, scope: Scope, headers: dict[str, str]) -> bool:
        query = dict(
            part.split("=", 1)
            for part in scope["query_string"].decode("latin-1").split("&")
            if "=" in part
        )
        cookies = dict(
            part.strip().split("=", 1)
            for part in headers.get("cookie", "").split(";")
            if "=" in part
        )
        given = query.get("token") or cookies.get(COOKIE, "")
        return hmac.compare_digest(given.encode(), self.token.encode())
