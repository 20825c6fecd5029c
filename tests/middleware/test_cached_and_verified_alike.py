"""Property: a cached verdict and a new verification answer alike, whatever the headers, scopes, rules and clocks."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from spacekey import TokenMiddleware, optional, public, requires
from spacekey.domain.authentication import Authenticated, AuthenticationResult, Reason, Rejected, Verdict
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.rule import all_of, any_of
from spacekey.domain.secret import Secret
from spacekey.middleware.verifiers.cached import CachedVerifier, Reading
from spacekey.verifiers import MemoryVerifier, VerifierChain
from support.asgi_calls import Headers, bearer, call

START = datetime(2026, 1, 1, tzinfo=UTC)
MINT = MemoryVerifier()
SECRETS = [MINT.issue("a") for _ in range(4)]
UNKNOWN = MINT.issue("a")


@dataclass
class World:
    """A store of a few tokens and the clocks, seen through a cache with its warm path and one without."""

    tokens: dict[Secret, Verdict]
    max_age: float
    now: float = 100.0
    wall: datetime = START
    seen: dict[bool, list[AuthenticationResult]] = field(default_factory=lambda: {True: [], False: []})

    async def read(self, secret: Secret) -> Reading:
        """The truth, now."""
        return Reading(self.tokens.get(secret, Rejected(Reason.UNKNOWN)), self.max_age)

    def app(self, rule: Any, *, warm: bool, environment: str | None, watched: bool, chained: bool) -> Starlette:
        """One route with a rule bound to a path parameter or not."""

        async def who(request: Request) -> Response:
            return JSONResponse([request.user.is_authenticated, request.user.identity, request.auth.scopes])

        def watch(_: HTTPConnection, outcome: AuthenticationResult) -> None:
            self.seen[warm].append(outcome)

        cache = CachedVerifier(self.read, clock=lambda: self.now, now=lambda: self.wall, entries_max=3)
        verifier: Any = cache if warm else Exact(cache)
        if chained:
            verifier = VerifierChain({"sk": verifier})
        middleware = Middleware(
            TokenMiddleware, verifier=verifier, environment=environment, on_result=watch if watched else None
        )
        return Starlette(routes=[Route("/{space_id}", rule(who))], middleware=[middleware])


class Exact:
    """A verifier that can only be asked and waited for, so that every request takes the exact path."""

    def __init__(self, cache: CachedVerifier) -> None:
        self._cache = cache

    async def verify(self, secret: Secret) -> Verdict:
        """The same cache's verdict."""
        return await self._cache.verify(secret)

    async def aclose(self) -> None:
        """Nothing of its own."""


def _principal(number: int, kind: Kind, scopes: frozenset[str], environment: str, lives: float | None) -> Principal:
    space = f"s{number % 2}" if kind is Kind.SPACE else None
    expires = None if lives is None else START + timedelta(seconds=lives)
    return Principal(f"key_{number}", kind, scopes, "", "ws_1", space, environment, None, expires)


principals = st.tuples(
    st.sampled_from([Kind.SPACE, Kind.WORKSPACE]),
    st.frozensets(st.sampled_from("abc")),
    st.sampled_from(["live", "test"]),
    st.sampled_from([None, 1.0, 2.0, 1000.0]),
)
rules = st.sampled_from(
    [
        requires(),
        requires("a"),
        requires("a", "b"),
        requires(any_of("a", all_of("b", "c"))),
        requires(any_of()),
        requires("a", space_param="space_id"),
        requires("a", environment="live"),
        requires(space_param="space_id", environment="test"),
        optional,
        public,
    ]
)
secrets = st.sampled_from([*SECRETS, UNKNOWN]).map(lambda secret: secret.reveal().encode())
values = st.one_of(
    secrets.map(lambda token: b"Bearer " + token),
    st.tuples(
        st.sampled_from([b"", b" ", b"\t"]),
        st.sampled_from([b"Bearer", b"bearer", b"BEARER", b"Basic", b"Bearer:", b""]),
        st.sampled_from([b" ", b"  ", b"\t", b""]),
        secrets | st.binary(max_size=6),
        st.sampled_from([b"", b" ", b"\t", b"=", b"x", b"\x00", b"\xff", b", Bearer x"]),
    ).map(b"".join),
)
usual = st.sampled_from(SECRETS[:2]).map(lambda secret: [(b"authorization", b"Bearer " + secret.reveal().encode())])
"""Often the same token again, so that what is remembered of it grows old, expires and is taken away."""
headers = (
    usual
    | usual
    | usual
    | st.lists(
        st.tuples(st.sampled_from([b"authorization", b"authorization", b"accept", b"x-authorization"]), values),
        max_size=3,
    )
    | values.map(lambda value: [(b"authorization", value)])
)
ENCODED = (b"access%5Ftoken=x", b"q=100%25", b"q=a%26access_token%3D1")
queries = st.sampled_from(
    [b"", b"", b"", b"page=2", b"access_token=x", b"x=access_token", b"my_access_token=x", *ENCODED]
)
steps = st.lists(
    st.tuples(
        st.sampled_from(["/s0", "/s1"]),
        queries,
        headers,
        st.sampled_from([0.0, 0.0, 0.4, 0.6, 1.0]),
        st.sampled_from([0.0, 0.0, 0.5, 1.0]),
        st.sampled_from([None, None, None, 0, 1, *range(len(SECRETS))]),
    ),
    min_size=1,
    max_size=15,
)


