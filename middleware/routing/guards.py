"""Guard in front of one endpoint: an ASGI app that passes a connection on to another, or refuses it.

A guard is put inside of Starlette's ``CORSMiddleware`` wherever the two meet: browsers send preflights without
credentials, and hide a refusal from the page if it lacks the headers that the middleware adds. Of all requests, the
middleware answers preflights alone by itself, so nothing behind it is reached without the guard.
"""

import copy
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from spacekey.middleware.request_auth import KEY, ROUTE_NAME, RequestAuth, auth_of
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


class AppGuard(Guard):
    """Guard that an app's own code put around another app, and may hand on as one."""

    def __getattr__(self, name: str) -> NoReturn:
        """Say what a guarded app is not; a FastAPI app asks for a router's attributes when it includes it.

        :raises AttributeError: always.
        """
        raise AttributeError(
            f"a guarded app has no attribute {name!r}: it can be mounted, and not included; for a router write "
            "APIRouter(dependencies=[RequireScopes(…)]), or name its paths in TokenMiddleware(rules=…)"
        )


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


class LimitedRouteGuard(RouteGuard):
    """Guard of a route with a limit of its own, whose name it puts into the scope.

    :param names: the route's name by method, with ``*`` for any other.
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access | None,
        by_method: Mapping[str, Access | None],
        *,
        owner: object,
        names: Mapping[str, str],
    ) -> None:
        super().__init__(app, access, by_method, owner=owner)
        self._names = names

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Name the route, and pass the connection on or refuse it."""
        method = scope["method"].upper() if "method" in scope else WEBSOCKET
        scope[ROUTE_NAME] = self._names.get(method) or self._names["*"]
        return super().__call__(scope, receive, send)


def guarded(app: ASGIApp, access: Access) -> ASGIApp:
    """Return the app inside a guard; of a ``CORSMiddleware``, a copy with the guard inside."""
    if type(app) is not CORSMiddleware:
        return AppGuard(app, access)
    outside = copy.copy(app)
    outside.app = guarded(app.app, access)
    return outside


def guard_of(app: object) -> RouteGuard | None:
    """Return ``app`` if it is a guard that the middleware put in place, else None."""
    return app if isinstance(app, RouteGuard) else None


def unguarded(app: ASGIApp) -> ASGIApp:
    """Return the app without the guards that the middleware put around it."""
    while (guard := guard_of(app)) is not None:
        app = guard.app
    return app


def inside_cors(holder: Any, attribute: str) -> tuple[Any, str]:
    """Return where to put a guard around the app in ``holder.attribute``: the innermost ``CORSMiddleware``, or there.

    :returns: an object and the name of its attribute that has the app.
    """
    while type(found := unguarded(getattr(holder, attribute))) is CORSMiddleware:
        holder, attribute = found, "app"
    return holder, attribute


def without_cors(app: ASGIApp) -> ASGIApp:
    """Return the app inside of the guards that the middleware put in place and of each ``CORSMiddleware``."""
    while type(found := unguarded(app)) is CORSMiddleware:
        app = found.app
    return found
