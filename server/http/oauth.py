"""Endpoints for introspection (RFC 7662), also of many tokens at once, and for revocation (RFC 7009)."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from spacekey.domain.authentication import Authenticated, Rejected
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.principal import Principal
from spacekey.domain.refusal import InvalidInput, NotFound
from spacekey.domain.secret import ENVIRONMENTS, Secret, parse
from spacekey.middleware.auth.client import CLIENT_IP, CLIENT_USER_AGENT, sender_from_fields
from spacekey.middleware.auth.credentials import credentials_of
from spacekey.middleware.routing.endpoints import requires
from spacekey.resolvers.access.caller import Caller, PortalCaller, RequestFacts, ServiceCaller
from spacekey.resolvers.portal_sessions import end_portal_session
from spacekey.resolvers.services import end_own_secret
from spacekey.resolvers.tokens.introspect import Asked, Introspection, introspect, introspect_many
from spacekey.resolvers.tokens.revoke import revoke_secret
from spacekey.resolvers.tokens.verify import AT_ONCE_MAX
from spacekey.server.context import known_caller, known_principal, parts_of, request_id_of
from spacekey.server.timestamps import written

from .client_auth import check_client
from .request_models import AskedToken, IntrospectionBatch, IntrospectionForm, TokenForm
from .requests import BadBody, form_fields, json_body, validated

INACTIVE = {"active": False}
"""The whole answer for a token that is invalid, or outside the caller's authority (RFC 7662 §2.2)."""
BATCH_BYTES_MAX = 2_097_152
VERSION_LENGTH = 22
"""Number of characters of a version: 128 bits in base64."""
_INACTIVE = b'{"active":false}'
_UNCHANGED = b'{"active":true,"unchanged":true}'
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@requires("tokens:introspect", cost=0)  # an app may answer a thousand requests by one introspection
async def introspect_token(request: Request) -> JSONResponse:
    """Describe a token: ``POST /introspect``.

    Parameters besides those of RFC 7662 (§2.1 allows them): ``environment`` is the one that the calling app runs in. A
    token of another environment is inactive there, and its owner's audit log gets the refusal. ``used_in`` is the same
    for an app that refuses such tokens by itself: the token is described, and the call does not count as its use.
    ``client_ip`` and ``client_user_agent`` are those of the client that sent the app this token. A refusal is noted
    with them as the app's claim, and with the app; invalid values are ignored. Without them the client is unknown, and
    never the app itself. Only refusals of tokens within the app's authority are noted.
    """
    secret, fields = await _token(request, IntrospectionForm)
    environment, used_in = _environment(fields, "environment"), _environment(fields, "used_in")
    parts, caller = parts_of(request), known_caller(request)
    try:
        answer = await introspect(
            parts.system,
            parts.verifier,
            caller,
            known_principal(request),
            secret,
            environment=environment,
            used_in=used_in,
        )
    except InvalidInput as error:
        raise BadBody(400, "invalid_request", str(error)) from None
    note(request, caller, answer.verdict, fields)
    return JSONResponse(INACTIVE if isinstance(answer.verdict, Rejected) else active(answer))


def note(request: Request, caller: Caller, verdict: Authenticated | Rejected, fields: Mapping[str, str]) -> None:
    """Note an introspection in metrics, usage and the owner's audit log.

    :param fields: the caller's claims about the client that sent it the token.
    """
    parts = parts_of(request)
    parts.metrics.verification(verdict)
    if isinstance(verdict, Authenticated):
        parts.usage.seen(verdict.principal.id)  # the calling app counts the request itself, if it reports usage
    elif verdict.token_id is not None:
        by = sender_from_fields(fields)
        facts = RequestFacts(by.ip, by.user_agent, request_id_of(request.scope))
        parts.refusals.note(verdict, facts, reported_by=caller.actor)
        parts.usage.refused(verdict.token_id)  # the calling app is not told whose token it is, so it is counted here


def active(answer: Introspection) -> dict[str, Any]:
    """Return the answer about a valid token."""
    if isinstance(answer.verdict, Rejected):
        raise TypeError("a refused token has no principal")
    return described(answer.verdict.principal) | {"active": True, "max_age": answer.max_age_seconds}


