"""A flood of made-up secrets from an address is answered before any read; honest tokens from there still pass."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from spacekey import RateLimiting, TokenMiddleware, requires
from spacekey.domain.authentication import Authenticated, AuthenticationResult, Reason, Rejected, Unavailable, Verdict
from spacekey.domain.principal import Kind, Limit, Principal
from spacekey.domain.secret import Secret, mint
from spacekey.middleware.limits.flood import RefusalFlood
from spacekey.middleware.limits.limiter import Flooded
from spacekey.middleware.limits.memory import MemoryLimiter
from spacekey.middleware.verifiers.cached import CachedVerifier, Reading
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import Answer, bearer, call

LIMIT = Limit(per_minute=60, burst=5)
MEMBER = Authenticated(Principal("key_1", Kind.WORKSPACE, frozenset()))


class Clock:
    """Virtual time."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class World:
    """An app behind the middleware, and how often its store was read."""

    def __init__(self, cached: bool = False, good_max: int = 100, addresses_max: int = 100) -> None:
        self.clock = Clock()
        self.memory = MemoryVerifier()
        self.reads = 0
        self.numbers = 0
        self.flood = RefusalFlood(LIMIT, clock=self.clock, good_max=good_max, addresses_max=addresses_max)
        verifier = CachedVerifier(self._read) if cached else self
        middleware = Middleware(TokenMiddleware, verifier=verifier, limits=RateLimiting(flood=self.flood))
        self.app = Starlette(routes=[Route("/jobs", requires("jobs:read")(_answer))], middleware=[middleware])

    async def verify(self, secret: Secret) -> Verdict:
        """As a verifier without a cache."""
        self.reads += 1
        return await self.memory.verify(secret)

    async def aclose(self) -> None:
        """Nothing."""

    async def send(self, secret: Secret | str, address: str = "192.0.2.1") -> Answer:
        """One request from an address."""
        text = secret if isinstance(secret, str) else secret.reveal()
        return await call(_from(self.app, address), "GET", "/jobs", bearer(text))

    def forged(self) -> Secret:
        """A secret of a good shape that belongs to nobody."""
        self.numbers += 1
        return mint("sk", "live", lambda count: self.numbers.to_bytes(count, "big"))

    async def flooded(self, address: str = "192.0.2.1") -> None:
        """Send as many as an address may."""
        for _ in range(LIMIT.burst):
            assert (await self.send(self.forged(), address)).status == 401

    async def _read(self, secret: Secret) -> Reading:
        return Reading(await self.verify(secret), 3_600.0)


async def _answer(request: Request) -> Response:
    return PlainTextResponse("through")


def _from(app: ASGIApp, address: str) -> ASGIApp:
    async def there(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "client": (address, 40_000)}, receive, send)

    return there


async def test_after_a_burst_of_refusals_nobody_is_asked_any_more_until_time_has_passed() -> None:
    world = World()
    await world.flooded()
    reads = world.reads
    limited = [await world.send(world.forged()) for _ in range(50)]
    assert {one.status for one in limited} == {429}
    assert world.reads == reads
    assert limited[0].problem["code"] == "too_many_refusals"
    assert len({one.body for one in limited}) == 1
    world.clock.now += int(limited[0].headers["retry-after"])
    assert (await world.send(world.forged())).status == 401
    assert (await world.send(world.forged())).status == 429


async def test_malformed_secrets_count_too() -> None:
    world = World()
    for number in range(LIMIT.burst):
        assert (await world.send(f"sk_live_{number}")).status == 401
    assert (await world.send("sk_live_more")).status == 429


async def test_a_warm_token_from_the_same_address_passes() -> None:
    world = World(cached=True)
    honest = world.memory.issue("jobs:read")
    assert (await world.send(honest)).status == 200
    await world.flooded()
    assert (await world.send(world.forged())).status == 429
    assert {(await world.send(honest)).status for _ in range(20)} == {200}


