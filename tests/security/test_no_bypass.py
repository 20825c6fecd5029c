"""Property: no sequence of mounts, hosts, methods and paths reaches a ruled endpoint without its scopes."""

import asyncio
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from spacekey import TokenMiddleware, requires
from spacekey.domain.errors import RuleError
from spacekey.domain.rule import all_of
from spacekey.verifiers import MemoryVerifier
from support.apps.route_leaves import ENFORCING, Leaf
from support.apps.route_world import METHODS, Maker, Place, World
from support.asgi_calls import Headers, bearer, call, talk
from support.turns import whole_run
from support.volume import volume

EVERYTHING = ("a", "b", "c")
HOSTS = ("testserver", "api.test", "API.test", "api.test:80")
VERIFIER = MemoryVerifier()
TOKENS = {
    held: VERIFIER.issue(*held).reveal()
    for held in [(), ("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c"), EVERYTHING]
}
SOCKET = "SOCKET"
CHANGE = "CHANGE"
CASES = volume(short=100, long=400)
Step = tuple[str, str, str, tuple[str, ...] | None]
REACHED: set[str] = set()


def app_over(world: World, routes: list[Any]) -> Starlette:
    """The app that is attacked."""
    return Starlette(routes=routes, middleware=[Middleware(TokenMiddleware, verifier=VERIFIER, rules=world.table)])


def steps(random: Random, world: World) -> list[Step]:
    """Requests, most of them to paths that lead somewhere, and changes of the routes between them."""
    known = sorted(set(world.paths))
    found: list[Step] = []
    for _ in range(random.randint(8, 40)):
        path = random.choice(known) + random.choice(["", "", "", "/", "/x"])
        if random.random() < 0.2:
            path = "/" + "/".join(random.choices(["x", "y", "", "x//", ".", "..", "%2e", "z"], k=random.randint(0, 5)))
        method = random.choice(
            [*METHODS, "GET", "POST", "OPTIONS", "BREW", "SEARCH", "get", "post", "WEBSOCKET", *[SOCKET] * 3, CHANGE]
        )
        found.append((method, path, random.choice(HOSTS), random.choice([None, *TOKENS])))
    return found


@settings(max_examples=CASES, deadline=None, database=None, derandomize=not whole_run())
@given(st.integers(0, 2**64 - 1))
def attack(seed: int) -> None:
    """One app and one attack on it."""
    random = Random(seed)
    world = World()
    make = Maker(random, world, VERIFIER)
    routes = make.routes(Place())
    app = app_over(world, routes)
    make.changing(app.router, Place())
    make.fill_table()
    asyncio.run(play(app, world, steps(random, world)))
    assert world.flaws == []
    REACHED.update(world.reached)


@pytest.mark.repeats
def test_nothing_runs_without_the_scopes_of_every_rule_on_its_way() -> None:
    REACHED.clear()
    attack()
    assert set(ENFORCING) <= REACHED  # it could hold by reaching nothing


async def play(app: ASGIApp, world: World, asked: list[Step]) -> None:
    """Ask, and change the routes in between."""
    changes = list(world.changes)
    for method, path, host, held in asked:
        world.held = None if held is None else frozenset(held)
        headers: Headers = [] if held is None else bearer(TOKENS[held])
        try:
            if method == CHANGE and changes:
                changes.pop()()
            elif method == SOCKET:
                await talk(app, path, headers, host=host)
            else:
                await call(app, method, path, headers, host=host)
        except RuleError:
            pass  # a table that names what is no more, or contradicts what was added: nothing runs


@pytest.mark.parametrize("ruled", [True, False])
async def test_the_attack_notices_what_runs_without_its_rule(ruled: bool) -> None:
    world = World()
    leaf = Leaf("async", all_of("a"))

    async def endpoint(request: Request) -> Response:
        world.ran(leaf, request.method)
        return PlainTextResponse("ok")

    routes = [Mount("/y", routes=[Route("/x", requires("a")(endpoint) if ruled else endpoint)])]
    app = app_over(world, routes) if ruled else Starlette(routes=routes)
    await play(app, world, [("GET", "/y/x", "testserver", held) for held in (None, ("b",), ("a",))])
    assert len(world.flaws) == (0 if ruled else 2)
    assert world.reached == {"async"}
