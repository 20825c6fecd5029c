"""The session of the application that Spacekey is mounted in, so that its users need no second sign-in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from starlette.requests import HTTPConnection

from spacekey.domain.errors import ConfigurationError
from spacekey.resolvers.accounts.outside import Person

from .protocol import Identity, checked_issuer


class HostSession(Identity):
    """The host application's own session, read by a function of the host with each request.

    Spacekey keeps no session of its own beside it: whom the host has signed out is signed out here with the next
    request.

    :param read: an async function from a connection to a :class:`Person`, or to None if its sender is not signed in.
        It sees the request as the host does, with ``connection.session`` and ``connection.scope``. It must not accept a
        credential that a page of another origin could make up; a cookie is fine, as requests that change something must
        come from this origin.
    :param issuer: the name under which the host's people are kept. Never change it.
    :param domains: the domains whose addresses the host has verified where it says ``email_verified``;
        ``"*"`` if it verifies every address that it has.
    :param sign_in_url: the host's own sign-in page, to which the dashboard links.
    :param sign_out_url: the host's own sign-out page, to which "Sign out" leads; without it the dashboard has none.
    :raises ConfigurationError: if an argument cannot be used.
    """

    def __init__(
        self,
        read: Callable[[HTTPConnection], Awaitable[Person | None]],
        *,
        issuer: str = "host",
        domains: Collection[str] = (),
        sign_in_url: str | None = None,
        sign_out_url: str | None = None,
    ) -> None:
        if not callable(read):
            raise ConfigurationError("HostSession needs an async function from a connection to a Person or None")
        self._read = read
        self.issuer = checked_issuer(issuer, domains)
        self.sign_in_url = _checked_url("sign_in_url", sign_in_url)
        self._sign_out_url = _checked_url("sign_out_url", sign_out_url)

    async def person(self, connection: HTTPConnection) -> Person | None:
        """Return the person whom the host's session belongs to.

        :raises ConfigurationError: if the host's function returns something else, or None without being async.
        """
        found = await self._read(connection)
        if found is not None and not isinstance(found, Person):
            raise ConfigurationError(f"the function of HostSession returned a {type(found).__name__}, and no Person")
        return found

    async def sign_out(self, back: str | None) -> str | None:
        """Return the host's own sign-out page."""
        return self._sign_out_url


def _checked_url(name: str, url: str | None) -> str | None:
    if url is None or url.startswith(("https://", "http://")) or (url.startswith("/") and not url.startswith("//")):
        return url
    raise ConfigurationError(f"{name}={url!r}: write a path such as /login, or an https:// address")
