"""GraphQL types of tokens, spaces and workspaces, which name each other, with their filters and orders."""

from __future__ import annotations

from datetime import date, datetime
from enum import Enum
from typing import Annotated

import strawberry

from spacekey.domain.catalog import Policy as DomainPolicy
from spacekey.domain.catalog_table import ENTRIES_MAX
from spacekey.domain.page import TokenOrder, page_request
from spacekey.domain.token_state import Status
from spacekey.middleware.graphql import requires_scopes
from spacekey.models.tables.records import AnySpace
from spacekey.resolvers.access.authority import Authority
from spacekey.resolvers.access.entitlements import limit_of, plan_of, policy_of
from spacekey.resolvers.tokens.list import TokenSearch
from spacekey.resolvers.tokens.usage import USAGE_DAYS_MAX, checked_days
from spacekey.resolvers.tokens.view import TokenView
from spacekey.resolvers.validation import GRANTS_MAX
from spacekey.schema.context import SpacekeyInfo
from spacekey.schema.errors import answering
from spacekey.schema.limits.costs import ListSize, at_most, paged
from spacekey.schema.loaders import AskedEvents, AskedSpaces, AskedTokens

from .audit import Actor, AuditEvent, AuditFilterArgument, actor_type, audit_filter, event_type
from .catalog import SCOPES_MAX, Catalog, Plan, RateLimit, Role, catalog_type, plan_type, role_types
from .members import Invitation, Member, invitation_type, member_type
from .relay import After, Before, Connection, First, Last, Node, connection_of


@strawberry.enum(description="What a token belongs to.")
class TokenKind(Enum):
    """Enum of the kinds of tokens."""

    SPACE = "space"
    WORKSPACE = "workspace"


@strawberry.enum(description="Where a token is for.")
class Environment(Enum):
    """Enum of environments."""

    LIVE = "live"
    TEST = "test"


@strawberry.enum(description="Revoked is for good; expired comes by date, the end of a rotation's grace included.")
class TokenStatus(Enum):
    """Enum of the statuses of tokens."""

    ACTIVE = Status.ACTIVE.value
    DISABLED = Status.DISABLED.value
    EXPIRED = Status.EXPIRED.value
    REVOKED = Status.REVOKED.value


@strawberry.type(description="Requests made with a token on one UTC day.")
class UsageDay:
    """GraphQL type of one day with requests."""

    day: date
    allowed: int
    denied: int
    limited: int


@strawberry.type(description="What was given to whom, and until when. Never the secret.")
class Token(Node):
    """GraphQL type of a token, without its secret."""

    view: strawberry.Private[TokenView]
    token_id: str = strawberry.field(
        description="The creator's name then (a member's e-mail address), an underscore, and the id: for display."
    )
    name: str
    description: str
    kind: TokenKind
    environment: Environment
    prefix: str = strawberry.field(description="The secret's first 12 characters and an ellipsis.")
    masked_token: str = strawberry.field(description="The secret's first 10 characters, the rest masked.")
    role: str | None = strawberry.field(description="The role, when the token was given one instead of scopes.")
    grants: list[str] = strawberry.field(description="What was given, as given.", directives=[at_most(GRANTS_MAX)])
    scopes: list[str] = strawberry.field(
        description="What the grants come to now: cut to the plan, the policy and the roles.",
        directives=[at_most(SCOPES_MAX)],
    )
    status: TokenStatus
    created_at: datetime
    created_by: Actor = strawberry.field(description="Who made it, by the name of that moment.")
    expires_at: datetime | None = strawberry.field(description="Null: no expiry.")
    retires_at: datetime | None = strawberry.field(
        description="When a rotated token's grace ends, or ended by its successor's first use."
    )
    disabled_at: datetime | None
    revoked_at: datetime | None
    revoked_reason: str | None
    last_used_at: datetime | None = strawberry.field(description="Null: never used.")
    last_used_ip: str | None = strawberry.field(
        description="Where the last use came from, in the words of the app that accepted it: an app elsewhere reports "
        "it, and nothing proves it. Null: not told."
    )

    @strawberry.field(description="The token this one replaced.")
    async def rotated_from(self, info: SpacekeyInfo) -> Token | None:
        """Return the token that this one replaced."""
        return await self._other(info, self.view.token.rotated_from_id)

    @strawberry.field(description="The token that replaced this one.")
    async def rotated_to(self, info: SpacekeyInfo) -> Token | None:
        """Return the token that replaced this one."""
        return await self._other(info, self.view.token.rotated_to_id)

    @strawberry.field(
        description="Days with requests among the last ones, oldest first.",
        directives=[requires_scopes("usage:read"), ListSize(assumed_size=USAGE_DAYS_MAX, slicing_arguments=["days"])],
    )
    async def usage(self, info: SpacekeyInfo, days: int = 30) -> list[UsageDay]:
        """Return the requests by day."""
        context = info.context
        with answering():
            checked = checked_days(days)
            await self._require_usage(info)
            rows = await context.loaders.usage(checked).load(self.view.token.id)
        return [UsageDay(day=one.day, allowed=one.allowed, denied=one.denied, limited=one.limited) for one in rows]

    @strawberry.field(
        description="Effective scopes that no request of the last days needed: candidates for removal.",
        directives=[requires_scopes("usage:read"), at_most(SCOPES_MAX)],
    )
    async def unused_scopes(self, info: SpacekeyInfo, days: int = 90) -> list[str]:
        """Return the scopes that no request needed."""
        with answering():
            checked = checked_days(days)
            await self._require_usage(info)
            return await info.context.loaders.unused(self.view, checked)

    @strawberry.field(directives=[requires_scopes("workspace:read")])
    async def workspace(self, info: SpacekeyInfo) -> Workspace | None:
        """Return the workspace it belongs to."""

        with answering():
            authority = await info.context.loaders.authority.load(self.view.token.workspace_id)
            return None if authority is None else workspace_type(authority)

    @strawberry.field(description="The space it belongs to; null for workspace tokens.")
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
        token_id=view.public_id,
        name=token.name,
        description=token.description,
        kind=_KINDS[token.kind],
        environment=_ENVIRONMENTS[token.environment],
        prefix=view.shown_prefix,
        masked_token=view.masked,
        role=view.role,
        grants=token.grants,
        scopes=sorted(view.scopes),
        status=_STATUSES[view.status],
        created_at=token.created_at,
        created_by=actor_type(token.created_by),
        expires_at=token.expires_at,
        retires_at=view.retires_at,
        disabled_at=token.disabled_at,
        revoked_at=token.revoked_at,
        revoked_reason=token.revoked_reason,
        last_used_at=token.last_used_at,
        last_used_ip=token.last_used_ip or None,
    )


