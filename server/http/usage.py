"""Endpoints of ``/api/v1/usage`` and ``/api/v1/quota``: reports of other apps, and figures of a workspace."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from spacekey.domain.secret import Secret
from spacekey.domain.unset import UNSET
from spacekey.domain.usage import TokenUse
from spacekey.middleware.auth.credentials import credentials_of
from spacekey.middleware.routing.endpoints import requires
from spacekey.models.tables.usage import TokenUsage, UsageDay
from spacekey.resolvers.tokens.usage import BatchName, report_usage
from spacekey.resolvers.workspaces.figures import busiest_tokens, token_quotas, workspace_usage
from spacekey.server.context import known_caller, parts_of

from .api_keys import shown
from .places import workspace_asked_for
from .request_models import BusiestQuery, OfWorkspace, Usage, UsageQuery, Use
from .requests import json_body, one_figure, query_of
from .response_models import ACCEPTED, BUSIEST_API_KEYS, QUOTA, USAGE, Accepted, Requests

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
    own = credentials_of(request.scope)
    done = await report_usage(
        parts_of(request).system, known_caller(request), uses, _name(body), own if isinstance(own, Secret) else None
    )
    answer: Accepted = {"accepted": done.kept_rows}
    if done.requests_too_old:
        answer["requests_too_old"] = done.requests_too_old
    return ACCEPTED.response(answer)


@requires("usage:read")
async def get_usage(request: Request) -> Response:
    """Return the requests of a workspace by day: ``GET /usage``."""
    query = query_of(request, UsageQuery)
    asked = [workspace_asked_for(request, query.workspace_id)]
    days = one_figure(await workspace_usage(parts_of(request).system, known_caller(request), asked, query.days))
    return USAGE.response({"days": [{"day": day.day.isoformat(), **_requests(day)} for day in days]})


@requires("tokens:read", "usage:read")
async def list_busiest_api_keys(request: Request) -> Response:
    """Return the keys of a workspace with the most requests: ``GET /usage/api-keys``."""
    query = query_of(request, BusiestQuery)
    system, caller, asked = parts_of(request).system, known_caller(request), query.workspace_id
    workspace_id = workspace_asked_for(request, asked)
    busiest = one_figure(await busiest_tokens(system, caller, [workspace_id], query.days, query.limit))
    return BUSIEST_API_KEYS.response(
        {"api_keys": [{"api_key": shown(one.view), **_requests(one.usage)} for one in busiest]}
    )


@requires("tokens:read")
async def get_quota(request: Request) -> Response:
    """Return how many keys count towards the plan of a workspace: ``GET /quota``."""
    asked = [workspace_asked_for(request, query_of(request, OfWorkspace).workspace_id)]
    quota = one_figure(await token_quotas(parts_of(request).system, known_caller(request), asked))
    return QUOTA.response({"used": quota.used, "max": quota.most})


def _requests(counted: UsageDay | TokenUsage) -> Requests:
    return {"allowed": counted.allowed, "denied": counted.denied, "rate_limited": counted.limited}


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
