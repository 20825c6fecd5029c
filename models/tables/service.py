"""Services, the operator's credentials for one product, and their secrets."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, Column, ForeignKey, Index, LargeBinary, String, text
from sqlmodel import Field

from .base import Row, moment, words

_LIVE = text("revoked_at IS NULL")
VERIFIES = '["tokens:introspect"]'
"""Scopes of services that were created before services had scopes, as JSON."""


class Service(Row, table=True):
    """Service for one product, with what it may do. A revoked one stays, because the audit log names it."""

    __tablename__ = "spacekey_services"
    __table_args__ = (
        Index("ix_spacekey_services_name", "name", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE),
    )

    id: str = Field(sa_column=Column(String(40), primary_key=True))
    name: str = Field(sa_column=words(40))
    product: str = Field(sa_column=words(100))
    scopes: list[str] = Field(sa_column=Column(JSON, nullable=False, server_default=text(f"'{VERIFIES}'")))
    created_at: datetime = Field(sa_column=moment(nullable=False))
    revoked_at: datetime | None = Field(default=None, sa_column=moment())


class ServiceSecret(Row, table=True):
    """Secret of a service, as its SHA-256. ``ends_at`` is set when a rotation replaces it."""

    __tablename__ = "spacekey_service_secrets"
    __table_args__ = (
        CheckConstraint("length(digest) = 32", name="ck_spacekey_service_secrets_digest"),
        Index("ix_spacekey_service_secrets_service_id", "service_id"),
    )

    digest: bytes = Field(sa_column=Column(LargeBinary(32), primary_key=True))
    service_id: str = Field(sa_column=Column(String(40), ForeignKey("spacekey_services.id"), nullable=False))
    created_at: datetime = Field(sa_column=moment(nullable=False))
    ends_at: datetime | None = Field(default=None, sa_column=moment())
