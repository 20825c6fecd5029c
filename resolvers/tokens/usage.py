"""Usage of tokens: counts from verifiers elsewhere and from the store's own process, and the reports on them.

A remote verifier reports batches (:func:`report_usage`): rows of tokens that the reporter may introspect are kept, all
others are left out. :class:`StoreUsage` keeps the counts of an app whose process has the store. Both write off the
request path, and a batch that is sent twice counts once. From the counts come the requests by day, the scopes of a
token that no request needed, and the tokens that are no longer used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.clock import WallClock, utc_now
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.ids import KEY, id_prefix
from spacekey.domain.refusal import Conflict, Fault, Faults, Forbidden, InputCode, InvalidInput, NotFound
from spacekey.domain.scope import INTROSPECT
from spacekey.domain.secret import Secret
from spacekey.domain.usage import TokenUse, UsageBatch
from spacekey.models.engine.store import Store
from spacekey.models.queries import tokens as token_queries
from spacekey.models.queries import usage as usage_queries
from spacekey.models.tables.usage import UsageDay
from spacekey.resolvers.access.authority import authority_in
from spacekey.resolvers.access.caller import Caller
from spacekey.resolvers.services import check_service
from spacekey.resolvers.system import System

from .list import DAYS_MAX
from .view import TokenView

REPORT_ROWS_MAX = 1_000
COUNT_MAX = 10**9
REPORTER_LENGTH_MAX = 64
REPORTERS_MAX = 1_000
"""Maximum number of reporters of one caller. An app's process is one, forgotten eight days after its last batch."""

NUMBER_MAX = 2**53 - 1
REPORTED_BEHIND_MAX = timedelta(days=7)
"""Maximum age of a row in a report."""

REPORTERS_KEPT = REPORTED_BEHIND_MAX + timedelta(days=1)
"""How long a silent reporter is remembered: any batch sent before that is too old to be accepted."""

USAGE_DAYS_MAX = 366
ROTATE_AFTER_DAYS = 90
"""Age in days at which a secret should be rotated."""


@dataclass(frozen=True, slots=True)
class BatchName:
    """Name of a batch, by which a repeated one is recognized: see :class:`spacekey.domain.usage.UsageBatch`."""

    reporter: str
    number: int


@dataclass(frozen=True, slots=True)
class Reported:
    """Result of a reported batch.

    :param kept_rows: 0 for a batch that was kept before.
    :param requests_too_old: requests in rows that were left out because they are more than 7 days old.
    """

    kept_rows: int
    requests_too_old: int


async def report_usage(
    system: System,
    caller: Caller,
    uses: Sequence[TokenUse],
    name: BatchName | None = None,
    own: Secret | None = None,
) -> Reported:
    """Add a batch. Rows that are too old are left out; times ahead of this server's clock count as now.

    :param name: without one, a batch that is sent twice counts twice.
    :param own: the secret of the caller's token or service; None for other callers. A service is read again.
    :raises InvalidInput: for too many rows, or an invalid row.
    :raises Forbidden: if the caller does not hold ``tokens:introspect`` where the tokens are.
    """
    if len(uses) > REPORT_ROWS_MAX:
        raise InvalidInput("uses", f"Send at most {REPORT_ROWS_MAX} rows at once.", InputCode.TOO_MANY)
    now = system.clock()
    faults = Faults()
    for number, use in enumerate(uses):
        faults.add(*_faults(number, use))
    faults.raise_found()
    fresh = [use for use in uses if use.at >= now - REPORTED_BEHIND_MAX]
    too_old = sum(use.requests for use in uses) - sum(use.requests for use in fresh)
    if name is not None:
        _check_name(name)
    await check_service(system, caller, own)
    async with system.store.changing() as session:
        await usage_queries.give_way(session)
        visible = await _visible(session, system, caller, {use.token_id for use in fresh})
        kept = [
            replace(use, scopes=tuple(scope for scope in use.scopes if scope in visible[use.token_id]))
            for use in fresh
            if use.token_id in visible
        ]
        # A batch of which nothing is kept need not be recognized later, and leaves no row.
        if not kept:
            return Reported(0, too_old)
        # Under the caller's name, so that no caller can use up another one's numbers.
        if name is not None and not await _is_new(session, caller, name, now):
            return Reported(0, too_old)
        await add(session, kept, now)
    return Reported(len(kept), too_old)


class StoreUsage:
    """Sink that keeps usage in the store itself, for an app whose process has the store.

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
            raise ServiceUnavailable(str(error)) from None

    async def _now(self, session: AsyncSession) -> datetime:
        """Return the database's time of day, so that all machines count alike, unless this sink was given a clock."""
        told = await usage_queries.store_time(session) if self._clock is utc_now else None
        return self._clock() if told is None else told

    async def aclose(self) -> None:
        """Close the store if it was opened for this sink."""
        if self._owned:
            await self._store.aclose()


async def is_new(session: AsyncSession, reporter: str, number: int, now: datetime) -> bool:
    """Return whether the reporter's batch of this number has not been counted; if so, record it in this transaction."""
    new = await usage_queries.take_number(session, reporter, number, now)
    if new and number == 1:
        await usage_queries.forget_reporters(session, now - REPORTERS_KEPT)
    return new


async def add(session: AsyncSession, uses: Sequence[TokenUse], now: datetime) -> None:
    """Add the counts and move last uses forward. Rows of tokens that do not exist are left out.

    :param now: the upper bound for times, since any clock may be ahead: a last use in the future would stay there,
        because last uses only move forward.
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


async def usage_by_day(system: System, token_ids: Iterable[str], days: int) -> dict[str, list[UsageDay]]:
    """Return the days with requests by token id, oldest first. The caller's access to the tokens was checked before."""
    since = first_day(system, days)
    async with system.store.reading() as session:
        return await usage_queries.usage_by_day(session, list(token_ids), since)


