"""Usage that verifiers elsewhere counted: kept for tokens the reporter may introspect, left out for all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.ids import KEY, id_prefix
from spacekey.domain.refusal import Forbidden, InvalidInput, NotFound
from spacekey.models import token_queries, usage_queries
from spacekey.models.usage import UsageHour

from .authority import authority_in
from .caller import Caller
from .introspect import SCOPE
from .system import System

REPORT_ROWS_MAX = 1_000
COUNT_MAX = 10**9
AHEAD_MAX = timedelta(minutes=5)
BEHIND_MAX = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class TokenUse:
    """One token's requests in the hour of ``at``, its last use then, and the scopes that were needed."""

    token_id: str
    at: datetime
    ip: str = ""
    allowed: int = 0
    denied: int = 0
    limited: int = 0
    scopes: tuple[str, ...] = ()


async def report_usage(system: System, caller: Caller, uses: Sequence[TokenUse]) -> int:
    """Add a batch. Returns how many rows were kept.

    :raises InvalidInput: too many rows, or a row that cannot be.
    :raises Forbidden: the caller does not hold ``tokens:introspect`` where the tokens are.
    """
    if len(uses) > REPORT_ROWS_MAX:
        raise InvalidInput("uses", f"Send at most {REPORT_ROWS_MAX} rows at once.")
    for use in uses:
        _check(use, system.clock())
    async with system.store.changing() as session:
        visible = await _visible(session, system, caller, {use.token_id for use in uses})
        kept = [use for use in uses if use.token_id in visible]
        await usage_queries.add_usage(
            session,
            [
                UsageHour(
                    token_id=one.token_id, hour=one.at, allowed=one.allowed, denied=one.denied, limited=one.limited
                )
                for one in kept
            ],
        )
        last: dict[str, tuple[datetime, str]] = {}
        scopes: dict[tuple[str, str], datetime] = {}
        for use in kept:
            if use.token_id not in last or last[use.token_id][0] < use.at:
                last[use.token_id] = (use.at, use.ip)
            for scope in use.scopes:
                if scope in visible[use.token_id]:
                    scopes[use.token_id, scope] = max(use.at, scopes.get((use.token_id, scope), use.at))
        await token_queries.touch_last_used(session, last)
        await usage_queries.touch_scopes(session, scopes)
    return len(kept)


async def _visible(session: AsyncSession, system: System, caller: Caller, ids: set[str]) -> dict[str, frozenset[str]]:
    """The tokens among ``ids`` the caller may report for → the scopes that exist where they are."""
    found: dict[str, frozenset[str]] = {}
    tokens = await token_queries.tokens_by_ids(session, [one for one in ids if id_prefix(one) == KEY])
    for workspace_id in sorted({token.workspace_id for token in tokens}):
        try:
            authority = await authority_in(session, system, caller, workspace_id)
        except NotFound:
            continue
        if SCOPE not in authority.scopes:
            raise Forbidden([SCOPE])
        found |= {token.id: authority.catalog.known_scopes for token in tokens if authority.covers(token)}
    return found


def _check(use: TokenUse, now: datetime) -> None:
    if not now - BEHIND_MAX <= use.at <= now + AHEAD_MAX:
        raise InvalidInput("at", "Must lie within the last 7 days.")
    if not all(0 <= count <= COUNT_MAX for count in (use.allowed, use.denied, use.limited)):
        raise InvalidInput("allowed", f"Counts are whole numbers from 0 to {COUNT_MAX}.")
    if len(use.ip) > 64 or not use.ip.isprintable():
        raise InvalidInput("ip", "Write an IP address.")
