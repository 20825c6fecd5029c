"""Walk an app's routes down to the places where a request leaves routing and enters somebody's code.

Every such place is a :class:`Leaf`. Routing itself (matching, methods, slashes, hosts) stays Starlette's: a guard is
put where the matched route hands over, so nothing that routing does can lead around it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.routing import BaseRoute, Host, Mount, Route, Router, WebSocketRoute
from starlette.types import ASGIApp

from spacekey.domain.errors import ConfigurationError

from .access import MARK, Access, Openness, Requirement, access_of, combined, public, requires
from .as_usual import connects_as_usual, dispatches_as_usual, of_a_framework, routes_as_usual
from .guard import WEBSOCKET, Guard
from .watched import Extent

ANY = "*"
"""Any method."""

DEPTH_MAX = 50

Wrap = Callable[[ASGIApp], ASGIApp]


class Holder(Protocol):
    """What wraps an app and keeps it in ``app``."""

    app: ASGIApp


@dataclass(frozen=True, slots=True)
class Leaf:
    """One place to guard.

    :param path: the whole path template, mounts and host included.
    :param declared: method → what its endpoint declares, None for nothing; :data:`ANY` for whatever method.
    :param parameters: names of the path parameters known there.
    :param key: the same for two leaves that are one object, reached by two paths.
    :param otherwise: for methods beyond the declared ones; openness where the endpoint itself answers them with 405.
    :param put: puts a guard there: called with what makes the guarded app of the bare one.
    """

    path: str
    declared: dict[str, Access | None]
    parameters: frozenset[str]
    key: int
    put: Callable[[Wrap], None]
    otherwise: Access | None = None


@dataclass(slots=True)
class Walk:
    """A walk's result: the leaves, and what was read, so that later additions are noticed."""

    leaves: list[Leaf] = field(default_factory=list)
    routers: dict[int, Router] = field(default_factory=dict)
    lists: list[Sequence[object]] = field(default_factory=list)
    versions: list[Callable[[], int]] = field(default_factory=list)

    def extent(self) -> Extent:
        """What was read, watched from now on."""
        return Extent(self.routers.values(), [*self.versions, *(routes.__len__ for routes in self.lists)])

    def whole(self, holder: Holder, access: Access | None) -> None:
        """Add all that is behind a middleware, whose routes cannot be seen, as one leaf."""
        name = getattr(holder.app, "__qualname__", type(holder.app).__qualname__)
        self._add(
            f"/{{path:path}} (all of {name}, whose routes cannot be seen)", {ANY: access}, frozenset(), holder, "app"
        )

    def router(self, app: Router | Starlette, prefix: str = "", parameters: frozenset[str] = frozenset()) -> Walk:
        """Add everything that a router leads to."""
        if prefix.count("/") > DEPTH_MAX:
            raise ConfigurationError(f"routes are nested more than {DEPTH_MAX} deep at {prefix[:80]}…")
        router = app.router if isinstance(app, Starlette) else app
        self.routers[id(router)] = router
        for route in router.routes:
            self._route(route, prefix, parameters)
        self._low_priority(router, prefix, parameters)
        default = bare(router.default)
        if getattr(default, "__self__", None) is not router or not of_a_framework(default):
            declared = {ANY: access_of(default)}
            self._add(f"{prefix}/{{path:path}}", declared, parameters, router, "default")
        return self

    def _route(self, route: object, prefix: str, parameters: frozenset[str]) -> None:
        as_usual = isinstance(route, BaseRoute) and of_a_framework(type(route).handle)
        if isinstance(route, Mount) and as_usual:
            inner = parameters | route.param_convertors.keys()
            self._mounted(route, getattr(route, "_base_app", route.app), prefix + route.path, inner)
        elif isinstance(route, Host) and as_usual:
            self._mounted(route, route.app, route.host + prefix, parameters | route.param_convertors.keys())
        elif isinstance(route, Route | WebSocketRoute) and as_usual:
            known = parameters | route.param_convertors.keys()
            declared = declared_by(route)
            by_handler = isinstance(route.endpoint, type) and ANY not in declared and not route_methods(route)
            self._add(prefix + route.path, declared, known, route, "app", public if by_handler else None)
        elif hasattr(route, "effective_candidates"):
            self._included(route, prefix, parameters)
        elif isinstance(route, BaseRoute):
            self._opaque_route(route, prefix, parameters)

    def _included(self, included: Any, prefix: str, parameters: frozenset[str]) -> None:
        """FastAPI's ``include_router``: it makes its own copies of the routes, once for each inclusion."""
        self.lists.append(included.original_router.routes)
        self.versions.append(included.original_router._get_routes_version)
        for each in included.effective_candidates():
            if hasattr(each, "effective_candidates"):
                self._included(each, prefix, parameters)
            elif each.starlette_route is not None:
                self._route(each.starlette_route, prefix, parameters)
            else:
                known = parameters | each.param_convertors.keys()
                self._add(prefix + each.path, declared_by(each), known, each, "app")

    def _low_priority(self, router: Any, prefix: str, parameters: frozenset[str]) -> None:
        """FastAPI's frontends: files that are served where no route matches."""
        routes: list[BaseRoute] | None = getattr(router, "_low_priority_routes", None)
        if routes is not None:
            self.lists.append(routes)
        for route in routes or ():
            self._opaque_route(route, prefix, parameters)
        for included in router.routes:
            if hasattr(included, "effective_low_priority_routes"):
                for each in included.effective_low_priority_routes():
                    path = f"{prefix}{each.frontend_prefix}/<{type(each.original_route).__name__}>"
                    self._add(path, {ANY: None}, parameters, each, "app")

    def _mounted(self, route: Mount | Host, app: ASGIApp, path: str, parameters: frozenset[str]) -> None:
        app = bare(app)
        access = access_of(app) or own_middleware(app)
        if access is None and isinstance(app, Router | Starlette) and routes_as_usual(app):
            self.router(app, path, parameters)
        else:
            self._add(path, {ANY: access}, parameters, route, "app")

    def _opaque_route(self, route: BaseRoute, prefix: str, parameters: frozenset[str]) -> None:
        """A route of a kind unknown here: guarded as a whole, before it does anything."""
        path = prefix + str(getattr(route, "path", f"/<{type(route).__name__}>"))
        self._add(path, {ANY: access_of(route)}, parameters, route, "handle")

    def _add(
        self,
        path: str,
        declared: dict[str, Access | None],
        parameters: frozenset[str],
        holder: Any,
        attribute: str,
        otherwise: Access | None = None,
    ) -> None:
        def put(wrap: Wrap) -> None:
            setattr(holder, attribute, wrap(getattr(holder, attribute)))

        self.leaves.append(Leaf(path, declared, parameters, id(holder), put, otherwise))


