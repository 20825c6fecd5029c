"""The token as clients see it."""

from __future__ import annotations

from datetime import date, datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import strawberry

from spacekey.domain.page import TokenOrder
from spacekey.domain.token_state import Status
from spacekey.middleware.graphql import requires_scopes
from spacekey.resolvers.token_usage import USAGE_DAYS_MAX, checked_days
from spacekey.resolvers.tokens.list import TokenSearch
from spacekey.resolvers.tokens.view import TokenView
from spacekey.resolvers.validation import GRANTS_MAX
from spacekey.schema.actor_types import Actor, actor_type
from spacekey.schema.answering import answering
from spacekey.schema.context import SpacekeyInfo
from spacekey.schema.limits.costs import ListSize, at_most
from spacekey.schema.node import Node

from .catalog import SCOPES_MAX

if TYPE_CHECKING:
    from spacekey.schema.space_types import Space
    from spacekey.schema.workspace_types import Workspace



@strawberry.enum(description="What a token belongs to.")
class TokenKind(Enum):
    """Kinds of tokens."""

    SPACE = "space"
    WORKSPACE = "workspace"


@strawberry.enum(description="Where a token is for.")
class Environment(Enum):
    """Environments."""

    LIVE = "live"
    TEST = "test"


@strawberry.enum(description="Revoked is for good; expired comes by date, the end of a rotation's grace included.")
class TokenStatus(Enum):
    """Statuses."""

    ACTIVE = Status.ACTIVE.value
    DISABLED = Status.DISABLED.value
    EXPIRED = Status.EXPIRED.value
    REVOKED = Status.REVOKED.value


@strawberry.type(description="Requests made with a token on one UTC day.")
class UsageDay:
    """A day with requests."""

    day: date
    allowed: int
    denied: int
    limited: int


@strawberry.type(description="What was given to whom, and until when. Never the secret.")
class Token(Node):
    """A token's record."""

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
        """The predecessor."""
        return await self._other(info, self.view.token.rotated_from_id)

    @strawberry.field(description="The token that replaced this one.")
    async def rotated_to(self, info: SpacekeyInfo) -> Token | None:
        """The successor."""
        return await self._other(info, self.view.token.rotated_to_id)

    @strawberry.field(
        description="Days with requests among the last ones, oldest first.",
        directives=[requires_scopes("usage:read"), ListSize(assumed_size=USAGE_DAYS_MAX, slicing_arguments=["days"])],
    )
    async def usage(self, info: SpacekeyInfo, days: int = 30) -> list[UsageDay]:
        """Requests by day."""
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
        """Scopes never needed."""
        with answering():
            checked = checked_days(days)
            await self._require_usage(info)
            return await info.context.loaders.unused(self.view, checked)

    @strawberry.field(directives=[requires_scopes("workspace:read")])
    async def workspace(self, info: SpacekeyInfo) -> Workspace | None:
        """The workspace it belongs to."""
        from spacekey.schema.workspace_types import workspace_type

        with answering():
            authority = await info.context.loaders.authority.load(self.view.token.workspace_id)
            return None if authority is None else workspace_type(authority)

    @strawberry.field(description="The space it belongs to; null for workspace tokens.")
    async def space(self, info: SpacekeyInfo) -> Space | None:
        """The space."""
        from spacekey.schema.space_types import space_type

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
    """The GraphQL face of a token."""
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
    """Conditions, all of which must hold."""

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
        """The same in the resolvers' words."""
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
    """Sort keys."""

    CREATED_AT = TokenOrder.CREATED_AT.value
    NAME = TokenOrder.NAME.value
    LAST_USED_AT = TokenOrder.LAST_USED_AT.value
    EXPIRES_AT = TokenOrder.EXPIRES_AT.value


@strawberry.enum(description="Which way to sort.")
class Direction(Enum):
    """Directions."""

    ASC = "asc"
    DESC = "desc"


@strawberry.input(description="How to sort tokens; newest first by default.")
class TokenOrderBy:
    """A key and a direction."""

    field: TokenOrderField = TokenOrderField.CREATED_AT
    direction: Direction = Direction.DESC