@requires()
async def revoke_presented(request: Request) -> Response:
    """Revoke a token by its secret: ``POST /revoke`` → 200, also if there is no such token (RFC 7009 §2.2).

    The secret of a service or a portal session is revoked by itself alone.

    A refused token that revokes itself is answered by
    :class:`~spacekey.server.http.client_auth.ClientAuthentication`.
    """
    secret, _ = await _token(request, TokenForm)
    system, caller = parts_of(request).system, known_caller(request)
    if parse(secret) is not None or parts_of(request).verifier.key_formats.match(secret) is not None:
        with suppress(NotFound):  # after T, as long as a revocation takes
            if isinstance(caller, ServiceCaller) and caller.digest == secret.digest():
                await end_own_secret(system, caller)
            elif isinstance(caller, PortalCaller) and caller.digest == secret.digest():
                await end_portal_session(system, caller, caller.session_id)
            else:
                await revoke_secret(system, caller, secret)
    return Response(status_code=200)


def described(principal: Principal) -> dict[str, Any]:
    """Return a principal as introspection describes it, without the members that do not apply.

    ``exp`` is in whole seconds (RFC 7662 §2.2), ``expires_at`` in milliseconds, both rounded down.
    """
    limit = principal.rate_limit
    expires_at = principal.expires_at
    facts: dict[str, Any] = {
        "sub": principal.id,
        "token_type": "Bearer",
        "kind": principal.kind.value,
        "name": principal.name or None,
        "scope": " ".join(sorted(principal.scopes)),
        "workspace_id": principal.workspace_id,
        "space_id": principal.space_id,
        "environment": principal.environment,
        "exp": None if expires_at is None else int(expires_at.timestamp()),
        "expires_at": written(expires_at),
        "external_id": principal.external_id,
        "metadata": principal.metadata or None,
        "rate_limit_key": None if principal.rate_limit_key == principal.id else principal.rate_limit_key,
        "rate_limit": None if limit is None else {"per_minute": limit.per_minute, "burst": limit.burst},
    }
    return {name: value for name, value in facts.items() if value is not None}


def _environment(fields: Mapping[str, str], field: str) -> str | None:
    """Return the environment that the calling app runs in; None if it does not tell.

    :raises BadBody: there is no such environment, in which every valid token would be inactive.
    """
    environment = fields.get(field)
    if environment is not None and environment not in ENVIRONMENTS:
        known = " or ".join(f"'{one}'" for one in ENVIRONMENTS)
        raise BadBody(400, "invalid_request", f"There is no such environment; write {known}, or leave it out.")
    return environment


async def _token(request: Request, form: type[TokenForm]) -> tuple[Secret, dict[str, str]]:
    """Return the form's ``token``, and the form. The hint and unknown fields are ignored, as the RFCs allow."""
    check_client(request)
    fields = await form_fields(request)
    try:
        return Secret(validated(form, fields).token), fields
    except InvalidInput as error:
        reason = "The form needs the field 'token'." if error.field == "token" else error.reason
        raise BadBody(400, "invalid_request", reason) from None


@requires("tokens:introspect", cost=0)  # as the same number of single introspections
async def introspect_tokens(request: Request) -> Response:
    """Describe many tokens: ``{"tokens": [{"token": …, "version": …}]}`` → ``{"results": [{"active": …}]}``.

    The results are in the order of the tokens. Each is the answer of ``POST /introspect`` for that token, with a
    ``version`` if it is active. If the caller sent that version, it is ``{"active": true, "unchanged": true}``. A token
    that cannot be described at the moment has an ``error`` (RFC 6749 §5.2), without effect on the others.

    A refusal of a token with ``"presented": false`` is not written into its owner's audit log.

    ``environment`` is the calling app's. ``used_in``, ``client_ip`` and ``client_user_agent`` of a token are as in
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


def _result(answer: Introspection | InvalidInput | ServiceUnavailable, version: str | None) -> bytes:
    if isinstance(answer, Introspection):
        if isinstance(answer.verdict, Rejected):
            return _INACTIVE
        described = _encode(active(answer)).encode()
        current = version_of(described)
        return _UNCHANGED if version == current else b'%b,"version":"%b"}' % (described[:-1], current.encode())
    if isinstance(answer, InvalidInput):
        return _encode({"error": "invalid_request", "error_description": str(answer)}).encode()
    return _encode({"error": "temporarily_unavailable", "retry_after": max(1, answer.retry_after_seconds)}).encode()


def version_of(described: bytes) -> str:
    """Return the version of an answer: the same in every process, and different for every other answer."""
    return urlsafe_b64encode(sha256(described).digest())[:VERSION_LENGTH].decode()
