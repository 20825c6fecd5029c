"""Portal sessions: bearers for the people of a host product, each for one person in one workspace."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, Boolean, CheckConstraint, Column, ForeignKey, Index, LargeBinary, String
from sqlmodel import Field

from .base import Row, moment, words


class PortalSession(Row, table=True):
    """Session of one person of the host's in one workspace. Its secret is stored only as SHA-256.

    ``grants`` are what it was opened with, and ``scopes`` what they came to then, beyond which it never goes.
    ``own_tokens`` confines it to the tokens with the person's id. ``service_id`` is the service that opened it, whose
    revocation ends it; None if it was opened in the host's own process. Rows are deleted some time after they expire.
    """

    __tablename__ = "spacekey_portal_sessions"
    __table_args__ = (
        CheckConstraint("length(digest) = 32", name="ck_spacekey_portal_sessions_digest"),
        Index("ix_spacekey_portal_sessions_person", "workspace_id", "person_id"),
        Index("ix_spacekey_portal_sessions_expires_at", "expires_at"),
    )

    digest: bytes = Field(sa_column=Column(LargeBinary(32), primary_key=True))
    id: str = Field(sa_column=Column(String(40), nullable=False, unique=True))
    workspace_id: str = Field(sa_column=Column(String(40), ForeignKey("spacekey_workspaces.id"), nullable=False))
    person_id: str = Field(sa_column=words(200))
    person_name: str = Field(sa_column=words(200))
    grants: list[str] = Field(sa_column=Column(JSON, nullable=False))
    scopes: list[str] = Field(sa_column=Column(JSON, nullable=False))
    own_tokens: bool = Field(sa_column=Column(Boolean, nullable=False))
    origins: list[str] = Field(sa_column=Column(JSON, nullable=False))
    service_id: str | None = Field(
        default=None, sa_column=Column(String(40), ForeignKey("spacekey_services.id"), nullable=True)
    )
    created_at: datetime = Field(sa_column=moment(nullable=False))
    expires_at: datetime = Field(sa_column=moment(nullable=False))
    ended_at: datetime | None = Field(default=None, sa_column=moment())
