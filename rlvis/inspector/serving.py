"""The inspector's server started: on this machine alone unless told otherwise, then opened."""

import socket
import threading
import webbrowser

from rlvis.errors import InputError
from rlvis.inspector.recorded_source import RecordedSource


def serve(
    source: RecordedSource, host: str = "127.0.0.1", port: int = 0, *, browser: bool = True
) -> None:
    """Serve the inspector until it is stopped (Ctrl-C).

    Args:
        source: what is looked at.
        host: the address it listens on; on any but this machine's own a token is asked for.
        port: 0 for one that is free.
        browser: open the page.

    Raises:
        InputError: if what it needs is not installed, or the port is taken.
    """
    try:
        import uvicorn

        from rlvis.inspector.app import Inspector
        from rlvis.inspector.security import Guard
    except ModuleNotFoundError as error:
        raise InputError(
            f"the inspector needs {error.name}; install it with: pip install 'rlvis[inspector]'"
        ) from None
    listening = _listen(host, port)
    bound: int = listening.getsockname()[1]
    guard = Guard(Inspector(source).app, host, bound)
    name = f"[{host}]" if ":" in host else host
    address = f"http://{name}:{bound}/" + (f"?token={guard.token}" if guard.token else "")
    print(f"rlvis inspect: {address}   (Ctrl-C stops it)", flush=True)
    if browser:
        threading.Timer(0.3, webbrowser.open, [address]).start()
    config = uvicorn.Config(guard, log_level="warning", ws="websockets-sansio", access_log=False)
    uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    """A socket that is bound there.

    Raises:
        InputError: if there is no such address, or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot listen on {host}:{port} ({reason}); choose another") from None
    return listening
