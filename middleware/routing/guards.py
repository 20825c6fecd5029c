"""Guard in front of one endpoint: an ASGI app that passes a connection on to another, or refuses it."""

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from spacekey.middleware.request_auth import KEY, RequestAuth, auth_of
from spacekey.middleware.responses import refuse
from spacekey.middleware.rules.marks import set_mark
from spacekey.middleware.rules.requirement import IGNORED, Access

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

WEBSOCKET = "WEBSOCKET"
"""Stands for WebSockets in tables and guards, in the place of a method."""


class ByMethod(dict[str | None, Access | None]):
    """Access by method. A WebSocket has no method, so no HTTP request can pass for one; ``get`` counts as ``GET``."""

    def __init__(self, by_method: Mapping[str, Access | None], otherwise: Access | None) -> None:
        super().__init__({None if method == WEBSOCKET else method: access for method, access in by_method.items()})
        self._otherwise = otherwise

    def __missing__(self, method: str | None) -> Access | None:
        return self._otherwise if method is None else self.get(method.upper(), self._otherwise)


class Guard:
    """Guards ``app`` with one access for all methods, or with one for each method and ``access`` for all others."""

    def __init__(
        self, app: ASGIApp, access: Access | None, by_method: Mapping[str, Access | None] | None = None
    ) -> None:
        self.app = app
        self.__name__ = str(getattr(app, "__name__", type(app).__name__))  # routes take their endpoints' names
        self.access = access
        self._by_method = ByMethod(by_method, access) if by_method else None
        if access is not None:
            set_mark(self, access)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass the connection on to the app or refuse it; at once if it can be admitted without waiting."""
        access = self.access
        if self._by_method is not None:
            access = self._by_method[scope.get("method")]
            if access is IGNORED:
                return self.app(scope, receive, send)
        auth = scope.get(KEY)
        if access is not None and isinstance(auth, RequestAuth) and auth.authorize_cached(access, scope):
            return self.app(scope, receive, send)
        return self._authorize(access, scope, receive, send)

    async def _authorize(self, access: Access | None, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            refusal = await auth_of(scope).authorize(access, scope)
            if refusal is not None:
                await refuse(scope, receive, send, refusal)
                return
        await self.app(scope, receive, send)

    @property
    def routes(self) -> "list[BaseRoute]":
        """The guarded app's routes, so that URLs can still be built through a guarded mount."""
        return list(getattr(self.app, "routes", None) or ())


class RouteGuard(Guard):
    """Guard that the middleware put in place after a scan, unlike those in an app's own code."""

    def __init__(
        self,
        app: ASGIApp,
        access: Access | None,
        by_method: Mapping[str, Access | None] | None = None,
        *,
        owner: object,
    ) -> None:
        super().__init__(app, access, by_method)
        self.owner = owner


def guard_of(app: object) -> RouteGuard | None:
    """Return ``app`` if it is a guard that the middleware put in place, else None."""
    return app if isinstance(app, RouteGuard) else None


def unguarded(app: ASGIApp) -> ASGIApp:
    """Return the app without the guards that the middleware put around it."""
    while (guard := guard_of(app)) is not None:
        app = guard.app
    return app
