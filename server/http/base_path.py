"""The base path: the path below which browsers reach this app, and everything that depends on it.

An app is mounted in another one (``Mount("/keys", app)``), or stands behind a proxy that keeps a path or takes it away
(``SPACEKEY_PUBLIC_URL``). Either way its base path is each request's ``root_path`` (ASGI specification, HTTP connection
scope), and ``path`` begins with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, unquote

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from spacekey.domain.errors import ConfigurationError


class BasePath:
    """Outermost middleware: makes every connection's ``root_path`` the base path, and its ``path`` begin with that.

    A proxy may keep the base path or take it away; probes that do not come through it leave it out. A server may also
    say in ``root_path`` what a proxy has taken away from ``path``.

    :param public: the base path in the server's public URL, percent-encoded; empty to take it from ``root_path`` alone.
    """

    def __init__(self, app: ASGIApp, public: str = "") -> None:
        self.app = app
        self._public = unquote(public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (self._public or scope.get("root_path")) and scope["type"] in ("http", "websocket"):
            self._place(scope)
        await self.app(scope, receive, send)

    def _place(self, scope: Scope) -> None:
        """Change the scope itself, as Starlette's ``Mount`` does: the server that made it writes into it later."""
        root = scope.get("root_path", "").rstrip("/")
        # What Mount has added to root_path, which path has even if a server or FastAPI(root_path=) left out the rest.
        mounted = root.removeprefix(scope.get("app_root_path", root))
        rest = _below(scope["path"], root, mounted)
        if self._public:
            rest = rest if root else _below(rest, self._public)
            root = self._public
        path = root + (rest or "/")
        if path != scope["path"]:
            scope["path"], scope["raw_path"] = path, quote(path).encode()
        scope["root_path"] = root


def _below(path: str, *roots: str) -> str:
    """Return the part of a path below the first of these that it begins with; the path if there is none."""
    for root in roots:
        if path == root or path.startswith(f"{root}/"):
            return path[len(root) :]
    return path


def base_path(scope: Scope) -> str:
    """Return the base path as it is written in URLs, such as ``/a/b%20c``; empty if the app has the whole host."""
    root: str = scope.get("root_path", "")
    return quote(root) if root else ""


def route_path(scope: Scope) -> str:
    """Return the path of a request below the base path, which is what routes are compared with."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def check_base_path(public: str, routes: Iterable[BaseRoute]) -> None:
    """Check that no request below a base path could be one of the same address without it.

    :param public: the base path in the server's public URL, percent-encoded.
    :raises ConfigurationError: an address of the server's own begins with it.
    """
    segments = unquote(public).split("/")[1:]
    for route in routes:
        template = getattr(route, "path", "")
        if segments and _may_begin_with(template.split("/")[1:], segments):
            raise ConfigurationError(
                f"SPACEKEY_PUBLIC_URL: the server has addresses of its own that begin with '{unquote(public)}' "
                f"({template}); choose another path, such as /keys"
            )


def _may_begin_with(template: list[str], segments: list[str]) -> bool:
    open_ended = bool(template) and template[-1].endswith(":path}")
    if len(segments) > len(template) and not open_ended:
        return False
    return all(ours.startswith("{") or ours == theirs for ours, theirs in zip(template, segments, strict=False))
