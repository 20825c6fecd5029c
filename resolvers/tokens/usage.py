"""Usage that verifiers elsewhere counted: kept for tokens the reporter may introspect, left out for all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.ids import KEY, id_prefix
from spacekey.domain.refusal import Forbidden, InvalidInput, NotFound
from spacekey.domain.scope import INTROSPECT
from spacekey.domain.usage import TokenUse
from spacekey.models.queries import tokens as token_queries
from spacekey.models.queries import usage as usage_queries
from spacekey.resolvers.access.authority import authority_in
from spacekey.resolvers.access.caller import Caller
from spacekey.resolvers.keep_usage import REPORTED_BEHIND_MAX, add, is_new
from spacekey.resolvers.system import System

REPORT_ROWS_MAX = 1_000
COUNT_MAX = 10**9
REPORTER_LENGTH_MAX = 64
REPORTERS_MAX = 1_000
"""How many reporters one caller can have. A process of an app is one, forgotten eight days after its last batch."""
NUMBER_MAX = 2**53 - 1


@dataclass(frozen=True, slots=True)
class BatchName:
    """What makes a batch known again when it is sent twice: see :class:`spacekey.domain.usage.UsageBatch`."""

    reporter: str
    number: int


@dataclass(frozen=True, slots=True)
class Reported:
    """What came of a batch.

    :param kept_rows: 0 for a batch that was kept before.
    :param requests_too_old: in rows that were left out because they are more than 7 days old.
    """

    kept_rows: int
    requests_too_old: int


async def report_usage(
    system: System, caller: Caller, uses: Sequence[TokenUse], name: BatchName | None = None
) -> Reported:
    """Add a batch. Rows that are too old are left out; what lies ahead of this server's clock counts as now.

    :param name: without one, a batch that is sent twice counts twice.
    :raises InvalidInput: too many rows, or a row that cannot be.
    :raises Forbidden: the caller does not hold ``tokens:introspect`` where the tokens are.
    """
    if len(uses) > REPORT_ROWS_MAX:
        raise InvalidInput("uses", f"Send at most {REPORT_ROWS_MAX} rows at once.")
    now = system.clock()
    for use in uses:
        _check(use)
    fresh = [use for use in uses if use.at >= now - REPORTED_BEHIND_MAX]
    too_old = sum(use.requests for use in uses) - sum(use.requests for use in fresh)
    if name is not None:
        _check_name(name)
    async with system.store.changing() as session:
        await usage_queries.give_way(session)
        visible = await _visible(session, system, caller, {use.token_id for use in fresh})
        kept = [
            replace(use, scopes=tuple(scope for scope in use.scopes if scope in visible[use.token_id]))
            for use in fresh
            if use.token_id in visible
        ]
        # A batch of which nothing is kept need not be known again, and leaves no row behind.
        if not kept:
            return Reported(0, too_old)
        # Under the caller's name, so that no caller can use up another one's numbers.
        if name is not None and not await _is_new(session, caller, name, now):
            return Reported(0, too_old)
        await add(session, kept, now)
    return Reported(len(kept), too_old)


async def _is_new(session: AsyncSession, caller: Caller, name: BatchName, now: datetime) -> bool:
    """Whether the batch has not been counted. Each caller has a bounded number of reporters; the oldest give way."""
    await usage_queries.make_room(session, caller.id, name.reporter, REPORTERS_MAX)
    return await is_new(session, usage_queries.reporter_id(caller.id, name.reporter), name.number, now)


async def _visible(session: AsyncSession, system: System, caller: Caller, ids: set[str]) -> dict[str, frozenset[str]]:
    """The tokens among ``ids`` the caller may report for → the scopes that exist where they are."""
    found: dict[str, frozenset[str]] = {}
    tokens = await token_queries.tokens_by_ids(session, [one for one in ids if id_prefix(one) == KEY])
    for workspace_id in sorted({token.workspace_id for token in tokens}):
        try:
            authority = await authority_in(session, system, caller, workspace_id)
        except NotFound:
            continue
        if INTROSPECT not in authority.scopes:
            raise Forbidden([INTROSPECT])
        found |= {token.id: authority.catalog.known_scopes for token in tokens if authority.covers(token)}
    return found


def _check(use: TokenUse) -> None:
    if not all(0 <= count <= COUNT_MAX for count in (use.allowed, use.denied, use.limited)):
        raise InvalidInput("allowed", f"Counts are whole numbers from 0 to {COUNT_MAX}.")
    if len(use.ip) > 64 or not use.ip.isprintable():
        raise InvalidInput("ip", "Write an IP address.")


def _check_name(name: BatchName) -> None:
    if not (name.reporter.isascii() and name.reporter.isalnum()) or len(name.reporter) > REPORTER_LENGTH_MAX:
        raise InvalidInput("reporter", f"Write 1 to {REPORTER_LENGTH_MAX} letters and digits, made at random.")
    if not 1 <= name.number <= NUMBER_MAX:
        raise InvalidInput("number", "Count batches upwards, from 1.")
