"""Audit log tables: insert-only events, chained by hash."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    UniqueConstraint,
    false,
    text,
)
from sqlmodel import Field

from spacekey.domain.actor import ACTOR_ID_LENGTH_MAX, Actor, actor_from

from .base import Row, moment, words

OUTCOMES = ("success", "denied", "alert")
"""All outcomes that an event can have."""

SYSTEM_CHAIN = "system"
"""Chain for events that belong to no workspace, such as sign-ins."""


class AuditChain(Row, table=True):
    """Head of one chain. Locking its row puts the chain's events in one order.

    ``anchored`` is the last sequence number of this chain covered by a checkpoint in the system's chain.
    """

    __tablename__ = "spacekey_audit_chains"

    chain: str = Field(sa_column=Column(String(40), primary_key=True))
    sequence: int = Field(sa_column=Column(BigInteger, nullable=False))
    hash: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    anchored: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default=text("0")))


class AuditEvent(Row, table=True):
    """Change or sign-in: its actor, credential, target, origin and outcome.

    ``hash`` is SHA-256 over the previous event's hash and the fields that ``version`` lists
    (:mod:`spacekey.resolvers.audit.log`). Version 2 hashes ids. Personal data is in two parts that can be erased
    separately: the actor's (name, IP address, user agent) and the target's (name, further facts). The hash covers only
    a salted digest of each part, and the salt is erased with the part. The table refuses every other update, and every
    delete (triggers in the migrations).
    """

    __tablename__ = "spacekey_audit_events"
    __table_args__ = (
        UniqueConstraint("chain", "sequence", name="uq_spacekey_audit_events_chain_sequence"),
        CheckConstraint("length(hash) = 32", name="ck_spacekey_audit_events_hash"),
        CheckConstraint("outcome IN ('success', 'denied', 'alert')", name="ck_spacekey_audit_events_outcome"),
        Index("ix_spacekey_audit_events_target", "chain", "target_id", "sequence"),
        Index("ix_spacekey_audit_events_action", "chain", "action", "sequence"),
        Index("ix_spacekey_audit_events_actor", "chain", "actor_id", "sequence"),
        Index("ix_spacekey_audit_events_outcome", "chain", "outcome", "sequence"),
        Index("ix_spacekey_audit_events_at", "chain", "at"),
    )

    id: str = Field(sa_column=Column(String(40), primary_key=True))
    chain: str = Field(sa_column=words(40))
    sequence: int = Field(sa_column=Column(BigInteger, nullable=False))
    at: datetime = Field(sa_column=moment(nullable=False))
    action: str = Field(sa_column=words(60))
    outcome: str = Field(sa_column=words(16))
    actor_id: str = Field(sa_column=words(ACTOR_ID_LENGTH_MAX))
    actor_name: str = Field(sa_column=words(254))
    credential: str = Field(sa_column=words(60))
    target_id: str = Field(sa_column=words(ACTOR_ID_LENGTH_MAX))
    before: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    after: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    ip: str = Field(sa_column=words(64))
    user_agent: str = Field(sa_column=words(300))
    request_id: str = Field(sa_column=words(64))
    hash: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    version: int = Field(default=2, sa_column=Column(Integer, nullable=False, server_default=text("1")))
    actor_kind: str | None = Field(default=None, sa_column=words(16, nullable=True))
    target_name: str = Field(default="", sa_column=Column(String(254), nullable=False, server_default=text("''")))
    target_facts: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    actor_salt: bytes | None = Field(default=None, sa_column=Column(LargeBinary(16)))
    actor_digest: bytes | None = Field(default=None, sa_column=Column(LargeBinary(32)))
    actor_erased: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))
    target_salt: bytes | None = Field(default=None, sa_column=Column(LargeBinary(16)))
    target_digest: bytes | None = Field(default=None, sa_column=Column(LargeBinary(32)))
    target_erased: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))

    @property
    def actor(self) -> Actor:
        """The actor of the event."""
        return actor_from(self.actor_kind, self.actor_id, self.actor_name)
