"""GraphQL types of audit events and their actors."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import strawberry
from strawberry.scalars import JSON

from spacekey.domain.actor import Actor as DomainActor
from spacekey.domain.actor import ActorKind as DomainActorKind
from spacekey.models.tables.records import AnyEvent
from spacekey.resolvers.addresses import plain_name

from .relay import enum_value


@strawberry.type(
    description=("An entry of the audit log: who did what to which object, from where, and with what outcome.")
)
class AuditEvent:
    """GraphQL type of an audit event. Its hash covers the event before it."""

    id: strawberry.ID = strawberry.field(description="The ID of the event.")
    sequence: int = strawberry.field(
        description=("The position of the event in the workspace's audit log, counted from 1 without gaps.")
    )
    created_at: datetime = strawberry.field(description="When the event happened.")
    action: str = strawberry.field(description="What was done, such as `token.revoke`. Expect new actions to be added.")
    outcome: str = strawberry.field(description="How the action ended, such as `success`.")
    actor: Actor = strawberry.field(description="Who did it.")
    credential: str | None = strawberry.field(
        description=(
            "The credential that was used: `session`, `command line`, or the ID of a token. Null if there was none."
        )
    )
    target_id: str = strawberry.field(description="The ID of the object that the action was about.")
    target_name: str | None = strawberry.field(
        description=(
            "The name or email address of the person that the action was about. Null if it was "
            "about no person, or once the person was erased."
        )
    )
    target_facts: JSON | None = strawberry.field(
        description=("Further facts about the person that the action was about. An erasure removes them.")
    )
    before: JSON | None = strawberry.field(
        description="The changed values before the action. Null if the action has none."
    )
    after: JSON | None = strawberry.field(
        description="The changed values after the action. Null if the action has none."
    )
    ip: str | None = strawberry.field(description="The IP address that the request came from. Null if it is unknown.")
    user_agent: str | None = strawberry.field(
        description="The `User-Agent` header of the request. Null if it is unknown."
    )
    request_id: str = strawberry.field(
        description=("The ID of the request, as in the response's `X-Request-ID` header and in the server's log.")
    )
    hash: str = strawberry.field(
        description=("The SHA-256 hash of this event and the hash of the one before it, in hexadecimal.")
    )
    actor_erased: bool = strawberry.field(description="Whether the actor's name was erased. Its kind and ID remain.")
    target_erased: bool = strawberry.field(description="Whether the person that the action was about was erased.")


def event_type(row: AnyEvent) -> AuditEvent:
    """Return an event as its GraphQL type."""
    return AuditEvent(
        id=strawberry.ID(row.id),
        sequence=row.sequence,
        created_at=row.at,
        action=row.action,
        outcome=row.outcome,
        actor=actor_type(row.actor),
        credential=row.credential or None,
        target_id=row.target_id,
        target_name=row.target_name or None,
        target_facts=None if row.target_facts is None else JSON(row.target_facts),
        before=None if row.before is None else JSON(row.before),
        after=None if row.after is None else JSON(row.after),
        ip=row.ip or None,
        user_agent=row.user_agent or None,
        request_id=row.request_id,
        hash=row.hash.hex(),
        actor_erased=row.actor_erased,
        target_erased=row.target_erased,
    )


@strawberry.enum(description="What kind of actor did something.")
class ActorKind(Enum):
    """Enum of the kinds of actors."""

    PERSON = enum_value(DomainActorKind.PERSON.value, description="A person with an account.")
    TOKEN = enum_value(DomainActorKind.TOKEN.value, description="An API token.")
    OPERATOR = enum_value(
        DomainActorKind.OPERATOR.value, description="The operator of this server, on the command line."
    )
    SERVICE = enum_value(
        DomainActorKind.SERVICE.value, description="A service with a credential that the operator gave it."
    )
    SYSTEM = enum_value(DomainActorKind.SYSTEM.value, description="This server itself.")


@strawberry.type(
    description=("Who did something. The kind and the ID identify the actor; a name can be chosen freely.")
)
class Actor:
    """GraphQL type of an actor."""

    kind: ActorKind = strawberry.field(description="What kind of actor it is.")
    actor_id: strawberry.ID = strawberry.field(description="The ID of the person, token or service.")
    name: str = strawberry.field(description="The name of the actor at that moment. Empty once the actor was erased.")
    unproven: bool = strawberry.field(
        description="Whether the name is an email address that was not verified at that moment."
    )


def actor_type(actor: DomainActor) -> Actor:
    """Return an actor as its GraphQL type."""
    name, unproven = plain_name(actor)
    return Actor(kind=ActorKind(actor.kind.value), actor_id=strawberry.ID(actor.id), name=name, unproven=unproven)
