"""The dashboard's files as they go out: joined, named by their hash, compressed once."""

from __future__ import annotations

import base64
import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

from .dashboard_modules import joined_modules

ENTRY = "app.js"
STYLES = ("tokens.css", "base.css", "controls.css", "layout.css", "table.css", "dialog.css", "pieces.css")
ASSETS = "/assets/"


@dataclass(frozen=True, slots=True)
class File:
    """One file: its address, what it holds plain and compressed, and its Subresource Integrity digest."""

    path: str
    media_type: str
    plain: bytes
    compressed: bytes
    integrity: str


@dataclass(frozen=True, slots=True)
class DashboardFiles:
    """The page every address of the dashboard answers with, and the files it loads, by name."""

    page: File
    assets: dict[str, File]


def packaged_dashboard() -> Path:
    """The folder of the dashboard that comes with Spacekey."""
    return Path(__file__).resolve().parents[1] / "dashboard"


def dashboard_files(folder: Path, graphiql: str | None = None) -> DashboardFiles:
    """Read the dashboard.

    :param graphiql: where GraphiQL is, told to the page.
    :raises ConfigurationError: its modules cannot be joined.
    """
    styles = "".join((folder / "style" / name).read_text(encoding="utf-8") for name in STYLES)
    script = _file("app", "js", "text/javascript; charset=utf-8", joined_modules(folder, ENTRY))
    style = _file("app", "css", "text/css; charset=utf-8", styles)
    icon = _file("icon", "svg", "image/svg+xml", (folder / "icon.svg").read_text(encoding="utf-8"))
    html = (folder / "index.html").read_text(encoding="utf-8")
    for file, name in ((script, "app.js"), (style, "app.css"), (icon, "icon.svg")):
        html = html.replace(f'"/{name}"', f'"{file.path}"').replace(f"integrity-of-{name}", file.integrity)
    if graphiql is not None:
        html = html.replace("</head>", f'<meta name="graphiql" content="{graphiql}">\n</head>')
    assets = {file.path.removeprefix(ASSETS): file for file in (script, style, icon)}
    return DashboardFiles(page=_file("index", "html", "text/html; charset=utf-8", html), assets=assets)


def _file(stem: str, extension: str, media_type: str, text: str) -> File:
    plain = text.encode("utf-8")
    digest = hashlib.sha384(plain).digest()
    return File(
        path=f"{ASSETS}{stem}.{digest.hex()[:16]}.{extension}",
        media_type=media_type,
        plain=plain,
        compressed=gzip.compress(plain, 9, mtime=0),
        integrity=f"sha384-{base64.b64encode(digest).decode()}",
    )
