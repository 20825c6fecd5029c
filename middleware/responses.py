"""Refusals as responses: RFC 9457 problem details with the challenges of RFC 6750 §3, WebSocket close codes, ``Vary``.

All refusals of one kind are byte-identical, whatever the reason: reasons go to logs, never to callers.
"""

import json
from collections.abc import Mapping, Sequence

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

PROBLEM_TYPE = "application/problem+json"
_TYPE_PREFIX = "urn:spacekey:problem:"
_RETRY_AFTER_SECONDS_MAX = 3_600
WEBSOCKET_CODES = {400: 4400, 401: 4401, 403: 4403, 429: 4429, 503: 4503}
"""HTTP status → close code in the private range (RFC 6455 §7.4.2)."""

Header = tuple[bytes, bytes]

EXPOSED_HEADERS = ("RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate")
"""Headers of answers that scripts of other origins can read only if CORS exposes them, for ``CORSMiddleware``."""

_TOKEN_LACKS = ("The token lacks a scope.", "No token may do this.")
_MEMBER_LACKS = ("Your role lacks a scope.", "No role may do this.")


class ProblemResponse(Response):
    """Response whose body is a problem document (RFC 9457 §3), with its members as attributes.

    ``code`` is a stable name such as ``invalid_token``, ``detail`` a sentence, and ``members`` the extension members,
    such as ``missing_scopes``.
    """

    media_type = PROBLEM_TYPE
    code: str = ""
    detail: str = ""
    members: Mapping[str, object] = {}


def problem(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **members: object,
) -> ProblemResponse:
    """Return a problem document.

    :param code: a stable name such as ``invalid_token``; becomes the ``type`` URN and the ``code`` member.
    :param members: extension members (RFC 9457 §3.2), JSON values.
    """
    document = {
        "type": _TYPE_PREFIX + code,
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        **members,
    }
    made = ProblemResponse(json.dumps(document, ensure_ascii=False).encode(), status_code=status, headers=headers)
    made.code, made.detail, made.members = code, detail, members
    return made


def challenge(realm: str, error: str | None = None, description: str | None = None, scopes: Sequence[str] = ()) -> str:
    """Return a ``WWW-Authenticate`` value (RFC 6750 §3): realm, then error, description and scope if given."""
    parts = [f"realm={_quoted(realm)}"]
    if error is not None:
        parts.append(f"error={_quoted(error)}")
    if description is not None:
        parts.append(f"error_description={_quoted(description)}")
    if scopes:
        parts.append(f"scope={_quoted(' '.join(scopes))}")
    return "Bearer " + ", ".join(parts)


def credentials_absent(
    realm: str, *, places: str = "the Authorization header", without_scheme: bool = False
) -> ProblemResponse:
    """Return 401 without an error code: no credentials were sent (RFC 6750 §3.1, last paragraph).

    :param places: where the app reads tokens.
    :param without_scheme: whether the ``Authorization`` header is a token without its scheme.
    """
    detail = f"This needs a token in {places}."
    if without_scheme:
        detail = "Write 'Bearer' and a space before the token in the Authorization header."
    return problem(401, "unauthenticated", "Unauthenticated", detail, headers=_headers(challenge(realm)))


def token_refused(realm: str) -> ProblemResponse:
    """Return 401 ``invalid_token``, the same for every reason."""
    detail = "The token is not valid."
    return problem(
        401,
        "invalid_token",
        "Invalid token",
        detail,
        headers=_headers(challenge(realm, "invalid_token", detail)),
    )


def request_malformed(realm: str, *, how: str = "as 'Authorization: Bearer <token>'") -> ProblemResponse:
    """Return 400 ``invalid_request``: for two credentials, or a malformed header.

    :param how: how a client of the app sends its token.
    """
    detail = f"Send one token, {how}."
    return problem(
        400,
        "invalid_request",
        "Invalid request",
        detail,
        headers=_headers(challenge(realm, "invalid_request", detail)),
    )


def scope_missing(
    realm: str, missing: Sequence[str], *, member: bool = False, detail: str | None = None
) -> ProblemResponse:
    """Return 403 ``insufficient_scope``.

    :param missing: the smallest set of scopes to add; empty if none would help.
    :param member: whether the caller is a signed-in person and not a token.
    :param detail: what to say, if the scopes do not say it all.
    """
    lacking, never = _MEMBER_LACKS if member else _TOKEN_LACKS
    if detail is None:
        detail = lacking if missing else never
    return problem(
        403,
        "insufficient_scope",
        "Insufficient scope",
        detail,
        headers=_headers(challenge(realm, "insufficient_scope", detail, missing)),
        missing_scopes=list(missing),
    )


def forbidden(*, member: bool = False) -> ProblemResponse:
    """Return 403 for a refusal that no scope would change: another space's path, or a route without a declared rule.

    :param member: whether the caller is a signed-in person and not a token.
    """
    who = "You" if member else "The token"
    return problem(403, "forbidden", "Forbidden", f"{who} may not do this here.", headers=_headers())


