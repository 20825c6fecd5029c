"""Workspaces, spaces, members and their audit log as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from spacekey.domain.catalog import Policy as DomainPolicy
from spacekey.domain.page import TokenOrder, page_request
from spacekey.middleware.graphql import requires_scopes
from spacekey.models.audit import AuditEvent as AuditRow
from spacekey.models.user import User
from spacekey.models.workspace import Member as MemberRow
from spacekey.models.workspace import Space as SpaceRow
from spacekey.resolvers.authority import Authority
from spacekey.resolvers.list_tokens import TokenSearch
from spacekey.resolvers.workspace_facts import limit_of, plan_of, policy_of

from .answering import answering
from .catalog_types import Catalog, Plan, RateLimit, Role, catalog_type, plan_type, role_types
from .connection import After, Before, Connection, First, Last, connection_of
from .context import SpacekeyInfo
from .loaders import AskedEvents, AskedTokens
from .node import Node
from .token_types import Direction, Token, TokenFilter, TokenOrderBy, token_type

FilterArgument = Annotated[TokenFilter | None, strawberry.argument(description="Which tokens.")]
OrderArgument = Annotated[TokenOrderBy | None, strawberry.argument(description="In which order; newest first.")]


@strawberry.type(description="A workspace's own limits on its tokens; lifetimes are seconds, null is no limit.")
class Policy:
    """The policy."""

    lifetime_seconds_max: int | None
    lifetime_seconds_default: int | None
    expiry_required: bool
    scopes_allowed: list[str] | None = strawberry.field(description="Null allows every scope the plan allows.")


@strawberry.type(description="A person with a role in a workspace.")
class Member:
    """A member."""

    user_id: strawberry.ID
    name: str
    email: str
    role: str
    created_at: datetime
    invited: bool = strawberry.field(description="Whether the person still has to set a password.")


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


@strawberry.type(description="A project inside a workspace.")
class Space(Node):
    """A space."""

    row: strawberry.Private[SpaceRow]

    @strawberry.field
    def name(self) -> str:
        """What people call it."""
        return self.row.name

    @strawberry.field
    def slug(self) -> str:
        """What stands in addresses; unique in the workspace."""
        return self.row.slug

    @strawberry.field
    def created_at(self) -> datetime:
        """When it was made."""
        return self.row.created_at

    @strawberry.field(description="Null unless the space was deleted; its tokens are refused since then.")
    def deleted_at(self) -> datetime | None:
        """When it was deleted."""
        return self.row.deleted_at

    @strawberry.field(directives=[requires_scopes("workspace:read")])
    async def workspace(self, info: SpacekeyInfo) -> Workspace | None:
        """The workspace it lies in."""
        with answering():
            authority = await info.context.loaders.authority.load(self.row.workspace_id)
            return None if authority is None else workspace_type(authority)

    @strawberry.field(directives=[requires_scopes("tokens:read")])
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
        """The space's tokens."""
        return await _tokens(info, self.row.workspace_id, self.row.id, filter, order_by, (first, after, last, before))


