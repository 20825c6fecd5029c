"""The person that a trusted proxy names in a header, as oauth2-proxy, Authelia or an ingress with sign-in does."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Sequence
from ipaddress import ip_address, ip_network

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.network import client_address
from spacekey.resolvers.accounts.outside import Person

from .protocol import Identity, checked_issuer

TCP_PEER = "spacekey.tcp_peer"
"""Key in a connection's scope of the address at the other end of the TCP connection; empty if it is not known."""

_HEADER = re.compile(r"[A-Za-z0-9-]+", re.ASCII)

log = logging.getLogger("spacekey.identity")


class TcpPeer:
    """Middleware that keeps the TCP peer's address. It stands before what rewrites it from ``X-Forwarded-For``."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            client = scope.get("client")
            scope[TCP_PEER] = client_address(client[0]) if client else ""
        await self.app(scope, receive, send)


class TrustedHeader(Identity):
    """People whom a proxy in front of the server has authenticated, and names in a header of each request.

    The header counts only in requests whose TCP connection comes from the proxy; ``X-Forwarded-For`` does not matter.
    From anyone else it is ignored. The proxy must remove the header from what clients send. Run the server with
    ``spacekey serve``, or with a server that leaves ``scope["client"]`` alone.

    :param header: the header with the person's id.
    :param proxies: addresses or networks of the proxy.
    :param name_header: the header with the person's name, if there is one.
    :param email_header: the header with the person's e-mail address, if there is one.
    :param domains: the domains whose addresses the proxy proves.
    :param issuer: the name under which the proxy's people are kept. Never change it.
    :raises ConfigurationError: if an argument cannot be used.
    """

    def __init__(
        self,
        header: str,
        proxies: Sequence[str],
        *,
        name_header: str | None = None,
        email_header: str | None = None,
        domains: Collection[str] = (),
        issuer: str = "proxy",
    ) -> None:
        if not proxies or isinstance(proxies, str):
            raise ConfigurationError("proxies: write the addresses or networks from which the proxy connects")
        try:
            self._proxies = [ip_network(one) for one in proxies]
        except ValueError as error:
            raise ConfigurationError(f"proxies: {error}; write networks such as 10.0.0.0/8") from None
        if any(one.prefixlen == 0 for one in self._proxies):
            raise ConfigurationError("proxies: every address would be trusted to name anyone; write the proxy's own")
        self._header = _checked_header("header", header)
        self._name_header = None if name_header is None else _checked_header("name_header", name_header)
        self._email_header = None if email_header is None else _checked_header("email_header", email_header)
        self.issuer = checked_issuer(issuer, domains)

    async def person(self, connection: HTTPConnection) -> Person | None:
        """Return the person whom the proxy names; None if it names none, or the request does not come from it."""
        subject = self._value(connection, self._header) if self._is_proxy(connection) else None
        if not subject:
            return None
        return Person(
            subject=subject,
            name=self._value(connection, self._name_header) or "",
            email=self._value(connection, self._email_header),
            email_verified=True,
        )

    def _is_proxy(self, connection: HTTPConnection) -> bool:
        peer = connection.scope.get(TCP_PEER, "")
        return bool(peer) and any(ip_address(peer) in one for one in self._proxies)

    def _value(self, connection: HTTPConnection, name: str | None) -> str | None:
        """Return the one value of a header; None without one, or with several, of which one may be the client's."""
        values = [] if name is None else connection.headers.getlist(name)
        if len(values) > 1:
            log.error("the proxy sent %s %d times; it must remove the one that clients send", name, len(values))
        if len(values) != 1:
            return None
        try:
            return values[0].encode("latin-1").decode().strip()
        except UnicodeDecodeError:
            return values[0].strip()


def _checked_header(name: str, header: str) -> str:
    # A name with an underscore can stand for one with a hyphen in some proxies, which then do not remove it.
    if not _HEADER.fullmatch(header):
        raise ConfigurationError(f"{name}={header!r}: write the name of a header, such as X-Forwarded-User")
    if header.lower() in ("authorization", "cookie", "host", "origin", "referer", "user-agent"):
        raise ConfigurationError(
            f"{name}={header!r}: browsers set this header themselves; choose one of the proxy's own"
        )
    return header.lower()
