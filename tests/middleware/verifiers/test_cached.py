"""The cache's rule (docs/explanation/revocation.md): nothing is served that was read more than max_age ago."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Scope

from spacekey.domain.authentication import Authenticated, Reason, Rejected, Unavailable, Verdict
from spacekey.domain.clock import boot_clock, utc_now
from spacekey.domain.errors import ConfigurationError, ServiceUnavailable
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret
from spacekey.middleware.verifiers.cached import CachedVerifier, ObservedCache, Reading, cache_over
from spacekey.middleware.verifiers.remote import RemoteVerifier
from spacekey.verifiers import MemoryVerifier, VerifierChain
from support.asgi_calls import request_of
from support.verifiers.contract import principal

T = 1.0
MINT = MemoryVerifier()
SECRET = MINT.issue("a")
OTHER = MINT.issue("a")
PRINCIPAL = Principal("key_1", Kind.SPACE, frozenset({"a"}), space_id="space_1")


class Store:
    """A store under a clock set by hand, whose reads can be held back."""

    def __init__(self, max_age: float = T) -> None:
        self.now = 100.0
        self.wall = datetime(2026, 1, 1, tzinfo=UTC)
        self.verdict: Verdict = Authenticated(PRINCIPAL)
        self.max_age = max_age
        self.reads = 0
        self.takes = 0.0
        self.held: asyncio.Event | None = None

    async def read(self, _: Secret) -> Reading:
        """The truth at the time of the read, which may arrive later."""
        self.reads += 1
        verdict = self.verdict
        if self.held is not None:
            await self.held.wait()
        self.now += self.takes
        return Reading(verdict, self.max_age)

    def cache(self, entries_max: int = 10, unknown_entries_max: int = 10) -> CachedVerifier:
        """A cache over it."""
        return CachedVerifier(
            self.read,
            clock=lambda: self.now,
            now=lambda: self.wall,
            entries_max=entries_max,
            unknown_entries_max=unknown_entries_max,
        )


# seconds after the first read began → whether the store is asked again
AGES = [(0.0, False), (0.5, False), (0.999, False), (1.0, True), (1.001, True), (3600.0, True)]


@pytest.mark.parametrize(("age", "asked"), AGES)
async def test_an_entry_is_served_only_while_younger_than_max_age(age: float, asked: bool) -> None:
    store = Store()
    cache = store.cache()
    await cache.verify(SECRET)
    store.now += age
    store.verdict = Rejected(Reason.REVOKED)
    assert (cache.peek(SECRET.bearer()) is None) == asked
    assert await cache.verify(SECRET) == (Rejected(Reason.REVOKED) if asked else Authenticated(PRINCIPAL))


@pytest.mark.parametrize(("age", "asked"), AGES)
async def test_the_warm_answer_is_as_young_as_any_other(age: float, asked: bool) -> None:
    store = Store()
    cache = store.cache()
    await cache.verify(SECRET)
    store.now += age
    warm = cache.peek(SECRET.bearer())
    assert (warm is None) == asked


async def test_a_warm_answer_renews_nothing() -> None:
    store = Store()
    cache = store.cache()
    await cache.verify(SECRET)
    for _ in range(10):
        assert cache.peek(SECRET.bearer()) is not None
        store.now += 0.0999
    store.now += 0.001
    assert cache.peek(SECRET.bearer()) is None
    assert cache.peek(SECRET.bearer()) is None


async def test_use_never_renews_an_entry() -> None:
    store = Store()
    cache = store.cache()
    for _ in range(10):
        await cache.verify(SECRET)
        cache.peek(SECRET.bearer())
        store.now += 0.099
    store.now += 0.02
    store.verdict = Rejected(Reason.REVOKED)
    assert await cache.verify(SECRET) == Rejected(Reason.REVOKED)
    assert store.reads == 2


async def test_age_counts_from_before_the_read_began() -> None:
    store = Store()
    store.takes = 0.75
    cache = store.cache()
    assert await cache.verify(SECRET) == Authenticated(PRINCIPAL)
    store.now += 0.25
    assert cache.peek(SECRET.bearer()) is None


@pytest.mark.parametrize("takes", [1.0, 5.0])
async def test_a_read_slower_than_max_age_is_cannot_tell_and_is_not_kept(takes: float) -> None:
    store = Store()
    store.takes = takes
    cache = store.cache()
    assert isinstance(await cache.verify(SECRET), Unavailable)
    assert cache.peek(SECRET.bearer()) is None


async def test_an_error_is_never_covered_by_an_old_answer() -> None:
    store = Store()

    async def read(secret: Secret) -> Reading:
        if store.reads:
            raise ServiceUnavailable("gone", 5)
        return await store.read(secret)

    cache = CachedVerifier(read, clock=lambda: store.now)
    assert await cache.verify(SECRET) == Authenticated(PRINCIPAL)
    store.now += T
    assert await cache.verify(SECRET) == Unavailable("gone", 5)


async def test_expiry_is_looked_at_on_every_hit() -> None:
    store = Store(max_age=3600.0)
    store.verdict = Authenticated(
        Principal("key_1", Kind.SPACE, frozenset(), space_id="s", expires_at=store.wall + timedelta(seconds=10))
    )
    cache = store.cache()
    assert isinstance(await cache.verify(SECRET), Authenticated)
    store.wall += timedelta(seconds=10)
    assert await cache.verify(SECRET) == Rejected(Reason.EXPIRED, "key_1")
    assert cache.peek(SECRET.bearer()) == Rejected(Reason.EXPIRED, "key_1")
    assert store.reads == 1


@pytest.mark.parametrize("reason", list(Reason))
async def test_of_the_refusals_only_unknown_is_kept(reason: Reason) -> None:
    store = Store()
    store.verdict = Rejected(reason)
    cache = store.cache()
    for _ in range(2):
        assert await cache.verify(SECRET) == Rejected(reason)
    assert store.reads == (1 if reason is Reason.UNKNOWN else 2)


async def test_memory_is_bounded_and_the_least_recently_used_goes_first() -> None:
    store = Store()
    cache = store.cache(entries_max=3)
    secrets = [MINT.issue("a") for _ in range(4)]
    for secret in secrets[:3]:
        await cache.verify(secret)
    cache.peek(secrets[0].bearer())
    await cache.verify(secrets[3])
    assert [cache.peek(secret.bearer()) is not None for secret in secrets] == [True, False, True, True]


async def test_a_flood_of_unknown_secrets_pushes_out_no_good_one() -> None:
    store = Store()
    cache = store.cache(entries_max=2, unknown_entries_max=2)
    await cache.verify(SECRET)
    store.verdict = Rejected(Reason.UNKNOWN)
    flood = [MINT.issue("a") for _ in range(20)]
    for secret in flood:
        await cache.verify(secret)
    assert cache.peek(SECRET.bearer()) == Authenticated(PRINCIPAL)
    assert sum(cache.peek(secret.bearer()) is not None for secret in flood) == 2


async def test_concurrent_misses_for_one_secret_share_a_read() -> None:
    store = Store()
    store.held = asyncio.Event()
    cache = store.cache()
    tasks = [asyncio.create_task(cache.verify(SECRET)) for _ in range(50)]
    others = [asyncio.create_task(cache.verify(OTHER)) for _ in range(50)]
    await _settled()
    store.held.set()
    assert set(map(type, await asyncio.gather(*tasks, *others))) == {Authenticated}
    assert store.reads == 2


async def test_one_cancelled_caller_takes_nothing_from_the_others() -> None:
    store = Store()
    store.held = asyncio.Event()
    cache = store.cache()
    first = asyncio.create_task(cache.verify(SECRET))
    await _settled()
    second = asyncio.create_task(cache.verify(SECRET))
    await _settled()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    store.held.set()
    assert await second == Authenticated(PRINCIPAL)
    assert store.reads == 1


async def test_a_read_that_raises_raises_for_all_and_the_next_one_reads_anew() -> None:
    calls: list[int] = []

    async def read(_: Secret) -> Reading:
        calls.append(1)
        await asyncio.sleep(0)
        if len(calls) == 1:
            raise RuntimeError("a bug")
        return Reading(Authenticated(PRINCIPAL), T)

    cache = CachedVerifier(read)
    results = await asyncio.gather(*(cache.verify(SECRET) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in results] == [RuntimeError] * 3
    assert await cache.verify(SECRET) == Authenticated(PRINCIPAL)


async def test_with_max_age_0_nobody_relies_on_a_read_that_began_before_they_came() -> None:
    store = Store(max_age=0.0)
    store.held = asyncio.Event()
    cache = store.cache()
    early = asyncio.create_task(cache.verify(SECRET))
    await _settled()
    store.verdict = Rejected(Reason.REVOKED)
    store.now += 0.01
    late = [asyncio.create_task(cache.verify(SECRET)) for _ in range(20)]
    await _settled()
    store.held.set()
    assert await early == Authenticated(PRINCIPAL)
    assert set(await asyncio.gather(*late)) == {Rejected(Reason.REVOKED)}
    assert store.reads == 2


@pytest.mark.parametrize("max_age", [0.0, T])
async def test_those_who_join_a_read_that_fails_share_its_failure_and_do_not_wait_for_another(max_age: float) -> None:
    store = Store(max_age)
    store.held = asyncio.Event()

    async def read(secret: Secret) -> Reading:
        await store.read(secret)
        raise ServiceUnavailable("gone", 5)

    cache = CachedVerifier(read, clock=lambda: store.now)
    early = asyncio.create_task(cache.verify(SECRET))
    await _settled()
    late = [asyncio.create_task(cache.verify(SECRET)) for _ in range(20)]
    await _settled()
    store.held.set()
    assert set(await asyncio.gather(early, *late)) == {Unavailable("gone", 5)}
    assert store.reads == 1
    # It is not kept: whoever comes later asks again.
    assert await cache.verify(SECRET) == Unavailable("gone", 5)
    assert store.reads == 2


@pytest.mark.parametrize("verdict", [Rejected(Reason.REVOKED), Authenticated(PRINCIPAL)])
async def test_a_call_that_comes_just_as_a_read_ends_neither_joins_it_nor_spins(verdict: Verdict) -> None:
    """Between a read's end and its being forgotten others may run; one of them must not wait for what is over."""
    store = Store(max_age=0.0)
    store.verdict = verdict
    store.held = asyncio.Event()
    cache = store.cache()
    early = asyncio.create_task(cache.verify(SECRET))
    await _settled()
    store.held.set()
    store.now += 0.01
    late: list[asyncio.Task[Verdict]] = []
    for _ in range(6):
        late.append(asyncio.create_task(cache.verify(SECRET)))
        await asyncio.sleep(0)
    assert set(await asyncio.gather(early, *late)) == {verdict}