@strawberry.type(description="A tenant: members, spaces, tokens, a plan and a catalog.")
class Workspace(Node):
    """A workspace, as the caller may see it."""

    authority: strawberry.Private[Authority]

    @strawberry.field
    def name(self) -> str:
        """What people call it."""
        return self.authority.workspace.name

    @strawberry.field
    def slug(self) -> str:
        """What stands in addresses; unique."""
        return self.authority.workspace.slug

    @strawberry.field
    def created_at(self) -> datetime:
        """When it was made."""
        return self.authority.workspace.created_at

    @strawberry.field(description="Since when all of its tokens are refused; null: it is in good standing.")
    def suspended_at(self) -> datetime | None:
        """The suspension."""
        return self.authority.workspace.suspended_at

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

    @strawberry.field(description="The roles that exist here, as this workspace configured them.")
    def roles(self) -> list[Role]:
        """Roles."""
        return role_types(self.authority.catalog, self.authority.roles)

    @strawberry.field
    def policy(self) -> Policy:
        """The workspace's own limits on its tokens."""
        return _policy_type(policy_of(self.authority.workspace))

    @strawberry.field(description="What you may do here.")
    def my_scopes(self) -> list[str]:
        """The caller's effective scopes in this workspace, sorted."""
        return sorted(self.authority.scopes)

    @strawberry.field(description="The role you hold here; null for tokens.")
    def my_role(self) -> str | None:
        """The caller's role."""
        grants = self.authority.grants
        return grants[0] if len(grants) == 1 and grants[0] in self.authority.roles else None

    @strawberry.field(directives=[requires_scopes("spaces:read")])
    async def spaces(
        self, info: SpacekeyInfo, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Space]:
        """Spaces by name."""
        context = info.context
        with answering():
            request = page_request(first, after, last, before)
            page = await context.loaders.spaces(request).load(self.authority.workspace.id)
        return connection_of(page, space_type)

    @strawberry.field(directives=[requires_scopes("tokens:read")])
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
        return await _tokens(info, self.authority.workspace.id, None, filter, order_by, (first, after, last, before))

    @strawberry.field(directives=[requires_scopes("members:read")])
    async def members(
        self, info: SpacekeyInfo, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Member]:
        """People with a role here."""
        context = info.context
        with answering():
            request = page_request(first, after, last, before)
            page = await context.loaders.members(request).load(self.authority.workspace.id)
        return connection_of(page, lambda pair: member_type(*pair))

    @strawberry.field(description="Newest first.", directives=[requires_scopes("audit:read")])
    async def audit_log(
        self,
        info: SpacekeyInfo,
        target_id: strawberry.ID | None = None,
        action: str | None = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[AuditEvent]:
        """What happened here."""
        context = info.context
        with answering():
            asked = AskedEvents(page_request(first, after, last, before), target_id, action)
            page = await context.loaders.events(asked).load(self.authority.workspace.id)
        return connection_of(page, _event_type)


async def _tokens(
    info: SpacekeyInfo,
    workspace_id: str,
    space_id: str | None,
    where: TokenFilter | None,
    order_by: TokenOrderBy | None,
    paging: tuple[int | None, str | None, int | None, str | None],
) -> Connection[Token]:
    context = info.context
    order = order_by or TokenOrderBy()
    with answering():
        asked = AskedTokens(
            search=where.search() if where is not None else TokenSearch(),
            order=TokenOrder(order.field.value),
            descending=order.direction is Direction.DESC,
            request=page_request(*paging),
        )
        page = await context.loaders.tokens(asked).load((workspace_id, space_id))
    return connection_of(page, token_type)


def workspace_type(authority: Authority) -> Workspace:
    """The GraphQL face of a workspace.

    :raises Forbidden: the caller may not read it.
    """
    authority.require("workspace:read")
    return Workspace(id=strawberry.ID(authority.workspace.id), authority=authority)


def space_type(row: SpaceRow) -> Space:
    """The GraphQL face of a space."""
    return Space(id=strawberry.ID(row.id), row=row)


def member_type(member: MemberRow, user: User) -> Member:
    """The GraphQL face of a member."""
    return Member(
        user_id=strawberry.ID(user.id),
        name=user.name,
        email=user.email,
        role=member.role,
        created_at=member.created_at,
        invited=user.password_hash is None,
    )


def _policy_type(policy: DomainPolicy) -> Policy:
    return Policy(
        lifetime_seconds_max=policy.lifetime_seconds_max,
        lifetime_seconds_default=policy.lifetime_seconds_default,
        expiry_required=policy.expiry_required,
        scopes_allowed=None if policy.scopes_allowed is None else sorted(policy.scopes_allowed),
    )


def _event_type(row: AuditRow) -> AuditEvent:
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
