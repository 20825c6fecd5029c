"""Endpoints for operations: ``/healthz`` (the process runs), ``/readyz`` (it can serve) and ``/metrics``."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from spacekey.domain.errors import ServiceUnavailable
from spacekey.middleware.observability.metrics import CONTENT_TYPE
from spacekey.middleware.routing.endpoints import public
from spacekey.server.context import parts_of

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
    """Return all metrics in Prometheus' text format."""
    return Response(parts_of(request).metrics.text(), media_type=CONTENT_TYPE)
