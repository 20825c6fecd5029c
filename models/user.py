"""People: who they are, how they sign in, and the sessions that followed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, LargeBinary, String
from sqlmodel import Field

from .columns import moment, words
from .row import Row


class User(Row, table=True):
    """A person. ``email`` is lower-case; ``password_hash`` is Argon2id, None until an invitation is accepted."""

    __tablename__ = "spacekey_users"
    __table_args__ = (CheckConstraint("email = lower(email)", name="ck_spacekey_users_email_lower"),)

    id: str = Field(sa_column=Column(String(40), primary_key=True))
    email: str = Field(sa_column=Column(String(254), nullable=False, unique=True))
    name: str = Field(sa_column=words(200))
    password_hash: str | None = Field(default=None, sa_column=words(200, nullable=True))
    created_at: datetime = Field(sa_column=moment(nullable=False))


class UserSession(Row, table=True):
    """A signed-in browser. The cookie's random string is stored as SHA-256 only; ``id`` is made from neither."""

    __tablename__ = "spacekey_user_sessions"
    __table_args__ = (CheckConstraint("length(digest) = 32", name="ck_spacekey_user_sessions_digest"),)

    digest: bytes = Field(sa_column=Column(LargeBinary(32), primary_key=True))
    id: str = Field(sa_column=Column(String(40), nullable=False, unique=True))
    user_id: str = Field(
        sa_column=Column(String(40), ForeignKey("spacekey_users.id", ondelete="CASCADE"), nullable=False, index=True)
    )
    created_at: datetime = Field(sa_column=moment(nullable=False))
    last_seen_at: datetime = Field(sa_column=moment(nullable=False))
    expires_at: datetime = Field(sa_column=moment(nullable=False))
    ip: str = Field(sa_column=words(64))
    user_agent: str = Field(sa_column=words(300))


class Invitation(Row, table=True):
    """A code with which a person becomes a member of one workspace. Stored as SHA-256, good once.

    ``invited_by`` is who made it, by the name they had then.
    """

    __tablename__ = "spacekey_invitations"
    __table_args__ = (
        CheckConstraint("length(digest) = 32", name="ck_spacekey_invitations_digest"),
        Index("ix_spacekey_invitations_workspace_created", "workspace_id", "created_at", "id"),
    )

    digest: bytes = Field(sa_column=Column(LargeBinary(32), primary_key=True))
    id: str = Field(sa_column=Column(String(40), nullable=False, unique=True))
    user_id: str = Field(
        sa_column=Column(String(40), ForeignKey("spacekey_users.id", ondelete="CASCADE"), nullable=False, index=True)
    )
    workspace_id: str = Field(sa_column=Column(String(40), ForeignKey("spacekey_workspaces.id"), nullable=False))
    role: str = Field(sa_column=words(100))
    invited_by: str = Field(sa_column=words(254))
    created_at: datetime = Field(sa_column=moment(nullable=False))
    expires_at: datetime = Field(sa_column=moment(nullable=False))
    used_at: datetime | None = Field(default=None, sa_column=moment())
