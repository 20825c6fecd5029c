"""Actors as clients see them."""

from __future__ import annotations

from enum import Enum

import strawberry

from spacekey.domain.actor import Actor as DomainActor
from spacekey.domain.actor import ActorKind as DomainActorKind
from spacekey.resolvers.addresses import plain_name


@strawberry.enum(description="What an actor is.")
class ActorKind(Enum):
    """Kinds of actors."""

    PERSON = DomainActorKind.PERSON.value
    TOKEN = DomainActorKind.TOKEN.value
    OPERATOR = DomainActorKind.OPERATOR.value
    SERVICE = DomainActorKind.SERVICE.value
    SYSTEM = DomainActorKind.SYSTEM.value


@strawberry.type(description="Who did something. The kind and the id identify; a name is chosen by people.")
class Actor:
    """An actor."""

    kind: ActorKind
    actor_id: strawberry.ID = strawberry.field(
        description="The id of the person, token or service; not called `id`, because it is theirs."
    )
    name: str = strawberry.field(description="What they were called at that moment; empty once they were erased.")
    unproven: bool = strawberry.field(
        description="Whether the name is an e-mail address that was not known to be theirs at that moment."
    )


def actor_type(actor: DomainActor) -> Actor:
    """The GraphQL face of an actor."""
    name, unproven = plain_name(actor)
    return Actor(kind=ActorKind(actor.kind.value), actor_id=strawberry.ID(actor.id), name=name, unproven=unproven)
