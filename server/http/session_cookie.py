"""The browser's session: a cookie no script can read, sent only to this host and only from its own pages.

``__Host-`` makes browsers insist on Secure, Path=/ and no Domain (RFC 6265bis §4.1.3.2). Chrome, Firefox and Edge take
such a cookie from http://localhost too; everywhere else signing in needs HTTPS.
"""

from __future__ import annotations

import re
from functools import partial

from starlette.requests import HTTPConnection
from starlette.responses import Response

from spacekey.domain.outcome import Absent, CannotTell, Outcome, Reason, Refused, Valid
from spacekey.domain.secret import Secret
from spacekey.resolvers.accounts.sessions import SignedIn, session_outcome
from spacekey.server.context import parts_of

COOKIE = "__Host-spacekey"

PERSON = "spacekey-person"
"""The header in which a page says as whom it acts. Tabs share a cookie, and another one may have signed in since."""

_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


def has_cookie(connection: HTTPConnection) -> bool:
    """Whether a session cookie was sent, good or not."""
    return bool(_values(connection))


def cookie_secret(connection: HTTPConnection) -> Secret | None:
    """The session's secret; None when there is no cookie, two of them, or one of another shape."""
    found = _values(connection)
    return Secret(found[0]) if len(found) == 1 and _SHAPE.fullmatch(found[0]) else None


def _values(connection: HTTPConnection) -> list[str]:
    pairs = (part.partition("=") for value in connection.headers.getlist("cookie") for part in value.split(";"))
    return [text.strip() for name, _, text in pairs if name.strip() == COOKIE]


async def member_of_session(connection: HTTPConnection) -> Outcome:
    """The fallback of TokenMiddleware: who the cookie stands for.

    A session that has ended counts as no credentials: browsers send cookies by themselves, and a stale one must not
    keep its owner from signing in again. A page that acts as another person than the cookie's is refused. An address
    that sends too many made-up cookies is told to wait.

    :raises Unavailable: the store does not answer.
    """
    secret = cookie_secret(connection)
    if secret is None:
        return Absent()
    parts = parts_of(connection)
    outcome = await parts.sessions.outcome(connection.scope, secret, partial(session_outcome, parts.system))
    if isinstance(outcome, CannotTell):
        return outcome
    if not isinstance(outcome, Valid):
        return Absent()
    return outcome if acts_as(connection, outcome.principal.id) else Refused(Reason.UNKNOWN)


def acts_as(connection: HTTPConnection, person_id: str) -> bool:
    """Return whether the page that sent this acts as this person; one that does not say is not held to it."""
    said = connection.headers.getlist(PERSON)
    return all(one == person_id for one in said)


class CookieSession:
    """The session of one request as GraphQL's fields see it: they open and close it, and never see the cookie."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._secret = cookie_secret(connection)
        self._system = parts_of(connection).system
        self._answer: str | None = None

    @property
    def secret(self) -> Secret | None:
        """The session secret the request came with."""
        return self._secret

    def open(self, signed_in: SignedIn) -> None:
        """Answer with a new session."""
        seconds = int((signed_in.expires_at - self._system.clock()).total_seconds())
        self._answer = _set_cookie(signed_in.secret.reveal(), max(seconds, 0))

    def close(self) -> None:
        """Answer that the session has ended."""
        self._answer = _set_cookie("", 0)

    def answer(self, response: Response) -> None:
        """Put what was decided on the response."""
        if self._answer is not None:
            response.headers.append("Set-Cookie", self._answer)


def _set_cookie(value: str, seconds: int) -> str:
    return f"{COOKIE}={value}; Max-Age={seconds}; Path=/; Secure; HttpOnly; SameSite=Strict"
