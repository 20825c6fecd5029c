"""GraphQL types of actors: who did something, as they were called at that moment, and what they are now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Annotated

import strawberry

from spacekey.domain.actor import Actor as DomainActor
from spacekey.domain.actor import ActorKind as DomainActorKind
from spacekey.middleware.graphql import requires_scopes
from spacekey.models.tables.records import AnyInvitation, AnyMember, AnySpace, AnyUser
from spacekey.resolvers.access.authority import Authority
from spacekey.resolvers.addresses import plain_name
from spacekey.resolvers.tokens.view import TokenView
from spacekey.schema.context import SpacekeyInfo
from spacekey.schema.errors import answering

from .relay import Node, enum_value


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
    EXTERNAL = enum_value(
        DomainActorKind.EXTERNAL.value, description="A user of an application that has this server inside."
    )
    SYSTEM = enum_value(DomainActorKind.SYSTEM.value, description="This server itself.")


@dataclass(frozen=True, slots=True)
class ObjectTypes:
    """Functions that return records as their GraphQL types, for types that those types name in turn."""

    token: Callable[[TokenView], Node]
    space: Callable[[AnySpace], Node]
    workspace: Callable[[Authority], Node]
    member: Callable[[AnyMember, AnyUser], Node]
    invitation: Callable[[AnyInvitation], Node]


@strawberry.interface(
    description="Who did something. The kind and the ID identify the actor; a name can be chosen freely."
)
class Actor:
    """GraphQL interface of actors."""

    kind: ActorKind = strawberry.field(description="What kind of actor it is.")
    actor_id: strawberry.ID = strawberry.field(
        description="The ID of the person, token or service, or the application's ID of its user."
    )
    name: str | None = strawberry.field(
        description="The name of the actor at that moment. Null once the actor was erased."
    )
    unproven: bool = strawberry.field(
        description="Whether the name is an email address that was not verified at that moment."
    )


@strawberry.type(description="A person who did something.")
class PersonActor(Actor):
    """GraphQL type of a person who did something in a workspace."""

    workspace_id: strawberry.Private[str]
    types: strawberry.Private[ObjectTypes]

    @strawberry.field(
        graphql_type=Annotated["Member", strawberry.lazy("spacekey.schema.types.members")] | None,  # noqa: F821 - lazy
        description=(
            "The member of the workspace. Null if the person is not a member, or the caller cannot read the members."
        ),
        directives=[requires_scopes("members:read")],
    )
    async def member(self, info: SpacekeyInfo) -> object:
        """Return the person's membership."""
        with answering():
            found = await info.context.loaders.member.load((self.workspace_id, self.actor_id))
        return None if found is None else self.types.member(*found)


@strawberry.type(description="A token that did something.")
class TokenActor(Actor):
    """GraphQL type of a token that did something."""

    types: strawberry.Private[ObjectTypes]

    @strawberry.field(
        graphql_type=Annotated["Token", strawberry.lazy("spacekey.schema.types.objects")] | None,  # noqa: F821 - lazy
        description="The token. Null if it was deleted, or the caller cannot read it.",
        directives=[requires_scopes("tokens:read")],
    )
    async def token(self, info: SpacekeyInfo) -> object:
        """Return the token."""
        with answering():
            found = await info.context.loaders.token.load(self.actor_id)
        return None if found is None else self.types.token(found)


@strawberry.type(description="The operator of this server, on the command line.")
class OperatorActor(Actor):
    """GraphQL type of the operator."""


@strawberry.type(description="A service of the operator.")
class ServiceActor(Actor):
    """GraphQL type of a service."""


@strawberry.type(description="A user of an application that has this server inside, by the application's own ID.")
class ExternalActor(Actor):
    """GraphQL type of a host application's user."""


@strawberry.type(description="This server itself.")
class SystemActor(Actor):
    """GraphQL type of the server."""


ACTORS = (PersonActor, TokenActor, OperatorActor, ServiceActor, ExternalActor, SystemActor)
"""All implementations of the interface."""


def actor_type(actor: DomainActor, workspace_id: str, types: ObjectTypes) -> Actor:
    """Return an actor as its GraphQL type.

    :param workspace_id: where it acted.
    :param types: of the objects that it is now.
    """
    name, unproven = plain_name(actor)
    kind, actor_id, called = ActorKind(actor.kind.value), strawberry.ID(actor.id), name or None
    match actor.kind:
        case DomainActorKind.PERSON:
            return PersonActor(
                kind=kind, actor_id=actor_id, name=called, unproven=unproven, workspace_id=workspace_id, types=types
            )
        case DomainActorKind.TOKEN:
            return TokenActor(kind=kind, actor_id=actor_id, name=called, unproven=unproven, types=types)
        case DomainActorKind.OPERATOR:
            return OperatorActor(kind=kind, actor_id=actor_id, name=called, unproven=unproven)
        case DomainActorKind.SERVICE:
            return ServiceActor(kind=kind, actor_id=actor_id, name=called, unproven=unproven)
        case DomainActorKind.EXTERNAL:
            return ExternalActor(kind=kind, actor_id=actor_id, name=called, unproven=unproven)
        case DomainActorKind.SYSTEM:
            return SystemActor(kind=kind, actor_id=actor_id, name=called, unproven=unproven)
