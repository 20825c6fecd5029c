"""Members of a workspace, and those who may become one, as clients see them."""

from __future__ import annotations

from datetime import datetime

import strawberry

from spacekey.domain.ids import member_id
from spacekey.models.user import Invitation as InvitationRow
from spacekey.models.user import User
from spacekey.models.workspace import Member as MemberRow

from .node import Node


@strawberry.type(description="A person with a role in a workspace.")
class Member(Node):
    """A member."""

    user_id: strawberry.ID = strawberry.field(
        description="The person's id; of somebody who was just invited, the invitation's, until they accept."
    )
    name: str
    email: str
    role: str
    created_at: datetime


@strawberry.type(
    description="Somebody was asked to become a member and has not accepted yet. The code is not shown again."
)
class Invitation:
    """An invitation that can still be accepted."""

    id: strawberry.ID
    email: str
    role: str
    created_at: datetime
    expires_at: datetime
    invited_by: str = strawberry.field(description="Who asked them, by the name they had then.")


def member_type(member: MemberRow, user: User) -> Member:
    """The GraphQL face of a member."""
    return Member(
        id=strawberry.ID(member_id(member.workspace_id, user.id)),
        user_id=strawberry.ID(user.id),
        name=user.name,
        email=user.email,
        role=member.role,
        created_at=member.created_at,
    )


def invitation_type(row: InvitationRow, user: User) -> Invitation:
    """The GraphQL face of an invitation. Whether the person has an account is nobody's to see."""
    return Invitation(
        id=strawberry.ID(row.id),
        email=user.email,
        role=row.role,
        created_at=row.created_at,
        expires_at=row.expires_at,
        invited_by=row.invited_by,
    )
