"""Endpoint for usage reports of verifiers in other apps: ``POST /api/v1/usage``."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from spacekey.domain.unset import UNSET
from spacekey.domain.usage import TokenUse
from spacekey.middleware.routing.endpoints import requires
from spacekey.resolvers.tokens.usage import BatchName, report_usage
from spacekey.server.context import known_caller, parts_of

from .request_models import Usage, Use
from .requests import json_body
from .response_models import ACCEPTED, Accepted

USAGE_BYTES_MAX = 1_048_576


@requires("tokens:introspect", cost=0)
async def report_api_usage(request: Request) -> Response:
    """Add a usage report: ``{"uses": [{"token_id", "at", "allowed", …}]}`` → ``{"accepted": n}``.

    Rows of tokens outside the caller's authority are discarded, and so are rows older than 7 days, whose requests are
    counted in ``requests_too_old``. With ``reporter`` and ``number``, a batch that is repeated because its answer was
    lost is counted once.
    """
    body = await json_body(request, Usage, bytes_max=USAGE_BYTES_MAX)
    uses = [_use(row) for row in body.uses]
    done = await report_usage(parts_of(request).system, known_caller(request), uses, _name(body))
    answer: Accepted = {"accepted": done.kept_rows}
    if done.requests_too_old:
        answer["requests_too_old"] = done.requests_too_old
    return ACCEPTED.response(answer)


def _name(body: Usage) -> BatchName | None:
    if body.reporter is UNSET or body.number is UNSET:
        return None
    return BatchName(body.reporter, body.number)


def _use(row: Use) -> TokenUse:
    return TokenUse(
        token_id=row.token_id,
        at=row.at,
        ip=row.ip or "",
        allowed=row.allowed,
        denied=row.denied,
        limited=row.rate_limited,
        scopes=tuple(row.scopes),
        used=row.used,
    )