async def test_whether_a_read_began_before_a_call_is_told_apart_also_where_the_clock_stands_still() -> None:
    store = Store(max_age=0.0)
    store.held = asyncio.Event()
    cache = store.cache()
    early = asyncio.create_task(cache.verify(SECRET))
    await _settled()
    store.verdict = Rejected(Reason.REVOKED)
    late = asyncio.create_task(cache.verify(SECRET))
    await _settled()
    store.held.set()
    assert [await early, await late] == [Authenticated(PRINCIPAL), Rejected(Reason.REVOKED)]


async def test_with_max_age_0_nothing_is_kept() -> None:
    store = Store(max_age=0.0)
    cache = store.cache()
    for reads in (1, 2, 3):
        assert await cache.verify(SECRET) == Authenticated(PRINCIPAL)
        assert store.reads == reads


async def test_closing_ends_reads_under_way_as_cannot_tell() -> None:
    store = Store()
    store.held = asyncio.Event()
    cache = store.cache()
    waiting = asyncio.create_task(cache.verify(SECRET))
    await _settled()
    await cache.aclose()
    assert isinstance(await waiting, Unavailable)


@pytest.mark.parametrize("bounds", [{"entries_max": -1}, {"unknown_entries_max": -1}])
def test_a_negative_bound_is_refused(bounds: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError):
        Store().cache(**bounds)


