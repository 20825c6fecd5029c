"""Queries about the audit log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.page import EVERYTHING, AuditFilter, Page, PageRequest
from spacekey.models.engine.reading import Reader, Values
from spacekey.models.engine.session_reader import Transaction, reader_in
from spacekey.models.engine.statements import insert_row
from spacekey.models.tables.audit import SYSTEM_CHAIN, AuditChain, AuditEvent
from spacekey.models.tables.records import AuditRecord, columns

from .pagination import Ordering, fetch_pages, listing_of

AUDIT_BATCH_ROWS = 500

_NO_HASH = bytes(32)
_NEWEST_FIRST = Ordering("audit.sequence", "e.sequence", int, descending=True)


class ChainHead(NamedTuple):
    """Columns of :class:`spacekey.models.tables.audit.AuditChain`."""

    chain: str
    sequence: int
    hash: bytes
    anchored: int


async def lock_chain(transaction: Transaction, chain: str) -> ChainHead:
    """Return the chain's current head, created if missing; no other transaction can append until this one ends.

    If two transactions create it at once, the second insert waits for the first transaction and then does nothing.
    """
    reader = reader_in(transaction)
    head = await _locked(reader, chain)
    if head is not None:
        return head
    values = reader.values()
    await reader.rows(
        "INSERT INTO spacekey_audit_chains (chain, sequence, hash, anchored) "
        f"VALUES ({values.bind(chain)}, 0, {values.bind(_NO_HASH)}, 0) ON CONFLICT DO NOTHING",
        values,
    )
    head = await _locked(reader, chain)
    if head is None:
        raise LookupError("the head of an audit chain is gone while it is held")
    return head


async def _locked(reader: Reader, chain: str) -> ChainHead | None:
    values = reader.values()
    statement = (
        f"SELECT {columns(ChainHead, 'c')} FROM spacekey_audit_chains c "
        f"WHERE c.chain = {values.bind(chain)}{reader.locking('FOR UPDATE')}"
    )
    return next(iter(await reader.records(ChainHead, statement, values)), None)


async def append_event(transaction: Transaction, event: AuditRecord) -> ChainHead:
    """Write an event and make it the head of its chain, which this transaction holds. Return the head."""
    reader = reader_in(transaction)
    await insert_row(reader, AuditEvent, event._asdict())
    values = reader.values()
    moved = f"sequence = {values.bind(event.sequence)}, hash = {values.bind(event.hash)}"
    rows = await reader.rows(
        f"UPDATE spacekey_audit_chains SET {moved} WHERE chain = {values.bind(event.chain)} RETURNING anchored", values
    )
    return ChainHead(event.chain, event.sequence, event.hash, rows[0][0])


async def mark_anchored(transaction: Transaction, chains: Iterable[str]) -> None:
    """Note that a checkpoint covers these chains, which this transaction holds, up to their heads."""
    reader = reader_in(transaction)
    values = reader.values()
    await reader.rows(
        f"UPDATE spacekey_audit_chains SET anchored = sequence WHERE {values.among('chain', chains)}", values
    )


async def chain_head(session: AsyncSession, chain: str) -> AuditChain | None:
    """Return the chain's current head without locking it, or None for a chain without events."""
    statement = select(AuditChain).where(AuditChain.chain == chain)
    return (await session.exec(statement.execution_options(populate_existing=True))).one_or_none()


async def chain_heads(session: AsyncSession) -> list[AuditChain]:
    """Return the current heads of all chains, sorted by chain."""
    statement = select(AuditChain).order_by(col(AuditChain.chain))
    return list((await session.exec(statement.execution_options(populate_existing=True))).all())


async def lock_moved_chains(session: AsyncSession, limit: int) -> list[AuditChain]:
    """Lock and return up to ``limit`` workspaces' chains that grew since their last checkpoint, except those in use.

    SQLite leaves ``FOR UPDATE`` out: a session that changes is the only writer there.
    """
    statement = (
        select(AuditChain)
        .where(AuditChain.chain != SYSTEM_CHAIN, col(AuditChain.sequence) > col(AuditChain.anchored))
        .order_by(col(AuditChain.chain))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list((await session.exec(statement.execution_options(populate_existing=True))).all())


async def audit_chains(session: AsyncSession) -> list[str]:
    """Return the names of all chains, sorted: those with a head, and those with events whose head was removed."""
    heads = (await session.exec(select(AuditChain.chain))).all()
    events = (await session.exec(select(AuditEvent.chain).distinct())).all()
    return sorted({*heads, *events})


async def audit_page(
    reader: Reader, chain: str, request: PageRequest, where: AuditFilter = EVERYTHING
) -> Page[AuditRecord]:
    """Return one page of the chain's events, newest first.

    :raises InvalidInput: for a cursor of another list.
    """
    return (await audit_pages(reader, [chain], request, where))[0]


async def audit_pages(
    reader: Reader, chains: Sequence[str], request: PageRequest, where: AuditFilter = EVERYTHING
) -> list[Page[AuditRecord]]:
    """Return :func:`audit_page` of each chain, in one statement."""
    listing = listing_of(AuditRecord, "spacekey_audit_events e", "e", reader.dialect)
    asked = [partial(_events, chain=chain, where=where) for chain in chains]
    return await fetch_pages(reader, listing, asked, _NEWEST_FIRST, request)


async def event_records(reader: Reader, ids: Iterable[str]) -> list[AuditRecord]:
    """Return those of the events that exist, of any chain, without order."""
    values = reader.values()
    return await reader.records(
        AuditRecord,
        f"SELECT {columns(AuditRecord, 'e')} FROM spacekey_audit_events e WHERE {values.among('e.id', ids)}",
        values,
    )


def _events(values: Values, *, chain: str, where: AuditFilter) -> list[str]:
    found = [f"e.chain = {values.bind(chain)}"]
    for column, value in (
        ("e.actor_id", where.actor_id),
        ("e.target_id", where.target_id),
        ("e.action", where.action),
        ("e.outcome", where.outcome),
    ):
        if value is not None:
            found.append(f"{column} = {values.bind(value)}")
    if where.created_after is not None:
        found.append(f"e.at >= {values.bind(where.created_after)}")
    if where.created_before is not None:
        found.append(f"e.at < {values.bind(where.created_before)}")
    return found


async def audit_events(session: AsyncSession, chain: str, action: str | None = None) -> AsyncIterator[AuditEvent]:
    """Yield all of the chain's events in order, with a few hundred in memory at a time.

    :param action: only events of this action.
    """
    statement = select(AuditEvent).where(AuditEvent.chain == chain).order_by(col(AuditEvent.sequence))
    if action is not None:
        statement = statement.where(AuditEvent.action == action)
    sequence = None
    while True:
        batch = statement if sequence is None else statement.where(AuditEvent.sequence > sequence)
        events = (await session.exec(batch.limit(AUDIT_BATCH_ROWS))).all()
        for event in events:
            yield event
        if len(events) < AUDIT_BATCH_ROWS:
            return
        sequence = events[-1].sequence
