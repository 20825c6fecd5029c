"""Audit events as clients see them."""

from __future__ import annotations

from datetime import datetime

import strawberry
from strawberry.scalars import JSON

from spacekey.models.audit import AuditEvent as AuditRow


@strawberry.type(description="Something that happened: who, with what, on what, from where, and how it ended.")
class AuditEvent:
    """An event; its hash covers the one before it."""

    id: strawberry.ID
    sequence: int
    at: datetime
    action: str
    outcome: str
    actor_id: str
    actor_name: str
    credential: str
    target_id: str
    before: JSON | None
    after: JSON | None
    ip: str
    user_agent: str
    request_id: str
    hash: str


def event_type(row: AuditRow) -> AuditEvent:
    """The GraphQL face of an event."""
    return AuditEvent(
        id=strawberry.ID(row.id),
        sequence=row.sequence,
        at=row.at,
        action=row.action,
        outcome=row.outcome,
        actor_id=row.actor_id,
        actor_name=row.actor_name,
        credential=row.credential,
        target_id=row.target_id,
        before=None if row.before is None else JSON(row.before),
        after=None if row.after is None else JSON(row.after),
        ip=row.ip,
        user_agent=row.user_agent,
        request_id=row.request_id,
        hash=row.hash.hex(),
    )
