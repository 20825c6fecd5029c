"""Table of people whose identity comes from outside: an OpenID Connect provider, a proxy, or the host application."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, ForeignKey, String
from sqlmodel import Field

from .base import Row, moment


class OutsideIdentity(Row, table=True):
    """Account of a person from outside, keyed by issuer and subject. The address is no key: it can change hands."""

    __tablename__ = "spacekey_outside_identities"

    issuer: str = Field(sa_column=Column(String(255), primary_key=True))
    subject: str = Field(sa_column=Column(String(255), primary_key=True))
    user_id: str = Field(
        sa_column=Column(String(40), ForeignKey("spacekey_users.id", ondelete="CASCADE"), nullable=False, index=True)
    )
    created_at: datetime = Field(sa_column=moment(nullable=False))
