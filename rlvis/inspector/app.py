"""The inspector's application: the page, and the routes of what is shown."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from threading import Lock
from typing import Any, Protocol, TypeVar

from starlette.applications import Starlette

from rlvis.inspector.answers import Answers
from rlvis.inspector.shell import page_routes


class Source(Protocol):
    """What is looked at.

    Attributes:
        draws: whether it draws with OpenGL to say what it is.
    """

    draws: bool

    def info(self) -> dict[str, Any]:
        """What it is, and what can be asked."""

    def warm_up(self) -> None:
        """Draw for the first time, which takes longer than later, ahead of the page."""


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
        """Find out what can be asked; then draw, which may go wrong where nobody looks."""
        await (answers.on_world if source.draws else answers.on_thread)(info)
        warm = asyncio.create_task(answers.on_world(source.warm_up))
        yield
        with suppress(Exception):
            await warm

    return Starlette(
        lifespan=ahead,
        routes=[
            *page_routes(),
            answers.json("/api/info", info, world=source.draws),
            *routes(source, answers),
        ],
    )
