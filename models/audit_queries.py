"""Every query about the audit log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Select
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.page import EVERYTHING, AuditFilter, Page, PageRequest

from .audit import SYSTEM_CHAIN, AuditChain, AuditEvent
from .keyset import Ordering, fetch_page, the_row
from .many_pages import fetch_pages
from .upsert import insert

AUDIT_BATCH_ROWS = 500

_NO_HASH = bytes(32)


async def lock_chain(session: AsyncSession, chain: str) -> AuditChain:
    """The chain's head as it is now, made when missing; nobody else appends until this transaction ends.

    Two that make it at once: the second one's insert waits for the first one's transaction and then does nothing.
    """
    statement = select(AuditChain).where(AuditChain.chain == chain).with_for_update()
    statement = statement.execution_options(populate_existing=True)
    head = (await session.exec(statement)).one_or_none()
    if head is not None:
        return head
    connection = await session.connection()
    new = insert(connection, AuditChain).values(chain=chain, sequence=0, hash=_NO_HASH)
    await connection.execute(new.on_conflict_do_nothing())
    return (await session.exec(statement)).one()


async def chain_head(session: AsyncSession, chain: str) -> AuditChain | None:
    """The chain's head as it is now, without holding it; None for a chain without events."""
    statement = select(AuditChain).where(AuditChain.chain == chain)
    return (await session.exec(statement.execution_options(populate_existing=True))).one_or_none()


async def chain_heads(session: AsyncSession) -> list[AuditChain]:
    """The heads of all chains as they are now, sorted by chain."""
    statement = select(AuditChain).order_by(col(AuditChain.chain))
    return list((await session.exec(statement.execution_options(populate_existing=True))).all())


async def lock_moved_chains(session: AsyncSession, limit: int) -> list[AuditChain]:
    """Up to ``limit`` workspaces' chains that moved since their last checkpoint, locked; those in use are left out.

    SQLite leaves ``FOR UPDATE`` out: there a changing session is the only writer already.
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
    """The names of all chains, sorted: those with a head, and those with events whose head was taken away."""
    heads = (await session.exec(select(AuditChain.chain))).all()
    events = (await session.exec(select(AuditEvent.chain).distinct())).all()
    return sorted({*heads, *events})


async def audit_page(
    session: AsyncSession, chain: str, request: PageRequest, where: AuditFilter = EVERYTHING
) -> Page[AuditEvent]:
    """One page of the chain's events, newest first.

    :raises InvalidInput: for a cursor of another list.
    """
    return await fetch_page(session, _events(chain, where), _newest_first(), request, the_row)


async def audit_pages(
    session: AsyncSession, chains: Sequence[str], request: PageRequest, where: AuditFilter = EVERYTHING
) -> list[Page[AuditEvent]]:
    """:func:`audit_page` of each chain, in one statement."""
    statements = [_events(chain, where) for chain in chains]
    return await fetch_pages(session, AuditEvent, statements, _newest_first(), request, the_row)


def _events(chain: str, where: AuditFilter) -> Select[Any]:
    statement = sa.select(AuditEvent).where(col(AuditEvent.chain) == chain)
    for column, value in (
        (col(AuditEvent.actor_id), where.actor_id),
        (col(AuditEvent.target_id), where.target_id),
        (col(AuditEvent.action), where.action),
    ):
        if value is not None:
            statement = statement.where(column == value)
    return statement


def _newest_first() -> Ordering:
    return Ordering("audit.sequence", col(AuditEvent.sequence), int, descending=True)


async def audit_events(session: AsyncSession, chain: str, action: str | None = None) -> AsyncIterator[AuditEvent]:
    """All the chain's events in their order, however many: a few hundred are in memory at a time.

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
