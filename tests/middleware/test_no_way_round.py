"""Property: no sequence of mounts, hosts, methods and paths reaches a ruled endpoint without its scopes."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Host, Mount, Route, Router, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from spacekey.domain.outcome import Valid
from spacekey.domain.rule import Rule, all_of, any_of
from spacekey.middleware import MemoryVerifier, TokenMiddleware, optional, protect, public, requires
from support.asgi_calls import Headers, bearer, call, talk

SCOPES = ("a", "b", "c")
NAMES = ("x", "y", "x/", "")
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW")
HOSTS = ("testserver", "api.test", "API.test", "api.test:80")
VERIFIER = MemoryVerifier()
TOKENS = {
    held: VERIFIER.issue(*held).reveal()
    for held in [(), ("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c"), SCOPES]
}


@dataclass
class World:
    """The rules in force on whatever code just ran, and what is held by who asked."""

    held: frozenset[str] | None = None
    flaws: list[str] = field(default_factory=list)
    runs: int = 0

    def ran(self, rules: tuple[Rule | None, ...]) -> None:
        """Called by each endpoint; None stands for "undeclared"."""
        self.runs += 1
        for rule in rules:
            if rule is None:
                self.flaws.append("an undeclared endpoint ran")
            elif rule is not ANYBODY and (self.held is None or not rule.allows(self.held)):
                self.flaws.append(f"{rule} was passed with {self.held}")


ANYBODY = Rule((frozenset({"nobody-looks"}),))
Draw = Any

rules = st.one_of(
    st.sampled_from(
        [all_of(), all_of("a"), all_of("a", "b"), any_of("a", "b"), any_of(), any_of(all_of("a", "c"), "b")]
    ),
    st.just(ANYBODY),
    st.none(),
)


def declared(endpoint: Any, rule: Rule | None, kind: str) -> Any:
    """The endpoint with its mark."""
    if rule is None:
        return endpoint
    if rule is ANYBODY:
        return (public if kind == "public" else optional)(endpoint)
    return requires(rule)(endpoint)


@st.composite
def trees(draw: Draw, world: World, above: tuple[Rule | None, ...] = (), depth: int = 3) -> list[BaseRoute]:
    """Routes at random: every kind of endpoint, mount and host, at colliding paths."""
    routes: list[BaseRoute] = []
    for _ in range(draw(st.integers(1, 3))):
        path = "/" + draw(st.sampled_from([*NAMES, "{id}", "{rest:path}"]))
        rule = draw(rules)
        kinds = ["async", "sync", "class", "asgi", "socket", "methods"] + (
            ["mount", "host", "guarded"] * 2 if depth else []
        )
        routes.append(
            _route(
                draw,
                draw(st.sampled_from(kinds)),
                path,
                rule,
                above if above and rule is None else (*above, rule),
                world,
                above,
                depth,
            )
        )
    return routes


def _route(
    draw: Draw,
    kind: str,
    path: str,
    rule: Rule | None,
    in_force: tuple[Rule | None, ...],
    world: World,
    above: tuple[Rule | None, ...],
    depth: int,
) -> BaseRoute:
    methods = draw(st.none() | st.lists(st.sampled_from(METHODS[:5]), min_size=1, max_size=3))
    openness = draw(st.sampled_from(["public", "optional"]))

    async def answer(_: Request) -> Response:
        world.ran(in_force)
        return PlainTextResponse("ok")

    def answer_sync(_: Request) -> Response:
        world.ran(in_force)
        return PlainTextResponse("ok")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        world.ran(in_force)
        if scope["type"] == "http":
            await PlainTextResponse("ok")(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def socket(websocket: WebSocket) -> None:
        world.ran(in_force)
        await websocket.accept()

    if kind == "async":
        return Route(path, declared(answer, rule, openness), methods=methods)
    if kind == "sync":
        return Route(path, declared(answer_sync, rule, openness), methods=methods)
    if kind == "class":
        return Route(path, declared(type("Endpoint", (HTTPEndpoint,), {"get": answer_method(answer)}), rule, openness))
    if kind == "methods":
        handler = declared(answer_method(answer), rule, openness)
        return Route(path, type("Endpoint", (HTTPEndpoint,), {"get": handler, "post": handler}), methods=methods)
    if kind == "socket":
        return WebSocketRoute(path, declared(socket, rule, openness))
    mount_path = path.rstrip("/").replace("{rest:path}", "{deep}")
    if kind == "asgi":
        return Mount(mount_path, app=app if rule is None else optional(app) if rule is ANYBODY else protect(app, rule))
    if kind == "guarded" and rule is not None and rule is not ANYBODY:
        return Mount(mount_path, app=protect(Router(draw(trees(world, (*above, rule), 0))), rule))
    inner = draw(trees(world, above, depth - 1))
    if kind == "host":
        return Host("api.test", app=Router(inner))
    return Mount(mount_path, app=Starlette(routes=inner) if draw(st.booleans()) else Router(inner))


def answer_method(answer: Any) -> Any:
    """A method for a class."""

    async def method(_self: object, request: Request) -> Response:
        response: Response = await answer(request)
        return response

    return method


def app_over(routes: list[BaseRoute]) -> Starlette:
    """The app that is attacked."""
    return Starlette(routes=routes, middleware=[Middleware(TokenMiddleware, verifier=VERIFIER)])


PATHS = st.lists(st.sampled_from([*NAMES, "x//", ".", "..", "%2e", "z"]), min_size=0, max_size=5).map(
    lambda parts: "/" + "/".join(parts)
)
REQUESTS = st.lists(
    st.tuples(
        st.sampled_from([*METHODS, "SOCKET"]),
        PATHS,
        st.sampled_from(HOSTS),
        st.none() | st.sampled_from(sorted(TOKENS)),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_nothing_runs_without_the_scopes_of_every_rule_on_its_way(data: st.DataObject) -> None:
    world = World()
    app = app_over(data.draw(trees(world)))
    asyncio.run(_attack(app, world, data.draw(REQUESTS)))
    assert world.flaws == []


async def _attack(app: Starlette, world: World, requests: list[tuple[str, str, str, tuple[str, ...] | None]]) -> None:
    for method, path, host, held in requests:
        world.held = None if held is None else frozenset(held)
        headers: Headers = [] if held is None else bearer(TOKENS[held])
        if method == "SOCKET":
            await talk(app, path, headers, host=host)
        else:
            await call(app, method, path, headers, host=host)


async def test_the_attack_reaches_what_it_may() -> None:
    """The property above could pass by reaching nothing; here it reaches what it may and notices what it may not."""
    world = World()

    async def endpoint(_: Request) -> Response:
        world.ran((all_of("a"),))
        return PlainTextResponse("ok")

    for app, flaws in (
        (app_over([Mount("/y", routes=[Route("/x", requires("a")(endpoint))])]), 0),
        (Starlette(routes=[Mount("/y", routes=[Route("/x", endpoint)])]), 2),
    ):
        await _attack(app, world, [("GET", "/y/x", "testserver", held) for held in (None, ("b",), ("a",))])
        assert len(world.flaws) == flaws
    assert world.runs == 4
    assert isinstance(await VERIFIER.verify(_secret(TOKENS["a",])), Valid)


def _secret(text: str) -> Any:
    from spacekey.domain.secret import Secret

    return Secret(text)
