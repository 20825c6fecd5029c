"""People and their sessions as they themselves see them."""

from __future__ import annotations

from datetime import datetime

import strawberry

from spacekey.resolvers.own_sessions import OwnSession


@strawberry.type(description="A person who can sign in.")
class User:
    """A person."""

    id: strawberry.ID
    email: str
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