class RouteGuard(Guard):
    """A guard that a walk has put there, apart from those that people put."""

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


def bare(app: ASGIApp) -> ASGIApp:
    """The app without the guards that walks have put around it."""
    while (guard := guard_of(app)) is not None:
        app = guard.app
    return app


def guard_of(app: ASGIApp) -> RouteGuard | None:
    """The guard that a walk has put there, if ``app`` is one or its call."""
    found = getattr(app, "__self__", app)
    return found if isinstance(found, RouteGuard) else None


def declared_by(route: Any) -> dict[str, Access | None]:
    """What a route's endpoint and, in FastAPI, its dependencies declare, for each method that reaches it."""
    access = combined(access_of(route.endpoint), _of_dependencies(getattr(route, "dependant", None)), route.path)
    methods = route_methods(route)
    if isinstance(route, WebSocketRoute):
        if access is None and connects_as_usual(route.endpoint):
            access = access_of(getattr(route.endpoint, "on_connect", None))
        return {WEBSOCKET: access}
    if access is None and isinstance(route.endpoint, type) and dispatches_as_usual(route.endpoint):
        by_method = {method: access_of(handler) for method, handler in _handlers(route.endpoint)}
        return {method: found for method, found in by_method.items() if method in (methods or by_method)}
    return dict.fromkeys(sorted(methods or (ANY,)), access)


def route_methods(route: Any) -> Collection[str] | None:
    """The methods a route takes, None for whatever method."""
    return None if isinstance(route, WebSocketRoute) else cast("Collection[str] | None", route.methods)


def _of_dependencies(dependant: Any) -> Requirement | None:
    """The rules of a FastAPI route's dependencies, at whatever depth, with the scopes their ``Security`` adds."""
    found: Requirement | None = None
    for each in getattr(dependant, "dependencies", ()):
        declared = access_of(each.call)
        if isinstance(declared, Requirement):
            added = requires(*(each.parent_oauth_scopes or ()), *(each.own_oauth_scopes or ()))
            found = declared & added if found is None else found & declared & added
        deeper = _of_dependencies(each)
        if deeper is not None:
            found = deeper if found is None else found & deeper
    return found


def _handlers(endpoint: type[HTTPEndpoint]) -> Iterator[tuple[str, object]]:
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"):
        handler = getattr(endpoint, method.lower(), None)
        if handler is None and method == "HEAD":
            handler = getattr(endpoint, "get", None)
        if handler is not None:
            yield method, handler


def own_middleware(app: object) -> Access | None:
    """Open, for an app that has a TokenMiddleware of its own: that one keeps its routes."""
    middleware = app.user_middleware if isinstance(app, Starlette) else ()
    marks = (getattr(each.cls, MARK, None) for each in middleware)
    return next((mark for mark in marks if isinstance(mark, Openness)), None)
