"""Find every route of an app, and notice when routes are added, removed or replaced.

A route ends where a request leaves routing and enters an endpoint's code; each such place is a :class:`RouteTarget`.
Routing itself (matching, methods, slashes, hosts) remains Starlette's: a guard is put where the matched route calls its
endpoint, so routing cannot bypass it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast
from weakref import WeakSet

from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.routing import BaseRoute, Host, Mount, Route, Router, WebSocketRoute
from starlette.types import ASGIApp

from spacekey.domain.errors import ConfigurationError, RuleError
from spacekey.domain.principal import Principal
from spacekey.middleware.rules.marks import MARK, access_of, has_lost_rule
from spacekey.middleware.rules.requirement import (
    OPTIONAL,
    PUBLIC,
    Access,
    Openness,
    Requirement,
    combined,
    requirement_of,
)

from .guards import WEBSOCKET, inside_cors, unguarded, without_cors

ANY = "*"
"""Any method."""

DEPENDENCY = "__spacekey_dependency__"
"""Attribute of classes that are FastAPI dependencies once they are called."""

DEPTH_MAX = 50

_FRAMEWORKS = ("starlette.applications", "starlette.routing", "fastapi.applications", "fastapi.routing")

Wrap = Callable[[ASGIApp], ASGIApp]


class Holder(Protocol):
    """Wrapper around an app, which it keeps in ``app``."""

    app: ASGIApp


@dataclass(frozen=True, slots=True)
class RouteTarget:
    """Place in an app to put a guard.

    :param path: the whole path template, mounts and host included.
    :param declared: the endpoint's declaration by method, None for no declaration; :data:`ANY` for any method.
    :param parameters: the names of the path parameters known there.
    :param key: equal for two targets that are one object, reached by two paths.
    :param otherwise: the access for undeclared methods; openness if the endpoint itself answers them with 405.
    :param put: puts a guard there; takes a function from the unguarded app to the guarded one.
    :param name: the route's name as ``url_for`` takes it, ``mount:route`` below a named mount; empty without one.
    :param without_rule: the endpoint, if a rule stands above the route's decorator, so that the route has it without
        the rule.
    """

    path: str
    declared: dict[str, Access | None]
    parameters: frozenset[str]
    key: int
    put: Callable[[Wrap], None]
    otherwise: Access | None = None
    name: str = ""
    without_rule: object = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a route is: the path template so far, its parameters, and the names of the mounts and the route."""

    path: str = ""
    parameters: frozenset[str] = frozenset()
    names: tuple[str, ...] = ()

    def below(self, path: str, parameters: Iterable[str] = (), name: object = None) -> Place:
        """Return a place below this one."""
        return self._with(self.path + path, parameters, name)

    def on(self, host: str, parameters: Iterable[str], name: object) -> Place:
        """Return this place on a host."""
        return self._with(host + self.path, parameters, name)

    def _with(self, path: str, parameters: Iterable[str], name: object) -> Place:
        named = (*self.names, name) if isinstance(name, str) and name else self.names
        return Place(path, self.parameters.union(parameters), named)


ROOT = Place()


