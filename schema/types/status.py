"""The GraphQL enum of the statuses of tokens."""

from __future__ import annotations

from enum import Enum

import strawberry

from spacekey.domain.token_state import Status

from .relay import enum_value


@strawberry.enum(description="Whether a token is accepted, or why it is not.")
class TokenStatus(Enum):
    """Enum of the statuses of tokens."""

    ACTIVE = enum_value(Status.ACTIVE.value, description="The token is accepted.")
    DISABLED = enum_value(Status.DISABLED.value, description="The token is rejected until it is enabled again.")
    EXPIRED = enum_value(
        Status.EXPIRED.value, description="The token has expired, or was rotated and its grace period has ended."
    )
    REVOKED = enum_value(Status.REVOKED.value, description="The token was revoked. It cannot be enabled again.")
