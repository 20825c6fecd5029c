"""CPU time of callers without valid credentials is charged to their address, and to no one else."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from spacekey import TokenMiddleware, optional, public, requires
from spacekey.domain.authentication import Verdict
from spacekey.domain.principal import Limit
from spacekey.domain.secret import Secret
from spacekey.middleware.limits.anonymous import AnonymousBudget, AnonymousWork
from spacekey.verifiers import MemoryVerifier

KNOWN = MemoryVerifier()
GOOD = {"Authorization": f"Bearer {KNOWN.issue('jobs:read').reveal()}"}
BAD = {"Authorization": "Bearer sk_live_x"}
STRANGER, OTHER = "203.0.113.9", "203.0.113.10"


@dataclass
class Setting:
    """An app whose endpoints take as much CPU time as they are told, on clocks that the test sets."""

    now: float = 100.0
    cpu: float = 5.0
    cpu_a_verification: float = 0.0
    pause_seconds: float = 0.0
    waits: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        limit = Limit(per_minute=600, burst=1_000)
        self.budget = AnonymousBudget(
            limit, addresses_max=100, pause_seconds=self.pause_seconds, paused_max=2, clock=lambda: self.now
        )

    async def verify(self, secret: Secret) -> Verdict:
        self.cpu += self.cpu_a_verification
        return await KNOWN.verify(secret)

    async def aclose(self) -> None:
        pass

    def app(self) -> Starlette:
        @optional
        async def work(request: Request) -> Response:
            self.cpu += float(request.query_params["seconds"])
            return PlainTextResponse("done")

        @optional
        async def slow(_request: Request) -> Response:
            self.cpu += 2.0
            asyncio.get_running_loop().call_soon(self.waits.set)  # after this step
            await self.go_on.wait()
            return PlainTextResponse("done")

        @requires("jobs:read")
        async def ruled(_request: Request) -> Response:
            return PlainTextResponse("done")

        @public
        async def probe(_request: Request) -> Response:
            self.cpu += 100.0
            return PlainTextResponse("done")

        routes = [Route("/work", work), Route("/slow", slow), Route("/ruled", ruled), Route("/probe", probe)]
        work_of = Middleware(
            AnonymousWork,
            budget=self.budget,
            applies=lambda scope: scope["path"] != "/probe",
            cpu_clock=lambda: self.cpu,
        )
        return Starlette(routes=routes, middleware=[work_of, Middleware(TokenMiddleware, verifier=self)])

    @asynccontextmanager
    async def client(self, address: str = STRANGER) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(self.app(), client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield client


async def test_work_is_charged_when_it_is_done_and_the_next_request_is_refused_before_it() -> None:
    at = Setting()
    async with at.client() as stranger:
        for _ in range(5):
            assert (await stranger.get("/work?seconds=0.22")).status_code == 200
        spent = at.cpu
        refused = await stranger.get("/work?seconds=0.22")
        assert refused.status_code == 429
        assert refused.json()["code"] == "too_much_work"
        assert at.cpu == spent  # nothing was done for it
        at.now += float(refused.headers["retry-after"])
        assert (await stranger.get("/work?seconds=0.22")).status_code == 200


@pytest.mark.parametrize(
    ("address", "together"),
    [
        (STRANGER, True),
        (f"::ffff:{STRANGER}", True),
        (OTHER, False),
        ("2001:db8::1", False),
    ],
)
async def test_an_address_pays_for_itself(address: str, together: bool) -> None:
    at = Setting()
    async with at.client() as stranger, at.client(address) as other:
        await stranger.get("/work?seconds=2")
        assert (await other.get("/work?seconds=0")).status_code == (429 if together else 200)


async def test_an_ipv6_network_is_one_address() -> None:
    at = Setting()
    async with at.client("2001:db8::1") as one, at.client("2001:db8::ffff") as two, at.client("2001:db8:0:1::") as far:
        await one.get("/work?seconds=2")
        assert (await two.get("/work?seconds=0")).status_code == 429
        assert (await far.get("/work?seconds=0")).status_code == 200


async def test_callers_with_a_valid_token_neither_pay_nor_wait() -> None:
    at = Setting()
    async with at.client() as client:
        await client.get("/work?seconds=2")
        assert (await client.get("/work?seconds=0")).status_code == 429
        for _ in range(10):
            assert (await client.get("/work?seconds=50", headers=GOOD)).status_code == 200
        at.now += 100.5  # what the anonymous second of overdraft takes, and no more
        assert (await client.get("/work?seconds=0")).status_code == 200


async def test_refused_credentials_are_charged_and_never_hold_up_good_ones() -> None:
    at = Setting(cpu_a_verification=2.0)
    async with at.client() as client:
        assert (await client.get("/ruled", headers=BAD)).status_code == 401
        assert (await client.get("/work?seconds=0")).status_code == 429
        assert (await client.get("/ruled", headers=GOOD)).status_code == 200


async def test_requests_at_the_same_time_share_the_account() -> None:
    """Each step is charged when it ends: the first one's work is known while it still waits for something."""
    at = Setting()
    async with at.client() as stranger:
        first = asyncio.ensure_future(stranger.get("/slow"))
        await at.waits.wait()
        assert (await stranger.get("/work?seconds=0")).status_code == 429
        at.go_on.set()
        assert (await first).status_code == 200


async def test_what_is_left_out_costs_nothing_and_is_never_refused() -> None:
    at = Setting()
    async with at.client() as stranger:
        assert (await stranger.get("/probe")).status_code == 200
        assert (await stranger.get("/work?seconds=2")).status_code == 200
        assert (await stranger.get("/probe")).status_code == 200


async def test_a_cancellation_and_a_failure_pass_through_and_are_charged() -> None:
    at = Setting()
    async with at.client() as stranger:
        task = asyncio.ensure_future(stranger.get("/slow"))
        await at.waits.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await stranger.get("/work?seconds=0")).status_code == 429
        with pytest.raises(KeyError):
            await stranger.get("/work", headers=GOOD)


async def test_so_many_refusals_are_held_back_and_no_more() -> None:
    """A client that asks again at once is slowed down; many of them do not fill the server with waiting requests."""
    at = Setting(pause_seconds=3_600.0)
    async with at.client() as stranger:
        await stranger.get("/work?seconds=2")
        asked = [asyncio.ensure_future(stranger.get("/work?seconds=0")) for _ in range(5)]
        answered = [(await one).status_code for one in itertools.islice(asyncio.as_completed(asked), 3)]
        assert answered == [429, 429, 429]
        held = [task for task in asked if not task.done()]
        assert len(held) == 2
        assert (await stranger.get("/work?seconds=0", headers=GOOD)).status_code == 200
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)