@dataclass(slots=True)
class RouteScan:
    """Targets found in an app, with the routes that were read to find them, so that later changes are noticed."""

    targets: list[RouteTarget] = field(default_factory=list)
    routers: dict[int, Router] = field(default_factory=dict)
    lists: list[Sequence[object]] = field(default_factory=list)
    versions: list[Callable[[], int]] = field(default_factory=list)
    ruled: set[int] = field(default_factory=set)
    """Ids of the functions that a route has with a rule around them."""

    def snapshot(self) -> RouteSnapshot:
        """Return a snapshot of the routes that were read, which notices their changes from now on."""
        return RouteSnapshot(self.routers.values(), [*self.versions, *(routes.__len__ for routes in self.lists)])

    @property
    def lost(self) -> Iterator[RouteTarget]:
        """Targets whose rule stands above the route's decorator, and so is on no route."""
        for target in self.targets:
            found = target.without_rule
            # A function inside of another one may be routed twice, with a rule and without: that is no mistake.
            is_elsewhere = "<locals>" in getattr(found, "__qualname__", "") and id(found) in self.ruled
            if found is not None and not is_elsewhere:
                yield target

    def add_whole(self, holder: Holder, access: Access | None) -> None:
        """Add everything behind a middleware, whose routes cannot be seen, as one target."""
        app = without_cors(holder.app)
        name = getattr(app, "__qualname__", type(app).__qualname__)
        place = Place(f"/{{path:path}} (all of {name}, whose routes cannot be seen)")
        self._add(place, {ANY: access}, holder, "app")

    def router(self, app: Router | Starlette, place: Place = ROOT) -> RouteScan:
        """Add everything that a router leads to.

        :raises ConfigurationError: if routes are nested too deep.
        """
        if place.path.count("/") > DEPTH_MAX:
            raise ConfigurationError(f"routes are nested more than {DEPTH_MAX} deep at {place.path[:80]}…")
        router = app.router if isinstance(app, Starlette) else app
        self.routers[id(router)] = router
        for route in router.routes:
            self._route(route, place)
        self._low_priority(router, place)
        default = unguarded(router.default)
        if getattr(default, "__self__", None) is not router or not of_a_framework(default):
            self._add(place.below("/{path:path}"), {ANY: access_of(default)}, router, "default")
        return self

    def _route(self, route: object, place: Place) -> None:
        as_usual = isinstance(route, BaseRoute) and of_a_framework(type(route).handle)
        if isinstance(route, Mount) and as_usual:
            inner = place.below(route.path, route.param_convertors, route.name)
            self._mounted(route, getattr(route, "_base_app", route.app), inner)
        elif isinstance(route, Host) and as_usual:
            self._mounted(route, route.app, place.on(route.host, route.param_convertors, route.name))
        elif isinstance(route, Route | WebSocketRoute) and as_usual:
            declared = declared_by(route)
            by_handler = isinstance(route.endpoint, type) and ANY not in declared and not route_methods(route)
            here = place.below(route.path, route.param_convertors, route.name)
            self._add(here, declared, route, "app", PUBLIC if by_handler else None, route.endpoint)
        elif hasattr(route, "effective_candidates"):
            self._included(route, place)
        elif isinstance(route, BaseRoute):
            self._opaque_route(route, place)

    def _included(self, included: Any, place: Place) -> None:
        """Add FastAPI's ``include_router``, which makes its own copies of the routes, once for each inclusion."""
        self.lists.append(included.original_router.routes)
        self.versions.append(included.original_router._get_routes_version)
        for each in included.effective_candidates():
            if hasattr(each, "effective_candidates"):
                self._included(each, place)
            elif each.starlette_route is not None:
                self._route(each.starlette_route, place)
            else:
                here = place.below(each.path, each.param_convertors, getattr(each, "name", None))
                self._add(here, declared_by(each), each, "app", None, each.endpoint)

    def _low_priority(self, router: Any, place: Place) -> None:
        """Add FastAPI's frontends: files that are served if no route matches."""
        routes: list[BaseRoute] | None = getattr(router, "_low_priority_routes", None)
        if routes is not None:
            self.lists.append(routes)
        for route in routes or ():
            self._opaque_route(route, place)
        for included in router.routes:
            if hasattr(included, "effective_low_priority_routes"):
                for each in included.effective_low_priority_routes():
                    path = f"{each.frontend_prefix}/<{type(each.original_route).__name__}>"
                    self._add(place.below(path), {ANY: None}, each, "app")

    def _mounted(self, route: Mount | Host, app: ASGIApp, place: Place) -> None:
        app = without_cors(app)
        access = access_of(app) or own_middleware(app)
        if access is None and isinstance(app, Router | Starlette) and routes_as_usual(app):
            self.router(app, place)
        else:
            self._add(place, {ANY: access}, route, "app")

    def _opaque_route(self, route: BaseRoute, place: Place) -> None:
        """Add a route of an unknown kind, to be guarded as a whole."""
        path = str(getattr(route, "path", f"/<{type(route).__name__}>"))
        here = place.below(path, name=getattr(route, "name", None))
        self._add(here, {ANY: access_of(route)}, route, "handle")

    def _add(
        self,
        place: Place,
        declared: dict[str, Access | None],
        holder: Any,
        attribute: str,
        otherwise: Access | None = None,
        endpoint: object = None,
    ) -> None:
        holder, attribute = inside_cors(holder, attribute)

        def put(wrap: Wrap) -> None:
            setattr(holder, attribute, wrap(getattr(holder, attribute)))

        if isinstance(access_of(endpoint), Requirement):
            self.ruled.add(id(inspect.unwrap(cast("Callable[..., Any]", endpoint))))
        without_rule = endpoint if has_lost_rule(endpoint) else None
        name = ":".join(place.names)
        self.targets.append(
            RouteTarget(place.path, declared, place.parameters, id(holder), put, otherwise, name, without_rule)
        )


