"""Filters and orders of lists: their enums, inputs and arguments."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated

import strawberry

from spacekey.domain.page import AuditFilter as EventFilter
from spacekey.domain.page import TokenOrder
from spacekey.domain.token_state import Status
from spacekey.resolvers.tokens.list import TokenSearch

from .audit import AuditAction, AuditOutcome
from .product import TokenKind
from .relay import enum_value
from .status import TokenStatus


@strawberry.input(description="Conditions for a list of tokens. A token is listed if it meets all of them.")
class TokenFilter:
    """Input of conditions on tokens, all of which must hold."""

    status: list[TokenStatus] | None = strawberry.field(
        default=None, description="Only tokens with one of these statuses."
    )
    environment: str | None = strawberry.field(
        default=None, description="Only tokens of this environment, such as `live`."
    )
    kind: TokenKind | None = strawberry.field(default=None, description="Only tokens of this kind.")
    text: str | None = strawberry.field(
        default=None, description="Only tokens whose name, description or prefix contains this text."
    )
    unused_for_days: int | None = strawberry.field(
        default=None, description=("Only tokens that were not used in this number of days, including those never used.")
    )
    expiring_within_days: int | None = strawberry.field(
        default=None, description="Only tokens that expire within this number of days."
    )
    created_by: strawberry.ID | None = strawberry.field(
        default=None, description="Only tokens created by the person or token with this ID."
    )
    created_after: datetime | None = strawberry.field(
        default=None, description="Only tokens created at this time or later."
    )
    created_before: datetime | None = strawberry.field(
        default=None, description="Only tokens created earlier than this time."
    )
    scope: str | None = strawberry.field(
        default=None,
        description=(
            "Only tokens that have this scope now, whether they were granted it, a shorthand or a role: "
            "those with it in `scopes`."
        ),
    )
    prefix: str | None = strawberry.field(
        default=None,
        description=(
            "Only tokens whose secret begins with these characters, at most 12. They can be given as `prefix` or "
            "`maskedToken` shows them."
        ),
    )
    external_id: str | None = strawberry.field(
        default=None, description="Only tokens with exactly this external ID, such as all of one of your users."
    )
    imported: bool | None = strawberry.field(
        default=None,
        description="True for imported keys only, false for tokens whose secret was made by this server.",
    )

    def search(self) -> TokenSearch:
        """Return the filter as the resolvers' argument."""
        return TokenSearch(
            statuses=None if self.status is None else frozenset(Status(one.value) for one in self.status),
            environment=self.environment,
            kind=None if self.kind is None else self.kind.value,
            text=self.text,
            unused_days=self.unused_for_days,
            expiring_days=self.expiring_within_days,
            created_by=self.created_by,
            created_after=self.created_after,
            created_before=self.created_before,
            scope=self.scope,
            prefix=self.prefix,
            external_id=self.external_id,
            imported=self.imported,
        )


@strawberry.enum(description="The property that tokens are sorted by.")
class TokenOrderField(Enum):
    """Enum of sort keys."""

    CREATED_AT = enum_value(TokenOrder.CREATED_AT.value, description="Sort by the time of creation.")
    NAME = enum_value(TokenOrder.NAME.value, description="Sort by name.")
    LAST_USED_AT = enum_value(
        TokenOrder.LAST_USED_AT.value,
        description=("Sort by the time of the last use. Tokens that were never used count as the oldest."),
    )
    EXPIRES_AT = enum_value(
        TokenOrder.EXPIRES_AT.value,
        description="Sort by the time of expiry. Tokens that do not expire count as the latest.",
    )


@strawberry.enum(description="The direction of a sort order.")
class Direction(Enum):
    """Enum of directions."""

    ASC = enum_value("asc", description="Ascending, the smallest or oldest first.")
    DESC = enum_value("desc", description="Descending, the largest or newest first.")


@strawberry.input(description="The order of a list of tokens.")
class TokenOrderBy:
    """Input of a sort key and a direction."""

    field: TokenOrderField = strawberry.field(
        default=TokenOrderField.CREATED_AT, description="The property to sort by."
    )
    direction: Direction = strawberry.field(default=Direction.DESC, description="The direction to sort in.")


FilterArgument = Annotated[
    TokenFilter | None, strawberry.argument(description="Only tokens that meet these conditions.")
]
OrderArgument = Annotated[
    TokenOrderBy | None, strawberry.argument(description="The order of the list. Defaults to newest first.")
]


@strawberry.input(
    description=("Conditions for the events of an audit log. An event is listed if it meets all of them.")
)
class AuditFilter:
    """Input of conditions on events, all of which must hold."""

    actor_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only events caused by the person, token or service with this ID."
    )
    target_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only events about the object with this ID."
    )
    action: AuditAction | None = strawberry.field(default=None, description="Only events of this action.")
    outcome: AuditOutcome | None = strawberry.field(default=None, description="Only events with this outcome.")
    created_after: datetime | None = strawberry.field(
        default=None, description="Only events that happened at this time or later."
    )
    created_before: datetime | None = strawberry.field(
        default=None, description="Only events that happened earlier than this time."
    )


AuditFilterArgument = Annotated[
    AuditFilter | None, strawberry.argument(description="Only events that meet these conditions.")
]


def audit_filter(where: AuditFilter | None) -> EventFilter:
    """Return the filter as the queries' argument."""
    if where is None:
        return EventFilter()
    return EventFilter(
        actor_id=where.actor_id,
        target_id=where.target_id,
        action=None if where.action is None else where.action.value,
        outcome=None if where.outcome is None else where.outcome.value,
        created_after=where.created_after,
        created_before=where.created_before,
    )
