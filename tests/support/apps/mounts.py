"""Ways in which a path comes in front of an app: a host application, a server's root path, proxies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import quote, unquote

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Receive, Scope, Send

BASES = ("", "/keys", "/a/b%20c")
"""Base paths that everything is tried under, as they are written in URLs."""
NASTY = "/a%20b/%22%3E%3Cscript%3E&amp;'%E2%82%AC"
"""A base path with characters that mean something in HTML, in URLs and in headers."""


def host_of(
    *apps: tuple[str, Starlette], middleware: Sequence[Middleware] = (), routes: Sequence[BaseRoute] = ()
) -> Starlette:
    """A host application with apps mounted below paths, as they are written in URLs; its lifespan runs theirs."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for _path, app in apps:
                await stack.enter_async_context(app.router.lifespan_context(app))
            yield

    mounts = [Mount(unquote(path), app) for path, app in apps]
    return Starlette(routes=[*routes, *mounts], middleware=middleware, lifespan=lifespan)


class Proxy:
    """Proxy that passes on what is below a path, and answers 404 elsewhere.

    :param keeps: whether it leaves the path in front of what it passes on, or takes it away.
    """

    def __init__(self, app: ASGIApp, path: str, *, keeps: bool) -> None:
        self.app = app
        self._path = unquote(path)
        self._keeps = keeps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif path != self._path and not path.startswith(f"{self._path}/"):
            await PlainTextResponse("nothing here", 404)(scope, receive, send)
        else:
            rest = path if self._keeps else path.removeprefix(self._path) or "/"
            await self.app({**scope, "path": rest, "raw_path": quote(rest).encode()}, receive, send)
