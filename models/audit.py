"""What happened: insert-only rows, chained by hash."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, Column, Index, LargeBinary, String, UniqueConstraint
from sqlmodel import Field

from .columns import moment, words
from .row import Row

SYSTEM_CHAIN = "system"
"""The chain of what belongs to no workspace, such as sign-ins."""


class AuditChain(Row, table=True):
    """The head of one chain. Locking this row puts the chain's events in one order."""

    __tablename__ = "audit_chains"

    chain: str = Field(sa_column=Column(String(40), primary_key=True))
    sequence: int = Field(sa_column=Column(BigInteger, nullable=False))
    hash: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))


class AuditEvent(Row, table=True):
    """One change or sign-in: who, with what, on what, from where, and how it ended.

    ``hash`` is SHA-256 over the previous event's hash and this event's canonical JSON. The table refuses updates
    and deletes (a trigger in the migration).
    """

    __tablename__ = "audit_events"
    __table_args__ = (
        UniqueConstraint("chain", "sequence", name="uq_audit_events_chain_sequence"),
        CheckConstraint("length(hash) = 32", name="ck_audit_events_hash"),
        CheckConstraint("outcome IN ('success', 'denied', 'alert')", name="ck_audit_events_outcome"),
        Index("ix_audit_events_target", "chain", "target_id", "sequence"),
        Index("ix_audit_events_action", "chain", "action", "sequence"),
    )

    id: str = Field(sa_column=Column(String(40), primary_key=True))
    chain: str = Field(sa_column=words(40))
    sequence: int = Field(sa_column=Column(BigInteger, nullable=False))
    at: datetime = Field(sa_column=moment(nullable=False))
    action: str = Field(sa_column=words(60))
    outcome: str = Field(sa_column=words(16))
    actor_id: str = Field(sa_column=words(40))
    actor_name: str = Field(sa_column=words(254))
    credential: str = Field(sa_column=words(60))
    target_id: str = Field(sa_column=words(40))
    before: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    after: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    ip: str = Field(sa_column=words(64))
    user_agent: str = Field(sa_column=words(300))
    request_id: str = Field(sa_column=words(64))
    hash: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
