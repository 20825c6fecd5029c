"""Keep a batch of usage: counts are only added, last uses only move forwards, and a batch counts once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.clock import WallClock, utc_now
from spacekey.domain.errors import Unavailable
from spacekey.domain.refusal import Conflict
from spacekey.domain.usage import TokenUse, UsageBatch
from spacekey.models.engine.store import Store
from spacekey.models.queries import tokens as token_queries
from spacekey.models.queries import usage as usage_queries

REPORTED_BEHIND_MAX = timedelta(days=7)
"""How old a row of a report may be."""

REPORTERS_KEPT = REPORTED_BEHIND_MAX + timedelta(days=1)
"""How long a silent reporter is remembered: a batch that it sent before that is too old to be taken again."""


class StoreUsage:
    """A sink that keeps usage in the store itself, for apps in whose process the store is.

    :param owned: whether closing the sink closes the store.
    """

    def __init__(self, store: Store, clock: WallClock, *, owned: bool = False) -> None:
        self._store = store
        self._clock = clock
        self._owned = owned

    async def send(self, batch: UsageBatch) -> None:
        """Keep the batch, unless it was kept before. See :class:`spacekey.domain.usage.UsageSink`."""
        try:
            async with self._store.changing() as session:
                await usage_queries.give_way(session)
                now = await self._now(session)
                if await is_new(session, batch.reporter, batch.number, now):
                    await add(session, batch.uses, now)
        except Conflict as error:
            raise Unavailable(str(error)) from None

    async def _now(self, session: AsyncSession) -> datetime:
        """The store's own time of day, unless this sink was given one: all machines count by the same then."""
        told = await usage_queries.store_time(session) if self._clock is utc_now else None
        return self._clock() if told is None else told

    async def aclose(self) -> None:
        """Close the store, if it was opened for this sink."""
        if self._owned:
            await self._store.aclose()


async def is_new(session: AsyncSession, reporter: str, number: int, now: datetime) -> bool:
    """Whether the reporter's batch of this number has not been counted; if so, it counts as such when this commits."""
    new = await usage_queries.take_number(session, reporter, number, now)
    if new and number == 1:
        await usage_queries.forget_reporters(session, now - REPORTERS_KEPT)
    return new


async def add(session: AsyncSession, uses: Sequence[TokenUse], now: datetime) -> None:
    """Add the counts, and move last uses. Rows of tokens that do not exist are left out.

    :param now: what lies ahead of it, by a clock that is or was, counts as now: a last use in the future would stay
        there, since last uses only move forwards.
    """
    uses = [use if use.at <= now else replace(use, at=now) for use in uses]
    hours = [usage_queries.HourCounts(use.token_id, use.at, use.allowed, use.denied, use.limited) for use in uses]
    await usage_queries.add_usage(session, hours)
    last: dict[str, tuple[datetime, str]] = {}
    scopes: dict[tuple[str, str], datetime] = {}
    for use in uses:
        if use.used and (use.token_id not in last or last[use.token_id][0] <= use.at):
            last[use.token_id] = (use.at, use.ip or last.get(use.token_id, (use.at, ""))[1])
        for scope in use.scopes:
            scopes[use.token_id, scope] = max(use.at, scopes.get((use.token_id, scope), use.at))
    await token_queries.touch_last_used(session, last)
    if scopes:
        await usage_queries.touch_scopes(session, scopes)
