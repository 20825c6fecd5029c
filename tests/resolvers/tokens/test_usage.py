"""Usage in the store: added up exactly once, last uses only forwards, and nothing else touched."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlmodel import select

from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.refusal import InvalidInput
from spacekey.domain.usage import TokenUse, UsageBatch
from spacekey.middleware.usage.collector import BATCH_ENTRIES_MAX, UsageCollector
from spacekey.models.engine.store import POSTGRESQL, Store
from spacekey.models.tables.records import AnyToken
from spacekey.models.tables.usage import UsageReporter
from spacekey.resolvers.tokens import usage as keep_usage
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.list import token_view, token_views
from spacekey.resolvers.tokens.revoke import disable_token
from spacekey.resolvers.tokens.usage import REPORTERS_KEPT, Finding, StoreUsage, activity_of, checked_span, usage_by_day
from support.world import OPERATOR, World, make_world

CLIENT = ("192.0.2.9", 1)
READ = frozenset({"jobs:read"})


@pytest.fixture
async def world(store: Store) -> World:
    return make_world(store)


async def _tokens(world: World, count: int = 1) -> list[str]:
    workspace = await world.workspace("spooled", plan="enterprise")
    made = []
    for number in range(count):
        new = NewToken(workspace.id, f"token {number}", ("jobs:read", "jobs:write"))
        made.append((await create_token(world.system, OPERATOR, new)).view.token.id)
    return made


def _sink(world: World) -> StoreUsage:
    return StoreUsage(world.system.store, world.clock)


async def _token(world: World, token_id: str) -> AnyToken:
    return (await token_view(world.system, OPERATOR, token_id)).token


async def _counts(world: World, token_id: str) -> tuple[int, int, int]:
    days = (await usage_by_day(world.system, [token_id], 2)).get(token_id, [])
    return sum(day.allowed for day in days), sum(day.denied for day in days), sum(day.limited for day in days)


async def test_a_flush_writes_counts_last_use_and_scopes(world: World) -> None:
    (token_id,) = await _tokens(world)
    usage = UsageCollector(_sink(world), now=world.clock)
    usage.allowed(token_id, CLIENT, READ)
    usage.denied(token_id, CLIENT)
    usage.limited(token_id, CLIENT)
    assert (await _token(world, token_id)).last_used_at is None
    await usage.aclose()
    token = await _token(world, token_id)
    assert (token.last_used_at, token.last_used_ip) == (world.clock.now, "192.0.2.9")
    assert await _counts(world, token_id) == (1, 1, 1)


async def test_a_flush_holds_up_the_event_loop_in_short_steps_alone(world: World) -> None:
    """Between two turns of the loop it makes few calls for each row: requests wait for every one of them."""
    token_ids = await _tokens(world, 2)
    now = world.clock()
    use = TokenUse(token_ids[0], now, allowed=1, used=True, scopes=("tokens:read",))
    rows = [use, *(TokenUse(f"key_{n:026}", now, allowed=1, used=True) for n in range(BATCH_ENTRIES_MAX - 1))]
    sink = _sink(world)
    await sink.send(UsageBatch("a" * 32, 1, (use,)))  # statements are compiled once

    calls, steps = 0, [0]
    turning = asyncio.get_running_loop()

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    def turn() -> None:
        nonlocal calls
        steps.append(calls)
        calls = 0
        following[0] = turning.call_soon(turn)

    following = [turning.call_soon(turn)]
    sys.setprofile(count)
    try:
        await sink.send(UsageBatch("a" * 32, 2, tuple(rows)))
    finally:
        sys.setprofile(None)
        following[0].cancel()
    assert max(steps) < 40 * BATCH_ENTRIES_MAX


async def test_a_batch_counts_once_however_often_it_is_sent(world: World) -> None:
    (token_id,) = await _tokens(world)
    sink = _sink(world)
    batch = UsageBatch("r", 1, (TokenUse(token_id, world.clock.now, allowed=1),))
    await asyncio.gather(*(_patiently(sink, batch) for _ in range(5)))
    await sink.send(UsageBatch("r", 3, batch.uses))
    await sink.send(UsageBatch("r", 2, batch.uses))  # given up by its sender before 3 went out
    await sink.send(UsageBatch("another", 1, batch.uses))
    assert await _counts(world, token_id) == (3, 0, 0)


async def test_flushes_of_several_collectors_at_once_add_up_exactly(world: World) -> None:
    tokens = await _tokens(world, 6)
    collectors = [UsageCollector(_sink(world), now=world.clock) for _ in range(4)]
    for turn in range(5):
        for number, usage in enumerate(collectors):
            for token_id in tokens if number % 2 else reversed(tokens):
                usage.allowed(token_id, CLIENT, READ)
                usage.denied(token_id, CLIENT)
        world.clock.forward(minutes=turn)
        await asyncio.gather(*(usage.flush() for usage in collectors))
    for usage in collectors:
        while usage.waiting:  # whoever had to give way tries again
            await usage.flush()
    assert {await _counts(world, token_id) for token_id in tokens} == {(20, 20, 0)}


async def test_a_batch_that_fails_in_the_middle_leaves_nothing_and_may_be_sent_again(world: World) -> None:
    (token_id,) = await _tokens(world)
    sink = _sink(world)
    wrong = UsageBatch("r", 1, (TokenUse(token_id, world.clock.now, allowed=1, scopes=("jobs:read",)),))
    async with world.system.store.changing() as session:
        await (await session.connection()).execute(text("ALTER TABLE spacekey_scope_uses RENAME TO elsewhere"))
    with pytest.raises(ServiceUnavailable, match="a table is missing") as raised:
        await sink.send(wrong)
    assert "spacekey_scope_uses" in str(raised.value.__context__)
    async with world.system.store.changing() as session:
        await (await session.connection()).execute(text("ALTER TABLE elsewhere RENAME TO spacekey_scope_uses"))
    assert await _counts(world, token_id) == (0, 0, 0)
    assert (await _token(world, token_id)).last_used_at is None
    await sink.send(wrong)
    assert await _counts(world, token_id) == (1, 0, 0)


async def test_a_late_flush_moves_nothing_back_and_undoes_no_change_made_meanwhile(world: World) -> None:
    (token_id,) = await _tokens(world)
    late, early = (UsageCollector(_sink(world), now=world.clock) for _ in range(2))
    late.allowed(token_id, ("192.0.2.1", 1))
    world.clock.forward(hours=1)
    early.allowed(token_id, ("192.0.2.2", 1))
    await early.flush()
    await disable_token(world.system, OPERATOR, token_id)
    await late.flush()
    token = await _token(world, token_id)
    assert (token.last_used_at, token.last_used_ip) == (world.clock.now, "192.0.2.2")
    assert token.disabled_at is not None
    assert await _counts(world, token_id) == (2, 0, 0)
    await late.aclose()
    await early.aclose()


async def test_a_use_from_nowhere_keeps_the_address_known_before(world: World) -> None:
    (token_id,) = await _tokens(world)
    usage = UsageCollector(_sink(world), now=world.clock)
    usage.allowed(token_id, CLIENT)
    await usage.flush()
    world.clock.forward(minutes=1)
    usage.seen(token_id)
    await usage.aclose()
    token = await _token(world, token_id)
    assert (token.last_used_at, token.last_used_ip) == (world.clock.now, "192.0.2.9")
    assert await _counts(world, token_id) == (1, 0, 0)


async def test_a_refused_token_is_denied_and_not_used(world: World) -> None:
    (token_id,) = await _tokens(world)
    usage = UsageCollector(_sink(world), now=world.clock)
    usage.refused(token_id)
    usage.refused("key_unknown")
    await usage.aclose()
    assert (await _token(world, token_id)).last_used_at is None
    assert await _counts(world, token_id) == (0, 1, 0)


async def test_a_use_in_the_future_is_a_use_now(world: World) -> None:
    """As when the clock was ahead when it was counted, and has been set right since."""
    (token_id,) = await _tokens(world)
    ahead = world.clock.now + timedelta(days=400)
    await _sink(world).send(UsageBatch("r", 1, (TokenUse(token_id, ahead, allowed=1, scopes=("jobs:read",)),)))
    assert (await _token(world, token_id)).last_used_at == world.clock.now
    assert await _counts(world, token_id) == (1, 0, 0)


@pytest.mark.parametrize("database_kind", [POSTGRESQL], indirect=True)
async def test_the_databases_clock_says_what_now_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An app whose machine is an hour ahead must not move a last use to where no true one passes it for an hour."""

    def an_hour_ahead() -> datetime:
        return datetime.now(UTC) + timedelta(hours=1)

    monkeypatch.setattr(keep_usage, "utc_now", an_hour_ahead)
    (token_id,) = await _tokens(world)
    usage = UsageCollector(StoreUsage(world.system.store, an_hour_ahead), now=an_hour_ahead)
    usage.allowed(token_id, CLIENT)
    await usage.aclose()
    used = (await _token(world, token_id)).last_used_at
    assert used is not None
    assert used <= datetime.now(UTC)


