"""The page before what it shows: served at once, while that is opened on a thread.

PyTorch alone takes seconds to load, a page a tenth of one. Questions wait until they can be
answered; where nothing can be opened they are told why, and the server ends.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount

from rlvis.inspector.faults import REFUSED, fault
from rlvis.inspector.security import Receive, Scope, Send
from rlvis.inspector.shell import page_routes


class Opening:
    """An application that is there before what it answers from.

    Args:
        open_app: makes the application that answers questions; runs on a thread.
        ended: called where that fails, once a page was told or none came for it.
        patience: seconds to wait for such a page.

    Attributes:
        error: why it failed, None while it did not.
    """

    def __init__(
        self, open_app: Callable[[], Starlette], ended: Callable[[], None], patience: float
    ) -> None:
        self._open_app, self._ended, self._patience = open_app, ended, patience
        self.error: Exception | None = None
        self._app: Starlette | None = None
        self._settled, self._told = asyncio.Event(), asyncio.Event()
        routes = [*page_routes(), Mount("", self._answer)]
        self._page = Starlette(routes=routes, lifespan=self._lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The page at once, answers when they can be given."""
        await self._page(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        closing = asyncio.Event()
        opening = asyncio.create_task(self._open(closing))
        yield
        closing.set()
        await opening

    async def _open(self, closing: asyncio.Event) -> None:
        try:
            app = await asyncio.to_thread(self._open_app)
            async with app.router.lifespan_context(app):
                self._app = app
                self._settled.set()
                await closing.wait()
        except Exception as error:  # told in the page and by the command, whatever it is
            self.error = error
            self._settled.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), self._patience)
            self._ended()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._settled.wait()
        if self._app is not None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1011})
        elif self.error is not None:
            said, status = fault(self.error)
            await JSONResponse({"error": said}, status, {REFUSED: "1"})(scope, receive, send)
            self._told.set()
