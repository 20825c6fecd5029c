"""GraphQL types of members, invitations, accounts and sessions."""

from __future__ import annotations

from datetime import datetime

import strawberry

from spacekey.domain.actor import actor_from
from spacekey.domain.ids import member_id
from spacekey.models.tables.records import AnyInvitation, AnyMember, AnyUser
from spacekey.models.tables.user import User as UserRow
from spacekey.resolvers.accounts.sessions import OwnSession
from spacekey.resolvers.addresses import shown_email

from .actors import Actor, ObjectTypes, actor_type
from .relay import Node

EMAIL = "As people read it: in ASCII (`xn--…`) where letters of several scripts could be mistaken for each other."


@strawberry.type(description="A person who belongs to a workspace, with their role.")
class Member(Node):
    """GraphQL type of a member."""

    user_id: strawberry.ID = strawberry.field(description="The ID of the member's account.")
    name: str = strawberry.field(description="The name of the member.")
    email: str | None = strawberry.field(
        description=f"The email address of the member. Null if the account has none. {EMAIL}"
    )
    email_proven: bool = strawberry.field(
        description=("Whether the email address is verified. If not, it is what the member or their inviter entered.")
    )
    role: str = strawberry.field(description="The name of the member's role.")
    created_at: datetime = strawberry.field(description="When the person became a member.")


@strawberry.type(
    description=(
        "A pending invitation to a workspace. Anyone who has its code can accept it, with any"
        " email address; the code is shown only when the invitation is made."
    )
)
class Invitation(Node):
    """GraphQL type of an invitation that can still be accepted."""

    email: str = strawberry.field(
        description=f"The email address that the inviter entered. It is not verified. {EMAIL}"
    )
    email_proven: bool = strawberry.field(
        description="Always false, because an invitation does not verify an email address."
    )
    name: str | None = strawberry.field(description="The name that the inviter entered. Null if there is none.")
    role: str = strawberry.field(description="The name of the role that the person gets.")
    created_at: datetime = strawberry.field(description="When the invitation was made.")
    expires_at: datetime = strawberry.field(description="When the invitation expires.")
    invited_by: Actor = strawberry.field(
        description=("Who made the invitation. It ends when they lose the permission to invite members with this role.")
    )


def member_type(member: AnyMember, user: AnyUser) -> Member:
    """Return a member as its GraphQL type."""
    return Member(
        id=strawberry.ID(member_id(member.workspace_id, user.id)),
        user_id=strawberry.ID(user.id),
        name=user.name,
        email=None if user.email is None else shown_email(user.email),
        email_proven=user.email_proven_at is not None,
        role=member.role,
        created_at=member.created_at,
    )


def invitation_type(row: AnyInvitation, types: ObjectTypes) -> Invitation:
    """Return an invitation as its GraphQL type."""
    return Invitation(
        id=strawberry.ID(row.id),
        email=shown_email(row.email),
        email_proven=False,
        name=row.name,
        role=row.role,
        created_at=row.created_at,
        expires_at=row.expires_at,
        invited_by=actor_type(actor_from(row.inviter_kind, row.inviter_id, row.inviter_name), row.workspace_id, types),
    )


@strawberry.type(description="The account of a person.")
class User:
    """GraphQL type of the caller's own account."""

    id: strawberry.ID = strawberry.field(
        description="The ID of the account. It can be used instead of the sign-in name."
    )
    email: str | None = strawberry.field(description=f"The email address of the account. Null if it has none. {EMAIL}")
    email_proven: bool = strawberry.field(
        description=(
            "Whether the email address is verified. Only a verified address is matched with what others enter."
        )
    )
    sign_in_name: str | None = strawberry.field(
        description=(
            "The name that the person signs in with, unique regardless of case. Null if none was "
            "chosen; the account's ID is used then."
        )
    )
    name: str = strawberry.field(description="The name of the person.")


@strawberry.type(description="A browser in which the caller is signed in. Its ID is not a credential.")
class Session:
    """GraphQL type of one of the caller's own sessions."""

    id: strawberry.ID = strawberry.field(description="The ID of the session.")
    created_at: datetime = strawberry.field(description="When the session began.")
    last_seen_at: datetime = strawberry.field(description="When the session was last used, to the minute.")
    ends_at: datetime = strawberry.field(
        description=(
            "When the session ends if it is not used before. Use extends it to at most two weeks after it began."
        )
    )
    ip: str | None = strawberry.field(
        description="The IP address that the session was opened from. Null if it is unknown."
    )
    user_agent: str | None = strawberry.field(
        description=("The browser's `User-Agent` header when the session was opened. Null if it is unknown.")
    )
    is_current: bool = strawberry.field(description="Whether this is the session of the current request.")


def session_type(one: OwnSession) -> Session:
    """Return a session as its GraphQL type."""
    return Session(
        id=strawberry.ID(one.id),
        created_at=one.created_at,
        last_seen_at=one.last_seen_at,
        ends_at=one.ends_at,
        ip=one.ip or None,
        user_agent=one.user_agent or None,
        is_current=one.is_current,
    )


def user_type(row: UserRow) -> User:
    """Return an account as the GraphQL type that its holder sees."""
    return User(
        id=strawberry.ID(row.id),
        email=None if row.email is None else shown_email(row.email),
        email_proven=row.email_proven_at is not None,
        sign_in_name=None if row.sign_in_name is None else shown_email(row.sign_in_name),
        name=row.name,
    )
