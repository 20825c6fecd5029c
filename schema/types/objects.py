"""GraphQL types of tokens, spaces and workspaces, which name each other, with their filters and orders."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from spacekey.domain.page import TokenOrder, page_request
from spacekey.domain.product import Policy as DomainPolicy
from spacekey.domain.product_table import ENTRIES_MAX
from spacekey.domain.token_state import Status
from spacekey.middleware.graphql import requires_scopes
from spacekey.models.tables.records import AnyEvent, AnyInvitation, AnySpace
from spacekey.resolvers.access.authority import Authority
from spacekey.resolvers.access.entitlements import limit_of, plan_of, policy_of
from spacekey.resolvers.tokens.list import TokenSearch
from spacekey.resolvers.tokens.usage import USAGE_DAYS_MAX, checked_days
from spacekey.resolvers.tokens.view import TokenView
from spacekey.resolvers.validation import GRANTS_MAX
from spacekey.resolvers.workspaces.figures import BUSIEST_MAX, COUNT_MAX
from spacekey.resolvers.workspaces.figures import BusyToken as FoundBusyToken
from spacekey.schema.context import SpacekeyInfo
from spacekey.schema.errors import answering
from spacekey.schema.limits.costs import ListSize, at_most, paged
from spacekey.schema.loaders import AskedCount, AskedEvents, AskedSpaces, AskedTokens

from .actors import Actor, ObjectTypes, actor_type
from .audit import AuditEvent, event_type
from .figures import (
    CountLimit,
    TokenCount,
    TokenQuota,
    UsageDay,
    UsageDays,
    count_type,
    quota_type,
    usage_type,
)
from .filters import (
    AuditFilterArgument,
    Direction,
    FilterArgument,
    OrderArgument,
    TokenFilter,
    TokenOrderBy,
    audit_filter,
)
from .members import Invitation, Member, invitation_type, member_type
from .product import SCOPES_MAX, Plan, Product, RateLimit, Role, TokenKind, plan_type, product_type, role_types
from .relay import After, Before, Connection, First, Last, Node, connection_of
from .status import TokenStatus


@strawberry.type(
    description=("An API token of a workspace or a space. Its secret is shown once, when the token is created.")
)
class Token(Node):
    """GraphQL type of a token, without its secret."""

    view: strawberry.Private[TokenView]
    display_id: str = strawberry.field(
        description=(
            "An ID for display: the creator's name when the token was created, an underscore and the token's ID."
        )
    )
    name: str = strawberry.field(description="The name of the token.")
    description: str | None = strawberry.field(description="What the token is for. Null if there is no description.")
    kind: TokenKind = strawberry.field(description="Whether the token belongs to a space or to the whole workspace.")
    environment: str = strawberry.field(
        description="The environment that the token is valid in: one of the product's `environments`."
    )
    prefix: str = strawberry.field(description="The first 12 characters of the secret, followed by an ellipsis.")
    masked_token: str = strawberry.field(description="The first 10 characters of the secret, with the rest masked.")
    role: str | None = strawberry.field(
        description="The name of the token's role. Null if it was granted scopes instead of a role."
    )
    grants: list[str] = strawberry.field(
        description="The scopes, shorthands or role that the token was granted, as they were given.",
        directives=[at_most(GRANTS_MAX)],
    )
    scopes: list[str] = strawberry.field(
        description=(
            "The scopes that the token has now, sorted by name: what its grants expand to, "
            "reduced to what the plan, the policy and the roles of the workspace allow."
        ),
        directives=[at_most(SCOPES_MAX)],
    )
    status: TokenStatus = strawberry.field(description="Whether the token is accepted.")
    created_at: datetime = strawberry.field(description="When the token was created.")
    created_by: Actor = strawberry.field(description="Who created the token, with their name at that time.")
    expires_at: datetime | None = strawberry.field(description="When the token expires. Null if it does not.")
    grace_ends_at: datetime | None = strawberry.field(
        description=(
            "When the token's grace period ends, or when its successor's first use ended it. Null"
            " if the token was not rotated."
        )
    )
    disabled_at: datetime | None = strawberry.field(
        description="When the token was disabled. Null if it is not disabled."
    )
    revoked_at: datetime | None = strawberry.field(description="When the token was revoked. Null if it was not.")
    revoked_reason: str | None = strawberry.field(description="Why the token was revoked. Null if no reason was given.")
    last_used_at: datetime | None = strawberry.field(description="When the token was last used. Null if it never was.")
    last_used_ip: str | None = strawberry.field(
        description=(
            "The IP address that the token was last used from, as the accepting app reports it. Null if it is unknown."
        )
    )
    external_id: str | None = strawberry.field(
        description="The ID that your application has for the token's owner. Null if it gave none."
    )
    metadata: JSON = strawberry.field(
        description="The JSON object that your application attached to the token. Empty if there is none."
    )
    imported_from: str | None = strawberry.field(
        description=(
            "The name of the key format that the token was imported with. Null if its secret was made by this server."
        )
    )

    @strawberry.field(description="The token that this one replaced. Null if there is none.")
    async def rotated_from(self, info: SpacekeyInfo) -> Token | None:
        """Return the token that this one replaced."""
        return await self._other(info, self.view.token.rotated_from_id)

    @strawberry.field(description="The token that replaced this one. Null if it was not rotated.")
    async def rotated_to(self, info: SpacekeyInfo) -> Token | None:
        """Return the token that replaced this one."""
        return await self._other(info, self.view.token.rotated_to_id)

    @strawberry.field(
        description=("The days on which the token was used, oldest first. Days without requests are left out."),
        directives=[requires_scopes("usage:read"), ListSize(assumed_size=USAGE_DAYS_MAX, slicing_arguments=["days"])],
    )
    async def usage(self, info: SpacekeyInfo, days: UsageDays = 30) -> list[UsageDay] | None:
        """Return the requests by day."""
        context = info.context
        with answering():
            checked = checked_days(days)
            await self._require_usage(info)
            return usage_type(await context.loaders.usage(checked).load(self.view.token.id))

    @strawberry.field(
        description=("The scopes that no request needed in the given number of days. Consider removing them."),
        directives=[requires_scopes("usage:read"), at_most(SCOPES_MAX)],
    )
    async def unused_scopes(self, info: SpacekeyInfo, days: UsageDays = 90) -> list[str] | None:
        """Return the scopes that no request needed."""
        with answering():
            checked = checked_days(days)
            await self._require_usage(info)
            return await info.context.loaders.unused(self.view, checked)

    @strawberry.field(
        description="The workspace that the token belongs to.", directives=[requires_scopes("workspace:read")]
    )
    async def workspace(self, info: SpacekeyInfo) -> Workspace | None:
        """Return the workspace it belongs to."""

        with answering():
            authority = await info.context.loaders.authority.load(self.view.token.workspace_id)
            return None if authority is None else workspace_type(authority)

    @strawberry.field(description="The space that the token belongs to. Null for workspace tokens.")
    async def space(self, info: SpacekeyInfo) -> Space | None:
        """Return the space it belongs to."""

        space_id = self.view.token.space_id
        if space_id is None:
            return None
        with answering():
            space = await info.context.loaders.space.load(space_id)
            return None if space is None else space_type(space)

    async def _require_usage(self, info: SpacekeyInfo) -> None:
        authority = await info.context.loaders.authority.load(self.view.token.workspace_id)
        if authority is not None:
            authority.require("usage:read")

    @staticmethod
    async def _other(info: SpacekeyInfo, token_id: str | None) -> Token | None:
        if token_id is None:
            return None
        with answering():
            view = await info.context.loaders.token.load(token_id)
        return None if view is None else token_type(view)


def token_type(view: TokenView) -> Token:
    """Return a token as its GraphQL type."""
    token = view.token
    return Token(
        id=strawberry.ID(token.id),
        view=view,
        display_id=view.public_id,
        name=token.name,
        description=token.description or None,
        kind=_KINDS[token.kind],
        environment=token.environment,
        prefix=view.shown_prefix,
        masked_token=view.masked,
        role=view.role,
        grants=token.grants,
        scopes=sorted(view.scopes),
        status=_STATUSES[view.status],
        created_at=token.created_at,
        created_by=actor_type(token.created_by, token.workspace_id, OBJECT_TYPES),
        expires_at=token.expires_at,
        grace_ends_at=view.retires_at,
        disabled_at=token.disabled_at,
        revoked_at=token.revoked_at,
        revoked_reason=token.revoked_reason,
        last_used_at=token.last_used_at,
        last_used_ip=token.last_used_ip or None,
        external_id=token.external_id,
        metadata=JSON(token.metadata_ or {}),
        imported_from=token.imported_from,
    )


_KINDS = {one.value: one for one in TokenKind}
_STATUSES = {one: TokenStatus(one.value) for one in Status}


@strawberry.type(description="The limits that a workspace sets for its own tokens.")
class Policy:
    """GraphQL type of a workspace's policy."""

    max_lifetime_seconds: int | None = strawberry.field(
        description="The maximum lifetime of a token, in seconds. Null if it is not limited."
    )
    default_lifetime_seconds: int | None = strawberry.field(
        description=(
            "The lifetime of a token that is created without an expiry, in seconds. Null if such tokens do not expire."
        )
    )
    expiry_required: bool = strawberry.field(description="Whether each token must have an expiry.")
    scopes_allowed: list[str] | None = strawberry.field(
        description=("The scopes that tokens of this workspace can use. Null if all scopes of the plan are allowed."),
        directives=[at_most(SCOPES_MAX)],
    )


