"""Endpoints for operations: ``/healthz`` (the process runs), ``/readyz`` (it can serve) and ``/metrics``."""

from __future__ import annotations

from hmac import compare_digest
from ipaddress import ip_address

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.secret import Secret
from spacekey.middleware.observability.metrics import CONTENT_TYPE
from spacekey.middleware.responses import credentials_absent, problem, token_refused
from spacekey.middleware.routing.endpoints import public
from spacekey.server.context import parts_of
from spacekey.server.settings import Settings

from .errors import NO_STORE, REALM

NOT_RUNNING = (
    "the lifespan of this app is not running, so uses and refusals are not written; the application in which it is "
    "mounted has to enter spacekey.server.app.running in its own lifespan"
)


@public
async def healthz(_request: Request) -> JSONResponse:
    """Return 200, always."""
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


@public
async def readyz(request: Request) -> JSONResponse:
    """Return 200 if the app is running and the database answers, can be written to and answers the lookup.

    ``failover`` is included if PostgreSQL has a standby: ``asynchronous`` means that promoting it could bring back
    tokens whose revocation was answered (docs/explanation/revocation.md).

    :raises ServiceUnavailable: otherwise, which is answered with 503.
    """
    parts = parts_of(request)
    if not request.app.state.running:
        raise ServiceUnavailable(NOT_RUNNING)
    await parts.system.store.ping()
    await parts.verifier.ping()
    failover = await parts.system.store.failover()
    told = {"status": "ok"} if failover is None else {"status": "ok", "failover": failover}
    return JSONResponse(told, headers={"Cache-Control": "no-store"})


@public
async def metrics(request: Request) -> Response:
    """Return all metrics in Prometheus' text format, to those who may read them.

    With ``SPACEKEY_METRICS_TOKEN`` those are the callers that send it. Without it they are programs on this machine, as
    long as nothing suggests a proxy, behind which everyone would look as if they were here.
    """
    parts = parts_of(request)
    refused = _metrics_refusal(request, parts.settings)
    if refused is not None:
        return refused
    return Response(parts.metrics.text(), media_type=CONTENT_TYPE)


FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")
"""Headers that proxies add."""

_REMOTE = (
    "Metrics are shown to programs on this machine alone. For others, and behind a proxy, set SPACEKEY_METRICS_TOKEN "
    "and send it as a Bearer token."
)


def _metrics_refusal(request: Request, settings: Settings) -> Response | None:
    if settings.metrics_token is not None:
        given = Secret.from_bearer(request.headers.get("authorization", "").encode("latin-1"))
        if given is None:
            return credentials_absent(REALM)
        return None if compare_digest(given.digest(), settings.metrics_token.digest()) else token_refused(REALM)
    behind_proxy = settings.public_url is not None or bool(settings.trusted_proxies)
    if behind_proxy or any(name in request.headers for name in FORWARDED) or not _is_local(request):
        return problem(403, "forbidden", "Forbidden", _REMOTE, headers=NO_STORE)
    return None


def _is_local(request: Request) -> bool:
    """Return whether the request comes from this machine. A peer without an address, as of a Unix socket, does not."""
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False
