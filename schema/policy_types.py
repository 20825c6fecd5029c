"""A workspace's policy as clients see it."""

from __future__ import annotations

import strawberry

from spacekey.domain.catalog import Policy as DomainPolicy
from spacekey.schema.limits.costs import at_most
from spacekey.schema.types.catalog import SCOPES_MAX


@strawberry.type(description="A workspace's own limits on its tokens; lifetimes are seconds, null is no limit.")
class Policy:
    """The policy."""

    lifetime_seconds_max: int | None
    lifetime_seconds_default: int | None
    expiry_required: bool
    scopes_allowed: list[str] | None = strawberry.field(
        description="Null allows every scope the plan allows.", directives=[at_most(SCOPES_MAX)]
    )


def policy_type(policy: DomainPolicy) -> Policy:
    """The GraphQL face of a policy."""
    return Policy(
        lifetime_seconds_max=policy.lifetime_seconds_max,
        lifetime_seconds_default=policy.lifetime_seconds_default,
        expiry_required=policy.expiry_required,
        scopes_allowed=None if policy.scopes_allowed is None else sorted(policy.scopes_allowed),
    )
