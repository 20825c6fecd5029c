"""Queries of idempotency keys."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from spacekey.models.engine.session_reader import Transaction, reader_in
from spacekey.models.engine.statements import insert_row
from spacekey.models.tables.idempotency import IdempotencyKey
from spacekey.models.tables.records import columns


class KnownKey(NamedTuple):
    """What is stored under a caller's key."""

    request_digest: bytes
    token_id: str
    created_at: datetime


_KEY = "caller_id, operation, key_digest"


async def idempotency_key(
    transaction: Transaction, caller_id: str, operation: str, key_digest: bytes
) -> KnownKey | None:
    """Return what is stored under a caller's key, whatever its age."""
    reader = reader_in(transaction)
    values = reader.values()
    key = f"{values.bind(caller_id)}, {values.bind(operation)}, {values.bind(key_digest)}"
    statement = f"SELECT {columns(KnownKey, 'k')} FROM spacekey_idempotency_keys k WHERE ({_KEY}) = ({key})"
    return next(iter(await reader.records(KnownKey, statement, values)), None)


async def store_idempotency_key(
    transaction: Transaction,
    *,
    caller_id: str,
    operation: str,
    key_digest: bytes,
    request_digest: bytes,
    token_id: str,
    created_at: datetime,
) -> None:
    """Store which token a request with this key created."""
    fields = {
        "caller_id": caller_id,
        "operation": operation,
        "key_digest": key_digest,
        "request_digest": request_digest,
        "token_id": token_id,
        "created_at": created_at,
    }
    await insert_row(reader_in(transaction), IdempotencyKey, fields)


async def forget_idempotency_key(transaction: Transaction, caller_id: str, operation: str, key_digest: bytes) -> None:
    """Delete a caller's key."""
    reader = reader_in(transaction)
    values = reader.values()
    key = f"{values.bind(caller_id)}, {values.bind(operation)}, {values.bind(key_digest)}"
    await reader.rows(f"DELETE FROM spacekey_idempotency_keys WHERE ({_KEY}) = ({key})", values)


async def forget_idempotency_keys(transaction: Transaction, until: datetime, *, most: int) -> None:
    """Delete the oldest keys that were stored at ``until`` or earlier, at most ``most`` of them.

    On PostgreSQL, keys that another transaction is deleting are left to it.
    """
    reader = reader_in(transaction)
    values = reader.values()
    oldest = (
        f"SELECT {_KEY} FROM spacekey_idempotency_keys WHERE created_at <= {values.bind(until)} ORDER BY created_at "
        f"LIMIT {values.bind(most)}{reader.locking('FOR UPDATE SKIP LOCKED')}"
    )
    await reader.rows(f"DELETE FROM spacekey_idempotency_keys WHERE ({_KEY}) IN ({oldest})", values)