def declared_by(route: Any) -> dict[str, Access | None]:
    """Return the declarations of a route's endpoint and, in FastAPI, its dependencies, by method."""
    access, depended = (
        access_of(without_cors(route.endpoint)),
        _of_dependencies(getattr(route, "dependant", None), route.path),
    )
    if not (isinstance(access, Requirement) and depended == OPTIONAL):
        access = combined(access, depended, route.path)
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
    """Return the methods that a route accepts; None for any method."""
    return None if isinstance(route, WebSocketRoute) else cast("Collection[str] | None", route.methods)


def _of_dependencies(dependant: Any, path: str) -> Access | None:
    """Return the rules of a FastAPI route's dependencies at any depth, with the scopes that their ``Security`` adds.

    Without a rule it is ``optional`` or ``public`` if one of them declares it. ``optional`` adds nothing to a rule.

    :raises RuleError: if one declares ``public`` and another something else, or is ``Depends(public)``,
        ``Depends(RequireScopes)`` or ``Depends(Principal)``.
    """
    found: Requirement | None = None
    openness: set[Access] = set()
    for each in getattr(dependant, "dependencies", ()):
        if isinstance(each.call, Openness):
            raise RuleError(f"{path}: {no_dependency(each.call)}")
        if isinstance(each.call, type) and getattr(each.call, DEPENDENCY, False):
            # FastAPI would call the class, and make a rule for each request, which nothing enforces.
            name = each.call.__name__
            raise RuleError(f"{path}: Depends({name}): write dependencies=[{name}(…)], with parentheses")
        if isinstance(each.call, type) and issubclass(each.call, Principal):
            raise RuleError(
                f"{path}: Depends({each.call.__name__}) would be made of what a request says; write "
                "Annotated[Principal, RequireScopes(…)]"
            )
        declared = access_of(each.call)
        if isinstance(declared, Requirement):
            added = requirement_of(*(each.parent_oauth_scopes or ()), *(each.own_oauth_scopes or ()))
            found = declared & added if found is None else found & declared & added
        deeper = _of_dependencies(each, path)
        if isinstance(deeper, Requirement):
            found = deeper if found is None else found & deeper
        openness |= {access for access in (declared, deeper) if isinstance(access, Openness)}
    access: Access | None = found
    if access is None and OPTIONAL in openness:
        access = OPTIONAL
    return combined(access, PUBLIC, path) if PUBLIC in openness else access


def no_dependency(openness: Openness) -> str:
    """Return what to write instead of this as a FastAPI dependency."""
    instead = "Public()" if openness == PUBLIC else "OptionalPrincipal()"
    return f"{openness.value} is no FastAPI dependency: write dependencies=[{instead}]"


def _handlers(endpoint: type[HTTPEndpoint]) -> Iterator[tuple[str, object]]:
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"):
        handler = getattr(endpoint, method.lower(), None)
        if handler is None and method == "HEAD":
            handler = getattr(endpoint, "get", None)
        if handler is not None:
            yield method, handler


def own_middleware(app: object) -> Access | None:
    """Return the openness of an app with a TokenMiddleware of its own, which guards its routes; else None."""
    middleware = app.user_middleware if isinstance(app, Starlette) else ()
    marks = (getattr(each.cls, MARK, None) for each in middleware)
    return next((mark for mark in marks if isinstance(mark, Openness)), None)


