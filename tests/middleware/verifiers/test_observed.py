"""What observers of verifiers are told, and that without one nothing is in the way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import httpx
import pytest
from starlette.types import Scope

from spacekey.domain.clock import utc_now
from spacekey.domain.errors import Unavailable
from spacekey.domain.outcome import CannotTell, Reason, Refused, Valid, Verdict
from spacekey.domain.secret import Secret
from spacekey.middleware import BrandChain, MemoryVerifier
from spacekey.middleware.verifiers.cached import CachedVerifier, ObservedCache, Reading, cache_over
from spacekey.middleware.verifiers.remote import RemoteVerifier
from support.asgi_calls import request_of
from support.verifier_contract import principal

T = 1.0
MINT = MemoryVerifier()


@dataclass
class Notebook:
    """Writes down what it is told."""

    lookups: list[str] = field(default_factory=list)
    reads: list[tuple[float, bool, float | None]] = field(default_factory=list)

    def hit(self) -> None:
        """From memory."""
        self.lookups.append("hit")

    def miss(self) -> None:
        """To be read."""
        self.lookups.append("miss")

    def read(self, seconds: float, *, answered: bool, staleness_seconds: float | None) -> None:
        """Was read."""
        self.reads.append((seconds, answered, staleness_seconds))


class Store:
    """A store in virtual time whose reads take a quarter of a second."""

    def __init__(self) -> None:
        self.now = 100.0
        self.secret = MINT.issue("a")
        self.answer: Verdict | Exception = Valid(principal(expires_at=None))
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()
        self.told = Notebook()
        self.cache = cache_over(self.read, self.told, clock=lambda: self.now, now=utc_now, entries_max=10)

    @property
    def request(self) -> Scope:
        """What a request shows."""
        return request_of(self.secret)

    async def read(self, _: Secret) -> Reading:
        """What the test wants."""
        self.asked.set()
        await self.gate.wait()
        self.now += 0.25
        if isinstance(self.answer, Exception):
            raise self.answer
        return Reading(self.answer, T)


async def test_a_first_verification_is_a_miss_and_a_read_and_every_later_one_a_hit() -> None:
    store = Store()
    await store.cache.verify(store.secret)
    assert (store.told.lookups, store.told.reads) == (["miss"], [(0.25, True, T)])
    await store.cache.verify(store.secret)
    assert store.cache.peek(store.secret.bearer()) is not None
    assert store.cache.peek(store.secret.bearer()) is not None
    assert store.told.lookups == ["miss", "hit", "hit", "hit"]
    assert len(store.told.reads) == 1


async def test_asking_memory_in_vain_is_no_miss_because_verify_follows() -> None:
    store = Store()
    assert store.cache.peek(store.secret.bearer()) is None
    assert store.cache.peek(store.secret.bearer()) is None
    assert store.told.lookups == []


async def test_an_entry_that_is_too_old_is_a_miss() -> None:
    store = Store()
    await store.cache.verify(store.secret)
    store.now += T
    assert store.cache.peek(store.secret.bearer()) is None
    await store.cache.verify(store.secret)
    assert store.told.lookups == ["miss", "miss"]
    assert len(store.told.reads) == 2


async def test_an_unknown_secret_in_memory_is_a_hit_and_brings_no_t() -> None:
    store = Store()
    store.answer = Refused(Reason.UNKNOWN)
    await store.cache.verify(store.secret)
    await store.cache.verify(store.secret)
    assert (store.told.lookups, store.told.reads) == (["miss", "hit"], [(0.25, True, None)])


async def test_callers_that_share_a_read_are_a_miss_each_and_one_read() -> None:
    store = Store()
    store.gate.clear()
    waiting = [asyncio.create_task(store.cache.verify(store.secret)) for _ in range(3)]
    await store.asked.wait()
    store.gate.set()
    await asyncio.gather(*waiting)
    assert (store.told.lookups, len(store.told.reads)) == (["miss"] * 3, 1)


async def test_what_has_the_wrong_shape_is_neither_looked_up_nor_read() -> None:
    store = Store()
    assert await store.cache.verify(Secret("nonsense")) == Refused(Reason.MALFORMED)
    assert store.told == Notebook()


async def test_an_outage_is_a_read_without_an_answer() -> None:
    store = Store()
    store.answer = Unavailable("gone")
    assert isinstance(await store.cache.verify(store.secret), CannotTell)
    assert store.told.reads == [(0.25, False, None)]


async def test_a_read_that_closing_ends_is_one_without_an_answer() -> None:
    store = Store()
    store.gate.clear()
    waiting = asyncio.create_task(store.cache.verify(store.secret))
    await store.asked.wait()
    await store.cache.aclose()
    assert isinstance(await waiting, CannotTell)
    assert store.told.reads == [(0.0, False, None)]


@pytest.mark.parametrize("chained", [False, True])
async def test_a_remote_verifier_tells_of_all_of_it(chained: bool) -> None:
    told = Notebook()
    facts = {"active": True, "sub": "key_1", "kind": "workspace", "max_age": 0.5}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=facts))
    remote = RemoteVerifier("https://keys.test", "own", observer=told, transport=transport, clock=lambda: 7.0)
    verifier = BrandChain({"sk": remote}) if chained else remote
    secret = MINT.issue()
    await verifier.verify(secret)
    assert verifier.peek(secret.bearer()) is not None
    assert (told.lookups, told.reads) == (["miss", "hit"], [(0.0, True, 0.5)])
    await verifier.aclose()


async def test_a_remote_spacekey_that_is_gone_is_a_read_without_an_answer() -> None:
    told = Notebook()

    def gone(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("gone")

    verifier = RemoteVerifier(
        "https://keys.test", "own", observer=told, transport=httpx.MockTransport(gone), clock=lambda: 7.0
    )
    assert isinstance(await verifier.verify(MINT.issue()), CannotTell)
    assert told.reads == [(0.0, False, None)]
    await verifier.aclose()


async def test_without_an_observer_the_cache_is_the_plain_one() -> None:
    """So its warm path is the very same code as ever."""
    store = Store()
    plain = cache_over(store.read, None, clock=lambda: 0.0, now=utc_now, entries_max=1)
    assert type(plain) is CachedVerifier
    assert type(store.cache) is ObservedCache
    assert type(RemoteVerifier("https://keys.test", "own")._cache) is CachedVerifier
