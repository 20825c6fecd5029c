"""``GET /api/v1/openapi.json``"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse

from spacekey.middleware import public

from .openapi import document


@public
async def openapi(_request: Request) -> JSONResponse:
    """The OpenAPI document of this version."""
    return JSONResponse(document())
