"""``/healthz`` says that the process lives, ``/readyz`` that it can serve, ``/metrics`` what it counted."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from spacekey.middleware import public
from spacekey.middleware.exposition import CONTENT_TYPE

from .parts import parts_of


@public
async def healthz(_request: Request) -> JSONResponse:
    """Always 200 while requests are answered at all."""
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


@public
async def readyz(request: Request) -> JSONResponse:
    """200 when the store answers; else :class:`Unavailable`, which becomes 503."""
    await parts_of(request).system.store.ping()
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


@public
async def metrics(request: Request) -> Response:
    """Prometheus' text format."""
    return Response(parts_of(request).metrics.text(), media_type=CONTENT_TYPE)
