"""The dashboard and the APIs as an app that an application mounts, over the application's own ``Keys``.

Starlette runs the lifespan of the outermost app alone, so a mounted one is not told when to start. This one starts with
its first request, or with the lifespan of the keys, and ends when they are closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from spacekey.domain.errors import ServiceUnavailable
from spacekey.middleware.rules.requirement import PUBLIC
from spacekey.server.app import running
from spacekey.server.http.errors import on_expected

UNAVAILABLE = 1013
"""Close code of a WebSocket that is to be opened again later (IANA WebSocket close codes, "Try Again Later")."""


class MountedApp:
    """ASGI app that starts itself.

    :param build: returns the app, which has not started.
    """

    __spacekey_access__ = PUBLIC  # for the application's TokenMiddleware: the routes in here have rules of their own

    def __init__(self, build: Callable[[], Starlette]) -> None:
        self._build = build
        self._app = build()
        self._starting = asyncio.Lock()
        self._ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, after the app has started. A server that serves it by itself runs its lifespan instead."""
        if scope["type"] != "lifespan":
            try:
                await self.start()
            except ServiceUnavailable as error:
                answer: ASGIApp = WebSocketClose(UNAVAILABLE)
                if scope["type"] == "http":
                    answer = await on_expected(Request(scope), error)
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def start(self) -> None:
        """Start the app unless it runs. One that has ended, or could not start, is built again.

        :raises ConfigurationError: the database's schema is not this version's.
        :raises ServiceUnavailable: the database does not answer.
        """
        if self._app.state.running:
            return
        async with self._starting:
            if self._app.state.running:
                return
            if self._task is not None:
                self._app, self._task = self._build(), None
            self._ended, started = asyncio.Event(), asyncio.get_running_loop().create_future()
            # In a task of its own: the first request ends, and its task with it.
            self._task = asyncio.create_task(_run(self._app, started, self._ended))
            await started

    async def stop(self) -> None:
        """Write what is left to write, for a bounded time, and end. A request that comes later starts it again."""
        task = self._task
        if task is not None and task.get_loop() is asyncio.get_running_loop():
            self._ended.set()
            await asyncio.gather(task, return_exceptions=True)


async def _run(app: Starlette, started: asyncio.Future[None], ended: asyncio.Event) -> None:
    try:
        async with running(app):
            if not started.done():
                started.set_result(None)
            await ended.wait()
    except Exception as error:
        if started.done():
            raise
        started.set_exception(error)
    finally:
        if not started.done():  # cancelled while it started
            started.cancel()
