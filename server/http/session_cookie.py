"""Session cookie of the dashboard: hidden from scripts, sent only to this host and only from its own pages.

``__Host-`` makes browsers insist on Secure, Path=/ and no Domain (RFC 6265bis §4.1.3.2). Chrome, Firefox and Edge take
such a cookie from http://localhost too; everywhere else signing in needs HTTPS. As such a cookie has no path of its
own, the base path is part of its name: apps below several paths of one host each read only their own.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256

from starlette.requests import HTTPConnection
from starlette.responses import Response

from spacekey.domain.secret import Secret
from spacekey.resolvers.accounts.sessions import SignedIn
from spacekey.server.context import parts_of

from .base_path import base_path

COOKIE = "__Host-spacekey"
"""Name of the cookie of an app that has the whole host."""

PERSON = "spacekey-person"
"""Header with the account that a page acts as. Tabs share the cookie, and another tab may have signed in since."""

_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


@lru_cache(maxsize=64)
def cookie_name(base: str) -> str:
    """Return the name of the session cookie of an app with this base path.

    The path itself may have characters that no name has (RFC 6265 §4.1.1), so its digest stands for it.
    """
    return f"{COOKIE}-{sha256(base.encode()).hexdigest()[:16]}" if base else COOKIE


def has_cookie(connection: HTTPConnection) -> bool:
    """Return whether a session cookie was sent, valid or not."""
    return bool(cookie_values(connection))


def cookie_secret(connection: HTTPConnection) -> Secret | None:
    """Return the session's secret; None if there is no cookie, more than one, or one in another format."""
    found = cookie_values(connection)
    return Secret(found[0]) if len(found) == 1 and _SHAPE.fullmatch(found[0]) else None


def cookie_values(connection: HTTPConnection, suffix: str = "") -> list[str]:
    """Return all values of the session cookie as they were sent, or of the app's other cookie with this suffix."""
    wanted = cookie_name(base_path(connection.scope)) + suffix
    pairs = (part.partition("=") for value in connection.headers.getlist("cookie") for part in value.split(";"))
    return [text.strip() for name, _, text in pairs if name.strip() == wanted]


def acts_as(connection: HTTPConnection, person_id: str) -> bool:
    """Return whether the page acts as this account, or does not tell which one it acts as."""
    said = connection.headers.getlist(PERSON)
    return all(one == person_id for one in said)


class CookieSession:
    """Session of one request for GraphQL's fields, which start and end it without access to the cookie."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._secret = cookie_secret(connection)
        self._name = cookie_name(base_path(connection.scope))
        self._parts = parts_of(connection)
        self._answer: str | None = None

    @property
    def secret(self) -> Secret | None:
        """Secret of the session that the request was sent with; None without one."""
        return self._secret

    def open(self, signed_in: SignedIn) -> None:
        """Start a new session with the response."""
        seconds = int((signed_in.expires_at - self._parts.system.clock()).total_seconds())
        self._answer = _set_cookie(self._name, signed_in.secret.reveal(), max(seconds, 0))

    def close(self) -> None:
        """End the session with the response."""
        self._answer = _set_cookie(self._name, "", 0)

    async def page_after(self, issuer: str | None) -> str | None:
        """Return the page on which the person signs out of where they came from too, or None.

        :param issuer: the identity provider that the session was opened through; None for a password.
        """
        identity, public = self._parts.identity, self._parts.settings.public
        comes_from = None if identity.issuer is None else identity.issuer.name
        if not identity.with_each_request and (issuer is None or issuer != comes_from):
            return None
        return await identity.sign_out(None if public is None else public.url("/"))

    def answer(self, response: Response) -> None:
        """Set or delete the cookie on the response."""
        if self._answer is not None:
            response.headers.append("Set-Cookie", self._answer)


def _set_cookie(name: str, value: str, seconds: int) -> str:
    return f"{name}={value}; Max-Age={seconds}; Path=/; Secure; HttpOnly; SameSite=Strict"