def policy_type(policy: DomainPolicy) -> Policy:
    """Return a policy as its GraphQL type."""
    return Policy(
        max_lifetime_seconds=policy.lifetime_seconds_max,
        default_lifetime_seconds=policy.lifetime_seconds_default,
        expiry_required=policy.expiry_required,
        scopes_allowed=None if policy.scopes_allowed is None else sorted(policy.scopes_allowed),
    )


async def listed_tokens(
    info: SpacekeyInfo,
    workspace_id: str,
    space_id: str | None,
    where: TokenFilter | None,
    order_by: TokenOrderBy | None,
    paging: tuple[int | None, str | None, int | None, str | None],
) -> Connection[Token]:
    """Return a page of tokens.

    :param paging: first, after, last and before, as given.
    :raises GraphQLError: for a refusal, with its code.
    """
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


async def counted_tokens(
    info: SpacekeyInfo, workspace_id: str, space_id: str | None, where: TokenFilter | None, limit: int
) -> TokenCount:
    """Return the number of tokens.

    :raises GraphQLError: for a refusal, with its code.
    """
    with answering():
        asked = AskedCount(where.search() if where is not None else TokenSearch(), limit)
        return count_type(await info.context.loaders.counts(asked).load((workspace_id, space_id)))


@strawberry.type(description="A token with the requests made with it in a number of days.")
class BusyToken:
    """GraphQL type of a token among the busiest."""

    token: Token = strawberry.field(description="The token.")
    allowed: int = strawberry.field(description="The number of requests that were allowed.")
    denied: int = strawberry.field(description="The number of requests that were denied because of a missing scope.")
    rate_limited: int = strawberry.field(description="The number of requests that exceeded the rate limit.")


