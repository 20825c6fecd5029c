"""An app with one route for each scope of a product: what a token opens here is what it holds."""

from __future__ import annotations

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from spacekey import TokenMiddleware, requires
from spacekey.domain.product import Product
from spacekey.domain.verifier import Verifier
from support.apps.jobs_requests import bearer

PATIENCE_SECONDS = 120.0
"""A verification's deadline in tests: a busy machine must not turn answers into 503."""


def every_scope_app(product: Product, verifier: Verifier) -> Starlette:
    """``GET /<scope>`` needs that scope; ``GET /`` needs any valid token. The verifier is closed with the app."""

    async def opened(_request: Request) -> JSONResponse:
        return JSONResponse({"opened": True})

    routes = [Route(f"/{scope}", requires(scope)(opened)) for scope in sorted(product.known_scopes)]
    return Starlette(
        routes=[Route("/", requires()(opened)), *routes],
        middleware=[
            Middleware(
                TokenMiddleware,
                verifier=verifier,
                known_scopes=product.known_scopes,
                timeout=PATIENCE_SECONDS,
            )
        ],
    )


def opened_by(client: httpx.Client, product: Product, secret: str) -> set[str]:
    """The scopes whose routes a token opens; every other one must answer 403."""
    status = {
        scope: client.get(f"/{scope}", headers=bearer(secret)).status_code for scope in sorted(product.known_scopes)
    }
    assert set(status.values()) <= {200, 403}, status
    return {scope for scope, answer in status.items() if answer == 200}
