"""Random apps whose endpoints know what must hold when they run: every kind of route, mount, host and router."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Host, Mount, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from spacekey import TokenMiddleware, protect, public
from spacekey.domain.rule import Rule, all_of, any_of
from spacekey.verifiers import MemoryVerifier
from support.apps.route_leaves import ANYBODY, BENEATH, ENFORCING, MOUNTED, OTHER, UNDECLARED, Draft, Leaf

PARTS = ("x", "y", "x/", "", "{id}", "{rest:path}")
HOST = "api.test"
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
RULES = (
    all_of(),
    all_of("a"),
    all_of("c"),
    all_of("a", "b"),
    any_of("a", "b"),
    any_of(),
    any_of(all_of("a", "c"), "b"),
)


@dataclass
class World:
    """Who asks now, and what was found out.

    :param held: the scopes of the caller; None for an anonymous one.
    :param table: the rule table: (method, template) → rule.
    :param changes: each adds a route somewhere, or puts another one in the place of an old one.
    """

    held: frozenset[str] | None = None
    table: dict[tuple[str, str], Rule] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    changes: list[Callable[[], None]] = field(default_factory=list)
    flaws: list[str] = field(default_factory=list)
    reached: set[str] = field(default_factory=set)

    def ran(self, leaf: Leaf, method: str) -> None:
        """Called by whatever runs."""
        for rule in self.in_force(leaf, method):
            if rule is None:
                self.flaws.append(f"{leaf.kind}: ran undeclared; {method} {leaf.templates}")
            elif rule is not ANYBODY and (self.held is None or not rule.allows(self.held)):
                self.flaws.append(f"{leaf.kind}: {rule} was passed with {self.held}; {method} {leaf.templates}")
        self.reached.add(leaf.kind)

    def in_force(self, leaf: Leaf, method: str) -> list[Rule | None]:
        """All rules that must hold; None if none was declared."""
        own = leaf.rule_for(method)
        found: list[Rule | None] = list(leaf.above)
        for template in leaf.templates or ("out of the table's reach",):
            names = (method, "GET", "*") if method == "HEAD" else (method, "*")
            tabled = next((self.table[name, template] for name in names if (name, template) in self.table), None)
            declared = [rule for rule in (own, tabled) if rule is not None]
            found += declared or ([] if leaf.above else [None])
        return found


@dataclass(frozen=True)
class Place:
    """Where routes are being put: path templates and a path that lead there, the rules of what stands before.

    :param prefixes: none where a rule table cannot reach.
    :param hidden: where nothing but the endpoints' own enforcement can hold.
    """

    prefixes: tuple[str, ...] = ("",)
    url: str = ""
    above: tuple[Rule, ...] = ()
    depth: int = 3
    hidden: bool = False

    def below(self, path: str, **changes: Any) -> Place:
        """The place beneath a mount."""
        prefixes = tuple(prefix + path for prefix in self.prefixes)
        settings = {"prefixes": prefixes, "url": self.url + _url(path), "depth": self.depth - 1, **changes}
        return replace(self, **settings)


class Maker:
    """Draws routes into a world."""

    def __init__(self, random: Random, world: World, verifier: MemoryVerifier) -> None:
        self.random = random
        self.world = world
        self.verifier = verifier
        self.leaves: list[tuple[Leaf, tuple[str, ...]]] = []

    def coin(self) -> bool:
        """Heads or tails."""
        return self.random.random() < 0.5

    def routes(self, place: Place) -> list[BaseRoute]:
        """One to three routes at colliding paths."""
        return [self.route(place) for _ in range(self.random.randint(1, 3))]

    def route(self, place: Place) -> BaseRoute:
        """Any kind of route."""
        path = "/" + self.random.choice(PARTS)
        nesting = NESTED if place.depth > 0 and not place.hidden else {}
        kinds = [*ENFORCING, *(() if place.hidden else UNDECLARED), *nesting, *nesting]
        kind = self.random.choice(kinds)
        if kind in nesting:
            return nesting[kind](self, _mounting(path), place)
        return self._leaf(kind, _mounting(path) if kind in MOUNTED else path, place)

    def _leaf(self, kind: str, path: str, place: Place) -> BaseRoute:
        rule = None if kind in UNDECLARED else self.random.choice([*RULES, ANYBODY, None])
        if rule is None and place.hidden:
            rule = ANYBODY
        templates = tuple(prefix + path + ("/{path:path}" if kind in BENEATH else "") for prefix in place.prefixes)
        leaf = Leaf(kind, rule, {}, place.above, templates)
        if kind == "methods":
            leaf = replace(leaf, by_method={"GET": rule, "HEAD": rule, "POST": OTHER, "*": None})
        methods = self.random.choice([None, self.random.sample(METHODS, self.random.randint(1, 3))])
        self.leaves.append((leaf, ("*",) if methods is None or kind not in ("async", "sync") else tuple(methods)))
        self.world.paths.append(place.url + _url(path))
        coin = self.coin()
        return {**ENFORCING, **UNDECLARED}[kind](Draft(leaf, self.world.ran, path, methods, coin))

    def fill_table(self) -> None:
        """Name some of the places that declare nothing; those that are open elsewhere would contradict it."""
        opened = {template for leaf, _ in self.leaves for template in leaf.templates if leaf.rule is ANYBODY}
        for leaf, methods in self.leaves:
            for template in leaf.templates:
                if methods and leaf.kind != "methods" and template not in opened and self.coin():
                    names = [*methods, "GET", "POST", "WEBSOCKET"] if leaf.kind == "asgi" else methods
                    self.world.table[self.random.choice(names), template] = self.random.choice(RULES)

    def changing(self, router: Router, place: Place) -> None:
        """Sometimes prepare a route to be put into ``router`` later."""
        how = self.random.choice(["", "", *CHANGES])
        if how:
            before = len(self.leaves)
            route = self.route(replace(place, depth=0))
            self.leaves[before:] = [(leaf, ()) for leaf, _ in self.leaves[before:]]
            self.world.changes.append(lambda: CHANGES[how](router, route))


def _replace(router: Router, route: BaseRoute) -> None:
    router.routes[-1] = route


def _exchange(router: Router, route: BaseRoute) -> None:
    router.routes = [route, *router.routes[1:]]


CHANGES: dict[str, Callable[[Router, BaseRoute], None]] = {
    "append": lambda router, route: router.routes.append(route),
    "replace": _replace,
    "exchange": _exchange,
}


class Passing(BaseHTTPMiddleware):
    """Hands everything on."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Nothing of its own."""
        return await call_next(request)


