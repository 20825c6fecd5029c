"""What a Redis URL must have. Clients take many that cannot be, and go to this machine or to database 0 instead."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from spacekey.domain.errors import ConfigurationError

_TCP = ("redis", "rediss")
_DATABASE = re.compile("/?|/[0-9]{1,9}")


def check_redis_url(url: str) -> None:
    """Take a URL such as ``redis://:password@host:6379/0``, ``rediss://…`` or ``unix:///path``.

    :raises ConfigurationError: saying what is wrong, and showing nothing of the URL: any part may be a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError("write redis://host:6379/0; what stands for the host or the port is none") from None
    wrong = _wrong(parts, port)
    if wrong is not None:
        raise ConfigurationError(wrong)


def _wrong(parts: SplitResult, port: int | None) -> str | None:
    if parts.scheme not in (*_TCP, "unix"):
        return "write redis://host:6379/0, rediss://… or unix:///path"
    if parts.fragment:
        return "there is a # in it; write %23 for one in a password"
    if parts.scheme == "unix":
        good = not parts.hostname and parts.path.strip("/")
        return None if good else "name the socket's path after three slashes, unix:///path"
    if not parts.hostname:
        return "name the host, redis://host:6379/0; write %2F and %40 for / and @ in a password"
    if port == 0:
        return "the port is a number from 1 to 65535"
    if _DATABASE.fullmatch(parts.path) is None:
        return "after the host comes nothing but the number of a database, such as /0"
    return None