async def test_a_token_that_was_good_lately_is_looked_up_also_where_nothing_is_cached() -> None:
    world = World()
    honest, stranger = world.memory.issue("jobs:read"), world.memory.issue("jobs:read")
    assert (await world.send(honest)).status == 200
    await world.flooded()
    assert {(await world.send(honest)).status for _ in range(20)} == {200}
    assert (await world.send(stranger)).status == 429  # valid, but nobody can know that without a read
    assert (await world.send(stranger, "198.51.100.7")).status == 200


async def test_a_revoked_token_loses_its_passage_at_once_and_counts_for_nothing() -> None:
    """It belongs to somebody: the owner sees its use in the audit log, and no address is held up for it."""
    world = World()
    honest = world.memory.issue("jobs:read")
    await world.send(honest)
    world.memory.refuse(honest, Reason.REVOKED)
    assert {(await world.send(honest)).status for _ in range(20)} == {401}
    await world.flooded()
    assert (await world.send(honest)).status == 429


async def test_an_outage_counts_for_nothing() -> None:
    world = World()
    world.memory.outage = "a test says so"
    assert {(await world.send(world.forged())).status for _ in range(20)} == {503}
    world.memory.outage = None
    assert (await world.send(world.forged())).status == 401


async def test_other_addresses_are_not_rate_limited() -> None:
    world = World()
    await world.flooded("192.0.2.1")
    assert (await world.send(world.forged(), "192.0.2.2")).status == 401


async def test_an_ipv6_address_is_its_network() -> None:
    world = World()
    await world.flooded("2001:db8:1:2::1")
    assert (await world.send(world.forged(), "2001:db8:1:2:ffff::9")).status == 429
    assert (await world.send(world.forged(), "2001:db8:1:3::1")).status == 401


async def test_no_credentials_and_two_of_them_are_answered_as_ever() -> None:
    world = World()
    await world.flooded()
    assert (await call(_from(world.app, "192.0.2.1"), "GET", "/jobs")).status == 401
    two = [*bearer("one"), *bearer("two")]
    assert (await call(_from(world.app, "192.0.2.1"), "GET", "/jobs", two)).status == 400


def test_what_is_remembered_is_bounded() -> None:
    flood = RefusalFlood(LIMIT, addresses_max=10, good_max=10)
    for number in range(1_000):
        secret = Secret(f"secret {number}")
        flood.note({"client": (f"10.0.{number // 250}.{number % 250}", 1)}, secret, Rejected(Reason.UNKNOWN))
        flood.note({"client": ("10.1.1.1", 1)}, secret, MEMBER)
        flood.note({"client": ("10.1.1.1", 1)}, secret, Unavailable("nobody knows"))
    assert isinstance(flood._refused, MemoryLimiter)
    assert len(flood._refused) <= 10
    assert sum(Secret(f"secret {number}").digest() in flood._good for number in range(1_000)) == 10


async def test_a_server_that_knows_no_address_counts_all_as_one() -> None:
    flood = RefusalFlood(LIMIT)
    for number in range(LIMIT.burst):
        flood.note({}, Secret(f"secret {number}"), Rejected(Reason.UNKNOWN))
    async with flood.looking_up({"client": None}, Secret("another")) as refused:
        assert isinstance(refused, Flooded)


