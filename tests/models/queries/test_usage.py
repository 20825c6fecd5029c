"""Usage adds up, however it is batched, and one bad row costs nobody else's."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from spacekey.models.engine.store import Store
from spacekey.models.queries.usage import HourCounts, add_usage, scopes_used, touch_scopes, usage_by_day
from spacekey.models.tables.token import Token
from support.rows import NOW, a_token, a_workspace, add, ago, ahead

MIDNIGHT = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.fixture
async def tokens(store: Store) -> list[Token]:
    workspace = a_workspace()
    made = [a_token(workspace) for _ in range(2)]
    await add(store, workspace, *made)
    return made


def an_hour(token: str, hour: datetime, allowed: int = 0, denied: int = 0, limited: int = 0) -> HourCounts:
    return HourCounts(token, hour, allowed, denied, limited)


async def flush(store: Store, *rows: HourCounts) -> None:
    async with store.changing() as session:
        await add_usage(session, rows)


async def test_counts_add_up_by_utc_day(store: Store, tokens: list[Token]) -> None:
    one, other = (token.id for token in tokens)
    late = MIDNIGHT - timedelta(seconds=1)
    east = MIDNIGHT.astimezone(datetime.fromisoformat("2026-05-04T00:00:00+09:00").tzinfo)
    await flush(store, an_hour(one, late, 1, 2, 3), an_hour(one, MIDNIGHT, 10), an_hour(other, MIDNIGHT, 5))
    await flush(store, an_hour(one, MIDNIGHT + timedelta(hours=23, minutes=59), 100, 0, 7), an_hour(one, east, 1_000))
    await flush(store)
    async with store.reading() as session:
        found = await usage_by_day(session, [one, other, "key_none"], MIDNIGHT - timedelta(days=1))
        assert found == {
            one: [(date(2026, 5, 3), 1, 2, 3), (date(2026, 5, 4), 1_110, 0, 7)],
            other: [(date(2026, 5, 4), 5, 0, 0)],
        }
        assert (await usage_by_day(session, [one], MIDNIGHT))[one] == [(date(2026, 5, 4), 1_110, 0, 7)]
        assert await usage_by_day(session, [], MIDNIGHT) == {}


async def test_rows_of_one_hour_in_one_batch_add_up(store: Store, tokens: list[Token]) -> None:
    one = tokens[0].id
    await flush(store, *(an_hour(one, MIDNIGHT + timedelta(minutes=n), allowed=1) for n in range(60)))
    async with store.reading() as session:
        assert (await usage_by_day(session, [one], MIDNIGHT))[one] == [(date(2026, 5, 4), 60, 0, 0)]


async def test_unknown_tokens_cost_the_others_nothing(store: Store, tokens: list[Token]) -> None:
    one = tokens[0].id
    await flush(store, an_hour("key_none", MIDNIGHT, 9), an_hour(one, MIDNIGHT, 1))
    await flush(store, an_hour("key_none", MIDNIGHT, 9))
    async with store.changing() as session:
        await touch_scopes(session, {("key_none", "jobs:read"): NOW, (one, "jobs:read"): NOW})
        await touch_scopes(session, {("key_none", "jobs:read"): NOW})
    async with store.reading() as session:
        assert set(await usage_by_day(session, [one, "key_none"], MIDNIGHT)) == {one}
        assert await scopes_used(session, [one, "key_none"], ago(days=1)) == {one: frozenset({"jobs:read"})}


async def test_flushes_at_the_same_time_lose_no_count(store: Store, tokens: list[Token]) -> None:
    one, other = (token.id for token in tokens)
    rows = [an_hour(one, MIDNIGHT, 1), an_hour(other, MIDNIGHT, 1)]
    await asyncio.gather(*(flush(store, *(rows if n % 2 else reversed(rows))) for n in range(10)))
    async with store.reading() as session:
        found = await usage_by_day(session, [one, other], MIDNIGHT)
    assert {token: days[0].allowed for token, days in found.items()} == {one: 10, other: 10}


async def test_scope_use_moves_only_forwards(store: Store, tokens: list[Token]) -> None:
    one, other = (token.id for token in tokens)
    for moment in (NOW, ago(days=5), ahead(seconds=1), NOW):
        async with store.changing() as session:
            await touch_scopes(session, {(one, "jobs:read"): moment, (one, "jobs:create"): ago(days=9)})
    async with store.reading() as session:
        assert await scopes_used(session, [one, other], ahead(seconds=1)) == {one: frozenset({"jobs:read"})}
        assert await scopes_used(session, [one], ahead(seconds=2)) == {}
        assert await scopes_used(session, [one], ago(days=9)) == {one: frozenset({"jobs:read", "jobs:create"})}
        assert await scopes_used(session, [], ago(days=9)) == {}
