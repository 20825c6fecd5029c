"""Mutations of portal sessions, for services."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated, TypeAlias

import strawberry

from spacekey.middleware.graphql import requires_scopes
from spacekey.resolvers.portal_sessions import (
    ALL,
    ORIGINS_MAX,
    OWN,
    SECONDS_DEFAULT,
    NewPortalSession,
    OpenedPortalSession,
    end_portal_session,
    end_portal_sessions,
    open_portal_session,
)
from spacekey.schema.context import SpacekeyInfo
from spacekey.schema.limits.costs import at_most
from spacekey.schema.types.product import SCOPES_MAX
from spacekey.schema.types.relay import enum_value
from spacekey.schema.types.results import Conflict, InvalidInput, NotFound, answered


@strawberry.enum(description="Which tokens a portal session sees.")
class PortalTokens(Enum):
    """Enum of the parts of a workspace that a portal session sees."""

    OWN = enum_value(OWN, "The tokens whose external ID is the person's ID.")
    WORKSPACE = enum_value(ALL, "All tokens of the workspace.")


@strawberry.input(description="A person of the product that Spacekey is part of.")
class HostPersonInput:
    """Input with a person of the host's."""

    id: str = strawberry.field(
        description="The product's own ID of the person. Tokens that the person creates get it as their external ID."
    )
    name: str = strawberry.field(description="The person's name, as lists and the audit log show it.")


@strawberry.input(description="The portal session to open. `role` and `scopes` exclude each other.")
class CreatePortalSessionInput:
    """Input of ``createPortalSession``."""

    workspace_id: strawberry.ID = strawberry.field(description="The ID of the workspace.")
    person: HostPersonInput = strawberry.field(description="Whose session it is.")
    origins: list[str] = strawberry.field(
        description=(
            f"The origins of the pages that use the session, at most {ORIGINS_MAX}, such as `https://app.example.com`. "
            "Each request must come from one of them."
        )
    )
    role: str | None = strawberry.field(
        default=None, description="The name of a role of the workspace, whose scopes the session has at most."
    )
    scopes: list[str] | None = strawberry.field(
        default=None,
        description=(
            "The scopes of the session: those of the product, its shorthands, and scopes of tokens, `spaces:read`, "
            "`workspace:read` and `usage:read`. By default all scopes of the product and those of tokens."
        ),
    )
    expires_in: int = strawberry.field(
        default=SECONDS_DEFAULT, description="The lifetime of the session in seconds, at most 3600."
    )
    tokens: PortalTokens = strawberry.field(default=PortalTokens.OWN, description="Which tokens the session sees.")


@strawberry.input(description="The portal session to end.")
class EndPortalSessionInput:
    """Input of ``endPortalSession``."""

    id: strawberry.ID = strawberry.field(description="The ID of the portal session.")


@strawberry.input(description="The person whose portal sessions to end.")
class EndPortalSessionsInput:
    """Input of ``endPortalSessions``."""

    workspace_id: strawberry.ID = strawberry.field(description="The ID of the workspace.")
    person_id: str = strawberry.field(description="The product's own ID of the person.")


@strawberry.type(description="The portal session was opened. Its secret is shown only here.")
class CreatePortalSessionSuccess:
    """Result with the session and its secret."""

    portal_session_id: strawberry.ID = strawberry.field(description="The ID of the portal session.")
    secret: str = strawberry.field(description="The bearer for the person's pages. It cannot be retrieved again.")
    scopes: list[str] = strawberry.field(
        description="The scopes that the session has now, sorted by name.", directives=[at_most(SCOPES_MAX)]
    )
    expires_at: datetime = strawberry.field(description="When the session ends.")


@strawberry.type(description="The portal session has ended.")
class EndPortalSessionSuccess:
    """Result with the session that ended."""

    ended_portal_session_id: strawberry.ID = strawberry.field(description="The ID of the portal session.")


@strawberry.type(description="The portal sessions of the person have ended.")
class EndPortalSessionsSuccess:
    """Result with how many sessions ended."""

    ended_count: int = strawberry.field(description="The number of sessions that ended.")


CreatePortalSessionResult: TypeAlias = Annotated[
    CreatePortalSessionSuccess | InvalidInput | NotFound | Conflict,
    strawberry.union("CreatePortalSessionResult", description="The result of `createPortalSession`."),
]
EndPortalSessionResult: TypeAlias = Annotated[
    EndPortalSessionSuccess | NotFound | Conflict,
    strawberry.union("EndPortalSessionResult", description="The result of `endPortalSession`."),
]
EndPortalSessionsResult: TypeAlias = Annotated[
    EndPortalSessionsSuccess | InvalidInput | NotFound | Conflict,
    strawberry.union("EndPortalSessionsResult", description="The result of `endPortalSessions`."),
]


@strawberry.type
class PortalMutations:
    """Mutations of portal sessions. People and tokens are refused."""

    @strawberry.mutation(
        graphql_type=CreatePortalSessionResult | None,
        description=(
            "Open a session for a person of your product, for a page of yours in which the person manages tokens. "
            "Available to services only."
        ),
        directives=[requires_scopes()],
    )
    async def create_portal_session(self, info: SpacekeyInfo, input: CreatePortalSessionInput) -> object:  # noqa: A002
        """Call :func:`open_portal_session`."""
        context = info.context
        new = NewPortalSession(
            workspace_id=input.workspace_id,
            person_id=input.person.id,
            person_name=input.person.name,
            origins=tuple(input.origins),
            role=input.role,
            scopes=None if input.scopes is None else tuple(input.scopes),
            expires_in=input.expires_in,
            tokens=input.tokens.value,
        )
        answer = await answered(context, lambda: open_portal_session(context.system, context.known_caller, new))
        if not isinstance(answer, OpenedPortalSession):
            return answer
        return CreatePortalSessionSuccess(
            portal_session_id=strawberry.ID(answer.session.id),
            secret=answer.secret.reveal(),
            scopes=sorted(answer.scopes),
            expires_at=answer.session.expires_at,
        )

    @strawberry.mutation(
        graphql_type=EndPortalSessionResult | None,
        description="End a portal session. Available to services, and to the session itself.",
        directives=[requires_scopes()],
    )
    async def end_portal_session(self, info: SpacekeyInfo, input: EndPortalSessionInput) -> object:  # noqa: A002
        """Call :func:`end_portal_session`."""
        context = info.context

        async def end() -> EndPortalSessionSuccess:
            await end_portal_session(context.system, context.known_caller, input.id)
            return EndPortalSessionSuccess(ended_portal_session_id=input.id)

        return await answered(context, end)

    @strawberry.mutation(
        graphql_type=EndPortalSessionsResult | None,
        description="End all portal sessions of a person in a workspace. Available to services only.",
        directives=[requires_scopes()],
    )
    async def end_portal_sessions(self, info: SpacekeyInfo, input: EndPortalSessionsInput) -> object:  # noqa: A002
        """Call :func:`end_portal_sessions`."""
        context = info.context

        async def end() -> EndPortalSessionsSuccess:
            ended = await end_portal_sessions(context.system, context.known_caller, input.workspace_id, input.person_id)
            return EndPortalSessionsSuccess(ended_count=ended)

        return await answered(context, end)
