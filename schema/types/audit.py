"""GraphQL types of audit events and their actors."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from spacekey.domain.actor import Actor as DomainActor
from spacekey.domain.actor import ActorKind as DomainActorKind
from spacekey.domain.page import AuditFilter as EventFilter
from spacekey.models.tables.records import AnyEvent
from spacekey.resolvers.addresses import plain_name


@strawberry.type(description="Something that happened: who, with what, on what, from where, and how it ended.")
class AuditEvent:
    """GraphQL type of an audit event. Its hash covers the event before it."""

    id: strawberry.ID
    sequence: int
    at: datetime
    action: str
    outcome: str
    actor: Actor = strawberry.field(description="Who did it.")
    credential: str
    target_id: str
    target_name: str = strawberry.field(
        description="The address or name of the person it was about; empty where it was about none, or once erased."
    )
    target_facts: JSON | None = strawberry.field(description="Further facts about that person, which can be erased.")
    before: JSON | None
    after: JSON | None
    ip: str
    user_agent: str
    request_id: str
    hash: str
    actor_erased: bool = strawberry.field(description="Whether the actor was erased: only kind and id are left.")
    target_erased: bool = strawberry.field(description="Whether the person it was about was erased.")


@strawberry.input(description="Which events to list; what is left out does not narrow.")
class AuditFilter:
    """Input of conditions on events, all of which must hold."""

    actor_id: strawberry.ID | None = strawberry.field(default=None, description="Done by this person or token.")
    target_id: strawberry.ID | None = strawberry.field(default=None, description="Done to this.")
    action: str | None = strawberry.field(default=None, description="Such as `token.revoke`.")


AuditFilterArgument = Annotated[AuditFilter | None, strawberry.argument(description="Which events.")]


def audit_filter(where: AuditFilter | None) -> EventFilter:
    """Return the filter as the queries' argument."""
    if where is None:
        return EventFilter()
    return EventFilter(actor_id=where.actor_id, target_id=where.target_id, action=where.action)


def event_type(row: AnyEvent) -> AuditEvent:
    """Return an event as its GraphQL type."""
    return AuditEvent(
        id=strawberry.ID(row.id),
        sequence=row.sequence,
        at=row.at,
        action=row.action,
        outcome=row.outcome,
        actor=actor_type(row.actor),
        credential=row.credential,
        target_id=row.target_id,
        target_name=row.target_name,
        target_facts=None if row.target_facts is None else JSON(row.target_facts),
        before=None if row.before is None else JSON(row.before),
        after=None if row.after is None else JSON(row.after),
        ip=row.ip,
        user_agent=row.user_agent,
        request_id=row.request_id,
        hash=row.hash.hex(),
        actor_erased=row.actor_erased,
        target_erased=row.target_erased,
    )


@strawberry.enum(description="What an actor is.")
class ActorKind(Enum):
    """Enum of the kinds of actors."""

    PERSON = DomainActorKind.PERSON.value
    TOKEN = DomainActorKind.TOKEN.value
    OPERATOR = DomainActorKind.OPERATOR.value
    SERVICE = DomainActorKind.SERVICE.value
    SYSTEM = DomainActorKind.SYSTEM.value


@strawberry.type(description="Who did something. The kind and the id identify; a name is chosen by people.")
class Actor:
    """GraphQL type of an actor."""

    kind: ActorKind
    actor_id: strawberry.ID = strawberry.field(
        description="The id of the person, token or service; not called `id`, because it is theirs."
    )
    name: str = strawberry.field(description="What they were called at that moment; empty once they were erased.")
    unproven: bool = strawberry.field(
        description="Whether the name is an e-mail address that was not known to be theirs at that moment."
    )


def actor_type(actor: DomainActor) -> Actor:
    """Return an actor as its GraphQL type."""
    name, unproven = plain_name(actor)
    return Actor(kind=ActorKind(actor.kind.value), actor_id=strawberry.ID(actor.id), name=name, unproven=unproven)
