"""Queries about usage, written in batches off the request path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.models.engine.reading import Reader, Values
from spacekey.models.engine.statements import insert, result_of
from spacekey.models.tables.base import POSTGRESQL, SQLITE
from spacekey.models.tables.expressions import UtcDay
from spacekey.models.tables.token import Token
from spacekey.models.tables.usage import ScopeUse, TokenUsage, UsageDay, UsageHour, UsageReporter

GIVE_WAY_SECONDS = 0.5
"""How long a flush waits for a locked row: less than PostgreSQL's ``deadlock_timeout`` of 1 s."""


class HourCounts(NamedTuple):
    """Requests of one token, to be added to the hour of a time.

    A tuple and not a row of the table: a flush creates hundreds on the event loop, at a tenth of a row's cost.
    """

    token_id: str
    hour: datetime
    allowed: int = 0
    denied: int = 0
    limited: int = 0


async def add_usage(session: AsyncSession, rows: Iterable[HourCounts]) -> None:
    """Add counts to each token's hour, whatever the minute. Rows of tokens that do not exist are left out."""
    counts: dict[tuple[str, datetime], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in rows:
        sums = counts[row.token_id, row.hour.replace(minute=0, second=0, microsecond=0)]
        for index, count in enumerate((row.allowed, row.denied, row.limited)):
            sums[index] += count
    known = await _existing(session, {token_id for token_id, _ in counts})
    values = [
        {"token_id": token_id, "hour": hour, "allowed": allowed, "denied": denied, "limited": limited}
        for (token_id, hour), (allowed, denied, limited) in sorted(counts.items())
        if token_id in known and allowed + denied + limited > 0
    ]
    if not values:
        return
    connection = await session.connection()
    statement = insert(connection, UsageHour)
    old, new = UsageHour.__table__.c, statement.excluded
    added = {name: old[name] + new[name] for name in ("allowed", "denied", "limited")}
    await connection.execute(
        statement.on_conflict_do_update(index_elements=["token_id", "hour"], set_=added),
        values,
    )


async def usage_by_day(session: AsyncSession, token_ids: Iterable[str], since: datetime) -> dict[str, list[UsageDay]]:
    """Return each token's requests by UTC day since ``since``, oldest first; days without requests are left out."""
    day = UtcDay(UsageHour.hour)
    statement = (
        sa.select(
            col(UsageHour.token_id),
            day,
            func.sum(UsageHour.allowed),
            func.sum(UsageHour.denied),
            func.sum(UsageHour.limited),
        )
        .where(col(UsageHour.token_id).in_(set(token_ids)), col(UsageHour.hour) >= since)
        .group_by(col(UsageHour.token_id), day)
        .order_by(day)
    )
    days: dict[str, list[UsageDay]] = defaultdict(list)
    for token_id, one, allowed, denied, limited in (await result_of(session, statement)).all():
        days[token_id].append(UsageDay(one, int(allowed), int(denied), int(limited)))
    return dict(days)


async def usage_of_places(
    reader: Reader, places: Sequence[tuple[str, str | None]], since: datetime
) -> list[list[UsageDay]]:
    """Return the requests by UTC day of each workspace, or of one of its spaces, in one statement.

    Requests of deleted tokens count too. Days are sorted, oldest first; days without requests are left out.

    :param places: workspace id, and a space id or None.
    """
    if not places:
        return []
    values = reader.values()
    day = "date(h.hour)" if reader.dialect == SQLITE else "CAST(h.hour AT TIME ZONE 'UTC' AS date)"
    parts = [
        f"SELECT {number} AS place, {day} AS day, {_SUMS} FROM spacekey_usage_hours h "
        f"WHERE h.token_id IN ({_tokens_of(values, place, deleted_too=True)}) "
        f"AND h.hour >= {values.bind(since)} GROUP BY day"
        for number, place in enumerate(places)
    ]
    found: list[list[UsageDay]] = [[] for _ in places]
    for number, one, *counts in await reader.rows(" UNION ALL ".join(parts), values):
        found[number].append(UsageDay(_day(one), *(int(count) for count in counts)))
    return [sorted(days) for days in found]


async def busiest_tokens(
    reader: Reader, places: Sequence[tuple[str, str | None]], since: datetime, most: int
) -> list[list[TokenUsage]]:
    """Return the tokens of each workspace, or of one of its spaces, with the most requests, in one statement.

    Deleted tokens are left out. Tokens with equally many requests are in the order of their ids.

    :param places: workspace id, and a space id or None.
    """
    if not places:
        return []
    values = reader.values()
    parts = [
        f"SELECT * FROM (SELECT {number} AS place, h.token_id, {_SUMS} FROM spacekey_usage_hours h "
        f"WHERE h.token_id IN ({_tokens_of(values, place, deleted_too=False)}) AND h.hour >= {values.bind(since)} "
        f"GROUP BY h.token_id ORDER BY sum(h.allowed + h.denied + h.limited) DESC, h.token_id LIMIT {most}) "
        f"AS busiest_{number}"
        for number, place in enumerate(places)
    ]
    found: list[list[TokenUsage]] = [[] for _ in places]
    for number, token_id, *counts in await reader.rows(" UNION ALL ".join(parts), values):
        found[number].append(TokenUsage(token_id, *(int(count) for count in counts)))
    return [sorted(tokens, key=lambda one: (-one.requests, one.token_id)) for tokens in found]


_SUMS = "sum(h.allowed) AS allowed, sum(h.denied) AS denied, sum(h.limited) AS limited"


def _tokens_of(values: Values, place: tuple[str, str | None], *, deleted_too: bool) -> str:
    """Return the query of the ids of a workspace's tokens, or of one of its spaces."""
    workspace_id, space_id = place
    where = [f"t.workspace_id = {values.bind(workspace_id)}"]
    if space_id is not None:
        where.append(f"t.space_id = {values.bind(space_id)}")
    # Deleted tokens are in an index of their own, so each half has one.
    states = ["t.deleted_at IS NULL", *(["t.deleted_at IS NOT NULL"] if deleted_too else [])]
    return " UNION ALL ".join(
        f"SELECT t.id FROM spacekey_tokens t WHERE {' AND '.join([*where, state])}" for state in states
    )


def _day(value: date | str) -> date:
    return value if isinstance(value, date) else date.fromisoformat(value)


async def touch_scopes(session: AsyncSession, uses: Mapping[tuple[str, str], datetime]) -> None:
    """Move the last use of each (token, scope) forward; unknown tokens are left out."""
    known = await _existing(session, {token_id for token_id, _ in uses})
    values = [
        {"token_id": token_id, "scope": scope, "last_used_at": at}
        for (token_id, scope), at in sorted(uses.items())
        if token_id in known
    ]
    if not values:
        return
    connection = await session.connection()
    statement = insert(connection, ScopeUse)
    last = statement.excluded.last_used_at
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["token_id", "scope"],
            set_={"last_used_at": last},
            where=ScopeUse.__table__.c.last_used_at < last,
        ),
        values,
    )