async def test_reporters_that_fell_silent_are_forgotten(world: World) -> None:
    (token_id,) = await _tokens(world)
    sink = _sink(world)
    for name, days in (("old", 0), ("new", 1), ("newest", REPORTERS_KEPT / timedelta(days=1))):
        world.clock.forward(days=days)
        await sink.send(UsageBatch(name, 1, (TokenUse(token_id, world.clock.now, allowed=1),)))
    async with world.system.store.reading() as session:
        names = (await session.exec(select(UsageReporter.id))).all()
    assert sorted(names) == ["new", "newest"]


@pytest.mark.parametrize("database_kind", [POSTGRESQL], indirect=True)
async def test_a_flush_gives_way_to_whoever_changes_tokens(world: World) -> None:
    one, other = sorted(await _tokens(world, 2))
    usage = UsageCollector(_sink(world), now=world.clock)
    for token_id in (one, other):
        usage.allowed(token_id, CLIENT, READ)
    async with world.system.store.changing() as session:
        connection = await session.connection()
        # Between the two it would be this one that PostgreSQL ends, if the flush did not end itself first.
        await connection.execute(text("SET LOCAL deadlock_timeout = '800ms'"))
        lock = "UPDATE spacekey_tokens SET disabled_at = now() WHERE id = :id"
        await connection.execute(text(lock), {"id": other})
        flushing = asyncio.create_task(usage.flush())
        await _waits_for_a_lock(world.system.store)
        # The flush holds `one` and waits for `other`, which is held here: a deadlock, if it did not give way.
        await connection.execute(text(lock), {"id": one})
        await flushing
    assert usage.waiting == 2
    await usage.aclose()
    assert [await _counts(world, token_id) for token_id in (one, other)] == [(1, 0, 0), (1, 0, 0)]
    assert (await _token(world, one)).disabled_at is not None


