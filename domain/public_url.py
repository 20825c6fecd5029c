"""The URL by which browsers know a server, with a path or without one, and the URLs of its pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit

from .errors import ConfigurationError

_MALFORMED = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class PublicUrl:
    """URL by which browsers know a server.

    Absolute URLs are made of this and never of a request, whose ``Host`` its sender chooses.

    :param origin: scheme and authority in lower case, such as ``https://example.com``.
    :param base_path: the path below which the server's pages are, percent-encoded and without a slash at its end, such
        as ``/keys``; empty if it has the whole host.
    """

    origin: str
    base_path: str = ""

    def url(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """Return the absolute URL of a page.

        :param path: the page's path below the base path, such as ``/invitation``.
        :param query: parameters by name, not encoded.
        """
        return f"{self.origin}{self.base_path}{path}{f'?{urlencode(query)}' if query else ''}"


def public_url(text: str) -> PublicUrl:
    """Return the URL that a text is.

    :raises ConfigurationError: it is no URL of a server, without saying which setting it is.
    """
    parts = _parts(text)
    base_path = None if parts is None else _base_path(parts.path)
    if parts is None or base_path is None:
        raise ConfigurationError(
            "write the URL that browsers open, such as https://keys.example.com or https://example.com/keys"
        )
    return PublicUrl(f"{parts.scheme}://{parts.netloc}".lower(), base_path)


def _parts(text: str) -> SplitResult | None:
    if any(one.isspace() or not one.isprintable() for one in text):
        return None
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return None
    strange = "@" in parts.netloc or parts.netloc.endswith(":") or "?" in text or "#" in text
    return parts if good and not strange else None


def _base_path(path: str) -> str | None:
    """Return the path as it is written in URLs; None if its segments are not names that every proxy leaves alone."""
    if _MALFORMED.search(path):
        return None
    segments = path.removesuffix("/").split("/")[1:]
    try:
        names = [unquote(one, errors="strict") for one in segments]
    except UnicodeDecodeError:
        return None
    if any(name in ("", ".", "..") or not name.isprintable() or set(name) & {"/", "\\"} for name in names):
        return None
    return "".join(f"/{quote(name)}" for name in names)
