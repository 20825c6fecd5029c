"""Usage tables, written in batches off the request path."""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, String
from sqlmodel import Field

from .base import Row, UtcDateTime, moment


class UsageHour(Row, table=True):
    """Requests of one token in one hour."""

    __tablename__ = "spacekey_usage_hours"
    __table_args__ = (
        CheckConstraint("allowed >= 0 AND denied >= 0 AND limited >= 0", name="ck_spacekey_usage_hours_counts"),
    )

    token_id: str = Field(sa_column=Column(String(40), ForeignKey("spacekey_tokens.id"), primary_key=True))
    hour: datetime = Field(sa_column=Column(UtcDateTime(), primary_key=True))
    allowed: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    denied: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    limited: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))


class ScopeUse(Row, table=True):
    """Last use of one of a token's scopes."""

    __tablename__ = "spacekey_scope_uses"

    token_id: str = Field(sa_column=Column(String(40), ForeignKey("spacekey_tokens.id"), primary_key=True))
    scope: str = Field(sa_column=Column(String(100), primary_key=True))
    last_used_at: datetime = Field(sa_column=moment(nullable=False))


class UsageReporter(Row, table=True):
    """Number of the last batch counted for a reporter, so that a batch that is sent twice counts once."""

    __tablename__ = "spacekey_usage_reporters"
    __table_args__ = (Index("ix_spacekey_usage_reporters_seen_at", "seen_at"),)

    id: str = Field(sa_column=Column(String(120), primary_key=True))
    number: int = Field(sa_column=Column(BigInteger, nullable=False))
    seen_at: datetime = Field(sa_column=moment(nullable=False))


class UsageDay(NamedTuple):
    """Requests of one token on one UTC day."""

    day: date
    allowed: int
    denied: int
    limited: int


class TokenUsage(NamedTuple):
    """Requests of one token in a period."""

    token_id: str
    allowed: int
    denied: int
    limited: int

    @property
    def requests(self) -> int:
        """All requests, whatever came of them."""
        return self.allowed + self.denied + self.limited