def test_the_boot_clock_goes_on() -> None:
    before = boot_clock()
    assert boot_clock() >= before
    if hasattr(time, "CLOCK_BOOTTIME"):
        assert abs(time.clock_gettime(time.CLOCK_BOOTTIME) - boot_clock()) < 60


Step = tuple[str, float]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["verify", "revoke", "wait", "slow", "release", "outage", "other"]),
        st.floats(0.0, 2.5, allow_nan=False),
    ),
    min_size=1,
    max_size=30,
)


@pytest.mark.long
@settings(max_examples=400, deadline=None)
@given(STEPS, st.sampled_from([0.0, 0.3, 1.0]))
def test_no_acceptance_later_than_max_age_after_a_revocation(steps: list[Step], max_age: float) -> None:
    """Whatever is interleaved: once max_age has passed since the commit, nobody is let in any more."""
    asyncio.run(_interleave(steps, max_age))


async def _interleave(steps: list[Step], max_age: float) -> None:
    store = Store(max_age)
    cache = store.cache(entries_max=1)
    revoked_at: float | None = None
    arrivals: list[tuple[float, asyncio.Task[tuple[Verdict, float]]]] = []

    async def ask() -> tuple[Verdict, float]:
        return await cache.verify(SECRET), store.now

    for what, seconds in steps:
        if what == "verify":
            arrivals.append((store.now, asyncio.create_task(ask())))
        elif what == "revoke" and revoked_at is None:
            store.verdict, revoked_at = Rejected(Reason.REVOKED), store.now
        elif what == "wait":
            store.now += seconds
        elif what == "slow":
            store.held = store.held or asyncio.Event()
        elif what == "release" and store.held is not None:
            store.held.set()
            store.held = None
        elif what == "other":
            await _settled()
        await _settled()
    if store.held is not None:
        store.held.set()
    store.held = None
    for arrived, task in arrivals:
        verdict, answered = await task
        if isinstance(verdict, Authenticated) and revoked_at is not None:
            # With max_age 0 an answer belongs to a read that began after the caller came.
            assert answered < revoked_at + max_age or arrived <= revoked_at
            assert max_age == 0 or answered < revoked_at + max_age


