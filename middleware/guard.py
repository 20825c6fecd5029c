"""The guard before one endpoint: an ASGI app that lets a connection through to another, or refuses it."""

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from .access import Access, Declaration, access_from, set_mark
from .kinds import refuse_no_app
from .refuse import refuse
from .visit import KEY, Visit, visit_of

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

WEBSOCKET = "WEBSOCKET"
"""Stands for WebSockets where a table or a guard speaks of methods."""


class ByMethod(dict[str | None, Access | None]):
    """Method → access. A WebSocket has no method, so no request passes for one; ``get`` counts as ``GET``."""

    def __init__(self, by_method: Mapping[str, Access | None], otherwise: Access | None) -> None:
        super().__init__({None if method == WEBSOCKET else method: access for method, access in by_method.items()})
        self._otherwise = otherwise

    def __missing__(self, method: str | None) -> Access | None:
        return self._otherwise if method is None else self.get(method.upper(), self._otherwise)


class Guard:
    """Guards ``app``: by one access for every method, or by one a method with ``access`` for all others."""

    def __init__(
        self, app: ASGIApp, access: Access | None, by_method: Mapping[str, Access | None] | None = None
    ) -> None:
        self.app = app
        self.__name__ = str(getattr(app, "__name__", type(app).__name__))  # routes are called after their endpoints
        self.access = access
        self._by_method = ByMethod(by_method, access) if by_method else None
        if access is not None:
            set_mark(self, access)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Whom the guard knows it hands to the app at once, without a coroutine of its own in between."""
        access = self.access
        if self._by_method is not None:
            access = self._by_method[scope.get("method")]
        try:
            visit = scope[KEY]
        except KeyError:
            visit = None
        if type(visit) is Visit and access is not None and visit.passes(access):
            return self.app(scope, receive, send)
        return self._ask(access, scope, receive, send)

    async def _ask(self, access: Access | None, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            refusal = await visit_of(scope).refusal(access)
            if refusal is not None:
                await refuse(scope, receive, send, refusal)
                return
        await self.app(scope, receive, send)

    @property
    def routes(self) -> "list[BaseRoute]":
        """The guarded app's routes, so that URLs can still be built through a guarded mount."""
        return list(getattr(self.app, "routes", None) or ())


def protect(app: ASGIApp, declaration: Declaration) -> Guard:
    """Guard any ASGI app, mounted or not: ``Mount("/reports", app=protect(reports, "reports:read"))``.

    :param declaration: ``requires(…)``, ``optional``, ``public``, or a scope or rule as a short form of ``requires``.
    :raises RuleError: when it is none of them, or ``app`` is a route or an endpoint function.
    """
    refuse_no_app(app)
    return Guard(app, access_from(declaration))