@pytest.mark.long
@settings(max_examples=300, deadline=None)
@given(
    st.lists(principals, min_size=4, max_size=4),
    rules,
    st.sampled_from([0.0, 1.0, 5.0]),
    st.sampled_from([None, None, "live", "test"]),
    st.booleans(),
    st.booleans(),
    steps,
)
def test_the_warm_path_and_the_exact_path_answer_alike(
    drawn: list[Any], rule: Any, max_age: float, environment: str | None, watched: bool, chained: bool, asked: list[Any]
) -> None:
    tokens: dict[Secret, Verdict] = {
        secret: Authenticated(_principal(number, *facts))
        for number, (secret, facts) in enumerate(zip(SECRETS, drawn, strict=True))
    }
    world = World(tokens, max_age)

    async def compare() -> None:
        warm, exact = (
            world.app(rule, warm=warm, environment=environment, watched=watched, chained=chained)
            for warm in (True, False)
        )
        for path, query, sent, passes, wall_passes, revoked in asked:
            world.now += passes
            world.wall += timedelta(seconds=wall_passes)
            if revoked is not None:
                world.tokens[SECRETS[revoked]] = Rejected(Reason.REVOKED)
            one = await call(warm, "GET", path, sent, query)
            two = await call(exact, "GET", path, sent, query)
            assert (one.status, one.headers, one.body) == (two.status, two.headers, two.body)
            assert world.seen[True] == world.seen[False]

    asyncio.run(compare())


async def test_the_usual_request_takes_the_warm_path() -> None:
    """The property above could pass with a warm path that is never taken."""
    world = World({SECRETS[0]: Authenticated(_principal(0, Kind.SPACE, frozenset("a"), "live", None))}, 1.0)
    cache = Counting(world.read, clock=lambda: world.now)
    route = Route("/", requires("a")(_empty))
    app = Starlette(routes=[route], middleware=[Middleware(TokenMiddleware, verifier=cache)])
    for hits in (0, 1, 2):
        answer = await call(app, "GET", "/", bearer(SECRETS[0].reveal()))
        assert (answer.status, answer.headers["vary"], cache.hits) == (200, "Authorization", hits)


@pytest.mark.parametrize("wrong", [RuntimeError("boom")])
async def test_a_peek_that_fails_decides_nothing(wrong: Exception) -> None:
    class Failing(CachedVerifier):
        def peek(self, authorization: bytes) -> Verdict | None:
            raise wrong

    world = World({}, 1.0)
    route = Route("/", requires("a")(_empty))
    app = Starlette(routes=[route], middleware=[Middleware(TokenMiddleware, verifier=Failing(world.read))])
    sent: Headers = bearer(SECRETS[0].reveal())
    assert (await call(app, "GET", "/", sent)).status == 401
    world.tokens[SECRETS[1]] = Authenticated(_principal(1, Kind.SPACE, frozenset("a"), "live", None))
    assert (await call(app, "GET", "/", bearer(SECRETS[1].reveal()))).status == 200


class Counting(CachedVerifier):
    """Counts the hits of its warm path."""

    hits = 0

    def peek(self, authorization: bytes) -> Verdict | None:
        """The cache's own, counted."""
        known = super().peek(authorization)
        self.hits += known is not None
        return known


async def _empty(_: Request) -> Response:
    return Response()


async def test_a_second_header_is_one_too_many_also_for_a_token_that_is_remembered() -> None:
    world = World({SECRETS[0]: Authenticated(_principal(0, Kind.SPACE, frozenset("a"), "live", None))}, 1.0)
    cache = CachedVerifier(world.read, clock=lambda: world.now)
    route = Route("/", requires("a")(_empty))
    app = Starlette(routes=[route], middleware=[Middleware(TokenMiddleware, verifier=cache)])
    good: Headers = bearer(SECRETS[0].reveal())
    for sent, status in ((good, 200), (good, 200), ([*bearer("x"), *good], 400), ([*good, *good], 400)):
        assert (await call(app, "GET", "/", sent)).status == status


async def test_a_cache_hit_does_not_stand_for_the_scope_that_the_token_lacks() -> None:
    """As a published flaw had it: what one route had let in was remembered, and let into the next."""
    world = World({SECRETS[0]: Authenticated(_principal(0, Kind.SPACE, frozenset("a"), "live", None))}, 1.0)
    cache = Counting(world.read, clock=lambda: world.now)
    routes = [Route("/held", requires("a")(_empty)), Route("/lacked", requires("b")(_empty))]
    app = Starlette(routes=routes, middleware=[Middleware(TokenMiddleware, verifier=cache)])
    sent: Headers = bearer(SECRETS[0].reveal())
    for path, status in (("/held", 200), ("/lacked", 403), ("/held", 200), ("/lacked", 403)):
        assert (await call(app, "GET", path, sent)).status == status
    assert cache.hits >= 3
