"""``GET /api/v1/openapi.json``"""

from __future__ import annotations

import json
from functools import cache

from starlette.requests import Request
from starlette.responses import Response

from spacekey.middleware import public

from .openapi import document


@public
async def openapi(_request: Request) -> Response:
    """The OpenAPI document of this version."""
    return Response(_text(), media_type="application/json")


@cache
def _text() -> str:
    return json.dumps(document(), ensure_ascii=False, separators=(",", ":"))
