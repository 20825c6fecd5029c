"""What the database says after a race: every answered takeaway is in it, once, and the audit log is whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from spacekey.models.tables.audit import AuditEvent
from spacekey.models.tables.token import Token
from spacekey.resolvers.audit.chains import verify_chains
from spacekey.server.build import build_system
from spacekey.server.settings import Settings

from .environment import Environment, Way
from .shared_counters import Managed, SharedCounters

_MARKS = {
    Way.REVOKE: ("revoked_at", "token.revoke"),
    Way.REVOKE_ITSELF: ("revoked_at", "token.revoke"),
    Way.BULK_REVOKE: ("revoked_at", "token.revoke"),
    Way.USER_GONE: ("revoked_at", "token.revoke"),
    Way.DISABLE: ("disabled_at", "token.disable"),
    Way.DELETE: ("deleted_at", "token.delete"),
    Way.ROTATE: ("retires_at", "token.rotate"),
}
"""What each way leaves in the token's row, and in the audit log. The others leave theirs elsewhere."""


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What is amiss.

    :param lost: tokens whose takeaway was answered and is not in their row.
    :param unaudited: tokens that lost access by their row and have not exactly one audit event of it.
    :param broken_chains: audit chains that do not verify.
    :param events: how many events there are.
    """

    lost: tuple[str, ...]
    unaudited: tuple[str, ...]
    broken_chains: tuple[str, ...]
    events: int


async def look_after(environment: Environment, managed: SharedCounters) -> Aftermath:
    """Hold the database against what was answered."""
    system = build_system(Settings(database_url=environment.database_url))
    try:
        async with system.store.reading() as session:
            connection = await session.connection()
            columns: list[Any] = [
                col(Token.id),
                *(sa.column(mark) for mark in ("revoked_at", "disabled_at", "deleted_at", "retires_at")),
            ]
            rows = {row.id: row for row in await connection.execute(sa.select(*columns).select_from(Token))}
            counted = sa.select(col(AuditEvent.target_id), col(AuditEvent.action), sa.func.count())
            grouped = counted.group_by(col(AuditEvent.target_id), col(AuditEvent.action))
            events = {(target, action): count for target, action, count in await connection.execute(grouped)}
        chains = await verify_chains(system)
    finally:
        await system.store.aclose()
    lost, unaudited = [], []
    for number, takeaway in enumerate(environment.takeaways):
        if takeaway.way not in _MARKS:
            continue
        column, action = _MARKS[takeaway.way]
        for token in (environment.victims[one].id for one in takeaway.tokens):
            marked = getattr(rows[token], column) is not None
            if managed.get(number, Managed.ANSWERED) and not marked:
                lost.append(token)
            if events.get((token, action), 0) != marked:
                unaudited.append(token)
    broken = tuple(report.chain for report in chains if report.broken_at is not None)
    return Aftermath(tuple(lost), tuple(unaudited), broken, sum(report.events for report in chains))