async def scopes_used(session: AsyncSession, token_ids: Iterable[str], since: datetime) -> dict[str, frozenset[str]]:
    """Return the scopes that each token used at ``since`` or later; tokens that used none are left out."""
    statement = select(ScopeUse.token_id, ScopeUse.scope).where(
        col(ScopeUse.token_id).in_(set(token_ids)), ScopeUse.last_used_at >= since
    )
    used: dict[str, set[str]] = defaultdict(set)
    for token_id, scope in (await session.exec(statement)).all():
        used[token_id].add(scope)
    return {token_id: frozenset(scopes) for token_id, scopes in used.items()}


async def take_number(session: AsyncSession, reporter: str, number: int, now: datetime) -> bool:
    """Return whether the batch is new, and store its number with it in the same transaction.

    If the batch is sent again meanwhile, the second one waits here for the first one's transaction and is then known.
    """
    connection = await session.connection()
    statement = insert(connection, UsageReporter).values(id=reporter, number=number, seen_at=now)
    new = statement.excluded
    taken = await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["id"],
            set_={"number": new.number, "seen_at": new.seen_at},
            where=UsageReporter.__table__.c.number < new.number,
        ).returning(UsageReporter.__table__.c.number)
    )
    return taken.first() is not None


def reporter_id(caller_id: str, reporter: str) -> str:
    """Return the id under which a caller's reporter is stored."""
    return f"{caller_id}/{reporter}"


async def make_room(session: AsyncSession, caller_id: str, reporter: str, most: int) -> None:
    """Delete the caller's longest silent reporters if this one is new and there are ``most`` already."""
    table = UsageReporter.__table__.c
    own = table.id.startswith(reporter_id(caller_id, ""), autoescape=True)
    connection = await session.connection()
    known = await connection.execute(sa.select(table.id).where(table.id == reporter_id(caller_id, reporter)))
    if known.first() is not None:
        return
    count = (
        await connection.execute(sa.select(func.count()).select_from(UsageReporter.__table__).where(own))
    ).scalar_one()
    if count >= most:
        oldest = sa.select(table.id).where(own).order_by(table.seen_at, table.id).limit(count - most + 1)
        await connection.execute(sa.delete(UsageReporter.__table__).where(table.id.in_(oldest)))


async def store_time(session: AsyncSession) -> datetime | None:
    """Return the time of day on the database's machine; None if it is this machine."""
    connection = await session.connection()
    if connection.dialect.name != POSTGRESQL:
        return None
    now: datetime = (await connection.execute(sa.select(func.clock_timestamp()))).scalar_one()
    return now


async def forget_reporters(session: AsyncSession, before: datetime) -> None:
    """Delete the reporters that have been silent since then."""
    connection = await session.connection()
    reporter = UsageReporter.__table__
    await connection.execute(sa.delete(reporter).where(reporter.c.seen_at < before))


async def give_way(session: AsyncSession) -> None:
    """Fail early in this transaction rather than delay a change of tokens: a flush can be repeated.

    Revoking many tokens locks their rows in an order of its own. If it and a flush waited for each other, PostgreSQL
    would end either one after ``deadlock_timeout``; so the flush fails before that.
    """
    connection = await session.connection()
    if connection.dialect.name == POSTGRESQL:
        await connection.execute(sa.text(f"SET LOCAL lock_timeout = {round(GIVE_WAY_SECONDS * 1_000)}"))


async def _existing(session: AsyncSession, token_ids: set[str]) -> set[str]:
    """Return the ids that exist: one unknown id in a batch from elsewhere must not cost the others their counts."""
    return set((await session.exec(select(Token.id).where(col(Token.id).in_(token_ids)))).all())