def busy_type(one: FoundBusyToken) -> BusyToken:
    """Return a token among the busiest as its GraphQL type."""
    usage = one.usage
    return BusyToken(token=token_type(one.view), allowed=usage.allowed, denied=usage.denied, rate_limited=usage.limited)


@strawberry.type(description="A project inside a workspace.")
class Space(Node):
    """GraphQL type of a space."""

    row: strawberry.Private[AnySpace]

    name: str = strawberry.field(description="The name of the space.")
    slug: str = strawberry.field(description="The unique name of the space in URLs.")
    external_id: str | None = strawberry.field(
        description="The ID that your application has for the space. Null if it gave none."
    )
    created_at: datetime = strawberry.field(description="When the space was created.")
    deleted_at: datetime | None = strawberry.field(
        description=("When the space was deleted, from which time its tokens are rejected. Null if it was not deleted.")
    )

    @strawberry.field(
        description="The workspace that the space belongs to.", directives=[requires_scopes("workspace:read")]
    )
    async def workspace(self, info: SpacekeyInfo) -> Workspace | None:
        """Return the workspace it belongs to."""

        with answering():
            authority = await info.context.loaders.authority.load(self.row.workspace_id)
            return None if authority is None else workspace_type(authority)

    @strawberry.field(description="A list of the space's tokens.", directives=[requires_scopes("tokens:read"), paged()])
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
        """Return a page of the space's tokens."""
        return await listed_tokens(
            info, self.row.workspace_id, self.row.id, filter, order_by, (first, after, last, before)
        )

    @strawberry.field(
        description="The number of the space's tokens. Counting is paid for only if this is selected.",
        directives=[requires_scopes("tokens:read")],
    )
    async def tokens_count(
        self,
        info: SpacekeyInfo,
        filter: FilterArgument = None,  # noqa: A002 - the API's name
        limit: CountLimit = COUNT_MAX,
    ) -> TokenCount | None:
        """Return the number of the space's tokens."""
        return await counted_tokens(info, self.row.workspace_id, self.row.id, filter, limit)


