"""The inspector's server started: on this machine alone unless told otherwise, then opened."""

import socket
import threading
import webbrowser
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from typing import TYPE_CHECKING

from rlvis.errors import InputError
from rlvis.inspector.security import Guard

if TYPE_CHECKING:
    from starlette.applications import Starlette

USUAL_PORT = 7531
"""The first that is tried: bookmarks belong to an address and its port."""

_TRIED = 20
_MOST_MESSAGE = 1 << 16
_PATIENCE = 5.0
"""Seconds that a browser has to come for the reason why nothing could be opened."""


def check_installed() -> None:
    """Whether what the inspector needs is there.

    Raises:
        InputError: if it is not.
    """
    for name in ("starlette", "uvicorn", "websockets"):
        if find_spec(name) is None:
            raise InputError(
                f"the inspector needs {name}; install it with: pip install 'rlvis[inspector]'"
            )


def serve(
    open_app: Callable[[], "Starlette"],
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    browser: bool = True,
) -> None:
    """Serve an application until it is stopped (Ctrl-C); the page is there before it is opened.

    Args:
        open_app: makes the application; runs on a thread.
        host: the address it listens on; on any but this machine's own a token is asked for.
        port: 0 for 7531, or the next that is free.
        browser: open the page.

    Raises:
        InputError: if the port is taken, or the application cannot be made.
    """
    import uvicorn

    from rlvis.inspector.opening import Opening

    listening = _listen(host, port) if port else _listen_somewhere(host)
    bound: int = listening.getsockname()[1]

    def end() -> None:
        server.should_exit = True

    opening = Opening(open_app, end, _PATIENCE if browser else 0)
    guard = Guard(opening, host, bound)
    name = f"[{host}]" if ":" in host else host
    address = f"http://{name}:{bound}/" + (f"?token={guard.token}" if guard.token else "")
    print(f"rlvis inspect: {address}   (Ctrl-C stops it)", flush=True)
    if browser:
        threading.Timer(0.3, webbrowser.open, [address]).start()
    config = uvicorn.Config(
        guard,
        log_level="warning",
        ws="websockets-sansio",
        ws_max_size=_MOST_MESSAGE,
        access_log=False,
        ws_per_message_deflate=False,  # on one machine it costs more than it saves
    )
    server = uvicorn.Server(config)
    server.run(sockets=[listening])
    if opening.error is not None:
        raise opening.error


def _listen_somewhere(host: str) -> socket.socket:
    """A socket at the usual port, or at the next that is free."""
    for port in range(USUAL_PORT, USUAL_PORT + _TRIED):
        try:
            return _listen(host, port)
        except InputError:
            continue
    return _listen(host, 0)


def _listen(host: str, port: int) -> socket.socket:
    """A socket that is bound there.

    Raises:
        InputError: if there is no such address, or the port is taken.
    """
    with ExitStack() as failed:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            listening = failed.enter_context(socket.socket(family, kind, protocol))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(128)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError(f"cannot listen on {host}:{port} ({reason}); choose another") from None
        failed.pop_all()
    return listening