_KINDS = {one.value: one for one in TokenKind}
_ENVIRONMENTS = {one.value: one for one in Environment}
_STATUSES = {one: TokenStatus(one.value) for one in Status}


@strawberry.input(description="Which tokens to list; what is left out does not narrow.")
class TokenFilter:
    """Input of conditions on tokens, all of which must hold."""

    status: list[TokenStatus] | None = None
    environment: Environment | None = None
    kind: TokenKind | None = None
    text: str | None = strawberry.field(default=None, description="In the name, the description or the prefix.")
    unused_for_days: int | None = strawberry.field(default=None, description="Not used in the last N days, or never.")
    expiring_within_days: int | None = strawberry.field(default=None, description="Ends within the next N days.")
    created_by: strawberry.ID | None = strawberry.field(
        default=None, description="The id of the person or token that made it."
    )

    def search(self) -> TokenSearch:
        """Return the filter as the resolvers' argument."""
        return TokenSearch(
            statuses=None if self.status is None else frozenset(Status(one.value) for one in self.status),
            environment=None if self.environment is None else self.environment.value,
            kind=None if self.kind is None else self.kind.value,
            text=self.text,
            unused_days=self.unused_for_days,
            expiring_days=self.expiring_within_days,
            created_by=self.created_by,
        )


@strawberry.enum(description="What to sort tokens by. No expiry sorts as the far future, never used as the far past.")
class TokenOrderField(Enum):
    """Enum of sort keys."""

    CREATED_AT = TokenOrder.CREATED_AT.value
    NAME = TokenOrder.NAME.value
    LAST_USED_AT = TokenOrder.LAST_USED_AT.value
    EXPIRES_AT = TokenOrder.EXPIRES_AT.value


@strawberry.enum(description="Which way to sort.")
class Direction(Enum):
    """Enum of directions."""

    ASC = "asc"
    DESC = "desc"


@strawberry.input(description="How to sort tokens; newest first by default.")
class TokenOrderBy:
    """Input of a sort key and a direction."""

    field: TokenOrderField = TokenOrderField.CREATED_AT
    direction: Direction = Direction.DESC


@strawberry.type(description="A workspace's own limits on its tokens; lifetimes are seconds, null is no limit.")
class Policy:
    """GraphQL type of a workspace's policy."""

    lifetime_seconds_max: int | None
    lifetime_seconds_default: int | None
    expiry_required: bool
    scopes_allowed: list[str] | None = strawberry.field(
        description="Null allows every scope the plan allows.", directives=[at_most(SCOPES_MAX)]
    )