def first_day(system: System, days: int) -> datetime:
    """Return the beginning of the first of the last ``days``, in UTC. Today is one of them."""
    return _midnight(system.clock()) - timedelta(days=days - 1)


async def unused_scopes(system: System, views: Iterable[TokenView], days: int) -> dict[str, list[str]]:
    """Return the effective scopes that no request of these days needed, sorted, by token id."""
    since = system.clock() - timedelta(days=days)
    by_id = {view.token.id: view for view in views}
    async with system.store.reading() as session:
        used = await usage_queries.scopes_used(session, list(by_id), since)
    return {token_id: sorted(view.scopes - used.get(token_id, frozenset())) for token_id, view in by_id.items()}


def checked_days(days: int) -> int:
    """Return the number of days to look back.

    :raises InvalidInput: unless it is 1 to 366.
    """
    if not 1 <= days <= USAGE_DAYS_MAX:
        raise InvalidInput("days", f"Give 1 to {USAGE_DAYS_MAX} days.", InputCode.OUT_OF_RANGE)
    return days


class Finding(StrEnum):
    """Findings about a token, most severe first."""

    NEVER_USED = "never used"
    UNUSED = "not used"
    UNUSED_SCOPES = "scopes not used"


@dataclass(frozen=True, slots=True)
class Activity:
    """Activity of a token.

    :param finding: None for a token that uses all of its scopes, or is younger than the period.
    :param unused_scopes: effective scopes that no request in the period needed, sorted.
    """

    view: TokenView
    finding: Finding | None
    unused_scopes: tuple[str, ...]
    age_days: int

    @property
    def due_for_rotation(self) -> bool:
        """Whether the secret is older than :data:`ROTATE_AFTER_DAYS`."""
        return self.age_days >= ROTATE_AFTER_DAYS


async def activity_of(system: System, views: Sequence[TokenView], span: timedelta) -> list[Activity]:
    """Return the activity of each token in the period, in one statement. The caller's access was checked before."""
    now = system.clock()
    since = now - span
    async with system.store.reading() as session:
        used = await usage_queries.scopes_used(session, [view.token.id for view in views], since)
    found = []
    for view in views:
        token = view.token
        old_enough = token.created_at < since
        unused = sorted(view.scopes - used.get(token.id, frozenset())) if old_enough else ()
        finding = Finding.UNUSED_SCOPES if unused else None
        if (token.last_used_at or token.created_at) < since:
            finding = Finding.NEVER_USED if token.last_used_at is None else Finding.UNUSED
        found.append(Activity(view, finding, tuple(unused), (now - token.created_at).days))
    return found


def checked_span(days: int) -> timedelta:
    """Return the period to look back.

    :raises InvalidInput: unless it is 0 to 3,660 days.
    """
    if not 0 <= days <= DAYS_MAX:
        raise InvalidInput("days", f"Give 0 to {DAYS_MAX} days.", InputCode.OUT_OF_RANGE)
    return timedelta(days=days)


def _faults(number: int, use: TokenUse) -> Iterator[Fault]:
    """Yield what is wrong with a row.

    :param number: its position in the report.
    """
    for name, count in (("allowed", use.allowed), ("denied", use.denied), ("rate_limited", use.limited)):
        if not 0 <= count <= COUNT_MAX:
            reason = f"Must be a whole number from 0 to {COUNT_MAX}."
            yield Fault(("uses", str(number), name), InputCode.OUT_OF_RANGE, reason)
    if len(use.ip) > 64 or not use.ip.isprintable():
        yield Fault(("uses", str(number), "ip"), InputCode.INVALID_FORMAT, "Write an IP address.")


def _check_name(name: BatchName) -> None:
    if not (name.reporter.isascii() and name.reporter.isalnum()) or len(name.reporter) > REPORTER_LENGTH_MAX:
        raise InvalidInput(
            "reporter",
            f"Write 1 to {REPORTER_LENGTH_MAX} letters and digits, made at random.",
            InputCode.INVALID_FORMAT,
        )
    if not 1 <= name.number <= NUMBER_MAX:
        raise InvalidInput("number", "Count batches upwards, from 1.", InputCode.OUT_OF_RANGE)


async def _is_new(session: AsyncSession, caller: Caller, name: BatchName, now: datetime) -> bool:
    """Return whether the batch has not been counted. A caller's reporters are bounded; the oldest are forgotten."""
    await usage_queries.make_room(session, caller.id, name.reporter, REPORTERS_MAX)
    return await is_new(session, usage_queries.reporter_id(caller.id, name.reporter), name.number, now)


async def _visible(session: AsyncSession, system: System, caller: Caller, ids: set[str]) -> dict[str, frozenset[str]]:
    """Return the tokens among ``ids`` that the caller may report on → the scopes that exist in their workspace."""
    found: dict[str, frozenset[str]] = {}
    tokens = await token_queries.tokens_by_ids(session, [one for one in ids if id_prefix(one) == KEY])
    for workspace_id in sorted({token.workspace_id for token in tokens}):
        try:
            authority = await authority_in(session, system, caller, workspace_id)
        except NotFound:
            continue
        if INTROSPECT not in authority.scopes:
            raise Forbidden([INTROSPECT])
        found |= {token.id: authority.product.known_scopes for token in tokens if authority.covers(token)}
    return found


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