def cross_origin() -> ProblemResponse:
    """Return 403 ``cross_origin``: credentials that a browser attaches by itself, from a page that may not use them."""
    detail = "A signed-in browser may only do this from this server's own pages. Programs send a token."
    headers = {**_headers(), "Vary": "Authorization, Cookie, Origin, Sec-Fetch-Site"}
    return problem(403, "cross_origin", "Cross-origin request", detail, headers=headers)


def rate_limited(retry_after_seconds: int | None, *, policy: str = "default") -> ProblemResponse:
    """Return 429 (RFC 6585 §4): the token's limit, or the route's, is used up.

    ``violated-policies`` is as in draft-ietf-httpapi-ratelimit-headers.

    :param retry_after_seconds: None if waiting would not help.
    :param policy: the limit's name, as in the header fields.
    """
    if retry_after_seconds is None:
        detail, later = "This costs more at once than the token's limit allows.", {}
    else:
        detail, later = "The token has made too many requests. Try again later.", _retry_after(retry_after_seconds)
    policies: dict[str, object] = {"violated-policies": [policy]}
    return problem(429, "rate_limited", "Too many requests", detail, headers={**_headers(), **later}, **policies)


def refusals_limited(retry_after_seconds: int) -> ProblemResponse:
    """Return 429: too many secrets from this address were refused. It tells nothing about the one that was sent."""
    return problem(
        429,
        "too_many_refusals",
        "Too many requests",
        "Too many tokens from this address were not valid. Try again later.",
        headers={**_headers(), **_retry_after(retry_after_seconds)},
    )


def work_limited(retry_after_seconds: int) -> ProblemResponse:
    """Return 429: too much work was done for callers without valid credentials at this address."""
    return problem(
        429,
        "too_much_work",
        "Too many requests",
        "Too much was asked for from this address without a valid token. Try again later.",
        headers={**_headers(), **_retry_after(retry_after_seconds)},
    )


def cannot_tell(retry_after_seconds: int = 1) -> ProblemResponse:
    """Return 503 with ``Retry-After``: the store could not be asked in time. Never a denial, never an acceptance."""
    return problem(
        503,
        "unavailable",
        "Unavailable",
        "Tokens cannot be checked right now. Try again.",
        headers={**_headers(), **_retry_after(min(retry_after_seconds, _RETRY_AFTER_SECONDS_MAX))},
    )


async def refuse(scope: Scope, receive: Receive, send: Send, response: Response) -> None:
    """Send ``response``; to a WebSocket as a denial response if the server supports it, else as a close code."""
    if scope["type"] == "http" or can_deny_with_response(scope):
        await response(scope, receive, send)
        return
    await send({"type": "websocket.close", "code": close_code(response), "reason": ""})


def can_deny_with_response(scope: Scope) -> bool:
    """Return whether the server supports the ASGI extension "WebSocket Denial Response"."""
    return "websocket.http.response" in (scope.get("extensions") or {})


def close_code(response: Response) -> int:
    """Return the WebSocket close code for the response's status."""
    return WEBSOCKET_CODES.get(response.status_code, 4403)


def with_vary(headers: Sequence[Header], vary: Header) -> list[Header]:
    """Return the headers with the names in ``vary`` added to ``Vary``; unchanged if they are there, or if it is ``*``.

    The list is a new one, because an app may send the same response to callers that were admitted without a look at
    their credentials.
    """
    for name, _ in headers:
        if name == b"vary":
            break
    else:
        return [*headers, vary]
    merged = list(headers)
    named = [(place, value) for place, (name, value) in enumerate(merged) if name == b"vary"]
    present = {part.strip().lower() for _, value in named for part in value.split(b",")}
    missing = [name for name in vary[1].split(b", ") if name.lower() not in present]
    if b"*" in present or not missing:
        return merged
    place, value = named[-1]
    merged[place] = (b"vary", b", ".join([value, *missing] if value.strip() else missing))
    return merged


_KEPT = ("cache-control", "www-authenticate", "retry-after")


def shaped(refusal: ProblemResponse, response: object) -> Response:
    """Return the response that an app makes of a refusal, with the headers that a refusal of its status needs.

    :raises ValueError: if it is not a response, or has a status below 300 and so would not refuse.
    """
    if not isinstance(response, Response):
        raise ValueError(f"it returned {type(response).__name__}: return a Response, or None")
    if response.status_code < 300:
        raise ValueError(f"it returned a response with the status {response.status_code}, which refuses nothing")
    if response is refusal:
        return refusal
    same = response.status_code == refusal.status_code
    for name in _KEPT if same else _KEPT[:1]:
        if name in refusal.headers:
            response.headers.setdefault(name, refusal.headers[name])
    response.raw_headers = with_vary(response.raw_headers, (b"vary", refusal.headers["vary"].encode("latin-1")))
    return response


def _retry_after(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(max(int(seconds), 1))}


def _headers(authenticate: str | None = None) -> dict[str, str]:
    headers = {"Cache-Control": "no-store", "Vary": "Authorization"}
    if authenticate is not None:
        headers["WWW-Authenticate"] = authenticate
    return headers


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