def policy_type(policy: DomainPolicy) -> Policy:
    """Return a policy as its GraphQL type."""
    return Policy(
        lifetime_seconds_max=policy.lifetime_seconds_max,
        lifetime_seconds_default=policy.lifetime_seconds_default,
        expiry_required=policy.expiry_required,
        scopes_allowed=None if policy.scopes_allowed is None else sorted(policy.scopes_allowed),
    )


FilterArgument = Annotated[TokenFilter | None, strawberry.argument(description="Which tokens.")]
OrderArgument = Annotated[TokenOrderBy | None, strawberry.argument(description="In which order; newest first.")]


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


@strawberry.type(description="A project inside a workspace.")
class Space(Node):
    """GraphQL type of a space."""

    row: strawberry.Private[AnySpace]

    name: str
    slug: str
    created_at: datetime
    deleted_at: datetime | None = strawberry.field(
        description="Null unless the space was deleted; its tokens are refused since then."
    )

    @strawberry.field(directives=[requires_scopes("workspace:read")])
    async def workspace(self, info: SpacekeyInfo) -> Workspace | None:
        """Return the workspace it belongs to."""

        with answering():
            authority = await info.context.loaders.authority.load(self.row.workspace_id)
            return None if authority is None else workspace_type(authority)

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
        """Return a page of the space's tokens."""
        return await listed_tokens(
            info, self.row.workspace_id, self.row.id, filter, order_by, (first, after, last, before)
        )


def space_type(row: AnySpace) -> Space:
    """The GraphQL face of a space."""
    return Space(
        id=strawberry.ID(row.id),
        row=row,
        name=row.name,
        slug=row.slug,
        created_at=row.created_at,
        deleted_at=row.deleted_at,
    )


SpaceText = Annotated[str | None, strawberry.argument(description="Part of the name or the slug.")]


@strawberry.type(description="A tenant: members, spaces, tokens, a plan and a catalog.")
class Workspace(Node):
    """GraphQL type of a workspace, as the caller may see it."""

    authority: strawberry.Private[Authority]

    name: str
    slug: str
    created_at: datetime
    suspended_at: datetime | None = strawberry.field(
        description="Since when all of its tokens are refused; null: it is in good standing."
    )

    @strawberry.field(description="Null when the catalog no longer has the plan: nothing can be granted then.")
    def plan(self) -> Plan | None:
        """Return the plan."""
        plan = plan_of(self.authority.catalog, self.authority.workspace)
        return None if plan is None else plan_type(plan)

    @strawberry.field(description="The workspace's own numbers, else the plan's; null: no limit.")
    def rate_limit(self) -> RateLimit | None:
        """Return the rate limit of each token."""
        row = self.authority.workspace
        limit = limit_of(plan_of(self.authority.catalog, row), row.per_minute, row.burst)
        return None if limit is None else RateLimit(per_minute=limit.per_minute, burst=limit.burst)

    @strawberry.field
    def catalog(self) -> Catalog:
        """Return the catalog."""
        return catalog_type(self.authority.catalog)

    @strawberry.field(
        description="The roles that exist here, as this workspace configured them.", directives=[at_most(ENTRIES_MAX)]
    )
    def roles(self) -> list[Role]:
        """Return the roles."""
        return role_types(self.authority.catalog, self.authority.roles)

    @strawberry.field
    def policy(self) -> Policy:
        """Return the workspace's own limits on its tokens."""
        return policy_type(policy_of(self.authority.workspace))

    @strawberry.field(description="What you may do here.", directives=[at_most(SCOPES_MAX)])
    def my_scopes(self) -> list[str]:
        """Return the caller's effective scopes in this workspace, sorted."""
        return sorted(self.authority.scopes)

    @strawberry.field(description="The role you hold here; null for tokens.")
    def my_role(self) -> str | None:
        """Return the caller's role."""
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
        """Return a page of the spaces, by name."""
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
        """Return a page of the workspace's tokens, with those of its spaces."""
        return await listed_tokens(
            info, self.authority.workspace.id, None, filter, order_by, (first, after, last, before)
        )

    @strawberry.field(directives=[requires_scopes("members:read"), paged()])
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
        description="Invitations that were not accepted yet, newest first.",
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
        """Return a page of the audit log."""
        context = info.context
        with answering():
            asked = AskedEvents(page_request(first, after, last, before), audit_filter(filter))
            page = await context.loaders.events(asked).load(self.authority.workspace.id)
        return connection_of(page, event_type)


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
        created_at=workspace.created_at,
        suspended_at=workspace.suspended_at,
    )
