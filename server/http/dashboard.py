"""Routes of the dashboard: one page for all its addresses, and its files, under a strict Content-Security-Policy.

The JavaScript modules are joined into three scripts: ``early.js`` runs before the page is painted and asks for what it
will show, ``app.js`` holds what a first visit needs, and ``later.js`` the pages that it seldom needs. Each file has a
Subresource Integrity digest, and an address with its digest, so that browsers may keep it forever."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from spacekey.domain.product import Product
from spacekey.middleware.routing.endpoints import public
from spacekey.server.context import parts_of

from .base_path import base_path
from .scripts import Script, joined_modules, module_variable

PAGES = (
    "/",
    "/account",
    "/account/{rest:path}",
    "/invitation",
    "/password",
    "/workspace/{rest:path}",
    "/space/{rest:path}",
    "/token/{rest:path}",
)

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",  # only scripts send forms, so a password is never part of an address
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_ASSET_POLICY = "default-src 'none'; sandbox"
"""Of a file that is opened by itself, such as a logo: it runs nothing."""
_FOR_EVER = "public, max-age=31536000, immutable"
_MAP_HEADERS = {"Content-Security-Policy": _ASSET_POLICY, "Cache-Control": "no-cache"}
_PAGE_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
ENTRY = "app.js"
EARLY = "early.js"
"""Runs before the page is painted."""
LATER = "later.js"
"""Runs when it is first needed."""
STYLES = ("tokens.css", "base.css", "controls.css", "layout.css", "table.css", "dialog.css", "pieces.css")
ASSETS = "/assets/"
JAVASCRIPT = "text/javascript; charset=utf-8"
_LATER_MODULE = module_variable(LATER)
PASSWORDS = '{"passwords": true}'
MAP = ".map"
BASE = "{base}"
"""Stands for the base path in the page's source."""


def dashboard_routes(
    folder: Path | None = None, *, graphiql: bool = False, sign_in: str = PASSWORDS
) -> list[BaseRoute]:
    """Return the routes. The files are read and compressed now.

    :param folder: the dashboard's folder; None for the packaged one.
    :param graphiql: whether the page links to GraphiQL.
    :param sign_in: how people sign in, as JSON for the page.
    :raises ConfigurationError: the modules cannot be joined.
    """
    files = dashboard_files(folder if folder is not None else packaged_dashboard(), graphiql, sign_in)

    @lru_cache(maxsize=16)
    def page_below(base: str, product: str | None) -> File:
        return page_file(files.html, base, product)

    @public
    async def page(request: Request) -> Response:
        product = only_product(parts_of(request).system.products)
        return answer_file(request, page_below(base_path(request.scope), product), _PAGE_HEADERS)

    @public
    async def asset(request: Request) -> Response:
        name = request.path_params["name"]
        headers = {"Cache-Control": _FOR_EVER, "Content-Security-Policy": _ASSET_POLICY}
        if name in files.scripts:
            headers["SourceMap"] = f"{name}{MAP}"
        elif name.removesuffix(MAP) in files.scripts:
            return answer_file(request, source_map_file(files.scripts[name.removesuffix(MAP)]), _MAP_HEADERS)
        file = files.assets.get(name) or logo_file(parts_of(request).system.products, name)
        if file is None:
            raise HTTPException(404)
        return answer_file(request, file, headers)

    pages: list[BaseRoute] = [Route(path, page, methods=["GET"]) for path in PAGES]
    return [*pages, Route("/assets/{name}", asset, methods=["GET"])]