def routes_as_usual(app: Router | Starlette, *, entered: bool = False) -> bool:
    """Return whether an app only finds a route and calls it, as the frameworks' own classes do.

    A subclass may do anything before, or instead of, what its routes declare, so it is guarded as a whole.

    :param entered: whether its ``__call__`` has been entered already, so that an override no longer matters.
    """
    router = app.router if isinstance(app, Starlette) else app
    asked = [type(router).app] if router is app and entered else [type(router).app, type(router).__call__]
    return all(of_a_framework(one) for one in (asked if entered else [*asked, type(app).__call__]))


def of_a_framework(method: object) -> bool:
    """Return whether a method is Starlette's or FastAPI's own."""
    return getattr(method, "__module__", "") in _FRAMEWORKS


def dispatches_as_usual(endpoint: type) -> bool:
    """Return whether an endpoint class only calls its methods: it does not override dispatching."""
    return (
        issubclass(endpoint, HTTPEndpoint)
        and endpoint.dispatch is HTTPEndpoint.dispatch
        and endpoint.__await__ is HTTPEndpoint.__await__
        and endpoint.method_not_allowed is HTTPEndpoint.method_not_allowed
    )


def connects_as_usual(endpoint: object) -> bool:
    """Return whether a WebSocket endpoint class runs its ``on_connect`` before any other code of its own."""
    return (
        isinstance(endpoint, type)
        and issubclass(endpoint, WebSocketEndpoint)
        and endpoint.dispatch is WebSocketEndpoint.dispatch
        and endpoint.__await__ is WebSocketEndpoint.__await__
    )


class RouteSnapshot:
    """Routes of an app at the moment the snapshot is taken.

    Read at every request. The common case needs no call: ``needs_check`` is false, and ``router`` still has these
    ``routes`` and this ``default``. Otherwise, call :meth:`is_stale`.

    :param routers: every router that leads to the routes; the outermost first.
    :param facts: functions that return another number after any other change.
    """

    __slots__ = ("__weakref__", "_facts", "_routers", "_stale", "default", "needs_check", "router", "routes")

    router: Router | None
    routes: list[BaseRoute] | None
    default: ASGIApp | None

    def __init__(self, routers: Iterable[Router] = (), facts: Iterable[Callable[[], int]] = ()) -> None:
        self._routers = [(router, _watched(router, self), router.default) for router in routers]
        self._facts = [(fact, fact()) for fact in facts]
        self._stale = False
        self.needs_check = bool(self._facts) or len(self._routers) != 1
        self.router, self.routes, self.default = self._routers[0] if self._routers else (None, None, None)

    def mark_stale(self) -> None:
        """Note that a list of routes is being changed."""
        self._stale = self.needs_check = True

    def is_stale(self) -> bool:
        """Return whether the routes have changed."""
        return (
            self._stale
            or any(router.routes is not routes or router.default is not same for router, routes, same in self._routers)
            or any(fact() != known for fact, known in self._facts)
        )


class _WatchedRoutes(list[BaseRoute]):
    """List of routes that marks every snapshot of it as stale when it changes."""

    def __init__(self, routes: list[BaseRoute]) -> None:
        super().__init__(routes)
        self.watchers: WeakSet[RouteSnapshot] = WeakSet()

    def mark_stale(self) -> None:
        for snapshot in tuple(self.watchers):
            snapshot.mark_stale()


def _marking(name: str) -> Callable[..., Any]:
    changing = getattr(list, name)

    def method(self: _WatchedRoutes, *args: Any, **kwargs: Any) -> Any:
        self.mark_stale()
        try:
            return changing(self, *args, **kwargs)
        finally:
            self.mark_stale()  # again: another thread may have checked before the change

    method.__name__ = name
    return method


_CHANGING = ("append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort")
for _name in (*_CHANGING, "__delitem__", "__iadd__", "__imul__", "__setitem__"):
    setattr(_WatchedRoutes, _name, _marking(_name))


def _watched(router: Router, snapshot: RouteSnapshot) -> list[BaseRoute]:
    """Return the router's list of routes, which marks ``snapshot`` as stale when it changes."""
    found = router.routes
    routes = found if isinstance(found, _WatchedRoutes) else _WatchedRoutes(found)
    routes.watchers.add(snapshot)
    router.routes = routes
    return routes
