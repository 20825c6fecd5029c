"""Tables of accounts, their sessions, and invitations."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, LargeBinary, String, text
from sqlmodel import Field

from spacekey.domain.actor import ACTOR_ID_LENGTH_MAX

from .base import Row, moment, words

_PROVEN = text("email_proven_at IS NOT NULL")
_PENDING = text("used_at IS NULL")


class User(Row, table=True):
    """Account. ``password_hash`` is Argon2id.

    ``sign_in_name`` is unique and in the form of :func:`spacekey.resolvers.addresses.clean_sign_in_name`; an account
    without one signs in by its id. ``email`` is a claim until ``email_proven_at``: any number of accounts may claim an
    address, but only one may have proven it, and an unproven address is matched with nothing.
    """

    __tablename__ = "spacekey_users"
    __table_args__ = (
        CheckConstraint("email_proven_at IS NULL OR email IS NOT NULL", name="ck_spacekey_users_email_proven"),
        Index("ix_spacekey_users_email", "email"),
        Index("ix_spacekey_users_created", "created_at", "id"),
        Index("uq_spacekey_users_email_proven", "email", unique=True, sqlite_where=_PROVEN, postgresql_where=_PROVEN),
    )

    id: str = Field(sa_column=Column(String(40), primary_key=True))
    sign_in_name: str | None = Field(default=None, sa_column=Column(String(254), nullable=True, unique=True))
    email: str | None = Field(default=None, sa_column=words(254, nullable=True))
    email_proven_at: datetime | None = Field(default=None, sa_column=moment())
    name: str = Field(sa_column=words(200))
    password_hash: str | None = Field(default=None, sa_column=words(200, nullable=True))
    created_at: datetime = Field(sa_column=moment(nullable=False))

    @property
    def has_password(self) -> bool:
        """Whether the account can sign in with a password."""
        return self.password_hash is not None


class UserSession(Row, table=True):
    """Signed-in browser. The cookie's random string is stored only as SHA-256; ``id`` is derived from neither.

    ``issuer`` is the identity provider that the person signed in through; None for a password.
    """

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
    issuer: str | None = Field(default=None, sa_column=words(255, nullable=True))


class Invitation(Row, table=True):
    """Code that makes the person who presents it a member of one workspace. Stored as SHA-256, usable once.

    ``email`` and ``name`` are what the inviter said about the invited person; they refer to no account. The inviter
    must still be allowed to create the invitation when it is accepted: ``inviter_kind`` is ``person``, ``token`` or
    ``operator``, and ``inviter_name`` is the inviter's name at creation. ``mail_digest`` is the SHA-256 of a second
    code, which stands in the mail to the invited address alone, so that it proves that address too.
    """

    __tablename__ = "spacekey_invitations"
    __table_args__ = (
        CheckConstraint("length(digest) = 32", name="ck_spacekey_invitations_digest"),
        CheckConstraint("inviter_kind IN ('person', 'token', 'operator')", name="ck_spacekey_invitations_inviter_kind"),
        Index("ix_spacekey_invitations_mail_digest", "mail_digest", unique=True),
        Index("ix_spacekey_invitations_workspace_created", "workspace_id", "created_at", "id"),
        Index(
            "uq_spacekey_invitations_pending",
            "workspace_id",
            "email",
            unique=True,
            sqlite_where=_PENDING,
            postgresql_where=_PENDING,
        ),
    )

    digest: bytes = Field(sa_column=Column(LargeBinary(32), primary_key=True))
    id: str = Field(sa_column=Column(String(40), nullable=False, unique=True))
    workspace_id: str = Field(sa_column=Column(String(40), ForeignKey("spacekey_workspaces.id"), nullable=False))
    email: str = Field(sa_column=words(254))
    name: str | None = Field(default=None, sa_column=words(200, nullable=True))
    role: str = Field(sa_column=words(100))
    inviter_kind: str = Field(sa_column=words(16))
    inviter_id: str = Field(sa_column=words(ACTOR_ID_LENGTH_MAX))
    inviter_name: str = Field(sa_column=words(254))
    created_at: datetime = Field(sa_column=moment(nullable=False))
    expires_at: datetime = Field(sa_column=moment(nullable=False))
    used_at: datetime | None = Field(default=None, sa_column=moment())
    mail_digest: bytes | None = Field(default=None, sa_column=Column(LargeBinary(32), nullable=True))
