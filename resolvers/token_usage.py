"""How tokens were used: by day, and which of their scopes never were."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from spacekey.domain.refusal import InvalidInput
from spacekey.models.queries import usage as usage_queries
from spacekey.models.queries.usage import UsageDay
from spacekey.resolvers.tokens.view import TokenView

from .system import System

USAGE_DAYS_MAX = 366


def checked_days(days: int) -> int:
    """The number of days to look back.

    :raises InvalidInput: unless 1 to 366.
    """
    if not 1 <= days <= USAGE_DAYS_MAX:
        raise InvalidInput("days", f"Give 1 to {USAGE_DAYS_MAX} days.")
    return days


async def usage_by_day(system: System, token_ids: Iterable[str], days: int) -> dict[str, list[UsageDay]]:
    """Days with requests, oldest first, by token id. The caller was let to see these tokens already."""
    since = _midnight(system.clock()) - timedelta(days=days - 1)
    async with system.store.reading() as session:
        return await usage_queries.usage_by_day(session, list(token_ids), since)


async def unused_scopes(system: System, views: Iterable[TokenView], days: int) -> dict[str, list[str]]:
    """Effective scopes no request of these days needed, sorted, by token id."""
    since = system.clock() - timedelta(days=days)
    by_id = {view.token.id: view for view in views}
    async with system.store.reading() as session:
        used = await usage_queries.scopes_used(session, list(by_id), since)
    return {token_id: sorted(view.scopes - used.get(token_id, frozenset())) for token_id, view in by_id.items()}


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