async def _settled() -> None:
    """Let every task run as far as it can."""
    for _ in range(6):
        await asyncio.sleep(0)


# --- what an observer is told


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


class ObservedStore:
    """A store in virtual time whose reads take a quarter of a second."""

    def __init__(self) -> None:
        self.now = 100.0
        self.secret = MINT.issue("a")
        self.answer: Verdict | Exception = Authenticated(principal(expires_at=None))
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
    store = ObservedStore()
    await store.cache.verify(store.secret)
    assert (store.told.lookups, store.told.reads) == (["miss"], [(0.25, True, T)])
    await store.cache.verify(store.secret)
    assert store.cache.peek(store.secret.bearer()) is not None
    assert store.cache.peek(store.secret.bearer()) is not None
    assert store.told.lookups == ["miss", "hit", "hit", "hit"]
    assert len(store.told.reads) == 1


async def test_asking_memory_in_vain_is_no_miss_because_verify_follows() -> None:
    store = ObservedStore()
    assert store.cache.peek(store.secret.bearer()) is None
    assert store.cache.peek(store.secret.bearer()) is None
    assert store.told.lookups == []


async def test_an_entry_that_is_too_old_is_a_miss() -> None:
    store = ObservedStore()
    await store.cache.verify(store.secret)
    store.now += T
    assert store.cache.peek(store.secret.bearer()) is None
    await store.cache.verify(store.secret)
    assert store.told.lookups == ["miss", "miss"]
    assert len(store.told.reads) == 2


async def test_an_unknown_secret_in_memory_is_a_hit_and_brings_no_t() -> None:
    store = ObservedStore()
    store.answer = Rejected(Reason.UNKNOWN)
    await store.cache.verify(store.secret)
    await store.cache.verify(store.secret)
    assert (store.told.lookups, store.told.reads) == (["miss", "hit"], [(0.25, True, None)])


async def test_callers_that_share_a_read_are_a_miss_each_and_one_read() -> None:
    store = ObservedStore()
    store.gate.clear()
    waiting = [asyncio.create_task(store.cache.verify(store.secret)) for _ in range(3)]
    await store.asked.wait()
    store.gate.set()
    await asyncio.gather(*waiting)
    assert (store.told.lookups, len(store.told.reads)) == (["miss"] * 3, 1)


async def test_what_has_the_wrong_shape_is_neither_looked_up_nor_read() -> None:
    store = ObservedStore()
    assert await store.cache.verify(Secret("nonsense")) == Rejected(Reason.MALFORMED)
    assert store.told == Notebook()


async def test_an_outage_is_a_read_without_an_answer() -> None:
    store = ObservedStore()
    store.answer = ServiceUnavailable("gone")
    assert isinstance(await store.cache.verify(store.secret), Unavailable)
    assert store.told.reads == [(0.25, False, None)]


async def test_a_read_that_closing_ends_is_one_without_an_answer() -> None:
    store = ObservedStore()
    store.gate.clear()
    waiting = asyncio.create_task(store.cache.verify(store.secret))
    await store.asked.wait()
    await store.cache.aclose()
    assert isinstance(await waiting, Unavailable)
    assert store.told.reads == [(0.0, False, None)]


@pytest.mark.parametrize("chained", [False, True])
async def test_a_remote_verifier_tells_of_all_of_it(chained: bool) -> None:
    told = Notebook()
    facts = {"active": True, "sub": "key_1", "kind": "workspace", "max_age": 0.5}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=facts))
    remote = RemoteVerifier("https://keys.test", "own", observer=told, transport=transport, clock=lambda: 7.0)
    verifier = VerifierChain({"sk": remote}) if chained else remote
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
    assert isinstance(await verifier.verify(MINT.issue()), Unavailable)
    assert told.reads == [(0.0, False, None)]
    await verifier.aclose()


async def test_without_an_observer_the_cache_is_the_plain_one() -> None:
    """So its warm path is the very same code as ever."""
    store = ObservedStore()
    plain = cache_over(store.read, None, clock=lambda: 0.0, now=utc_now, entries_max=1)
    assert type(plain) is CachedVerifier
    assert type(store.cache) is ObservedCache
    assert type(RemoteVerifier("https://keys.test", "own")._cache) is CachedVerifier
