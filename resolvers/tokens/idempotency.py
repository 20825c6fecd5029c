"""Idempotency of creating and rotating tokens: a repeated request creates nothing, and no secret is kept.

A client sends a key of its own with the request. The key is stored in the transaction that creates the token, so that
a token and its key exist both or not at all. A request with a known key is answered with the token that exists,
without its secret, which was shown once and is stored nowhere; a client that never received it rotates the token.

Keys belong to one caller and one operation, and are forgotten after 24 hours. The rules are those of the IETF draft
"The Idempotency-Key HTTP Header Field" (draft-ietf-httpapi-idempotency-key-header, §2).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from spacekey.domain.refusal import Conflict, ConflictCode, InputCode, InvalidInput, UserError
from spacekey.models.engine.session_reader import Transaction, reader_in
from spacekey.models.queries import idempotency as key_queries
from spacekey.models.queries import tokens as token_queries
from spacekey.models.tables.records import AnyToken
from spacekey.resolvers.access.authority import Authority
from spacekey.resolvers.access.caller import Caller
from spacekey.resolvers.system import System

from .view import TokenView, view_of

KEY_LENGTH_MAX = 255
REMEMBERED = timedelta(hours=24)
FORGOTTEN_AT_ONCE = 100
"""How many expired keys a new one removes, so that the table shrinks and no request waits for a large deletion."""

CREATE = "create"
ROTATE = "rotate"


class Replayed(UserError):
    """Refusal to create a token again: an earlier request with the same key created ``view``."""

    code = "ALREADY_CREATED"

    def __init__(self, view: TokenView) -> None:
        token_id = view.token.id
        super().__init__(
            f"An earlier request with this idempotency key created {token_id}. Its secret was shown then and is not "
            f"stored; if you do not have it, rotate {token_id} with a new idempotency key."
        )
        self.view = view


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """Key of a request, and what the request asks for, both as digests."""

    key_digest: bytes
    request_digest: bytes


def idempotent_request(key: str, asked: Mapping[str, object]) -> IdempotentRequest:
    """Return the digests of a key and of the request that it came with.

    :param asked: the request as it was sent, as JSON. A repeated request must ask for the same.
    :raises InvalidInput: if the key is not 1 to 255 printable ASCII characters.
    """
    if not 1 <= len(key) <= KEY_LENGTH_MAX or not key.isascii() or not key.isprintable():
        reason = f"Send 1 to {KEY_LENGTH_MAX} printable ASCII characters, such as a random UUID."
        raise InvalidInput("idempotency_key", reason, InputCode.INVALID_FORMAT)
    canonical = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    return IdempotentRequest(_digest(key), _digest(canonical))


@contextmanager
def in_progress(system: System, caller: Caller, operation: str, request: IdempotentRequest | None) -> Iterator[None]:
    """Hold a caller's key while its request is in progress, within the context.

    Processes that do not share their places wait for each other in the database instead.

    :raises Conflict: if a request with this key is in progress.
    """
    if request is None:
        yield
        return
    release = system.places.take(f"idempotency {caller.id} {operation} {request.key_digest.hex()}", 1)
    if release is None:
        raise Conflict(
            "A request with this idempotency key is in progress; repeat it in a moment.",
            ConflictCode.IDEMPOTENCY_KEY_IN_USE,
        )
    try:
        yield
    finally:
        release()


async def check_new(
    transaction: Transaction, system: System, authority: Authority, operation: str, request: IdempotentRequest | None
) -> None:
    """Raise if the caller's key was used in the last 24 hours. Expired keys are removed.

    The caller's authority was read in this transaction: a caller that has lost it does not come here.

    :raises Replayed: for the same request, with the token that it created.
    :raises InvalidInput: for another request.
    :raises Conflict: if the token was deleted, or the caller may no longer see it.
    """
    if request is None:
        return
    now = system.clock()
    await key_queries.forget_idempotency_keys(transaction, now - REMEMBERED, most=FORGOTTEN_AT_ONCE)
    key = authority.caller.id, operation, request.key_digest
    known = await key_queries.idempotency_key(transaction, *key)
    if known is None:
        return
    if known.created_at <= now - REMEMBERED:
        await key_queries.forget_idempotency_key(transaction, *key)
        return
    if known.request_digest != request.request_digest:
        raise InvalidInput(
            "idempotency_key",
            "Was used for another request; send a new key for a new request.",
            InputCode.IDEMPOTENCY_KEY_REUSED,
        )
    found = await token_queries.token_records(reader_in(transaction), [known.token_id])
    if not found or not authority.covers(found[0]):
        raise Conflict(
            "The token that a request with this idempotency key created is gone; send a new key to create another.",
            ConflictCode.TOKEN_DELETED,
        )
    raise Replayed(view_of(found[0], authority, now))


async def remember(
    transaction: Transaction, caller: Caller, operation: str, request: IdempotentRequest | None, token: AnyToken
) -> None:
    """Store the key with the token that was just created, in its transaction."""
    if request is not None:
        await key_queries.store_idempotency_key(
            transaction,
            caller_id=caller.id,
            operation=operation,
            key_digest=request.key_digest,
            request_digest=request.request_digest,
            token_id=token.id,
            created_at=token.created_at,
        )


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