class Hiding:
    """What is behind it cannot be seen."""

    def __init__(self, app: ASGIApp) -> None:
        self._hidden = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._hidden(scope, receive, send)


def _mount(make: Maker, path: str, place: Place) -> BaseRoute:
    router = Router(make.routes(place.below(path)))
    make.changing(router, place.below(path))
    return Mount(path, app=router)


def _app(make: Maker, path: str, place: Place) -> BaseRoute:
    app = Starlette(routes=make.routes(place.below(path)), middleware=[Middleware(Passing)])
    make.changing(app.router, place.below(path))
    return Mount(path, app=app)


def _host(make: Maker, _path: str, place: Place) -> BaseRoute:
    below = place.below("", prefixes=tuple(HOST + prefix for prefix in place.prefixes))
    return Host(HOST, app=Router(make.routes(below)))


def _guarded(make: Maker, path: str, place: Place) -> BaseRoute:
    rule = make.random.choice(RULES)
    return Mount(path, app=protect(Router(make.routes(place.below(path, prefixes=(), above=(rule,), depth=0))), rule))


def _hidden(make: Maker, path: str, place: Place) -> BaseRoute:
    return Mount(path, app=public(Hiding(Router(make.routes(place.below(path, prefixes=(), hidden=True))))))


def _own(make: Maker, path: str, place: Place) -> BaseRoute:
    own = Middleware(TokenMiddleware, verifier=make.verifier)
    return Mount(path, app=Starlette(routes=make.routes(place.below(path, prefixes=())), middleware=[own]))


def _twice(make: Maker, path: str, place: Place) -> BaseRoute:
    prefixes = tuple(prefix + path + way for prefix in place.prefixes for way in ("/x", "/y"))
    shared = Router(make.routes(place.below(path + "/x", prefixes=prefixes, depth=0)))
    return Mount(path, routes=[Mount("/x", app=shared), Mount("/y", app=shared)])


NESTED: dict[str, Callable[[Maker, str, Place], BaseRoute]] = {
    "mount": _mount,
    "app": _app,
    "host": _host,
    "guarded": _guarded,
    "hidden": _hidden,
    "own": _own,
    "twice": _twice,
}


def _mounting(path: str) -> str:
    """The path as a mount has it."""
    return path.rstrip("/").replace("{rest:path}", "{deep}")


def _url(path: str) -> str:
    """A path that the template matches."""
    return path.replace("{id}", "x").replace("{deep}", "x").replace("{rest:path}", "x/y")
