"""Idempotency keys: which token a repeated request created, so that it does not create another one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, LargeBinary, String
from sqlmodel import Field

from spacekey.domain.actor import ACTOR_ID_LENGTH_MAX

from .base import Row, moment


class IdempotencyKey(Row, table=True):
    """Key that a caller sent with a request, and the token that the request created.

    Neither the key nor the request is stored: ``key_digest`` and ``request_digest`` are SHA-256.
    """

    __tablename__ = "spacekey_idempotency_keys"
    __table_args__ = (
        CheckConstraint("length(key_digest) = 32", name="ck_spacekey_idempotency_keys_key"),
        CheckConstraint("length(request_digest) = 32", name="ck_spacekey_idempotency_keys_request"),
        Index("ix_spacekey_idempotency_keys_created_at", "created_at"),
    )

    caller_id: str = Field(sa_column=Column(String(ACTOR_ID_LENGTH_MAX), primary_key=True))
    operation: str = Field(sa_column=Column(String(20), primary_key=True))
    key_digest: bytes = Field(sa_column=Column(LargeBinary(32), primary_key=True))
    request_digest: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    token_id: str = Field(sa_column=Column(String(40), ForeignKey("spacekey_tokens.id"), nullable=False))
    created_at: datetime = Field(sa_column=moment(nullable=False))