def answer_file(request: Request, file: File, headers: dict[str, str]) -> Response:
    """Return the answer with a file, compressed if the client accepts that."""
    tag = f'"{file.integrity}"'
    headers = {**headers, "ETag": tag, "Vary": "Accept-Encoding"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if not takes_gzip(request):
        return Response(file.plain, headers=headers, media_type=file.media_type)
    return Response(file.compressed, headers={**headers, "Content-Encoding": "gzip"}, media_type=file.media_type)


def takes_gzip(request: Request) -> bool:
    """Return whether the client accepts gzip (RFC 9110 §12.5.3); a weight of 0 refuses it."""
    for part in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


@dataclass(frozen=True, slots=True)
class File:
    """File of the dashboard: its content plain and compressed, and its Subresource Integrity digest.

    ``path`` is the one below the base path.
    """

    path: str
    media_type: str
    plain: bytes
    compressed: bytes
    integrity: str

    @property
    def name(self) -> str:
        """Return the last part of the path."""
        return self.path.removeprefix(ASSETS)


@dataclass(frozen=True, slots=True)
class DashboardFiles:
    """The dashboard's page, in which addresses begin with :data:`BASE`, and the files that it loads, by name."""

    html: str
    assets: dict[str, File]
    scripts: dict[str, Script]


def packaged_dashboard() -> Path:
    """Return the folder of the dashboard that comes with Spacekey."""
    return Path(__file__).resolve().parents[2] / "dashboard"


@lru_cache(maxsize=4)
def dashboard_files(folder: Path, graphiql: bool = False, sign_in: str = PASSWORDS) -> DashboardFiles:
    """Read the dashboard, once in a process, as the files of a package do not change while it runs.

    :param graphiql: whether the page links to GraphiQL.
    :param sign_in: how people sign in, as JSON for the page.
    :raises ConfigurationError: the modules cannot be joined.
    """
    styles = "".join((folder / "style" / name).read_text(encoding="utf-8") for name in STYLES)
    early = joined_modules(folder, EARLY)
    app = joined_modules(folder, ENTRY, early.modules)
    later = joined_modules(folder, LATER, (*early.modules, *app.modules))
    named = {
        EARLY: compressed_file("early", "js", JAVASCRIPT, early.text),
        ENTRY: compressed_file("app", "js", JAVASCRIPT, app.text),
        LATER: compressed_file("later", "js", JAVASCRIPT, f"{later.text}export const {{ PAGES }} = {_LATER_MODULE};\n"),
        "app.css": compressed_file("app", "css", "text/css; charset=utf-8", styles),
        "icon.svg": compressed_file("icon", "svg", "image/svg+xml", (folder / "icon.svg").read_text(encoding="utf-8")),
    }
    html = (folder / "index.html").read_text(encoding="utf-8")
    for name, file in named.items():
        html = html.replace(f'"{BASE}/{name}"', f'"{BASE}{file.path}"').replace(f"integrity-of-{name}", file.integrity)
    html = html.replace("</head>", f'<meta name="sign-in" content="{escape(sign_in)}">\n</head>')
    if graphiql:
        html = html.replace("</head>", '<meta name="graphiql" content="enabled">\n</head>')
    scripts = {named[name].name: script for name, script in ((EARLY, early), (ENTRY, app), (LATER, later))}
    return DashboardFiles(html=html, assets={file.name: file for file in named.values()}, scripts=scripts)


@lru_cache(maxsize=8)
def source_map_file(script: Script) -> File:
    """Return the source map of a script. Only tools ask for it, so it is made when it is asked for."""
    return compressed_file("map", "json", "application/json", script.source_map())


def style_path() -> str:
    """Return the path of the dashboard's stylesheet, below the base path."""
    return next(one.path for one in dashboard_files(packaged_dashboard()).assets.values() if one.path.endswith(".css"))


def page_file(html: str, base: str, product: str | None = None) -> File:
    """Return the page of an app.

    :param base: the base path, which is percent-encoded and so has no character of HTML's.
    :param product: the product that the whole server is for, as JSON.
    """
    if product is not None:
        html = html.replace("</head>", f'<meta name="product" content="{escape(product)}">\n</head>')
    return compressed_file("index", "html", "text/html; charset=utf-8", html.replace(BASE, base))


def only_product(products: Mapping[str, Product]) -> str | None:
    """Return the product of a server that has one, with its presentation as in GraphQL, as JSON; else None.

    Its pages that belong to no workspace, such as the one to sign in, look and speak as the product does.
    """
    if len(products) != 1:
        return None
    (product,) = products.values()
    shown = product.presentation
    accent = shown.accent
    return json.dumps(
        {
            "title": product.title,
            "presentation": {
                "token": shown.token,
                "tokens": shown.tokens,
                "logo": None if shown.logo is None else f"{ASSETS}{shown.logo.name}",
                "accent": None if accent is None else {"light": accent.light, "dark": accent.dark},
                "texts": [{"name": name, "text": text} for name, text in shown.texts.items()],
            },
        },
        ensure_ascii=False,
    )


def logo_file(products: Mapping[str, Product], name: str) -> File | None:
    """Return the logo of one of the products by the name of its file."""
    for product in products.values():
        logo = product.presentation.logo
        if logo is not None and logo.name == name:
            compressed = gzip.compress(logo.content, 9, mtime=0)
            return File(f"{ASSETS}{name}", logo.media_type, logo.content, compressed, logo.digest)
    return None


def compressed_file(stem: str, extension: str, media_type: str, text: str) -> File:
    """Return a file with this text, at a path that has its digest."""
    plain = text.encode("utf-8")
    digest = hashlib.sha384(plain).digest()
    return File(
        path=f"{ASSETS}{stem}.{digest.hex()[:16]}.{extension}",
        media_type=media_type,
        plain=plain,
        compressed=gzip.compress(plain, 9, mtime=0),
        integrity=f"sha384-{base64.b64encode(digest).decode()}",
    )