async def _waits_for_a_lock(store: Store) -> None:
    asked = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    async with asyncio.timeout(120):
        while True:
            async with store.reading() as session:
                if (await (await session.connection()).execute(asked)).scalar():
                    return
            await asyncio.sleep(0.01)


async def _patiently(sink: StoreUsage, batch: UsageBatch) -> None:
    """Send until there is an answer, as a collector does."""
    for _ in range(50):
        try:
            await sink.send(batch)
        except ServiceUnavailable:
            continue
        return
    raise AssertionError("no answer")


# What is not used is found: tokens, and scopes of tokens that are.


SPAN = timedelta(days=90)


async def test_never_used_not_used_and_not_with_all_scopes_are_told_apart(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled", plan="enterprise")

    async def token(name: str) -> str:
        issued = await create_token(world.system, OPERATOR, NewToken(workspace.id, name, ("jobs:read", "jobs:write")))
        return issued.view.token.id

    numbers = iter(range(1, 100))

    async def use(token_id: str, *scopes: str) -> None:
        row = TokenUse(token_id, world.clock.now, allowed=1, scopes=scopes)
        await StoreUsage(store, world.clock).send(UsageBatch("r", next(numbers), (row,)))

    never, once, partly, wholly = [await token(name) for name in ("never", "once", "partly", "wholly")]
    world.clock.forward(days=1)
    for token_id in (once, partly, wholly):
        await use(token_id, "jobs:read", "jobs:write")
    world.clock.forward(days=91)
    young = await token("young")
    await use(partly, "jobs:read")
    await use(wholly, "jobs:read", "jobs:write")

    order = [never, once, partly, wholly, young]
    views = await token_views(world.system, OPERATOR, order)
    found = await activity_of(world.system, [views[token_id] for token_id in order], SPAN)
    both = ("jobs:read", "jobs:write")
    assert [(one.finding, one.unused_scopes, one.age_days, one.due_for_rotation) for one in found] == [
        (Finding.NEVER_USED, both, 92, True),
        (Finding.UNUSED, both, 92, True),
        (Finding.UNUSED_SCOPES, ("jobs:write",), 92, True),
        (None, (), 92, True),
        (None, (), 0, False),
    ]


@pytest.mark.parametrize("days", [-1, 3_661, 10**12])
def test_a_time_that_cannot_be_looked_back_on_is_refused(days: int) -> None:
    with pytest.raises(InvalidInput, match="Give 0 to"):
        checked_span(days)
