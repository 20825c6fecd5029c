"""GraphQL types of figures: how many tokens there are, how many a plan includes, and how much they are used."""

from __future__ import annotations

from datetime import date
from enum import Enum
from typing import Annotated

import strawberry

from spacekey.models.tables.usage import UsageDay as Day
from spacekey.resolvers.tokens.usage import USAGE_DAYS_MAX
from spacekey.resolvers.workspaces import figures
from spacekey.resolvers.workspaces.figures import COUNT_MAX

from .relay import enum_value


@strawberry.enum(description="How exact a count is.")
class CountPrecision(Enum):
    """Enum of precisions."""

    EXACT = enum_value(figures.CountPrecision.EXACT.value, description="There are exactly that many.")
    AT_LEAST = enum_value(
        figures.CountPrecision.AT_LEAST.value, description="There are more: counting stopped at the limit."
    )


UsageDays = Annotated[
    int, strawberry.argument(description=f"The number of days to look back, from 1 to {USAGE_DAYS_MAX}.")
]


@strawberry.type(description="The requests made with a token on one day, in UTC.")
class UsageDay:
    """GraphQL type of one day with requests."""

    day: date = strawberry.field(description="The day, in UTC.")
    allowed: int = strawberry.field(description="The number of requests that were allowed.")
    denied: int = strawberry.field(description="The number of requests that were denied because of a missing scope.")
    rate_limited: int = strawberry.field(description="The number of requests that exceeded the rate limit.")


def usage_type(days: list[Day]) -> list[UsageDay]:
    """Return days with requests as their GraphQL types."""
    return [UsageDay(day=one.day, allowed=one.allowed, denied=one.denied, rate_limited=one.limited) for one in days]


CountLimit = Annotated[
    int, strawberry.argument(description=f"The number at which counting stops, from 1 to {COUNT_MAX}.")
]


@strawberry.type(description="A number of tokens.")
class TokenCount:
    """GraphQL type of a count with its precision."""

    count: int = strawberry.field(description="The number of tokens. The limit of the count if there are more.")
    precision: CountPrecision = strawberry.field(description="Whether there are exactly that many, or at least.")


def count_type(one: figures.TokenCount) -> TokenCount:
    """Return a count as its GraphQL type."""
    return TokenCount(count=one.count, precision=CountPrecision(one.precision.value))


@strawberry.type(description="The tokens of a workspace that count towards its plan.")
class TokenQuota:
    """GraphQL type of a quota."""

    used: int = strawberry.field(
        description=(
            "The number of tokens that are neither revoked nor expired. A token and the one that replaces it count."
        )
    )
    max: int | None = strawberry.field(
        description="The number of tokens that the plan includes. Null if it does not limit them."
    )


def quota_type(one: figures.TokenQuota) -> TokenQuota:
    """Return a quota as its GraphQL type."""
    return TokenQuota(used=one.used, max=one.most)
