"""Origins of web pages (RFC 6454): the one form in which they are configured, stored and compared."""

from __future__ import annotations

import re
from collections.abc import Collection

ANY_ORIGIN = "*"
ORIGIN_LENGTH_MAX = 300
_PORT_MAX = 65_535
_ORIGIN = re.compile(
    r"(https?)://((?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?|\[[0-9a-f:.]+\])"
    r"(?::([1-9][0-9]{0,4}))?",
    re.ASCII,
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_EXAMPLE = "https://app.example.com"


def serialized_origin(text: str) -> str:
    """Return an origin as browsers write it in the header ``Origin``: in lower case, without a default port.

    :raises ValueError: for anything but a scheme (http or https), a host and perhaps a port; says what to write.
    """
    lowered = text.lower()
    if lowered == "null":
        raise ValueError("'null' stands for pages without an origin, such as sandboxed frames; name an origin.")
    if not lowered.isascii():
        raise ValueError("Write the host as browsers send it, in ASCII, such as https://xn--bcher-kva.example.")
    if "*" in lowered:
        raise ValueError("Wildcards are not possible here; name each origin.")
    found = _ORIGIN.fullmatch(lowered) if len(lowered) <= ORIGIN_LENGTH_MAX else None
    if found is None or int(found[3] or 1) > _PORT_MAX:
        raise ValueError(f"Write the scheme, the host and perhaps a port alone, such as {_EXAMPLE}.")
    scheme, host, port = found.groups()
    return f"{scheme}://{host}" if port in (None, _DEFAULT_PORTS[scheme]) else f"{scheme}://{host}:{port}"


def is_listed(origin: str, origins: Collection[str]) -> bool:
    """Return whether an ``Origin`` header names one of these origins, or any origin is among them.

    It is compared exactly: browsers send no other spelling.
    """
    if ANY_ORIGIN not in origins:
        return origin in origins
    try:
        return serialized_origin(origin) == origin
    except ValueError:
        return False
