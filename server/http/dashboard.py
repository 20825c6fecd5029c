"""The dashboard's addresses: one page for all of them, and the files it loads, under a strict policy."""

from __future__ import annotations

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from spacekey.middleware import public
from spacekey.server.dashboard_files import File, dashboard_files, packaged_dashboard

PAGES = ("/", "/account", "/invitation", "/workspace/{rest:path}", "/space/{rest:path}", "/token/{rest:path}")

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",  # forms are sent by script alone: a password never becomes part of an address
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_FOR_EVER = "public, max-age=31536000, immutable"
_PAGE_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def dashboard_routes(folder: Path | None = None, *, graphiql: str | None = None) -> list[BaseRoute]:
    """The routes, with the files read and compressed now.

    :param folder: another dashboard than the packaged one.
    :param graphiql: where GraphiQL is, for the page to link to it; None when it is nowhere.
    :raises ConfigurationError: its modules cannot be joined.
    """
    files = dashboard_files(folder if folder is not None else packaged_dashboard(), graphiql)

    @public
    async def page(request: Request) -> Response:
        return _answer(request, files.page, _PAGE_HEADERS)

    @public
    async def asset(request: Request) -> Response:
        file = files.assets.get(request.path_params["name"])
        if file is None:
            raise HTTPException(404)
        return _answer(request, file, {"Cache-Control": _FOR_EVER})

    pages: list[BaseRoute] = [Route(path, page, methods=["GET"]) for path in PAGES]
    return [*pages, Route("/assets/{name}", asset, methods=["GET"])]


def _answer(request: Request, file: File, headers: dict[str, str]) -> Response:
    tag = f'"{file.integrity}"'
    headers = {**headers, "ETag": tag, "Vary": "Accept-Encoding"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if not _takes_gzip(request):
        return Response(file.plain, headers=headers, media_type=file.media_type)
    return Response(file.compressed, headers={**headers, "Content-Encoding": "gzip"}, media_type=file.media_type)


def _takes_gzip(request: Request) -> bool:
    """Whether the client takes gzip (RFC 9110 §12.5.3); a weight of 0 refuses it."""
    for part in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
