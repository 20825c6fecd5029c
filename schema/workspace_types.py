"""Workspaces as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from spacekey.domain.catalog_table import ENTRIES_MAX
from spacekey.domain.page import page_request
from spacekey.middleware.graphql import requires_scopes
from spacekey.resolvers.access.authority import Authority
from spacekey.resolvers.access.entitlements import limit_of, plan_of, policy_of
from spacekey.schema.limits.costs import at_most, paged
from spacekey.schema.types.audit import AuditEvent, AuditFilterArgument, audit_filter, event_type
from spacekey.schema.types.catalog import (
    SCOPES_MAX,
    Catalog,
    Plan,
    RateLimit,
    Role,
    catalog_type,
    plan_type,
    role_types,
)
from spacekey.schema.types.members import Invitation, Member, invitation_type, member_type
from spacekey.schema.types.objects import Token
from spacekey.schema.types.relay import After, Before, Connection, First, Last, connection_of

from .answering import answering
from .context import SpacekeyInfo
from .loaders import AskedEvents, AskedSpaces
from .node import Node
from .policy_types import Policy, policy_type
from .space_types import Space, space_type
from .token_lists import FilterArgument, OrderArgument, listed_tokens

SpaceText = Annotated[str | None, strawberry.argument(description="Part of the name or the slug.")]


@strawberry.type(description="A tenant: members, spaces, tokens, a plan and a catalog.")
class Workspace(Node):
    """A workspace, as the caller may see it."""

    authority: strawberry.Private[Authority]

    name: str
    slug: str
    created_at: datetime
    suspended_at: datetime | None = strawberry.field(
        description="Since when all of its tokens are refused; null: it is in good standing."
    )

    @strawberry.field(description="Null when the catalog no longer has the plan: nothing can be granted then.")
    def plan(self) -> Plan | None:
        """The plan."""
        plan = plan_of(self.authority.catalog, self.authority.workspace)
        return None if plan is None else plan_type(plan)

    @strawberry.field(description="The workspace's own numbers, else the plan's; null: no limit.")
    def rate_limit(self) -> RateLimit | None:
        """Requests a token may make."""
        row = self.authority.workspace
        limit = limit_of(plan_of(self.authority.catalog, row), row.per_minute, row.burst)
        return None if limit is None else RateLimit(per_minute=limit.per_minute, burst=limit.burst)

    @strawberry.field
    def catalog(self) -> Catalog:
        """The product's words."""
        return catalog_type(self.authority.catalog)

    @strawberry.field(
        description="The roles that exist here, as this workspace configured them.", directives=[at_most(ENTRIES_MAX)]
    )
    def roles(self) -> list[Role]:
        """Roles."""
        return role_types(self.authority.catalog, self.authority.roles)

    @strawberry.field
    def policy(self) -> Policy:
        """The workspace's own limits on its tokens."""
        return policy_type(policy_of(self.authority.workspace))

    @strawberry.field(description="What you may do here.", directives=[at_most(SCOPES_MAX)])
    def my_scopes(self) -> list[str]:
        """The caller's effective scopes in this workspace, sorted."""
        return sorted(self.authority.scopes)

    @strawberry.field(description="The role you hold here; null for tokens.")
    def my_role(self) -> str | None:
        """The caller's role."""
        grants = self.authority.grants
        return grants[0] if len(grants) == 1 and grants[0] in self.authority.roles else None

    @strawberry.field(directives=[requires_scopes("spaces:read"), paged()])
    async def spaces(
        self,
        info: SpacekeyInfo,
        text: SpaceText = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Space]:
        """Spaces by name."""
        context = info.context
        with answering():
            asked = AskedSpaces(page_request(first, after, last, before), text)
            page = await context.loaders.spaces(asked).load(self.authority.workspace.id)
        return connection_of(page, space_type)

    @strawberry.field(directives=[requires_scopes("tokens:read"), paged()])
    async def tokens(
        self,
        info: SpacekeyInfo,
        filter: FilterArgument = None,  # noqa: A002 - the API's name
        order_by: OrderArgument = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Token]:
        """The workspace's tokens, its spaces' included."""
        return await listed_tokens(
            info, self.authority.workspace.id, None, filter, order_by, (first, after, last, before)
        )

    @strawberry.field(directives=[requires_scopes("members:read"), paged()])
    async def members(
        self, info: SpacekeyInfo, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Member]:
        """People with a role here."""
        context = info.context
        with answering():
            request = page_request(first, after, last, before)
            page = await context.loaders.members(request).load(self.authority.workspace.id)
        return connection_of(page, lambda pair: member_type(*pair))

    @strawberry.field(
        description="Invitations that were not accepted yet, newest first.",
        directives=[requires_scopes("members:read"), paged()],
    )
    async def invitations(
        self, info: SpacekeyInfo, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Invitation]:
        """People who may become members."""
        context = info.context
        with answering():
            request = page_request(first, after, last, before)
            page = await context.loaders.invitations(request).load(self.authority.workspace.id)
        return connection_of(page, invitation_type)

    @strawberry.field(description="Newest first.", directives=[requires_scopes("audit:read"), paged()])
    async def audit_log(
        self,
        info: SpacekeyInfo,
        filter: AuditFilterArgument = None,  # noqa: A002 - the API's name
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[AuditEvent]:
        """What happened here."""
        context = info.context
        with answering():
            asked = AskedEvents(page_request(first, after, last, before), audit_filter(filter))
            page = await context.loaders.events(asked).load(self.authority.workspace.id)
        return connection_of(page, event_type)


def workspace_type(authority: Authority) -> Workspace:
    """The GraphQL face of a workspace.

    :raises Forbidden: the caller may not read it.
    """
    authority.require("workspace:read")
    return shown_workspace(authority)


def shown_workspace(authority: Authority) -> Workspace:
    """The GraphQL face of a workspace for a caller who is known to be allowed to see it."""
    workspace = authority.workspace
    return Workspace(
        id=strawberry.ID(workspace.id),
        authority=authority,
        name=workspace.name,
        slug=workspace.slug,
        created_at=workspace.created_at,
        suspended_at=workspace.suspended_at,
    )