class Lookups:
    """Requests of one address whose lookups begin when the bound lets them, and end when the test says so."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.flood = RefusalFlood(LIMIT, clock=self.clock)
        self.requests: list[asyncio.Task[AuthenticationResult]] = []
        self.under_way: list[asyncio.Future[AuthenticationResult]] = []
        self.begun = self.refused = self.ended = 0

    async def settled(self) -> None:
        """Let every task run until it waits: one that ends may wake another, and so on."""
        seen, quiet = (0, 0), 0
        while quiet < 10:
            await asyncio.sleep(0)
            now = self.begun, self.ended
            seen, quiet = now, quiet + 1 if now == seen else 0

    async def send(self) -> None:
        self.requests.append(asyncio.create_task(self._request(Secret(f"secret {len(self.requests)}"))))
        await self.settled()

    async def end(self, number: int, outcome: AuthenticationResult) -> None:
        self.under_way.pop(number % len(self.under_way)).set_result(outcome)
        await self.settled()

    async def leave(self, number: int) -> None:
        """The client of a request that has no answer yet goes away."""
        if waiting := [each for each in self.requests if not each.done()]:
            waiting[number % len(waiting)].cancel()
            self.under_way = [each for each in self.under_way if not each.done()]
            await self.settled()
            self.under_way = [each for each in self.under_way if not each.done()]

    async def _request(self, secret: Secret) -> AuthenticationResult:
        try:
            return await self._looked_up(secret)
        finally:
            self.ended += 1

    async def _looked_up(self, secret: Secret) -> AuthenticationResult:
        async with self.flood.looking_up(ADDRESS, secret) as refused:
            if refused is not None:
                return refused
            self.begun += 1
            lookup = asyncio.get_running_loop().create_future()
            self.under_way.append(lookup)
            outcome: AuthenticationResult = await lookup
            self.refused += isinstance(outcome, Rejected)
            self.flood.note(ADDRESS, secret, outcome)
            return outcome


ADDRESS: Scope = {"client": ("192.0.2.1", 1)}
UNKNOWN = Rejected(Reason.UNKNOWN)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 8)),
        st.tuples(st.just("unknown"), st.integers(0, 9)),
        st.tuples(st.just("valid"), st.integers(0, 9)),
        st.tuples(st.just("leave"), st.integers(0, 9)),
        st.tuples(st.just("time"), st.integers(1, 4)),
    ),
    max_size=60,
)


@given(STEPS)
@settings(max_examples=200, deadline=None)
def test_in_no_order_of_events_are_more_made_up_secrets_looked_up_than_may_be_refused(
    steps: list[tuple[str, int]],
) -> None:
    async def run() -> None:
        world = Lookups()
        began = world.clock.now
        for what, number in steps:
            if what == "send":
                for _ in range(number):
                    await world.send()
            elif what == "time":
                world.clock.now += number
            elif what == "leave":
                await world.leave(number)
            elif world.under_way:
                await world.end(number, UNKNOWN if what == "unknown" else MEMBER)
            may_be_refused = LIMIT.burst + int(world.clock.now - began) * LIMIT.per_minute // 60
            assert world.refused + len(world.under_way) <= may_be_refused
            waiting = [each for each in world.requests if not each.done()]
            assert len(waiting) == len(world.under_way) or world.under_way, "a request waits for no other"
        while world.under_way:  # none waits for ever: each has an answer when the lookups have ended
            await world.end(0, MEMBER)
        assert all(each.done() for each in world.requests)

    asyncio.run(run())


async def test_more_valid_tokens_at_once_than_may_be_refused_all_come_through() -> None:
    world = Lookups()
    for _ in range(10 * LIMIT.burst):
        await world.send()
    assert world.begun == LIMIT.burst
    while world.under_way:
        await world.end(0, MEMBER)
    assert [each.result() for each in world.requests] == [MEMBER] * 10 * LIMIT.burst


async def test_secrets_that_wait_are_refused_without_a_lookup_once_the_bound_is_reached() -> None:
    world = Lookups()
    for _ in range(10 * LIMIT.burst):
        await world.send()
    while world.under_way:
        await world.end(0, UNKNOWN)
    assert world.begun == LIMIT.burst
    outcomes = [await each for each in world.requests]
    assert sum(isinstance(each, Flooded) for each in outcomes) == 9 * LIMIT.burst


async def test_a_secret_that_waits_too_long_cannot_be_told() -> None:
    world = Lookups()
    for _ in range(LIMIT.burst):
        await world.send()
    async with world.flood.looking_up(ADDRESS, Secret("late"), 0.0) as refused:
        assert type(refused) is Unavailable
    assert not world.flood._waiting or all(turn.done() for turn in world.flood._waiting["192.0.2.1"])
    for _ in range(LIMIT.burst):
        await world.end(0, MEMBER)
    assert (world.flood._waiting, world.flood._under_way) == ({}, {})
