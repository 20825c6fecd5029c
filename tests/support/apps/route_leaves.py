"""Endpoints of every kind that tell when they run, each with what must hold then."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from spacekey import optional, protect, public, requires
from spacekey.domain.rule import Rule, all_of

ANYBODY = Rule((frozenset({"nobody-looks"}),))
"""Stands for endpoints that are declared public or optional."""

OTHER = all_of("b")
"""The rule of a class's second method."""


@dataclass(frozen=True)
class Leaf:
    """One endpoint.

    :param rule: what its declaration says, None where there is none.
    :param by_method: the same where methods differ.
    :param above: the rules of what stands before it.
    :param templates: the path templates by which a rule table may name it.
    """

    kind: str
    rule: Rule | None
    by_method: Mapping[str, Rule | None] = field(default_factory=dict)
    above: tuple[Rule, ...] = ()
    templates: tuple[str, ...] = ()

    def rule_for(self, method: str) -> Rule | None:
        """What is declared for a method."""
        return self.by_method.get(method, self.by_method.get("*", self.rule))


Ran = Callable[[Leaf, str], None]


@dataclass(frozen=True)
class Draft:
    """What an endpoint is made of: its leaf, where it tells that it runs, its path, its methods, and a coin."""

    leaf: Leaf
    ran: Ran
    path: str
    methods: Sequence[str] | None
    coin: bool

    def tell(self, scope: Scope) -> None:
        """Say that code runs. A request cannot pass for a socket by its method's name."""
        method = "WEBSOCKET" if scope["type"] == "websocket" else scope["method"].upper()
        self.ran(self.leaf, "an HTTP method" if scope["type"] == "http" and method == "WEBSOCKET" else method)

    def declared(self, endpoint: Any, rule: Rule | None) -> Any:
        """The endpoint with its mark."""
        if rule is ANYBODY:
            return (public if self.coin else optional)(endpoint)
        return endpoint if rule is None else requires(rule)(endpoint)

    def handler(self) -> Any:
        """A function that answers."""

        async def answer(request: Request) -> Response:
            self.tell(request.scope)
            return PlainTextResponse("ok")

        return answer

    def method(self) -> Any:
        """A method that answers."""

        async def answer(_self: object, request: Request) -> Response:
            self.tell(request.scope)
            return PlainTextResponse("ok")

        return answer

    def app(self) -> Any:
        """An ASGI app that answers."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            self.tell(scope)
            if scope["type"] == "http":
                await PlainTextResponse("ok")(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1000})

        return answer

    def taking_over(self, base: Any, name: str) -> Any:
        """A subclass that answers by itself in a method with the arguments of an ASGI app."""
        app = self.app()

        async def instead(_self: object, scope: Scope, receive: Receive, send: Send) -> None:
            await app(scope, receive, send)

        return type("TakingOver", (base,), {name: instead})


def _async(draft: Draft) -> BaseRoute:
    return Route(draft.path, draft.declared(draft.handler(), draft.leaf.rule), methods=draft.methods)


def _sync(draft: Draft) -> BaseRoute:
    def answer(request: Request) -> Response:
        draft.tell(request.scope)
        return PlainTextResponse("ok")

    return Route(draft.path, draft.declared(answer, draft.leaf.rule), methods=draft.methods)


def _class(draft: Draft) -> BaseRoute:
    made = type("Endpoint", (HTTPEndpoint,), {"get": draft.method(), "search": draft.method()})
    return Route(draft.path, draft.declared(made, draft.leaf.rule))


def _methods(draft: Draft) -> BaseRoute:
    get, post = (draft.declared(draft.method(), draft.leaf.rule_for(method)) for method in ("GET", "POST"))
    made = type("Endpoint", (HTTPEndpoint,), {"get": get, "post": post, "search": draft.method()})
    return Route(draft.path, made, methods=draft.methods)


def _dispatch(draft: Draft) -> BaseRoute:
    async def dispatch(self: HTTPEndpoint) -> None:
        await draft.app()(self.scope, self.receive, self.send)

    get = requires("a")(draft.method())
    return Route(draft.path, type("Endpoint", (HTTPEndpoint,), {"get": get, "dispatch": dispatch}))


def _not_allowed(draft: Draft) -> BaseRoute:
    get = requires("a")(draft.method())
    return Route(draft.path, type("Endpoint", (HTTPEndpoint,), {"get": get, "method_not_allowed": draft.method()}))


def _heir(draft: Draft) -> BaseRoute:
    base = public(type("Base", (HTTPEndpoint,), {"get": draft.method()}))
    return Route(draft.path, type("Heir", (base,), {"post": draft.method()}))


def _route(draft: Draft) -> BaseRoute:
    made: BaseRoute = draft.taking_over(Route, "handle")(draft.path, requires("a")(draft.handler()))
    return made


def _mount(draft: Draft) -> BaseRoute:
    made: BaseRoute = draft.taking_over(Mount, "handle")(
        draft.path, routes=[Route("/", requires("a")(draft.handler()))]
    )
    return made


def _router(draft: Draft) -> BaseRoute:
    name = "__call__" if draft.coin else "app"
    return Mount(draft.path, app=draft.taking_over(Router, name)([Route("/", requires("a")(draft.handler()))]))


def _not_found(draft: Draft) -> BaseRoute:
    return Mount(draft.path, app=draft.taking_over(Router, "not_found")([]))


def _asgi(draft: Draft) -> BaseRoute:
    return Mount(draft.path, app=_app_of(draft))


def _default(draft: Draft) -> BaseRoute:
    return Mount(draft.path, app=Router(default=_app_of(draft)))


def _socket(draft: Draft) -> BaseRoute:
    async def answer(websocket: WebSocket) -> None:
        draft.tell(websocket.scope)
        await websocket.accept()

    return WebSocketRoute(draft.path, draft.declared(answer, draft.leaf.rule))


def _app_of(draft: Draft) -> Any:
    rule = draft.leaf.rule
    return draft.declared(draft.app(), rule) if rule in (None, ANYBODY) else protect(draft.app(), rule)


Make = Callable[[Draft], BaseRoute]

ENFORCING: dict[str, Make] = {
    "async": _async,
    "sync": _sync,
    "class": _class,
    "methods": _methods,
    "socket": _socket,
    "asgi": _asgi,
    "default": _default,
}
"""Endpoints that can enforce their rule themselves."""

UNDECLARED: dict[str, Make] = {
    "dispatch": _dispatch,
    "not allowed": _not_allowed,
    "heir": _heir,
    "route": _route,
    "mount of its own": _mount,
    "router of its own": _router,
    "not found": _not_found,
}
"""Endpoints that look declared and do something else, without a declaration."""

MOUNTED = {"asgi", "default", "mount of its own", "router of its own", "not found"}
BENEATH = {"default", "not found"}
"""Those that a rule table names by all that is beneath their path."""
