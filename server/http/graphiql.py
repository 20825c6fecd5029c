"""GraphiQL, for development only: disabled by default, and with a Content-Security-Policy of its own.

The page loads GraphiQL from unpkg.com, pinned by version and by Subresource Integrity. Versions and digests are those
of Strawberry 0.341's own page (``strawberry/static/graphiql.html``). The dashboard's policy allows no other server, so
this page has a wider one.
"""

from __future__ import annotations

import base64
import hashlib

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from spacekey.middleware.routing.endpoints import public

from .base_path import base_path

PATH = "/graphiql"
_FROM = "https://unpkg.com"
_SCRIPTS = {
    f"{_FROM}/react@18.2.0/umd/react.production.min.js": (
        "sha384-tMH8h3BGESGckSAVGZ82T9n90ztNXxvdwvdM6UoR56cYcf+0iGXBliJ29D+wZ/x8"
    ),
    f"{_FROM}/react-dom@18.2.0/umd/react-dom.production.min.js": (
        "sha384-bm7MnzvK++ykSwVJ2tynSE5TRdN+xL418osEVF2DE/L/gfWHj91J2Sphe582B1Bh"
    ),
    f"{_FROM}/graphiql@3.8.3/graphiql.min.js": (
        "sha384-HbRVEFG0JGJZeAHCJ9Xm2+tpknBQ7QZmNlO/DgZtkZ0aJSypT96YYGRNod99l9Ie"
    ),
}
_STYLE = f"{_FROM}/graphiql@3.8.3/graphiql.min.css"
_STYLE_DIGEST = "sha384-Mq3vbRBY71jfjQAt/DcjxUIYY33ksal4cgdRt9U/hNPvHBCaT2JfJ/PTRiPKf0aM"

_START = """
const place = document.getElementById("graphiql");
if (window.GraphiQL === undefined) {
  place.textContent = "GraphiQL could not be loaded from unpkg.com.";
} else {
  const fetcher = GraphiQL.createFetcher({ url: place.dataset.endpoint });
  ReactDOM.createRoot(place).render(React.createElement(GraphiQL, { fetcher, shouldPersistHeaders: false }));
}
"""


def graphiql_routes() -> list[BaseRoute]:
    """Return the page's route. Its requests carry the user's own session or headers, and have no further rights."""
    policy = _policy()

    @public
    async def page(request: Request) -> Response:
        html = _page(f"{base_path(request.scope)}/graphql")
        return Response(html, headers={"Content-Security-Policy": policy}, media_type="text/html; charset=utf-8")

    return [Route(PATH, page, methods=["GET"])]


def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(_START.encode()).digest()).decode()
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'sha256-{digest}' {' '.join(_SCRIPTS)}",
            f"style-src 'unsafe-inline' {_STYLE}",  # GraphiQL's editor adds inline styles
            "font-src data:",
            "img-src data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _page(endpoint: str) -> str:
    scripts = "\n".join(
        f'<script crossorigin src="{address}" integrity="{digest}"></script>' for address, digest in _SCRIPTS.items()
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>GraphiQL · Spacekey</title>
<meta name="robots" content="noindex">
<link rel="icon" href="data:,">
<link crossorigin rel="stylesheet" href="{_STYLE}" integrity="{_STYLE_DIGEST}">
<style>body {{ margin: 0 }} #graphiql {{ height: 100vh }}</style>
</head>
<body>
<div id="graphiql" data-endpoint="{endpoint}">Loading…</div>
{scripts}
<script>{_START}</script>
</body>
</html>
"""
