"""Refusals as responses: RFC 9457 problem details with the challenges of RFC 6750 §3.

Every refusal of one sort is byte-identical whatever the reason was: reasons go to logs, never to callers.
"""

import json
from collections.abc import Mapping, Sequence

from starlette.responses import Response

PROBLEM_TYPE = "application/problem+json"
_TYPE_PREFIX = "urn:spacekey:problem:"
_RETRY_AFTER_SECONDS_MAX = 3_600


class ProblemResponse(Response):
    """A response whose body is a problem document (RFC 9457 §3)."""

    media_type = PROBLEM_TYPE


def problem(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **members: object,
) -> ProblemResponse:
    """A problem document.

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
    return ProblemResponse(json.dumps(document, ensure_ascii=False).encode(), status_code=status, headers=headers)


def challenge(realm: str, error: str | None = None, description: str | None = None, scopes: Sequence[str] = ()) -> str:
    """The value of ``WWW-Authenticate`` (RFC 6750 §3): realm, then error, description and scope when given."""
    parts = [f"realm={_quoted(realm)}"]
    if error is not None:
        parts.append(f"error={_quoted(error)}")
    if description is not None:
        parts.append(f"error_description={_quoted(description)}")
    if scopes:
        parts.append(f"scope={_quoted(' '.join(scopes))}")
    return "Bearer " + ", ".join(parts)


def credentials_absent(realm: str) -> ProblemResponse:
    """401 without an error code: no credentials were sent (RFC 6750 §3.1, last paragraph)."""
    return problem(
        401,
        "unauthenticated",
        "Unauthenticated",
        "This needs a token in the Authorization header.",
        headers=_headers(challenge(realm)),
    )


def token_refused(realm: str) -> ProblemResponse:
    """401 ``invalid_token``, the same for every reason."""
    detail = "The token is not valid."
    return problem(
        401,
        "invalid_token",
        "Invalid token",
        detail,
        headers=_headers(challenge(realm, "invalid_token", detail)),
    )


def request_malformed(realm: str) -> ProblemResponse:
    """400 ``invalid_request``: two credentials, or a header that is not one."""
    detail = "Send one token, as 'Authorization: Bearer <token>'."
    return problem(
        400,
        "invalid_request",
        "Invalid request",
        detail,
        headers=_headers(challenge(realm, "invalid_request", detail)),
    )


def scope_missing(realm: str, missing: Sequence[str]) -> ProblemResponse:
    """403 ``insufficient_scope``. ``missing`` is the smallest set of scopes to add; empty when none would help."""
    detail = "The token lacks a scope." if missing else "No token may do this."
    return problem(
        403,
        "insufficient_scope",
        "Insufficient scope",
        detail,
        headers=_headers(challenge(realm, "insufficient_scope", detail, missing)),
        missing_scopes=list(missing),
    )


def forbidden() -> ProblemResponse:
    """403 where no scope would help: another space's path, or a route nobody declared a rule for."""
    return problem(403, "forbidden", "Forbidden", "The token may not do this here.", headers=_headers())


def cannot_tell(retry_after_seconds: int = 1) -> ProblemResponse:
    """503 with ``Retry-After``: the store could not be asked in time. Never a denial, never an acceptance."""
    seconds = min(max(int(retry_after_seconds), 1), _RETRY_AFTER_SECONDS_MAX)
    return problem(
        503,
        "unavailable",
        "Unavailable",
        "Tokens cannot be checked right now. Try again.",
        headers={**_headers(), "Retry-After": str(seconds)},
    )


def _headers(authenticate: str | None = None) -> dict[str, str]:
    headers = {"Cache-Control": "no-store", "Vary": "Authorization"}
    if authenticate is not None:
        headers["WWW-Authenticate"] = authenticate
    return headers


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
