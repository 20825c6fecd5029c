"""People and their sessions as they themselves see them."""

from __future__ import annotations

from datetime import datetime

import strawberry

from spacekey.models.tables.user import User as UserRow
from spacekey.resolvers.addresses import shown_email
from spacekey.resolvers.own_sessions import OwnSession
from spacekey.schema.types.members import EMAIL


@strawberry.type(description="A person who can sign in.")
class User:
    """A person."""

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
    """One of the caller's own sessions."""

    id: strawberry.ID
    created_at: datetime
    last_seen_at: datetime = strawberry.field(description="To the minute.")
    ends_at: datetime = strawberry.field(description="Unless it is used before; at the latest 2 weeks after it began.")
    ip: str = strawberry.field(description="Where it was opened from.")
    user_agent: str = strawberry.field(description="What the browser called itself then.")
    is_current: bool = strawberry.field(description="Whether this request came with it.")


def session_type(one: OwnSession) -> Session:
    """The GraphQL face of a session."""
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
    """The GraphQL face of an account, for its holder."""
    return User(
        id=strawberry.ID(row.id),
        email=None if row.email is None else shown_email(row.email),
        email_proven=row.email_proven_at is not None,
        sign_in_name=None if row.sign_in_name is None else shown_email(row.sign_in_name),
        name=row.name,
    )
