"""``/healthz`` says that the process lives, ``/readyz`` that it can serve, ``/metrics`` what it counted."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from spacekey.middleware import public
from spacekey.middleware.observability.metrics import CONTENT_TYPE
from spacekey.server.context import parts_of


@public
async def healthz(_request: Request) -> JSONResponse:
    """Always 200 while requests are answered at all."""
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


@public
async def readyz(request: Request) -> JSONResponse:
    """200 when the database answers, can be written to and answers the lookup; else 503 by :class:`Unavailable`.

    ``failover`` is there where PostgreSQL has a standby: ``asynchronous`` says that promoting it could bring back
    tokens whose revocation was answered (docs/explanation/revocation.md).
    """
    parts = parts_of(request)
    await parts.system.store.ping()
    await parts.verifier.ping()
    failover = await parts.system.store.failover()
    told = {"status": "ok"} if failover is None else {"status": "ok", "failover": failover}
    return JSONResponse(told, headers={"Cache-Control": "no-store"})


@public
async def metrics(request: Request) -> Response:
    """Prometheus' text format."""
    return Response(parts_of(request).metrics.text(), media_type=CONTENT_TYPE)