def space_type(row: AnySpace) -> Space:
    """The GraphQL face of a space."""
    return Space(
        id=strawberry.ID(row.id),
        row=row,
        name=row.name,
        slug=row.slug,
        external_id=row.external_id,
        created_at=row.created_at,
        deleted_at=row.deleted_at,
    )


BusiestFirst = Annotated[
    int, strawberry.argument(description=f"Return up to this number of tokens, at most {BUSIEST_MAX}.")
]
SpaceText = Annotated[str | None, strawberry.argument(description="Only spaces whose name or slug contains this text.")]


@strawberry.type(description="A tenant: its members, spaces and tokens, with a plan of a product.")
class Workspace(Node):
    """GraphQL type of a workspace, as the caller may see it."""

    authority: strawberry.Private[Authority]

    name: str = strawberry.field(description="The name of the workspace.")
    slug: str = strawberry.field(description="The unique name of the workspace in URLs.")
    external_id: str | None = strawberry.field(
        description="The ID that your application has for its tenant. Unique in the product. Null if it gave none."
    )
    created_at: datetime = strawberry.field(description="When the workspace was created.")
    suspended_at: datetime | None = strawberry.field(
        description=("When the workspace was suspended, from which time its tokens are rejected. Null if it is active.")
    )

    @strawberry.field(
        description=(
            "The plan of the workspace. Null if the product no longer has the plan; nothing can be granted then."
        )
    )
    def plan(self) -> Plan | None:
        """Return the plan."""
        plan = plan_of(self.authority.product, self.authority.workspace)
        return None if plan is None else plan_type(plan)

    @strawberry.field(
        description=(
            "The rate limit of each of the workspace's tokens: its own if it has one, otherwise "
            "the plan's. Null if there is no limit."
        )
    )
    def rate_limit(self) -> RateLimit | None:
        """Return the rate limit of each token."""
        row = self.authority.workspace
        limit = limit_of(plan_of(self.authority.product, row), row.per_minute, row.burst)
        return None if limit is None else RateLimit(per_minute=limit.per_minute, burst=limit.burst)

    @strawberry.field(description="The product that the workspace belongs to.")
    def product(self) -> Product:
        """Return the product."""
        return product_type(self.authority.product)

    @strawberry.field(
        description=("The roles that members and tokens can hold, as this workspace has configured them."),
        directives=[at_most(ENTRIES_MAX)],
    )
    def roles(self) -> list[Role]:
        """Return the roles."""
        return role_types(self.authority.product, self.authority.roles)

    @strawberry.field(description="The limits that the workspace sets for its own tokens.")
    def policy(self) -> Policy:
        """Return the workspace's own limits on its tokens."""
        return policy_type(policy_of(self.authority.workspace))

    @strawberry.field(
        description="The scopes that the caller has in this workspace, sorted by name.",
        directives=[at_most(SCOPES_MAX)],
    )
    def viewer_scopes(self) -> list[str]:
        """Return the caller's effective scopes in this workspace, sorted."""
        return sorted(self.authority.scopes)

    @strawberry.field(description="The name of the caller's role in this workspace. Null for tokens.")
    def viewer_role(self) -> str | None:
        """Return the caller's role."""
        grants = self.authority.grants
        return grants[0] if len(grants) == 1 and grants[0] in self.authority.roles else None

    @strawberry.field(
        description="A list of the workspace's spaces, sorted by name.",
        directives=[requires_scopes("spaces:read"), paged()],
    )
    async def spaces(
        self,
        info: SpacekeyInfo,
        text: SpaceText = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Space]:
        """Return a page of the spaces, by name."""
        context = info.context
        with answering():
            asked = AskedSpaces(page_request(first, after, last, before), text)
            page = await context.loaders.spaces(asked).load(self.authority.workspace.id)
        return connection_of(page, space_type)

    @strawberry.field(
        description="A list of the workspace's tokens, including those of its spaces.",
        directives=[requires_scopes("tokens:read"), paged()],
    )
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
        """Return a page of the workspace's tokens, with those of its spaces."""
        return await listed_tokens(
            info, self.authority.workspace.id, None, filter, order_by, (first, after, last, before)
        )

    @strawberry.field(
        description=(
            "The number of the workspace's tokens, including those of its spaces. Counting is paid for only if this is "
            "selected."
        ),
        directives=[requires_scopes("tokens:read")],
    )
    async def tokens_count(
        self,
        info: SpacekeyInfo,
        filter: FilterArgument = None,  # noqa: A002 - the API's name
        limit: CountLimit = COUNT_MAX,
    ) -> TokenCount | None:
        """Return the number of the workspace's tokens."""
        return await counted_tokens(info, self.authority.workspace.id, None, filter, limit)

    @strawberry.field(
        description="The number of tokens that count towards the plan, and its maximum. Not available to space tokens.",
        directives=[requires_scopes("tokens:read")],
    )
    async def token_quota(self, info: SpacekeyInfo) -> TokenQuota | None:
        """Return the quota of the workspace."""
        with answering():
            return quota_type(await info.context.loaders.quota.load(self.authority.workspace.id))

    @strawberry.field(
        description=(
            "The days on which tokens of the workspace were used, oldest first, including tokens that were deleted. "
            "Days without requests are left out."
        ),
        directives=[requires_scopes("usage:read"), ListSize(assumed_size=USAGE_DAYS_MAX, slicing_arguments=["days"])],
    )
    async def usage(self, info: SpacekeyInfo, days: UsageDays = 30) -> list[UsageDay] | None:
        """Return the requests by day."""
        with answering():
            found = await info.context.loaders.workspace_usage(checked_days(days)).load(self.authority.workspace.id)
            return usage_type(found)

    @strawberry.field(
        description="The tokens of the workspace with the most requests in a number of days, the busiest first.",
        directives=[
            requires_scopes("usage:read", "tokens:read"),
            ListSize(assumed_size=BUSIEST_MAX, slicing_arguments=["first"]),
        ],
    )
    async def busiest_tokens(
        self, info: SpacekeyInfo, days: UsageDays = 30, first: BusiestFirst = 10
    ) -> list[BusyToken] | None:
        """Return the tokens with the most requests."""
        with answering():
            asked = (checked_days(days), first)
            found = await info.context.loaders.busiest(asked).load(self.authority.workspace.id)
        return [busy_type(one) for one in found]

    @strawberry.field(
        description="A list of the workspace's members.", directives=[requires_scopes("members:read"), paged()]
    )
    async def members(
        self, info: SpacekeyInfo, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Member]:
        """Return a page of the members."""
        context = info.context
        with answering():
            request = page_request(first, after, last, before)
            page = await context.loaders.members(request).load(self.authority.workspace.id)
        return connection_of(page, lambda pair: member_type(*pair))

    @strawberry.field(
        description="A list of the workspace's pending invitations, newest first.",
        directives=[requires_scopes("members:read"), paged()],
    )
    async def invitations(
        self, info: SpacekeyInfo, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Invitation]:
        """Return a page of the open invitations."""
        context = info.context
        with answering():
            request = page_request(first, after, last, before)
            page = await context.loaders.invitations(request).load(self.authority.workspace.id)
        return connection_of(page, shown_invitation)

    @strawberry.field(
        description="A list of the workspace's audit events, newest first.",
        directives=[requires_scopes("audit:read"), paged()],
    )
    async def audit_log(
        self,
        info: SpacekeyInfo,
        filter: AuditFilterArgument = None,  # noqa: A002 - the API's name
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[AuditEvent]:
        """Return a page of the audit log."""
        context = info.context
        with answering():
            asked = AskedEvents(page_request(first, after, last, before), audit_filter(filter))
            page = await context.loaders.events(asked).load(self.authority.workspace.id)
        return connection_of(page, shown_event)


def workspace_type(authority: Authority) -> Workspace:
    """Return a workspace as its GraphQL type.

    :raises Forbidden: if the caller may not read it.
    """
    authority.require("workspace:read")
    return shown_workspace(authority)


def shown_workspace(authority: Authority) -> Workspace:
    """Return a workspace as its GraphQL type, for a caller already known to be allowed to read it."""
    workspace = authority.workspace
    return Workspace(
        id=strawberry.ID(workspace.id),
        authority=authority,
        name=workspace.name,
        slug=workspace.slug,
        external_id=workspace.external_id,
        created_at=workspace.created_at,
        suspended_at=workspace.suspended_at,
    )


def shown_invitation(row: AnyInvitation) -> Invitation:
    """Return an invitation as its GraphQL type."""
    return invitation_type(row, OBJECT_TYPES)


def shown_event(row: AnyEvent) -> AuditEvent:
    """Return an event as its GraphQL type."""
    return event_type(row, OBJECT_TYPES)


OBJECT_TYPES = ObjectTypes(token_type, space_type, workspace_type, member_type, shown_invitation)
"""The types that actors and events name."""
