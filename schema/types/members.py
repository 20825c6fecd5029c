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

from .audit import Actor, actor_type
from .relay import Node

EMAIL = "As people read it: in ASCII (`xn--…`) where letters of several scripts could be mistaken for each other."


@strawberry.type(description="A person with a role in a workspace.")
class Member(Node):
    """GraphQL type of a member."""

    user_id: strawberry.ID = strawberry.field(
        description="The account's id; of a person who was just invited, the invitation's, until it is accepted."
    )
    name: str
    email: str | None = strawberry.field(description=f"The account's address; null: it has none. {EMAIL}")
    email_proven: bool = strawberry.field(
        description="Whether the address is known to be theirs. If not, it is what they or their inviter entered."
    )
    role: str
    created_at: datetime


@strawberry.type(
    description="An invitation that was not accepted yet. Its code, which is not shown again, is all that counts: "
    "anyone who has it can join, with any address."
)
class Invitation:
    """GraphQL type of an invitation that can still be accepted."""

    id: strawberry.ID
    email: str = strawberry.field(description=f"What the inviter entered; nothing proves it. {EMAIL}")
    email_proven: bool = strawberry.field(description="Always false: an invitation proves no address.")
    name: str | None = strawberry.field(description="What the inviter called the person.")
    role: str
    created_at: datetime
    expires_at: datetime
    invited_by: Actor = strawberry.field(description="Who made it. It ends when they may no longer invite to the role.")


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


def invitation_type(row: AnyInvitation) -> Invitation:
    """Return an invitation as its GraphQL type."""
    return Invitation(
        id=strawberry.ID(row.id),
        email=shown_email(row.email),
        email_proven=False,
        name=row.name,
        role=row.role,
        created_at=row.created_at,
        expires_at=row.expires_at,
        invited_by=actor_type(actor_from(row.inviter_kind, row.inviter_id, row.inviter_name)),
    )


def invited_type(row: AnyInvitation) -> Member:
    """Return the member that the invited person would be, under the invitation's id."""
    email = shown_email(row.email)
    return Member(
        id=strawberry.ID(member_id(row.workspace_id, row.id)),
        user_id=strawberry.ID(row.id),
        name=row.name or email,
        email=email,
        email_proven=False,
        role=row.role,
        created_at=row.created_at,
    )


@strawberry.type(description="A person who can sign in.")
class User:
    """GraphQL type of the caller's own account."""

    id: strawberry.ID = strawberry.field(description="Signs in, too, beside the sign-in name.")
    email: str | None = strawberry.field(description=f"Null: the account has none. {EMAIL}")
    email_proven: bool = strawberry.field(
        description="Whether the address is known to be yours. Only a proven one is matched with what others enter."
    )
    sign_in_name: str | None = strawberry.field(
        description="Unique, in either case; null: sign in with the account's id until you choose one."
    )
    name: str


@strawberry.type(description="A browser you are signed in with. Its id opens nothing.")
class Session:
    """GraphQL type of one of the caller's own sessions."""

    id: strawberry.ID
    created_at: datetime
    last_seen_at: datetime = strawberry.field(description="To the minute.")
    ends_at: datetime = strawberry.field(description="Unless it is used before; at the latest 2 weeks after it began.")
    ip: str = strawberry.field(description="Where it was opened from.")
    user_agent: str = strawberry.field(description="What the browser called itself then.")
    is_current: bool = strawberry.field(description="Whether this request came with it.")


def session_type(one: OwnSession) -> Session:
    """Return a session as its GraphQL type."""
    return Session(
        id=strawberry.ID(one.id),
        created_at=one.created_at,
        last_seen_at=one.last_seen_at,
        ends_at=one.ends_at,
        ip=one.ip,
        user_agent=one.user_agent,
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
