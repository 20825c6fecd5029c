"""``POST /api/v1/introspect/batch``: introspection of many tokens at once, of which only what changed is described."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64encode
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response

from spacekey.domain.errors import Unavailable
from spacekey.domain.outcome import Refused
from spacekey.domain.refusal import InvalidInput
from spacekey.domain.secret import Secret
from spacekey.middleware import requires
from spacekey.middleware.auth.client import CLIENT_IP, CLIENT_USER_AGENT
from spacekey.middleware.auth.credentials import credentials_of
from spacekey.resolvers.tokens.introspect import Asked, Introspection, introspect_many
from spacekey.resolvers.tokens.verify import AT_ONCE_MAX
from spacekey.server.http.client_auth import check_client
from spacekey.server.http.oauth import active, note
from spacekey.server.http.request_models import AskedToken, IntrospectionBatch
from spacekey.server.http.requests import json_body

from .context import known_caller, known_principal, parts_of

BATCH_BYTES_MAX = 2_097_152
VERSION_LENGTH = 22
"""Characters of a version: 128 bits in base64."""

_INACTIVE = b'{"active":false}'
_UNCHANGED = b'{"active":true,"unchanged":true}'
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@requires("tokens:introspect", cost=0)  # as many single introspections would cost nothing either
async def introspect_tokens(request: Request) -> Response:
    """``{"tokens": [{"token": "…", "version": "…"}]}`` → ``{"results": [{"active": …}]}``, in the same order.

    Each result is what ``POST /introspect`` would answer about that token, with a ``version`` beside it if it is
    active. If the caller sent that version, the result is ``{"active": true, "unchanged": true}``. A token that cannot
    be answered about at the moment has an ``error`` (RFC 6749 §5.2), and the others are answered.

    The refusal of a token with ``"presented": false`` is not written into its owner's audit log.

    ``environment`` is the asking app's. ``used_in``, ``client_ip`` and ``client_user_agent`` of a token are as in
    ``POST /introspect``.
    """
    check_client(request)
    body = await json_body(request, IntrospectionBatch, bytes_max=BATCH_BYTES_MAX)
    rows = body.tokens
    asked = [Asked(Secret(row.token), body.environment, row.used_in) for row in rows]
    parts, caller = parts_of(request), known_caller(request)
    own = credentials_of(request.scope)
    answers = await introspect_many(
        parts.system, parts.verifier, caller, known_principal(request), own if isinstance(own, Secret) else None, asked
    )
    results: list[bytes] = []
    for number, (row, answer) in enumerate(zip(rows, answers, strict=True), 1):
        if isinstance(answer, Introspection) and row.presented:
            note(request, caller, answer.verdict, _sender_of(row))
        results.append(_result(answer, row.version))
        if number % AT_ONCE_MAX == 0:
            await asyncio.sleep(0)
    return Response(b'{"results":[' + b",".join(results) + b"]}", media_type="application/json")


def _sender_of(row: AskedToken) -> dict[str, str]:
    return {CLIENT_IP: row.client_ip or "", CLIENT_USER_AGENT: row.client_user_agent or ""}


def _result(answer: Introspection | InvalidInput | Unavailable, version: str | None) -> bytes:
    if isinstance(answer, Introspection):
        if isinstance(answer.verdict, Refused):
            return _INACTIVE
        described = _encode(active(answer)).encode()
        current = version_of(described)
        return _UNCHANGED if version == current else b'%b,"version":"%b"}' % (described[:-1], current.encode())
    if isinstance(answer, InvalidInput):
        return _encode({"error": "invalid_request", "error_description": str(answer)}).encode()
    return _encode({"error": "temporarily_unavailable", "retry_after": max(1, answer.retry_after_seconds)}).encode()


def version_of(described: bytes) -> str:
    """Return the version of an answer: the same in every process, and another for every other answer."""
    return urlsafe_b64encode(sha256(described).digest())[:VERSION_LENGTH].decode()
